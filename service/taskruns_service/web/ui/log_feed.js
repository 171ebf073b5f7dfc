/**
 * The lines of a log as far as they are loaded: pages that are read when they are wanted, and lines that arrive.
 *
 * @typedef {import("./types").Schemas["LogLine"]} LogLine
 * @typedef {{ flowRunId?: string, taskRunId?: string }} LogSource a log of a task run, or that of a flow run with its task runs
 * @typedef {{ level: string | null, text: string, newestFirst: boolean }} LogFilter
 */

import { get } from "./api.js";
import { addressOf } from "./routes.js";

export const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const FIRST_PAGE = 200;
const PAGE = 1000;
/** Lines may arrive as late as that. */
const LATE_MILLISECONDS = 10_000;
const MAX_LIVE_LINES = 100_000;

/**
 * The path of a log and its parameters, as the API takes them.
 * @param {LogSource} source
 * @param {LogFilter} filter
 */
function questionOf({ flowRunId, taskRunId }, { level, text, newestFirst }) {
  const parameters = {
    ...(level ? { level: /** @type {import("./types").Schemas["LogLevel"]} */ (level) } : {}),
    ...(text ? { contains: text } : {}),
    ...(newestFirst ? { sort: "-timestamp" } : {}),
  };
  return { flowRunId, taskRunId, parameters };
}

/** The address of a log in the API. @param {LogSource} source @param {LogFilter} filter */
export function logUrl(source, filter) {
  const { taskRunId, flowRunId, parameters } = questionOf(source, filter);
  return taskRunId
    ? addressOf("/task-runs/{task_run_id}/logs", { task_run_id: taskRunId, ...parameters })
    : addressOf("/flow-runs/{flow_run_id}/logs", { flow_run_id: flowRunId, ...parameters });
}

/**
 * Whether a line that arrives is one that the reader wants to see, as the API would decide it.
 * @param {LogLine} line
 * @param {LogSource} source
 * @param {LogFilter} filter
 */
export function isWanted(line, { taskRunId }, { level, text }) {
  if (taskRunId && line.task_run_id !== taskRunId) return false;
  const rank = LEVELS.indexOf(line.level);
  if (level && rank >= 0 && rank < LEVELS.indexOf(level)) return false;
  return !text || (line.message ?? "").toLowerCase().includes(text.toLowerCase());
}

/**
 * Where a line belongs among others in their order; after those of the same moment.
 * @param {readonly LogLine[]} lines
 * @param {LogLine} line
 * @param {boolean} newestFirst
 */
export function placeOf(lines, line, newestFirst) {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = /** @type {LogLine} */ (lines[middle]).timestamp;
    const isBefore = newestFirst ? other > line.timestamp : other <= line.timestamp;
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class LogFeed {
  /** @type {LogLine[]} In the order of the reader. */
  lines = [];
  /** @type {LogLine[]} Lines that have arrived and wait for the reader to take them. */
  waiting = [];
  /** @type {Error | null} */
  error = null;
  isLoading = false;
  /** @type {string | null | undefined} Where the next page begins; undefined before the first, null after the last. */
  #cursor = undefined;
  #ids = new Set();
  #controller = new AbortController();

  /** @param {LogSource} source @param {LogFilter} filter @param {() => void} onChange */
  constructor(source, filter, onChange) {
    this.source = source;
    this.filter = filter;
    this.onChange = onChange;
  }

  /** Whether all lines are loaded. */
  get isComplete() {
    return this.#cursor === null;
  }

  /** @param {{ [name: string]: unknown }} others */
  #read(others) {
    const { taskRunId, flowRunId, parameters } = questionOf(this.source, this.filter);
    const all = { ...parameters, ...others };
    const options = { signal: this.#controller.signal };
    return taskRunId
      ? get("/task-runs/{task_run_id}/logs", { task_run_id: taskRunId, ...all }, options)
      : get("/flow-runs/{flow_run_id}/logs", { flow_run_id: flowRunId ?? "", ...all }, options);
  }

  /** Reads the next page, unless that is under way or there is none. */
  async loadMore() {
    if (this.isLoading || this.isComplete || this.#controller.signal.aborted) return;
    this.isLoading = true;
    this.error = null;
    this.onChange();
    try {
      const isFirst = this.#cursor === undefined;
      const page = await this.#read({ limit: isFirst ? FIRST_PAGE : PAGE, ...(isFirst ? {} : { cursor: this.#cursor }) });
      this.#cursor = page.next_cursor;
      for (const line of page.items) {
        if (!this.#ids.has(line.id)) this.lines.push(line);
        this.#ids.add(line.id);
      }
    } catch (error) {
      if (this.#controller.signal.aborted) return;
      this.error = /** @type {Error} */ (error);
    }
    this.isLoading = false;
    this.onChange();
  }

  /**
   * Takes lines that have arrived: those of the stream, or of another look.
   * @param {readonly LogLine[]} lines
   * @param {boolean} isFollowing whether they are shown at once even where that moves what the reader looks at
   */
  add(lines, isFollowing) {
    const isNew = (/** @type {LogLine} */ line) => !this.#ids.has(line.id) && isWanted(line, this.source, this.filter);
    const wanted = lines.filter(isNew);
    // The pages that are not loaded yet have the lines that belong behind those that are.
    const inReach = this.filter.newestFirst || this.isComplete ? wanted : [];
    if (!inReach.length) return;
    for (const line of inReach) this.#ids.add(line.id);
    if (this.filter.newestFirst && !isFollowing && this.lines.length) this.waiting.push(...inReach);
    else this.#insert(inReach);
    this.onChange();
  }

  /** Shows the lines that wait. */
  takeWaiting() {
    this.#insert(this.waiting);
    this.waiting = [];
    this.onChange();
  }

  /** @param {readonly LogLine[]} lines */
  #insert(lines) {
    const { newestFirst } = this.filter;
    for (const line of lines) this.lines.splice(placeOf(this.lines, line, newestFirst), 0, line);
    const surplus = this.lines.length - MAX_LIVE_LINES;
    if (surplus > PAGE && newestFirst) this.lines.length -= surplus;
  }

  /** Looks for lines that have arrived since the newest that is loaded. @param {boolean} isFollowing */
  async catchUp(isFollowing) {
    const { newestFirst } = this.filter;
    if (this.isLoading || this.#cursor === undefined || (!newestFirst && !this.isComplete)) return;
    const newest = newestFirst ? this.lines[0] : this.lines.at(-1);
    const after = newest && new Date(Date.parse(newest.timestamp) - LATE_MILLISECONDS).toISOString();
    try {
      /** @type {string | null | undefined} */
      let cursor;
      do {
        const page = await this.#read({ after, limit: PAGE, sort: null, cursor });
        this.add(page.items, isFollowing);
        cursor = page.next_cursor;
      } while (cursor);
    } catch {
      // The next look finds them.
    }
  }

  close() {
    this.#controller.abort();
  }
}
