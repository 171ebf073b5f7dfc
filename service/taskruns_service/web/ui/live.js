/**
 * Changes as they happen. A component calls one of the hooks, and its callbacks get what has changed, at most four
 * times a second; while the reader pauses, changes wait. Where no stream can be had, the same callbacks get what polling
 * finds.
 *
 *     useFlowRunEvents(id, { after: data?.sequence, onTaskRuns: merge, onFlowRun: setFlowRun, onReset: refresh });
 *     useOverviewEvents({ now: true, onNow: setNow });
 *
 * Nothing older may take the place of something newer: see `newer`.
 *
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {import("./types").Schemas["FlowRunSummary"]} FlowRun
 * @typedef {import("./types").Schemas["LogLine"]} LogLine
 * @typedef {import("./types").Schemas["NowEvent"]} NowEvent
 */

import { get } from "./api.js";
import { Connection, mode } from "./connection.js";
import { effect, signal, useEffect, useRef } from "./preact.js";
import { addressOf } from "./routes.js";

export { mode };

const DELIVERY_MILLISECONDS = 250;
const PAGE = 1000;
const FAILURES = 20;
const MAX_LINES = 5000;

/** Whether the reader has paused the changes. */
export const paused = signal(false);
/** The number of changes that wait while the reader pauses. */
export const heldChanges = signal(0);

/**
 * Whether the second of two versions of the same run is newer than the first.
 * @param {{ sequence: number } | null | undefined} old
 * @param {{ sequence: number }} next
 */
export function newer(old, next) {
  return !old || next.sequence > old.sequence;
}

/**
 * What arrived and was not delivered yet: of each run the latest.
 * @typedef {{
 *   taskRuns: Map<string, TaskRun>, flowRuns: Map<string, FlowRun>, lines: LogLine[], now: NowEvent | null,
 * }} Batch
 */

/** @returns {Batch} */
function emptyBatch() {
  return { taskRuns: new Map(), flowRuns: new Map(), lines: [], now: null };
}

/** @param {Batch} batch */
function sizeOf(batch) {
  return batch.taskRuns.size + batch.flowRuns.size + batch.lines.length + (batch.now ? 1 : 0);
}

/** Collects what arrives, and delivers it together. */
class Collector {
  #batch = emptyBatch();
  #timer = /** @type {ReturnType<typeof setTimeout> | 0} */ (0);

  /** @param {(batch: Batch) => void} deliver */
  constructor(deliver) {
    this.deliver = deliver;
    this.stopListening = effect(() => {
      if (!paused.value) this.#flush();
    });
  }

  /** @param {readonly TaskRun[]} items */
  addTaskRuns(items) {
    for (const item of items) {
      if (newer(this.#batch.taskRuns.get(item.id), item)) this.#batch.taskRuns.set(item.id, item);
    }
    this.#schedule();
  }

  /** @param {FlowRun} flowRun */
  addFlowRun(flowRun) {
    this.#batch.flowRuns.set(flowRun.id, flowRun);
    this.#schedule();
  }

  /** @param {readonly LogLine[]} lines */
  addLines(lines) {
    this.#batch.lines = [...this.#batch.lines, ...lines].slice(-MAX_LINES);
    this.#schedule();
  }

  /** @param {NowEvent} now */
  setNow(now) {
    this.#batch.now = now;
    this.#schedule();
  }

  #schedule() {
    if (paused.value) heldChanges.value = sizeOf(this.#batch);
    else this.#timer ||= setTimeout(() => this.#flush(), DELIVERY_MILLISECONDS);
  }

  #flush() {
    clearTimeout(this.#timer || undefined);
    this.#timer = 0;
    if (paused.peek()) return;
    heldChanges.value = 0;
    const batch = this.#batch;
    this.#batch = emptyBatch();
    if (sizeOf(batch)) this.deliver(batch);
  }

  close() {
    this.stopListening();
    clearTimeout(this.#timer || undefined);
    heldChanges.value = 0;
  }
}

/** @param {Connection} connection @param {Collector} collector */
function closing(connection, collector) {
  return () => {
    connection.close();
    collector.close();
    mode.value = "idle";
  };
}

/**
 * The changes of a flow run from a sequence on.
 * @param {string} flowRunId
 * @param {{
 *   after: number | null | undefined, taskSlugs?: readonly string[], logs?: boolean,
 *   onTaskRuns?: (items: TaskRun[]) => void, onFlowRun?: (flowRun: FlowRun) => void,
 *   onLogs?: (lines: LogLine[]) => void, onReset: () => void,
 * }} options nothing connects while `after` is not known. `onReset`: load everything again. The others are called with
 *   items in ascending order of their sequence
 */
export function useFlowRunEvents(flowRunId, options) {
  const latest = useRef(options);
  latest.current = options;
  const isReady = options.after !== null && options.after !== undefined;
  const slugs = JSON.stringify(options.taskSlugs ?? []);
  useEffect(() => {
    if (!isReady) return undefined;
    const feed = flowRunFeed(flowRunId, latest);
    const connection = new Connection(feed);
    feed.connection = connection;
    return closing(connection, feed.collector);
  }, [flowRunId, isReady, slugs, options.logs]);
}

/**
 * @param {string} flowRunId
 * @param {{ current: Parameters<typeof useFlowRunEvents>[1] }} latest
 */
function flowRunFeed(flowRunId, latest) {
  const { taskSlugs = [], logs } = latest.current;
  let sequence = latest.current.after ?? 0;
  const collector = new Collector(({ taskRuns, flowRuns, lines }) => {
    const { onTaskRuns, onFlowRun, onLogs } = latest.current;
    if (taskRuns.size) onTaskRuns?.([...taskRuns.values()].sort((a, b) => a.sequence - b.sequence));
    for (const flowRun of flowRuns.values()) onFlowRun?.(flowRun);
    if (lines.length) onLogs?.(lines);
  });
  /** @type {{ [type: string]: (data: any) => void }} */
  const handlers = {
    task_runs: (data) => {
      sequence = Math.max(sequence, data.sequence);
      collector.addTaskRuns(data.items);
    },
    flow_run: (data) => collector.addFlowRun(data),
    logs: (data) => collector.addLines(data.items),
    resync: (data) => {
      sequence = data.sequence;
      latest.current.onReset();
    },
    gone: () => latest.current.onReset(),
  };
  return {
    collector,
    connection: /** @type {Connection | null} */ (null),
    url: (/** @type {string} */ lastEventId) =>
      addressOf("/flow-runs/{flow_run_id}/events", {
        flow_run_id: flowRunId,
        after_sequence: lastEventId ? null : sequence,
        task_slug: taskSlugs,
        logs: logs ? "true" : null,
      }),
    onEvent: (/** @type {import("./sse.js").ServerEvent} */ { type, data }) => handlers[type]?.(JSON.parse(data)),
    onRefused: (/** @type {import("./api.js").ApiError} */ error) => {
      latest.current.onReset();
      sequence = 0;
      return error.status === 410;
    },
    async poll(/** @type {AbortSignal} */ signal) {
      const flowRun = await get("/flow-runs/{flow_run_id}", { flow_run_id: flowRunId }, { signal });
      if (flowRun.sequence === sequence) return;
      if (mode.value === "finished") this.connection?.resume();
      for (;;) {
        const parameters = { flow_run_id: flowRunId, after_sequence: sequence, task_slug: [...taskSlugs] };
        const page = await get(
          "/flow-runs/{flow_run_id}/task-runs", { ...parameters, sort: "sequence", limit: PAGE }, { signal },
        );
        collector.addTaskRuns(page.items);
        sequence = page.items.at(-1)?.sequence ?? sequence;
        if (page.items.length < PAGE) break;
      }
      sequence = Math.max(sequence, flowRun.sequence);
      collector.addFlowRun(flowRun);
    },
  };
}

/**
 * The changes of the flow runs of a list, and of all runs at a glance.
 * @param {{
 *   now?: boolean, flowRunIds?: readonly string[], onNow?: (now: NowEvent) => void,
 *   onFlowRun?: (flowRun: FlowRun) => void,
 * }} options at most 100 ids; nothing connects without `now` and ids
 */
export function useOverviewEvents(options) {
  const latest = useRef(options);
  latest.current = options;
  const ids = JSON.stringify((options.flowRunIds ?? []).slice(0, 100));
  const isWanted = Boolean(options.now) || ids !== "[]";
  useEffect(() => {
    if (!isWanted) return undefined;
    const collector = new Collector(({ flowRuns, now }) => {
      for (const flowRun of flowRuns.values()) latest.current.onFlowRun?.(flowRun);
      if (now) latest.current.onNow?.(now);
    });
    return closing(new Connection(overviewFeed(JSON.parse(ids), Boolean(latest.current.now), collector)), collector);
  }, [ids, isWanted, options.now]);
}

/**
 * @param {string[]} ids
 * @param {boolean} hasNow
 * @param {Collector} collector
 * @returns {import("./connection.js").Feed}
 */
function overviewFeed(ids, hasNow, collector) {
  return {
    url: () => addressOf("/events", { topic: hasNow ? "now" : null, flow_run_id: ids }),
    onEvent: ({ type, data }) => {
      if (type === "flow_run") collector.addFlowRun(JSON.parse(data));
      else if (type === "now") collector.setNow(JSON.parse(data));
    },
    onRefused: () => false,
    async poll(signal) {
      if (hasNow) collector.setNow(await readNow(signal));
      if (!ids.length) return;
      const page = await get("/flow-runs", { flow_run_id: ids, limit: ids.length }, { signal });
      for (const flowRun of page.items) collector.addFlowRun(flowRun);
    },
  };
}

/**
 * All runs at a glance, by the questions that the `now` event answers at once.
 * @param {AbortSignal} [signal]
 * @returns {Promise<NowEvent>}
 */
async function readNow(signal) {
  const options = signal ? { signal } : {};
  const [states, running, failures, newest] = await Promise.all([
    get("/task-runs/aggregate", { group_by: ["state"] }, options),
    get("/flow-runs/aggregate", { state_group: ["running"] }, options),
    get("/task-runs", { state_group: ["failed"], sort: "-end_time", limit: FAILURES }, options),
    get("/flow-runs", { sort: "-created", limit: 1 }, options),
  ]);
  return {
    counts: Object.fromEntries((states.groups ?? []).map(({ key, count }) => [key.state, count])),
    running_flow_runs: running.count,
    failures: failures.items,
    newest_flow_run_created: newest.items[0]?.created ?? null,
  };
}
