/**
 * The data of a timeline as typed arrays: read from the columns of the service, merged with changes, handed over.
 *
 * Pure functions, which run in the worker and in tests. Times are milliseconds since the epoch of the timeline; on the
 * way to the picture they are folded.
 */

import { foldTime } from "./timeline_folds.js";

/** @import {Fold} from "./timeline_folds.js" */
/** @import {Schemas} from "./types" */

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
 * @property {Float64Array} end Infinity if it has not ended.
 * @property {Uint16Array | null} runCount How often it was Running; null if none of the task was so more than once.
 * @property {Counts | null} counts In place of the task runs, if there are too many.
 */
/** @typedef {{bin: Int32Array, state: Uint8Array, count: Uint32Array}} Counts */
/** @typedef {{first: number, width: number, count: number}} Bins */

/** The element of an array at a place that is known to exist. @param {ArrayLike<number>} array @param {number} index */
export const at = (array, index) => /** @type {number} */ (array[index]);

const isFinished = (/** @type {Uint8Array} */ finished, /** @type {number} */ state) => at(finished, state) === 1;

/**
 * The typed arrays of an answer.
 *
 * @param {Schemas["Timeline"]} answer
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
 * @param {Schemas["TimelineSpans"]} spans
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
  const begin = start === start ? start : queued;
  return duration !== null ? begin + duration : finished ? begin : Infinity;
}

/**
 * When a task run begins to be shown: its start; its end if it never started, such as one that failed since others did;
 * else its earliest state.
 *
 * @param {Task} task @param {number} i
 */
export function beginTime(task, i) {
  const [start, end] = [at(task.start, i), at(task.end, i)];
  return start === start ? start : Number.isFinite(end) ? end : at(task.queued, i);
}

/** Whether a task has children of a map. @param {Task} task */
export const isMapped = (task) => task.counts !== null || task.length > 1 || (task.mapIndex[0] ?? -1) >= 0;

/** @template {Float64Array | Int32Array | Uint8Array | Uint16Array} A @param {A} array @returns {A} */
export function grow(array) {
  const larger = /** @type {A} */ (new (/** @type {any} */ (array.constructor))(Math.max(array.length * 2, 16)));
  larger.set(array);
  return larger;
}

/** @typedef {Pick<Schemas["TaskRun"], "id" | "task_slug" | "map_index" | "state" | "sequence" | "start_time"
 *   | "end_time" | "run_count" | "queue_time" | "state_timestamp">} Change A task run as a stream sends it. */

/**
 * The tasks of a timeline while they change. Nothing older replaces what is newer.
 */
export class Model {
  /**
   * @param {Task[]} tasks @param {number} epoch The epoch of the timeline in milliseconds since 1970.
   * @param {number} sequence Of the flow run: the tasks are not older.
   * @param {readonly string[]} states @param {Uint8Array} finished
   */
  constructor(tasks, epoch, sequence, states, finished) {
    this.tasks = tasks;
    this.epoch = epoch;
    this.sequence = sequence;
    this.finished = finished;
    this.places = new Map(states.map((type, place) => [type, place]));
    /** @type {Map<string, {task: Task, rows: Map<number, number> | null, sequences: Map<number, number>}>} */
    this.bySlug = new Map();
    for (const task of tasks) this.add(task);
  }

  /** @param {Task} task */
  add(task) {
    // Most tasks never change, so where their task runs are is found when one does.
    const entry = { task, rows: null, sequences: new Map() };
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
    const { task, sequences } = entry;
    if (task.counts || (sequences.get(change.map_index) ?? this.sequence) >= change.sequence) return false;
    sequences.set(change.map_index, change.sequence);
    const rows = (entry.rows ??= placesOf(task));
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
    const duration = end - (Number.isNaN(start) ? at(task.queued, i) : start);
    task.end[i] = endTime(at(task.queued, i), start, Number.isNaN(duration) ? null : duration, isFinished(this.finished, state));
    if (task.runCount || change.run_count > 1) {
      task.runCount ??= new Uint16Array(task.mapIndex.length).fill(1);
      task.runCount[i] = change.run_count;
    }
  }
}

/** Where the task run of each map index is. @param {Task} task */
function placesOf(task) {
  /** @type {Map<number, number>} */
  const places = new Map();
  for (let i = 0; i < task.length; i++) places.set(at(task.mapIndex, i), i);
  return places;
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
 * The columns of all tasks, one after another, in one array each: few arrays are quickly handed to another thread.
 *
 * @typedef {object} Columns
 * @property {Pick<Task, "slug" | "taskRunId" | "counts">[]} tasks
 * @property {Uint32Array} offset Task k has the places offset[k] to offset[k + 1].
 * @property {Int32Array} mapIndex @property {Uint8Array} state
 * @property {Float64Array} queued @property {Float64Array} start @property {Float64Array} end
 * @property {Uint16Array} runCount
 */

/**
 * Copies tasks, and folds their times.
 *
 * @param {readonly Task[]} tasks
 * @param {readonly Fold[]} folds
 * @returns {Columns}
 */
export function gatherTasks(tasks, folds) {
  const offset = new Uint32Array(tasks.length + 1);
  tasks.forEach((task, k) => (offset[k + 1] = at(offset, k) + task.length));
  const total = at(offset, tasks.length);
  const times = () => new Float64Array(total);
  const [mapIndex, state, runCount] = [new Int32Array(total), new Uint8Array(total), new Uint16Array(total).fill(1)];
  const [queued, start, end] = [times(), times(), times()];
  tasks.forEach((task, k) => {
    const first = at(offset, k);
    mapIndex.set(task.mapIndex.subarray(0, task.length), first);
    state.set(task.state.subarray(0, task.length), first);
    if (task.runCount) runCount.set(task.runCount.subarray(0, task.length), first);
    for (let i = 0; i < task.length; i++) {
      queued[first + i] = foldTime(folds, at(task.queued, i));
      start[first + i] = foldTime(folds, at(task.start, i));
      end[first + i] = foldTime(folds, at(task.end, i));
    }
  });
  const labels = tasks.map(({ slug, taskRunId, counts }) => ({ slug, taskRunId, counts }));
  return { tasks: labels, offset, mapIndex, state, queued, start, end, runCount };
}

/** The tasks that were gathered; their arrays are views. @param {Columns} columns @returns {Task[]} */
export function scatterTasks({ tasks, offset, mapIndex, state, queued, start, end, runCount }) {
  return tasks.map((task, k) => {
    const [first, last] = [at(offset, k), at(offset, k + 1)];
    return {
      ...{ ...task, length: last - first, mapIndex: mapIndex.subarray(first, last), state: state.subarray(first, last) },
      ...{ queued: queued.subarray(first, last), start: start.subarray(first, last), end: end.subarray(first, last) },
      runCount: runCount.subarray(first, last),
    };
  });
}
