/** The task runs of a flow run, as a worker reads, merges and packs them for the timeline and for the grid of a map. */

import { get, request } from "./api.js";
import { useCallback, useEffect, useMemo, useRef, useState } from "./preact.js";
import { addressOf } from "./routes.js";
import { scatterTasks } from "./timeline_data.js";
import { FINISHED, STATES } from "./timeline_rows.js";

/**
 * @typedef {import("./timeline_data.js").Task} Task
 * @typedef {import("./timeline_worker.js").Layout} Layout
 * @typedef {import("./timeline_worker.js").Attempt} Attempt
 * @typedef {import("./timeline_worker.js").Request} Request
 * @typedef {Omit<import("./timeline_worker.js").Scene, "columns" | "attempts"> & { tasks: Task[], attempts: Map<string, Task> }} Scene
 *   Times of task runs are folded.
 * @typedef {{ after?: string, before?: string }} Window
 */

const MAX_ATTEMPTS = 20;

/** Scripts of workers need an address that a policy made, and the policy makes only this one. */
const workerAddress = (() => {
  const address = new URL("timeline_worker.js", import.meta.url).href;
  const { trustedTypes } = /** @type {any} */ (window);
  if (!trustedTypes) return address;
  return trustedTypes.createPolicy("taskruns-worker", { createScriptURL: () => address }).createScriptURL("");
})();

/**
 * Reads the task runs of a flow run, or of one of its tasks, and keeps them up to date.
 *
 * @param {string} flowRunId
 * @param {{
 *   taskSlug?: string, layouts?: ReadonlyMap<string, Layout>, shown?: Uint8Array, window?: Window,
 * }} [options] `layouts` are of the maps that are open, `shown` are the states of which their children are shown
 * @returns {{
 *   scene: Scene | null, error: Error | null, reload: () => void,
 *   apply: (items: readonly import("./timeline_data.js").Change[]) => void,
 * }}
 */
export function useScene(flowRunId, { taskSlug, layouts, shown, window: limits } = {}) {
  const [scene, setScene] = useState(/** @type {Scene | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [turn, setTurn] = useState(0);
  const worker = useRef(/** @type {Worker | null} */ (null));
  const post = useCallback((/** @type {Request} */ message, /** @type {Transferable[]} */ transfer = []) => {
    worker.current?.postMessage(message, transfer);
  }, []);
  useEffect(() => {
    const thread = new Worker(workerAddress, { type: "module" });
    worker.current = thread;
    thread.onmessage = ({ data }) => setScene(sceneOf(data));
    return () => thread.terminate();
  }, [flowRunId, taskSlug]);
  useEffect(() => {
    const controller = new AbortController();
    const parameters = { flow_run_id: flowRunId, task_slug: taskSlug, ...limits };
    post({ kind: "loading" });
    request(addressOf("/flow-runs/{flow_run_id}/timeline", parameters), { signal: controller.signal })
      .then((response) => response.arrayBuffer())
      .then((body) => {
        if (controller.signal.aborted) return;
        setError(null);
        post({ kind: "load", body, states: STATES, finished: FINISHED }, [body]);
      })
      .catch((reason) => controller.signal.aborted || setError(reason));
    return () => controller.abort();
  }, [flowRunId, taskSlug, limits?.after, limits?.before, turn]);
  useEffect(() => {
    if (layouts && shown) post({ kind: "layouts", layouts, shown });
  }, [flowRunId, layouts, shown]);
  useAttempts(scene, post);
  const apply = useCallback((/** @type {readonly import("./timeline_data.js").Change[]} */ items) => {
    post({ kind: "changes", items });
  }, []);
  const reload = useCallback(() => setTurn((number) => number + 1), []);
  return useMemo(() => ({ scene, error, apply, reload }), [scene, error]);
}

/** @param {import("./timeline_worker.js").Scene} scene @returns {Scene} */
function sceneOf({ columns, attempts, ...others }) {
  const tries = scatterTasks(attempts).map((task) => /** @type {[string, Task]} */ ([task.slug, task]));
  return { ...others, tasks: scatterTasks(columns), attempts: new Map(tries) };
}

/**
 * Reads the attempts of task runs that ran more than once, of which each is a bar; those of children are not read.
 *
 * @param {Scene | null} scene
 * @param {(message: Request) => void} post
 */
function useAttempts(scene, post) {
  const retried = (scene?.tasks ?? [])
    .filter((task) => task.length === 1 && task.mapIndex[0] === -1 && (task.runCount?.[0] ?? 1) > 1 && task.taskRunId)
    .slice(0, MAX_ATTEMPTS);
  const version = retried.map((task) => `${task.taskRunId} ${task.runCount?.[0]} ${task.state[0]}`).join();
  useEffect(() => {
    if (!version) return undefined;
    const controller = new AbortController();
    const read = async (/** @type {Task} */ task) => {
      const parameters = { task_run_id: task.taskRunId ?? "" };
      const answer = await get("/task-runs/{task_run_id}/attempts", parameters, { signal: controller.signal });
      return /** @type {const} */ ([task.slug, answer.items.map(attemptOf)]);
    };
    Promise.all(retried.map(read)).then(
      (entries) => controller.signal.aborted || post({ kind: "attempts", attempts: new Map(entries) }),
      // Without its attempts, a task run is one bar.
      () => undefined,
    );
    return () => controller.abort();
  }, [version]);
}

/** @param {import("./types").Schemas["TaskRunAttempt"]} attempt @returns {Attempt} */
function attemptOf({ state, start_time, end_time }) {
  return { state, start: Date.parse(start_time), end: end_time ? Date.parse(end_time) : Infinity };
}
