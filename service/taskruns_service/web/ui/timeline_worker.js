/** The thread that reads, merges, folds and packs the task runs of a timeline, so that pages stay quick meanwhile. */

import { Model, at, gatherTasks, readTimeline } from "./timeline_data.js";
import { findFolds } from "./timeline_folds.js";
import { childLanes, packLanes } from "./timeline_lanes.js";

/** @import {Bins, Change, Columns, Task} from "./timeline_data.js" */
/** @import {Fold} from "./timeline_folds.js" */
/** @import {Lanes} from "./timeline_lanes.js" */

/** How the task runs of a task are laid out: packed, or one for each child. @typedef {"lanes" | "children"} Layout */
/** @typedef {{state: string, start: number, end: number}} Attempt Times in milliseconds since 1970; Infinity: goes on. */
/**
 * What the page sends.
 *
 * @typedef {{kind: "loading"} | {kind: "load", body: ArrayBuffer, states: readonly string[], finished: Uint8Array}
 *   | {kind: "changes", items: readonly Change[]}
 *   | {kind: "layouts", layouts: ReadonlyMap<string, Layout>, shown: Uint8Array}
 *   | {kind: "attempts", attempts: ReadonlyMap<string, readonly Attempt[]>}} Request
 */
/**
 * What the page receives: everything, whenever something has changed. Times are folded.
 *
 * @typedef {object} Scene
 * @property {number} epoch In milliseconds since 1970.
 * @property {number} sequence
 * @property {Columns} columns
 * @property {ReadonlyMap<string, Lanes>} lanes Of the tasks that are laid out.
 * @property {Columns} attempts Of the task runs whose attempts are known, one task for each.
 * @property {readonly Fold[]} folds
 * @property {Bins | null} bins
 * @property {boolean} truncated
 */

const INTERVAL = 250;
/** A scene takes at most a quarter of the time of a core. */
const IDLE_SHARE = 3;

/** @type {Model | null} */
let model = null;
/** @type {{sequence: number, bins: Bins | null, truncated: boolean}} */
let header = { sequence: 0, bins: null, truncated: false };
/** @type {ReadonlyMap<string, Layout>} */
let layouts = new Map();
let shown = /** @type {Uint8Array} */ (new Uint8Array(256).fill(1));
/** @type {ReadonlyMap<string, readonly Attempt[]>} */
let attempts = new Map();
/** What changed while the task runs are read, of each the latest; null otherwise. @type {Map<string, Change> | null} */
let backlog = new Map();
/** @type {ReturnType<typeof setTimeout> | null} */
let timer = null;
let [lastTime, lastCost] = [-INTERVAL, 0];

addEventListener("message", ({ data }) => {
  const request = /** @type {Request} */ (data);
  if (request.kind === "loading") {
    backlog ??= new Map();
  } else if (request.kind === "load") {
    load(request);
    sendScene();
  } else if (request.kind === "changes") {
    for (const item of request.items) backlog?.set(`${item.map_index} ${item.task_slug}`, item);
    if (model && apply(model, request.items)) sendSoon();
  } else {
    if (request.kind === "layouts") [layouts, shown] = [request.layouts, request.shown];
    else attempts = request.attempts;
    if (model) sendScene();
  }
});

/** @param {Extract<Request, {kind: "load"}>} request */
function load({ body, states, finished }) {
  const answer = JSON.parse(new TextDecoder().decode(body));
  const { tasks, bins } = readTimeline(answer, states, finished);
  model = new Model(tasks, Date.parse(answer.epoch_time), answer.sequence, states, finished);
  header = { sequence: answer.sequence, bins, truncated: answer.truncated };
  apply(model, [...(backlog?.values() ?? [])]);
  backlog = null;
}

/**
 * Merges changes; returns whether any of them changed the picture.
 *
 * @param {Model} current
 * @param {readonly Change[]} items
 */
function apply(current, items) {
  let isChanged = false;
  for (const item of items) {
    header.sequence = Math.max(header.sequence, item.sequence);
    isChanged = current.apply(item) || isChanged;
  }
  return isChanged;
}

function sendSoon() {
  const pause = Math.max(INTERVAL, lastCost * IDLE_SHARE);
  timer ??= setTimeout(sendScene, Math.max(0, lastTime + pause - performance.now()));
}

function sendScene() {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  const begun = performance.now();
  const { epoch, tasks, places } = /** @type {Model} */ (model);
  const tries = [...attempts].map(([slug, items]) => attemptsTask(slug, items, epoch, places));
  const folds = header.bins ? [] : findFolds(...intervals(tasks, tries, Date.now() - epoch));
  const lanes = new Map();
  for (const task of tasks) {
    const layout = layouts.get(task.slug);
    if (layout) lanes.set(task.slug, layout === "lanes" ? packLanes(task) : childLanes(task, shown));
  }
  const [columns, tried] = [gatherTasks(tasks, folds), gatherTasks(tries, folds)];
  /** @type {Scene} */
  const scene = { ...header, epoch, columns, lanes, attempts: tried, folds };
  postMessage(scene, { transfer: buffers([columns, tried, ...lanes.values()]) });
  lastTime = performance.now();
  lastCost = lastTime - begun;
}

/**
 * @param {string} slug
 * @param {readonly Attempt[]} items
 * @param {number} epoch
 * @param {ReadonlyMap<string, number>} places
 * @returns {Task}
 */
function attemptsTask(slug, items, epoch, places) {
  const start = Float64Array.from(items, (item) => item.start - epoch);
  const columns = { mapIndex: new Int32Array(items.length).fill(-1), runCount: null, queued: start, start };
  const [end, state] = [items.map((item) => item.end - epoch), items.map((item) => places.get(endOf(item)) ?? 0)];
  const task = { slug, taskRunId: null, length: items.length, counts: null };
  return { ...task, ...columns, end: Float64Array.from(end), state: Uint8Array.from(state) };
}

/** The state in which an attempt ended: one that is tried again has failed. @param {Attempt} attempt */
const endOf = ({ state }) => (state === "Retrying" ? "Failed" : state);

/**
 * When something ran: attempts where they are known, else from the start to the end.
 *
 * @param {readonly Task[]} tasks @param {readonly Task[]} tries @param {number} now
 * @returns {[starts: Float64Array, ends: Float64Array]}
 */
function intervals(tasks, tries, now) {
  const known = new Set(tries.map((task) => task.slug));
  const all = [...tries, ...tasks.filter((task) => !known.has(task.slug))];
  const total = all.reduce((sum, task) => sum + task.length, 0);
  const [starts, ends] = [new Float64Array(total), new Float64Array(total)];
  let length = 0;
  for (const task of all) {
    for (let i = 0; i < task.length; i++) {
      const start = at(task.start, i);
      if (Number.isNaN(start)) continue;
      starts[length] = start;
      ends[length++] = Math.max(Math.min(at(task.end, i), now), start);
    }
  }
  return [starts.subarray(0, length), ends.subarray(0, length)];
}

/** @param {readonly object[]} holders @returns {Transferable[]} */
function buffers(holders) {
  const arrays = holders.flatMap((holder) => Object.values(holder)).filter(ArrayBuffer.isView);
  return [...new Set(arrays.map((array) => /** @type {ArrayBuffer} */ (array.buffer)))];
}
