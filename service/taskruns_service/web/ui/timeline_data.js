/**
 * The data of a timeline as typed arrays: read from the columns of the service, merged with changes, packed into lanes.
 *
 * Pure functions, which run in the worker and in tests. Times are milliseconds since the epoch of the timeline. On the
 * way to the picture they are folded: long gaps in which nothing ran are cut out (see `findFolds`).
 */

/** @import {components} from "./api.js" */
/** @typedef {components["schemas"]["Timeline"]} Answer */

/**
 * The task runs of a task, in columns: what a task run has is at the same place in each of them.
 *
 * @typedef {object} Task
 * @property {string} slug
 * @property {string | null} taskRunId The id of the only task run, or of the mapped parent.
 * @property {number} length How many task runs there are.
 * @property {Int32Array} mapIndex
 * @property {Uint8Array} state The place of the type in the list of states.
 * @property {Float64Array} queued The time of the earliest state; NaN without a state.
 * @property {Float64Array} start NaN if it has not started.
 * @property {Float64Array} end Infinity if it has not ended; where it ended without a start, when it began to wait.
 * @property {Uint16Array | null} runCount How often it was Running; null if none of the task was so more than once.
 * @property {Counts | null} counts In place of the task runs, if there are too many.
 */
/** @typedef {{bin: Int32Array, state: Uint8Array, count: Uint32Array}} Counts */
/** @typedef {{first: number, width: number, count: number}} Bins */
/** @typedef {{from: number, to: number, at: number}} Fold A cut from `from` to `to`, which is shown at time `at`. */
/** @typedef {{count: number, offset: Uint32Array, order: Uint32Array}} Lanes Lane i holds order[offset[i]..offset[i+1]]. */

/** The element of an array at a place that is known to exist. @param {ArrayLike<number>} array @param {number} index */
export const at = (array, index) => /** @type {number} */ (array[index]);

const isFinished = (/** @type {Uint8Array} */ finished, /** @type {number} */ state) => at(finished, state) === 1;

/**
 * The typed arrays of an answer.
 *
 * @param {Answer} answer
 * @param {readonly string[]} states All types of states; columns of the result refer to them by place.
 * @param {Uint8Array} finished 1 at the place of each type that is an end.
 * @returns {{tasks: Task[], bins: Bins | null}}
 */
export function readTimeline(answer, states, finished) {
  const places = Uint8Array.from(answer.states, (type) => Math.max(states.indexOf(type), 0));
  const tasks = answer.tasks.map(({ task_slug, task_run_id, spans, counts }) => {
    const task = emptyTask(task_slug, task_run_id, spans?.map_index.length ?? 0);
    if (spans) readSpans(task, spans, places, finished);
    if (counts) {
      const state = Uint8Array.from(counts.state, (place) => at(places, place));
      task.counts = { bin: Int32Array.from(counts.bin), state, count: Uint32Array.from(counts.count) };
    }
    return task;
  });
  const { bins } = answer;
  return { tasks, bins: bins && { first: bins.first_ms, width: bins.width_ms, count: bins.count } };
}

/** @param {string} slug @param {string | null} taskRunId @param {number} length @returns {Task} */
function emptyTask(slug, taskRunId, length) {
  const times = () => new Float64Array(length);
  const [mapIndex, state] = [new Int32Array(length), new Uint8Array(length)];
  const columns = { mapIndex, state, queued: times(), start: times(), end: times(), runCount: null };
  return { slug, taskRunId, length, ...columns, counts: null };
}

/**
 * @param {Task} task
 * @param {components["schemas"]["TimelineSpans"]} spans
 * @param {Uint8Array} places
 * @param {Uint8Array} finished
 */
function readSpans(task, spans, places, finished) {
  const { queued_ms, wait_ms, duration_ms } = spans;
  task.mapIndex.set(spans.map_index);
  if (spans.run_count) task.runCount = Uint16Array.from(spans.run_count);
  for (let i = 0; i < task.length; i++) {
    const [queued, wait, duration] = [queued_ms[i] ?? NaN, wait_ms[i] ?? null, duration_ms[i] ?? null];
    const start = wait === null ? NaN : queued + wait;
    const state = at(places, at(spans.state, i));
    task.state[i] = state;
    task.queued[i] = queued;
    task.start[i] = start;
    task.end[i] = endTime(queued, start, duration, isFinished(finished, state));
  }
}

/**
 * @param {number} queued @param {number} start @param {number | null} duration
 * @param {boolean} finished
 */
function endTime(queued, start, duration, finished) {
  if (duration !== null && start === start) return start + duration;
  return finished ? (start === start ? start : queued) : Infinity;
}

/** When a task run begins to be shown: its start, or its earliest state. @param {Task} task @param {number} i */
export function beginTime(task, i) {
  const start = at(task.start, i);
  return start === start ? start : at(task.queued, i);
}

/** Whether a task has children of a map. @param {Task} task */
export const isMapped = (task) => task.counts !== null || task.length > 1 || (task.mapIndex[0] ?? -1) >= 0;

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

/** A lane for each task run, in the order of the map index. @param {Task} task @returns {Lanes} */
export function childLanes(task) {
  const order = Uint32Array.from({ length: task.length }, (_, i) => i).filter((i) => at(task.mapIndex, i) >= 0);
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

/** @template {Float64Array | Int32Array | Uint8Array | Uint16Array} A @param {A} array @returns {A} */
function grow(array) {
  const larger = /** @type {A} */ (new (/** @type {any} */ (array.constructor))(Math.max(array.length * 2, 16)));
  larger.set(array);
  return larger;
}

/** @typedef {Pick<components["schemas"]["TaskRun"], "id" | "task_slug" | "map_index" | "state" | "sequence" | "start_time"
 *   | "end_time" | "run_count" | "queue_time" | "state_timestamp">} Change A task run as a stream sends it. */

/**
 * The tasks of a timeline while they change. Nothing older replaces what is newer.
 */
export class Model {
  /**
   * @param {Task[]} tasks @param {number} epoch The epoch of the timeline in milliseconds since 1970.
   * @param {readonly string[]} states @param {Uint8Array} finished
   */
  constructor(tasks, epoch, states, finished) {
    this.tasks = tasks;
    this.epoch = epoch;
    this.finished = finished;
    this.places = new Map(states.map((type, place) => [type, place]));
    /** @type {Map<string, {task: Task, rows: Map<number, number>, sequences: Map<number, number>}>} */
    this.bySlug = new Map();
    for (const task of tasks) this.add(task);
  }

  /** @param {Task} task */
  add(task) {
    /** @type {Map<number, number>} */
    const rows = new Map();
    for (let i = 0; i < task.length; i++) rows.set(at(task.mapIndex, i), i);
    const entry = { task, rows, sequences: new Map() };
    this.bySlug.set(task.slug, entry);
    return entry;
  }

  /** Takes a change over; returns whether the picture changes. @param {Change} change */
  apply(change) {
    let entry = this.bySlug.get(change.task_slug);
    if (!entry) {
      const task = emptyTask(change.task_slug, null, 0);
      this.tasks.push(task);
      entry = this.add(task);
    }
    const { task, rows, sequences } = entry;
    if (task.counts || (sequences.get(change.map_index) ?? -1) >= change.sequence) return false;
    sequences.set(change.map_index, change.sequence);
    let i = rows.get(change.map_index);
    if (i === undefined) {
      i = task.length++;
      rows.set(change.map_index, i);
      if (i === task.mapIndex.length) growColumns(task);
      task.mapIndex[i] = change.map_index;
      task.queued[i] = NaN;
    }
    if (change.map_index === -1) task.taskRunId = change.id;
    this.write(task, i, change);
    return true;
  }

  /** @param {Task} task @param {number} i @param {Change} change */
  write(task, i, change) {
    const state = this.places.get(change.state ?? "") ?? 0;
    const start = change.start_time ? Date.parse(change.start_time) - this.epoch : NaN;
    const end = change.end_time ? Date.parse(change.end_time) - this.epoch : NaN;
    // A change has no time of the earliest state, but how long it was before the start.
    const wait = change.queue_time === null ? NaN : start - change.queue_time * 1000;
    const known = [wait, at(task.queued, i), start, Date.parse(change.state_timestamp ?? "") - this.epoch];
    task.state[i] = state;
    task.start[i] = start;
    task.queued[i] = known.find((time) => !Number.isNaN(time)) ?? NaN;
    const duration = Number.isNaN(end) || Number.isNaN(start) ? null : end - start;
    task.end[i] = endTime(at(task.queued, i), start, duration, isFinished(this.finished, state));
    if (task.runCount || change.run_count > 1) {
      task.runCount ??= new Uint16Array(task.mapIndex.length).fill(1);
      task.runCount[i] = change.run_count;
    }
  }
}

/** @param {Task} task */
function growColumns(task) {
  task.mapIndex = grow(task.mapIndex);
  task.state = grow(task.state);
  task.queued = grow(task.queued);
  task.start = grow(task.start);
  task.end = grow(task.end);
  if (task.runCount) task.runCount = grow(task.runCount);
}

/**
 * Cuts of the time axis, where more than half of it would be empty: the gaps in which nothing ran, if they are long.
 *
 * Between two attempts hours may pass, which would squeeze all that ran into a few pixels.
 *
 * @param {Float64Array} starts When something began to run, in any order; it is sorted in place.
 * @param {Float64Array} ends When it ended; sorted in place.
 * @param {number} most How many cuts there may be; the longest gaps are cut.
 * @returns {Fold[]} By time; a gap that is cut keeps a fiftieth of the time in which something ran.
 */
export function findFolds(starts, ends, most = 20) {
  starts.sort();
  ends.sort();
  /** @type {[from: number, to: number][]} */
  const gaps = [];
  // If the k-th end is before the start that follows k starts, everything that had started has ended.
  for (let k = 1; k < starts.length; k++) {
    if (at(starts, k) > at(ends, k - 1)) gaps.push([at(ends, k - 1), at(starts, k)]);
  }
  const length = ([from, to] = [0, 0]) => to - from;
  const idle = gaps.reduce((sum, gap) => sum + length(gap), 0);
  const active = (ends.at(-1) ?? 0) - (starts[0] ?? 0) - idle;
  const long = gaps.filter((gap) => length(gap) > Math.max(active / 4, 1000));
  if (long.reduce((sum, gap) => sum + length(gap), 0) <= active) return [];
  const edge = active / 100;
  const cuts = long.sort((a, b) => length(b) - length(a)).slice(0, most);
  let cut = 0;
  return cuts.sort(([a], [b]) => a - b).map(([from, to]) => {
    const fold = { from: from + edge, to: to - edge, at: from + edge - cut };
    cut += fold.to - fold.from;
    return fold;
  });
}

/** The time on the folded axis. @param {readonly Fold[]} folds @param {number} time */
export function foldTime(folds, time) {
  let cut = 0;
  for (const { from, to, at: place } of folds) {
    if (time <= from) break;
    if (time < to) return place;
    cut += to - from;
  }
  return time - cut;
}

/** The time that a place on the folded axis stands for. @param {readonly Fold[]} folds @param {number} folded */
export function unfoldTime(folds, folded) {
  let cut = 0;
  for (const { from, to, at: place } of folds) {
    if (folded <= place) break;
    cut += to - from;
  }
  return folded + cut;
}

/** The task with folded times. @param {Task} task @param {readonly Fold[]} folds @returns {Task} */
export function foldTask(task, folds) {
  const fold = (/** @type {Float64Array} */ times) => times.subarray(0, task.length).map((time) => foldTime(folds, time));
  const { mapIndex, state, runCount } = task;
  return {
    ...task,
    mapIndex: mapIndex.slice(0, task.length),
    state: state.slice(0, task.length),
    runCount: runCount && runCount.slice(0, task.length),
    ...{ queued: fold(task.queued), start: fold(task.start), end: fold(task.end) },
  };
}
