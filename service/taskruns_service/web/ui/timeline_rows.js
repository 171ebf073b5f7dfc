/** What a timeline shows where: rows from top to bottom, ticks from left to right, ranks of states. Pure functions. */

import { STATE_TYPES, stateOf } from "./format.js";
import { at, isMapped } from "./timeline_data.js";
import { unfoldTime } from "./timeline_folds.js";

/**
 * @typedef {import("./timeline_data.js").Task} Task
 * @typedef {import("./timeline_folds.js").Fold} Fold
 * @typedef {import("./timeline_lanes.js").Lanes} Lanes
 * @typedef {import("./timeline_pixels.js").Ranks} Ranks
 * @typedef {import("./timeline_pixels.js").View} View
 */
/**
 * Rows of one kind and height, one below the other. Heights are CSS pixels.
 *
 * @typedef {object} Block
 * @property {"task" | "map" | "lanes" | "children"} kind
 * @property {Task} task What the rows are of.
 * @property {Task} drawn What is drawn: the task, or its attempts.
 * @property {Lanes | null} lanes A row for each lane; null for the density of a map.
 * @property {number} top @property {number} height
 * @property {number} rowHeight
 * @property {number} first How many rows of the table are above; the lanes of a map are one.
 */

const HEIGHTS = { task: 28, map: 44, lanes: 6, children: 24 };
/** The least height of the lanes of a map, which have one label. */
const LEAST_LANES = 28;
/** @type {Lanes} */
const ONE_LANE = { count: 1, offset: Uint32Array.of(0, 1), order: Uint32Array.of(0) };

/**
 * @param {readonly Task[]} tasks
 * @param {ReadonlyMap<string, Lanes>} lanes Of the maps that are open.
 * @param {ReadonlyMap<string, "lanes" | "children">} layouts
 * @param {ReadonlyMap<string, Task>} attempts
 * @param {(task: Task) => boolean} isShown
 */
export function makeBlocks(tasks, lanes, layouts, attempts, isShown) {
  /** @type {Block[]} */
  const blocks = [];
  let [top, first] = [0, 0];
  /** @param {Block["kind"]} kind @param {Task} task @param {Task} drawn @param {Lanes | null} own */
  const add = (kind, task, drawn, own) => {
    const rows = own?.count ?? 1;
    const rowHeight = kind === "lanes" ? Math.max(HEIGHTS.lanes, LEAST_LANES / rows) : HEIGHTS[kind];
    const block = { kind, task, drawn, lanes: own, top, height: rows * rowHeight, rowHeight, first };
    blocks.push(block);
    top += block.height;
    first += kind === "lanes" ? 1 : rows;
  };
  for (const task of tasks) {
    if (!isShown(task)) continue;
    const mapped = isMapped(task);
    const tries = mapped ? undefined : attempts.get(task.slug);
    add(mapped ? "map" : "task", task, tries ?? task, mapped ? null : tries ? oneLane(tries.length) : ONE_LANE);
    const [layout, own] = [layouts.get(task.slug), lanes.get(task.slug)];
    if (mapped && layout && own?.count) add(layout, task, task, own);
  }
  return { blocks, height: top, rows: first };
}

/** @param {number} length @returns {Lanes} */
function oneLane(length) {
  return { count: 1, offset: Uint32Array.of(0, length), order: Uint32Array.from({ length }, (_, i) => i) };
}

/** The place of the block at a height, or of the next one. @param {readonly Block[]} blocks @param {number} y */
export function findBlock(blocks, y) {
  let [low, high] = [0, blocks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const block = /** @type {Block} */ (blocks[middle]);
    if (block.top + block.height <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The rows of the table between two heights. @typedef {{block: Block, lane: number, top: number, height: number, index: number}} Row
 *
 * @param {readonly Block[]} blocks @param {number} from @param {number} to @returns {Row[]}
 */
export function rowsBetween(blocks, from, to) {
  /** @type {Row[]} */
  const rows = [];
  for (let k = findBlock(blocks, from); k < blocks.length; k++) {
    const block = /** @type {Block} */ (blocks[k]);
    const { kind, top, height, rowHeight, first } = block;
    if (top >= to) break;
    if (kind !== "children") {
      rows.push({ block, lane: 0, top, height, index: first });
      continue;
    }
    const last = Math.min(Math.ceil((to - top) / rowHeight), block.lanes?.count ?? 0);
    for (let lane = Math.max(Math.floor((from - top) / rowHeight), 0); lane < last; lane++) {
      rows.push({ block, lane, top: top + lane * rowHeight, height: rowHeight, index: first + lane });
    }
  }
  return rows;
}

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((count) => count),
  ...[1, 2, 5, 10, 15, 30].flatMap((count) => [count * SECOND]),
  ...[1, 2, 5, 10, 15, 30].flatMap((count) => [count * MINUTE]),
  ...[1, 2, 3, 6, 12].flatMap((count) => [count * HOUR]),
  ...[1, 2, 7, 14, 30, 90, 365].flatMap((count) => [count * DAY]),
];

/**
 * Times at which the axis has a tick, on the folded axis and in milliseconds since 1970, and how far they are apart.
 *
 * @param {View} view @param {readonly Fold[]} folds @param {number} epoch @param {number} offset Of the zone, in milliseconds.
 * @param {number} room The least room of a label, in pixels.
 * @returns {{step: number, ticks: {x: number, time: number}[]}}
 */
export function makeTicks(view, folds, epoch, offset, room) {
  const span = view.to - view.from;
  const least = (span * room) / view.width;
  const step = STEPS.find((candidate) => candidate >= least) ?? Math.ceil(least / (365 * DAY)) * 365 * DAY;
  /** @type {{x: number, time: number}[]} */
  const ticks = [];
  // Between two folds the axis is even: each stretch has ticks of its own.
  const edges = [view.from, ...folds.map((fold) => fold.at).filter((time) => time > view.from && time < view.to), view.to];
  edges.slice(1).forEach((end, k) => {
    const begin = at(edges, k);
    const shift = unfoldTime(folds, (begin + end) / 2) - (begin + end) / 2;
    const origin = epoch + shift + offset;
    for (let time = Math.ceil((begin + origin) / step) * step; time <= end + origin; time += step) {
      const x = ((time - origin - view.from) * view.width) / span;
      const last = ticks.at(-1);
      if (!last || x - last.x >= room) ticks.push({ x, time: time - offset });
    }
  });
  return { step, ticks };
}

/** The rank of waiting, and of what a filter leaves out; states are above. */
export const [WAITING, QUIET] = [1, 2];
/** All types of states, as the columns refer to them. */
export const STATES = STATE_TYPES;
/** 1 for each type that is an end. */
export const FINISHED = Uint8Array.from(STATES, (type) =>
  ["finished", "successful", "failed"].includes(stateOf(type).group) ? 1 : 0,
);
/** The rank of each state, which kinds share that look alike, and the kind of each rank. */
const { ofState: RANK_OF_STATE, kinds: KINDS } = rankStates();
export { KINDS };

function rankStates() {
  const ofState = new Uint8Array(STATES.length);
  /** @type {(import("./format.js").Kind | null)[]} */
  const kinds = [null, null, null];
  for (let place = STATES.length - 1; place >= 0; place--) {
    const { kind } = stateOf(/** @type {string} */ (STATES[place]));
    if (kinds.at(-1) !== kind) kinds.push(kind);
    ofState[place] = kinds.length - 1;
  }
  return { ofState, kinds };
}

/** 1 for each state that a filter shows; an empty filter shows all. @param {readonly string[]} types */
export function shownStates(types) {
  return Uint8Array.from(STATES, (type) => (!types.length || types.includes(type) ? 1 : 0));
}

/** The ranks under a filter. @param {Uint8Array} shown @returns {Ranks} */
export function makeRanks(shown) {
  const ofState = RANK_OF_STATE.map((rank, place) => (at(shown, place) ? rank : QUIET));
  return { ofState, waiting: WAITING, failed: KINDS.indexOf("blocked"), worst: KINDS.length - 1 };
}

/**
 * The counts of a task by type of state; of a map, those of its children.
 *
 * @param {Task} task
 * @returns {import("./types").Counts}
 */
export function countsOf(task) {
  const counts = new Uint32Array(STATES.length);
  const least = isMapped(task) ? 0 : -1;
  for (let i = 0; i < task.length; i++) {
    if (at(task.mapIndex, i) < least) continue;
    const state = at(task.state, i);
    counts[state] = at(counts, state) + 1;
  }
  task.counts?.state.forEach((state, i) => {
    counts[state] = at(counts, state) + at(/** @type {Uint32Array} */ (task.counts?.count), i);
  });
  // What is counted in bins includes the mapped parent.
  const parent = STATES.indexOf("Mapped");
  if (task.counts && task.taskRunId && at(counts, parent)) counts[parent] = at(counts, parent) - 1;
  return Object.fromEntries(STATES.flatMap((type, place) => (at(counts, place) ? [[type, at(counts, place)]] : [])));
}
