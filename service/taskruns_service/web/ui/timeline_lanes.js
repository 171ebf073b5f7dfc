/** The lanes of a timeline: which task runs share a row of bars. Pure functions. */

import { at, beginTime, grow, isMapped } from "./timeline_data.js";

/** @import {Task} from "./timeline_data.js" */

/** @typedef {{count: number, offset: Uint32Array, order: Uint32Array}} Lanes Lane i holds order[offset[i]..offset[i+1]]. */

/**
 * Packs the task runs that have started or ended into as few lanes as possible, each in the free lane with the lowest
 * number, so that no two of a lane overlap. What only waits has no lane: 100,000 may wait at once.
 *
 * @param {Task} task
 * @returns {Lanes}
 */
export function packLanes(task) {
  const order = byBeginTime(task);
  const lane = new Uint32Array(order.length);
  const free = new Heap((value) => value);
  const busy = new Heap((number) => at(ends, number));
  let ends = new Float64Array(64);
  let count = 0;
  for (let position = 0; position < order.length; position++) {
    const i = at(order, position);
    const begin = beginTime(task, i);
    while (busy.size && at(ends, busy.top()) <= begin) free.push(busy.pop());
    const number = free.size ? free.pop() : count++;
    if (number === ends.length) ends = grow(ends);
    // A task run of no length still fills a pixel, so the next of the same moment goes elsewhere.
    ends[number] = Math.max(at(task.end, i), begin + 1e-3);
    busy.push(number);
    lane[position] = number;
  }
  return groupByLane(order, lane, count);
}

/**
 * A lane for each child, in the order of the map index.
 *
 * @param {Task} task @param {Uint8Array} shown 1 at the place of each state whose task runs are shown. @returns {Lanes}
 */
export function childLanes(task, shown) {
  const isShown = (/** @type {number} */ i) => at(task.mapIndex, i) >= 0 && at(shown, at(task.state, i)) === 1;
  const order = Uint32Array.from({ length: task.length }, (_, i) => i).filter(isShown);
  order.sort((a, b) => at(task.mapIndex, a) - at(task.mapIndex, b));
  const offset = Uint32Array.from({ length: order.length + 1 }, (_, i) => i);
  return { count: order.length, offset, order };
}

/** @param {Task} task */
function byBeginTime(task) {
  const isSingle = !isMapped(task);
  const begin = Float64Array.from({ length: task.length }, (_, i) => beginTime(task, i));
  const order = new Uint32Array(task.length);
  let length = 0;
  for (let i = 0; i < task.length; i++) {
    const hasRun = at(task.start, i) === at(task.start, i) || at(task.end, i) !== Infinity;
    if (at(begin, i) === at(begin, i) && (isSingle || (hasRun && at(task.mapIndex, i) >= 0))) order[length++] = i;
  }
  return order.subarray(0, length).sort((a, b) => at(begin, a) - at(begin, b) || a - b);
}

/** @param {Uint32Array} order @param {Uint32Array} lane @param {number} count @returns {Lanes} */
function groupByLane(order, lane, count) {
  const offset = new Uint32Array(count + 1);
  for (const number of lane) offset[number + 1] = at(offset, number + 1) + 1;
  for (let i = 0; i < count; i++) offset[i + 1] = at(offset, i + 1) + at(offset, i);
  const next = offset.slice();
  const grouped = new Uint32Array(order.length);
  for (let position = 0; position < order.length; position++) {
    const number = at(lane, position);
    const place = at(next, number);
    grouped[place] = at(order, position);
    next[number] = place + 1;
  }
  return { count, offset, order: grouped };
}

/** A heap of numbers, the one with the least key on top. */
class Heap {
  /** @param {(value: number) => number} key */
  constructor(key) {
    this.key = key;
    /** @type {number[]} */
    this.values = [];
  }

  get size() {
    return this.values.length;
  }

  top() {
    return at(this.values, 0);
  }

  /** @param {number} value */
  push(value) {
    const { values, key } = this;
    let i = values.push(value) - 1;
    for (let parent = (i - 1) >> 1; i > 0 && key(at(values, parent)) > key(value); parent = (i - 1) >> 1) {
      values[i] = at(values, parent);
      i = parent;
    }
    values[i] = value;
  }

  pop() {
    const { values, key } = this;
    const top = at(values, 0);
    const value = /** @type {number} */ (values.pop());
    if (!values.length) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child + 1 < values.length && key(at(values, child + 1)) < key(at(values, child))) child++;
      if (child >= values.length || key(at(values, child)) >= key(value)) break;
      values[i] = at(values, child);
      i = child;
    }
    values[i] = value;
    return top;
  }
}
