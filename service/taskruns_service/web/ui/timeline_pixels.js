/**
 * The pictures of many task runs, as pixels: bars in lanes, the density of a map, a grid of its children.
 *
 * Pure functions. Everywhere the worst state of a pixel wins, and a failure is at least 2 pixels wide: whatever the
 * zoom, each failed task run in view has a pixel of the failed color. Drawn in the order of their start, one failure in
 * eight of a large map would vanish below later bars.
 *
 * What a state looks like is its rank: 0 is nothing, higher ranks are worse, and the highest are those of failures.
 */

import { at, beginTime, isMapped } from "./timeline_data.js";

/** @import {Bins, Counts, Task} from "./timeline_data.js" */
/** @import {Lanes} from "./timeline_lanes.js" */

/**
 * A window of time and the columns of pixels that show it. Task runs that have not ended are drawn up to `now`.
 *
 * @typedef {{from: number, to: number, width: number, now: number}} View
 */
/**
 * @typedef {object} Ranks
 * @property {Uint8Array} ofState The rank of a state, by its place.
 * @property {number} waiting The rank of the time before the start.
 * @property {number} failed The lowest rank of failures.
 * @property {number} worst The highest rank of failures, and of all.
 */
/** @typedef {{data: Uint32Array, width: number, height: number}} Pixels A canvas; a pixel is ABGR, 0 is transparent. */

export const FAILURE_PIXELS = 2;

/** The column of a time, within the columns of the view. @param {View} view @param {number} time */
export function columnOf(view, time) {
  const column = Math.floor(((time - view.from) * view.width) / (view.to - view.from));
  return Math.min(Math.max(column, 0), view.width - 1);
}

/** The time at the left edge of a column. @param {View} view @param {number} column */
export const timeOf = (view, column) => view.from + (column * (view.to - view.from)) / view.width;

/**
 * Raises columns to a rank.
 *
 * @param {Uint8Array} best
 * @param {number} first
 * @param {number} last
 * @param {number} rank
 */
function raise(best, first, last, rank) {
  for (let x = first; x <= last; x++) if (at(best, x) < rank) best[x] = rank;
}

/** The first column of a failure, so that it is wide enough. @param {number} first @param {number} last */
function widen(first, last) {
  return Math.max(Math.min(first, last - FAILURE_PIXELS + 1), 0);
}

/**
 * The first place of a lane whose task run ends at or after a time: a lane is sorted, and nothing in it overlaps.
 *
 * @param {Task} task @param {Lanes} lanes @param {number} lane @param {number} time
 */
export function findInLane(task, lanes, lane, time) {
  let [low, high] = [at(lanes.offset, lane), at(lanes.offset, lane + 1)];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(task.end, at(lanes.order, middle)) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Sets the rank of each column of a lane.
 *
 * @param {Uint8Array} best One for each column of the view; it is overwritten.
 * @param {Task} task @param {Lanes} lanes @param {number} lane @param {View} view @param {Ranks} ranks
 */
export function rankLane(best, task, lanes, lane, view, ranks) {
  best.fill(0);
  const until = at(lanes.offset, lane + 1);
  for (let place = findInLane(task, lanes, lane, view.from); place < until; place++) {
    const i = at(lanes.order, place);
    const begin = beginTime(task, i);
    const queued = at(task.queued, i);
    // The next in a lane may have waited all the time, but it waits visibly only while the lane is empty.
    const free = place > at(lanes.offset, lane) ? at(task.end, at(lanes.order, place - 1)) : -Infinity;
    const wait = Math.max(queued, free);
    if (wait < begin && wait <= view.to) raise(best, columnOf(view, wait), columnOf(view, begin), ranks.waiting);
    if (begin > view.to) break;
    const rank = at(ranks.ofState, at(task.state, i));
    const last = columnOf(view, Math.max(Math.min(at(task.end, i), view.now), begin));
    let first = columnOf(view, begin);
    if (rank >= ranks.failed) first = widen(first, last);
    raise(best, first, Math.max(last, rank >= ranks.failed ? first + FAILURE_PIXELS - 1 : last), rank);
  }
}

/**
 * Fills rows of pixels with the colors of ranks.
 *
 * @param {Pixels} pixels @param {Uint8Array} best @param {Uint32Array} colors The color of each rank.
 * @param {number} top @param {number} bottom The rows; those outside of the picture are left out.
 */
export function paintRows(pixels, best, colors, top, bottom) {
  const [first, last] = [Math.max(top, 0), Math.min(bottom, pixels.height)];
  if (first >= last) return;
  const { data, width } = pixels;
  const start = first * width;
  for (let x = 0; x < width; x++) data[start + x] = at(colors, at(best, x));
  for (let y = first + 1; y < last; y++) data.copyWithin(y * width, start, start + width);
}

/**
 * How many children ran at a time, by rank, in each column; which of them failed there; and where some waited.
 *
 * @typedef {object} Density
 * @property {Int32Array} counts Of rank r in column x at r * width + x.
 * @property {Uint8Array} failures The worst rank of the children that failed there.
 * @property {Uint8Array} waiting 1 where a child waited.
 * @property {number} peak The most that ran in a column.
 * @property {number} width
 */

/**
 * Of all children of some tasks, and task runs that are not mapped.
 *
 * @param {readonly Task[]} tasks
 * @param {View} view
 * @param {Ranks} ranks
 * @returns {Density}
 */
export function density(tasks, view, ranks) {
  const { width } = view;
  const steps = new Int32Array((ranks.worst + 1) * (width + 1));
  const [waits, failures] = [new Int32Array(width + 1), new Uint8Array(width)];
  for (const task of tasks) addSteps(task, view, ranks, steps, waits, failures);
  return sumSteps(steps, waits, failures, width, ranks);
}

/**
 * Adds 1 where a task run begins and subtracts it behind its end.
 *
 * @param {Task} task @param {View} view @param {Ranks} ranks
 * @param {Int32Array} steps @param {Int32Array} waits @param {Uint8Array} failures
 */
function addSteps(task, view, ranks, steps, waits, failures) {
  const { width, from, to, now } = view;
  const { mapIndex, queued, start, end, state } = task;
  const [stride, scale] = [width + 1, width / (to - from)];
  const leastIndex = isMapped(task) ? 0 : -1;
  // columnOf() is written out: this runs for each of 100,000 task runs in each frame.
  const column = (/** @type {number} */ time) => (time >= to ? width - 1 : time <= from ? 0 : ((time - from) * scale) | 0);
  for (let i = 0; i < task.length; i++) {
    if (at(mapIndex, i) < leastIndex) continue;
    const wait = at(queued, i);
    const started = at(start, i);
    const ended = at(end, i);
    const hasRun = started === started || ended !== Infinity;
    const begin = started === started ? started : hasRun ? ended : wait;
    const waited = hasRun ? begin : now;
    if (wait < waited && wait <= to && waited >= from) step(waits, 0, column(wait), column(waited));
    const stop = ended > now ? (now > begin ? now : begin) : ended > begin ? ended : begin;
    if (!hasRun || !(begin <= to && stop >= from)) continue;
    const rank = at(ranks.ofState, at(state, i));
    const last = column(stop);
    if (rank < ranks.failed) {
      step(steps, rank * stride, column(begin), last);
      continue;
    }
    const first = widen(column(begin), last);
    step(steps, rank * stride, first, Math.max(last, Math.min(first + FAILURE_PIXELS, width) - 1));
    const mark = widen(last, last);
    if (stop <= to) raise(failures, mark, Math.min(mark + FAILURE_PIXELS, width) - 1, rank);
  }
}

/** @param {Int32Array} steps @param {number} offset @param {number} first @param {number} last */
function step(steps, offset, first, last) {
  steps[offset + first] = at(steps, offset + first) + 1;
  steps[offset + last + 1] = at(steps, offset + last + 1) - 1;
}

/**
 * @param {Int32Array} steps @param {Int32Array} waits @param {Uint8Array} failures @param {number} width
 * @param {Ranks} ranks
 * @returns {Density}
 */
function sumSteps(steps, waits, failures, width, ranks) {
  const counts = new Int32Array((ranks.worst + 1) * width);
  const totals = new Int32Array(width);
  for (let rank = 1; rank <= ranks.worst; rank++) {
    let sum = 0;
    for (let x = 0; x < width; x++) {
      sum += at(steps, rank * (width + 1) + x);
      counts[rank * width + x] = sum;
      totals[x] = at(totals, x) + sum;
    }
  }
  const waiting = new Uint8Array(width);
  let sum = 0;
  for (let x = 0; x < width; x++) {
    sum += at(waits, x);
    waiting[x] = sum > 0 ? 1 : 0;
  }
  return { counts, failures, waiting, peak: totals.reduce((a, b) => Math.max(a, b), 0), width };
}

/**
 * The density of task runs that the service has counted in bins: how many began in the bin of a column.
 *
 * @param {Counts} binned @param {Bins} bins @param {View} view @param {Ranks} ranks @returns {Density}
 */
export function binnedDensity(binned, bins, view, ranks) {
  const { width, from, to } = view;
  const counts = new Int32Array((ranks.worst + 1) * width);
  const failures = new Uint8Array(width);
  const totals = new Int32Array(width);
  for (let i = 0; i < binned.bin.length; i++) {
    const begin = bins.first + at(binned.bin, i) * bins.width;
    if (begin > to || begin + bins.width < from) continue;
    const rank = at(ranks.ofState, at(binned.state, i));
    const first = columnOf(view, begin);
    const last = Math.max(columnOf(view, begin + bins.width) - 1, first);
    for (let x = first; x <= last; x++) {
      counts[rank * width + x] = at(counts, rank * width + x) + at(binned.count, i);
      totals[x] = at(totals, x) + at(binned.count, i);
    }
    if (rank >= ranks.failed) raise(failures, widen(first, last), last, rank);
  }
  const peak = totals.reduce((a, b) => Math.max(a, b), 0);
  return { counts, failures, waiting: new Uint8Array(width), peak, width };
}

/**
 * Paints a density: above, a mark where a child failed; below, a line where some waited; between them, how many ran.
 *
 * @param {Pixels} pixels @param {Density} density @param {Uint32Array} colors @param {Ranks} ranks
 * @param {number} top @param {number} height @param {number} pixel Device pixels of a CSS pixel.
 */
export function paintDensity(pixels, density, colors, ranks, top, height, pixel) {
  const [marks, line] = [Math.round(5 * pixel), Math.max(Math.round(2 * pixel), 1)];
  const room = height - marks - line - Math.round(2 * pixel);
  const base = top + height - line;
  const ceiling = base - room;
  for (let x = 0; x < density.width; x++) {
    const failure = at(density.failures, x);
    if (failure) fillColumn(pixels, x, top, top + marks, at(colors, failure));
    if (at(density.waiting, x)) fillColumn(pixels, x, base, base + line, at(colors, ranks.waiting));
    let y = base;
    for (let rank = 1; rank <= ranks.worst; rank++) {
      const count = at(density.counts, rank * density.width + x);
      if (!count) continue;
      // What is rare must be seen: it is at least a pixel high, and failures, which lie on top, are two.
      const least = rank >= ranks.failed ? FAILURE_PIXELS : 1;
      const high = Math.max(Math.round((count * room) / density.peak), least);
      y = Math.max(y - high, ceiling);
      fillColumn(pixels, x, y, y + high, at(colors, rank));
    }
  }
}

/** @param {Pixels} pixels @param {number} x @param {number} top @param {number} bottom @param {number} color */
function fillColumn(pixels, x, top, bottom, color) {
  const { data, width, height } = pixels;
  const last = Math.min(bottom, height);
  for (let y = Math.max(top, 0); y < last; y++) data[y * width + x] = color;
}

/**
 * The task run of a lane at a column, the worst failure within 2 pixels before any other within 3; -1 if there is none.
 *
 * @param {Task} task @param {Lanes} lanes @param {number} lane @param {View} view @param {number} column
 * @param {Ranks} ranks
 */
export function hitLane(task, lanes, lane, view, column, ranks) {
  const pixel = (view.to - view.from) / view.width;
  const until = at(lanes.offset, lane + 1);
  const time = timeOf(view, column + 0.5);
  let [nearest, distance] = [-1, 3 * pixel];
  let [failure, worst] = [-1, 0];
  for (let place = findInLane(task, lanes, lane, time - 3 * pixel); place < until; place++) {
    const i = at(lanes.order, place);
    const begin = beginTime(task, i);
    if (begin > time + 3 * pixel) break;
    const end = Math.max(Math.min(at(task.end, i), view.now), begin);
    const away = Math.max(begin - time, time - end, 0);
    const rank = at(ranks.ofState, at(task.state, i));
    if (rank >= ranks.failed && rank > worst && away <= FAILURE_PIXELS * pixel) [failure, worst] = [i, rank];
    if (away < distance) [nearest, distance] = [i, away];
  }
  return failure === -1 ? nearest : failure;
}

/**
 * The failed children that ended within some columns of another, the nearest first.
 *
 * @param {Task} task @param {View} view @param {number} column @param {Ranks} ranks @param {number} reach Columns.
 * @returns {number[]}
 */
export function hitFailures(task, view, column, ranks, reach) {
  const pixel = (view.to - view.from) / view.width;
  const time = timeOf(view, column + 0.5);
  /** @type {[distance: number, i: number][]} */
  const hits = [];
  for (let i = 0; i < task.length; i++) {
    if (at(ranks.ofState, at(task.state, i)) < ranks.failed) continue;
    const distance = Math.abs(Math.max(Math.min(at(task.end, i), view.now), beginTime(task, i)) - time);
    if (distance <= reach * pixel) hits.push([distance, i]);
  }
  return hits.sort(([a], [b]) => a - b).map(([, i]) => i);
}
