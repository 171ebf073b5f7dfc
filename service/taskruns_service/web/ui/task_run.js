/**
 * A task run: why it is in its state, its attempts and history, where its result is, what it logged, and what stands
 * beside it. It is named by its id, or by its natural key, which has an address before the task run exists.
 *
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {import("./types").Schemas["FlowRun"]} FlowRun
 * @typedef {import("./types").Schemas["FlowRunSummary"]} FlowRunSummary
 * @typedef {import("./types").Schemas["LogLine"]} LogLine
 * @typedef {{ task_run_id?: string, flow_run_id?: string, task_slug?: string, map_index?: string }} Parameters
 */

import { ApiError, get, useAnswer } from "./api.js";
import { Attempts, History, currentOf, useHistory } from "./attempts.js";
import { firstLine, formatAgo, formatDuration, printable, quoted, stateOf, taskRunName } from "./format.js";
import { useKeys } from "./keyboard.js";
import { newer, useFlowRunEvents } from "./live.js";
import { Logs } from "./logs.js";
import { Artifacts, Neighbours } from "./neighbours.js";
import { CopyButton, CopyId, Duration, Empty, Loading, Page, Problem, Section, Sources, State, Time, Zone, usePage } from "./parts.js";
import { html, useCallback, useEffect, useState } from "./preact.js";
import { Result } from "./results.js";
import { addressOf } from "./routes.js";
import { SearchBox } from "./search.js";
import { clock, href, navigate, pathOf } from "./store.js";

const HEARTBEAT_MILLISECONDS = 15_000;
const STALE_SECONDS = 90;

/**
 * The task run and its flow run; `onChange` is called with each as soon as it is known.
 * @param {Parameters} parameters
 * @param {AbortSignal} signal
 * @param {(news: { taskRun?: TaskRun | null, flowRun?: FlowRun }) => void} onChange
 */
async function load({ task_run_id, flow_run_id, task_slug, map_index }, signal, onChange) {
  const options = { signal };
  if (task_run_id) {
    const taskRun = await get("/task-runs/{task_run_id}", { task_run_id }, options);
    onChange({ taskRun });
    flow_run_id = taskRun.flow_run_id;
  }
  // The flow run is read before what the page shows of the task run: the stream begins at its sequence, so it has
  // every change that comes after that.
  const flowRun = await get("/flow-runs/{flow_run_id}", { flow_run_id: flow_run_id ?? "" }, options);
  const taskRun = task_run_id
    ? await get("/task-runs/{task_run_id}", { task_run_id }, options)
    : await findTaskRun(flowRun.id, task_slug ?? "", Number(map_index), options);
  onChange({ taskRun, flowRun });
}

/** @param {string} flowRunId @param {string} slug @param {number} index @param {{ signal: AbortSignal }} options */
async function findTaskRun(flowRunId, slug, index, options) {
  const parameters = { flow_run_id: flowRunId, task_slug: [slug], map_index: [index], limit: 1 };
  const { items } = await get("/flow-runs/{flow_run_id}/task-runs", parameters, options);
  return items[0] ?? null;
}

/**
 * What the page knows; `taskRun` is undefined until it is known, and null while it does not exist.
 * @param {Parameters} parameters
 */
function useTaskRun(parameters) {
  const [loaded, setLoaded] = useState(
    /** @type {{ taskRun?: TaskRun | null, flowRun?: FlowRun | FlowRunSummary, error?: Error }} */ ({}),
  );
  const [turn, setTurn] = useState(0);
  const [added, setAdded] = useState(/** @type {LogLine[]} */ ([]));
  const [resets, setResets] = useState(0);
  const refresh = useCallback(() => setTurn((number) => number + 1), []);
  useEffect(() => {
    const controller = new AbortController();
    load(parameters, controller.signal, (news) => setLoaded((old) => ({ ...old, ...news }))).catch((error) => {
      if (!controller.signal.aborted) setLoaded((old) => ({ ...old, error }));
    });
    return () => controller.abort();
  }, [turn]);
  const { taskRun, flowRun } = loaded;
  const slug = taskRun?.task_slug ?? parameters.task_slug ?? "";
  const index = taskRun?.map_index ?? Number(parameters.map_index);
  useFlowRunEvents(flowRun?.id ?? "", {
    after: taskRun === undefined ? undefined : flowRun?.sequence,
    taskSlugs: [slug],
    logs: true,
    onTaskRuns: (items) => {
      const own = items.find((item) => item.task_slug === slug && item.map_index === index);
      if (own) setLoaded((old) => (newer(old.taskRun, own) ? { ...old, taskRun: own } : old));
    },
    onFlowRun: (next) => setLoaded((old) => ({ ...old, flowRun: next })),
    onLogs: setAdded,
    onReset: () => {
      setResets((number) => number + 1);
      refresh();
    },
  });
  return { ...loaded, slug, index, added, resets, refresh };
}

/**
 * When a process of the flow run was heard of last. A heartbeat is no change, so the stream does not have it, and the
 * ETag of the flow run stays the same: the list has neither.
 * @param {FlowRun | FlowRunSummary} flowRun
 */
function useHeartbeat(flowRun) {
  const { data, refresh } = useAnswer("/flow-runs/fields", { flow_run_id: [flowRun.id], fields: ["last_heartbeat"] });
  useEffect(() => {
    const timer = setInterval(() => document.hidden || refresh(), HEARTBEAT_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return data?.items[0]?.last_heartbeat ?? flowRun.last_heartbeat;
}

/** Whether an unfinished task run is still alive. @param {{ flowRun: FlowRun | FlowRunSummary }} props */
function Liveness({ flowRun }) {
  const heartbeat = useHeartbeat(flowRun);
  if (!heartbeat) return html`<span class="muted">reported without heartbeats</span>`;
  const isStale = clock.value - Date.parse(heartbeat) > STALE_SECONDS * 1000;
  return html`<span class=${isStale ? "stale" : ""}>heartbeat ${formatAgo(heartbeat, clock.value)}${isStale ? ": stale" : ""}</span>`;
}

/** A member of the overview. @param {{ name: string, children?: unknown }} props */
function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

/**
 * @param {{ taskRun: TaskRun, flowRun: FlowRun | FlowRunSummary | undefined, first: string | undefined }} props `first` is
 *   when its first state was
 */
function Facts({ taskRun, flowRun, first }) {
  const { group } = stateOf(taskRun.state);
  const isUnfinished = group === "pending" || group === "running";
  const isRunning = group === "running" && !taskRun.end_time;
  return html`<dl class="overview">
    <${Fact} name="Flow run"><a class="long" href=${href(pathOf("flow-runs", taskRun.flow_run_id))}><bdi>${printable(taskRun.flow_run_name)}</bdi></a><//>
    <${Fact} name="Task"><a class="long" href=${href(pathOf("tasks", taskRun.flow_name, taskRun.task_slug))}><bdi>${printable(taskRun.task_slug)}</bdi> over time</a><//>
    <${Fact} name="Started"><${Time} at=${taskRun.start_time} ago /><//>
    <${Fact} name="Ended"><${Time} at=${taskRun.end_time} ago /><//>
    <${Fact} name="Duration"><${Duration} seconds=${taskRun.duration} since=${isRunning ? taskRun.start_time : null} /><//>
    <${Fact} name="Queued"><${Duration} seconds=${taskRun.queue_time} since=${group === "pending" && !taskRun.start_time ? first : null} /><//>
    ${taskRun.run_count > 1 && html`<${Fact} name="Run time"><${Duration} seconds=${taskRun.run_time} />
      <span class="muted"> in ${taskRun.run_count} attempts</span><//>`}
    ${isUnfinished && flowRun && html`<${Fact} name="Alive"><${Liveness} flowRun=${flowRun} /><//>`}
    ${taskRun.name && html`<${Fact} name="Name"><bdi class="long" title=${printable(taskRun.name)}>${printable(taskRun.name)}</bdi><//>`}
    ${taskRun.tags.length > 0 && html`<${Fact} name="Tags">${taskRun.tags.map((tag) => html`<span key=${tag} class="tag"><bdi class="long" title=${printable(tag)}>${printable(tag)}</bdi></span>`)}<//>`}
    <${Fact} name="Id"><${CopyId} id=${taskRun.id} kind="task-run" /><//>
  </dl>`;
}

/** A text of any length with its line ends. @param {{ text: string, label: string, class?: string }} props */
function Text({ text, label, class: className = "" }) {
  return html`<div class=${`verbatim ${className}`}>
    <pre tabindex="0" role="region" aria-label=${label}>${printable(text)}</pre><${CopyButton} text=${text} label=${`Copy the ${label.toLowerCase()}`} />
  </div>`;
}

/**
 * Why the task run is in its state: the message, the traceback, and when it goes on.
 * @param {{ taskRun: TaskRun, current: import("./attempts.js").HistoryState | undefined }} props
 */
function Why({ taskRun, current }) {
  const details = current?.details ?? {};
  const { traceback, start_time } = /** @type {{ traceback?: unknown, start_time?: unknown }} */ (details);
  const { group, kind } = stateOf(taskRun.state);
  const isDue = group === "pending" && typeof start_time === "string" && !Number.isNaN(Date.parse(start_time));
  return html`<div class=${`reason ${kind === "failed" ? "failed" : ""}`}>
    <p class="reason-state"><${State} type=${taskRun.state} /> <span class="muted">since</span> <${Time} at=${taskRun.state_timestamp} ago /></p>
    ${taskRun.state_message && html`<${Text} text=${taskRun.state_message} label="Message" />`}
    ${isDue && html`<p>It is due <${Time} at=${start_time} ago />.</p>`}
    ${typeof traceback === "string" && traceback && html`<${Text} text=${traceback} label="Traceback" class="traceback" />`}
  </div>`;
}

/** @param {{ taskRun: TaskRun, flowRun: FlowRun | FlowRunSummary | undefined, added: LogLine[], resets: number }} props */
function Content({ taskRun, flowRun, added, resets }) {
  const history = useHistory(taskRun);
  const isParent = taskRun.state === "Mapped" && taskRun.map_index < 0;
  const id = quoted(taskRun.id);
  return html`
    <${Why} taskRun=${taskRun} current=${currentOf(taskRun, history.states)} />
    <${Facts} taskRun=${taskRun} flowRun=${flowRun} first=${history.states[0]?.timestamp} />
    ${isParent && html`<p class="parent-of"><a href=${href(pathOf("flow-runs", taskRun.flow_run_id, "tasks", taskRun.task_slug))}>Its children</a> are on a page of their own.</p>`}
    <${Attempts} taskRun=${taskRun} />
    <${Section} title="Logs">
      <${Logs} key=${resets} source=${{ taskRunId: taskRun.id }} added=${added} command=${`taskruns task-run logs ${id}`} />
    <//>
    <${Result} taskRun=${taskRun} isParent=${isParent} />
    <${Artifacts} taskRun=${taskRun} />
    <${Neighbours} taskRun=${taskRun} />
    <${History} history=${history} taskRun=${taskRun} />
    <${Sources} url=${addressOf("/task-runs/{task_run_id}", { task_run_id: taskRun.id })} command=${`taskruns task-run info ${id}`} />
  `;
}

/** What stands in place of a task run that does not exist yet. @param {{ slug: string, index: number, flowRun: FlowRun | FlowRunSummary }} props */
function NotStarted({ slug, index, flowRun }) {
  const { group } = stateOf(flowRun.state);
  const isOver = group !== "pending" && group !== "running";
  const parameters = { flow_run_id: flowRun.id, task_slug: slug, map_index: index };
  const name = index < 0 ? slug : `${slug}[${index}]`;
  return html`
    <${Empty}>
      <p>${isOver ? "It was not reported" : "It has not started yet"}: the flow run <a href=${href(pathOf("flow-runs", flowRun.id))}>${printable(flowRun.name)}</a> is <${State} type=${flowRun.state} />.</p>
      <p>${isOver ? "This flow run has no task run with this slug and map index." : "This page shows it as soon as it is reported."}</p>
    <//>
    ${isOver && html`<${SearchBox} />`}
    <${Sources} url=${addressOf("/flow-runs/{flow_run_id}/task-runs", parameters)}
      command=${`taskruns task-run info ${quoted(name)} --flow-run-id ${flowRun.id}`} />`;
}

/** @param {{ error: Error, retry: () => void, id: string | undefined }} props */
function Failure({ error, retry, id }) {
  const isMissing = error instanceof ApiError && error.status === 404;
  return html`<${Problem} error=${error} ...${isMissing ? {} : { retry }} />
    ${isMissing && html`<${SearchBox} initial=${id ?? ""} />`}`;
}

/** @param {{ parameters: Parameters }} props */
export default function TaskRunPage({ parameters }) {
  const { taskRun, flowRun, error, slug, index, added, resets, refresh } = useTaskRun(parameters);
  const name = taskRunName(slug, Number.isNaN(index) ? -1 : index);
  const state = taskRun && stateOf(taskRun.state);
  const flowRunName = printable(taskRun?.flow_run_name ?? flowRun?.name);
  const title = [state?.word, slug ? name : "Task run", flowRunName].filter(Boolean).join(" · ");
  usePage({ title: firstLine(title, 120), kind: state?.kind });
  const flowRunId = taskRun?.flow_run_id ?? parameters.flow_run_id;
  useKeys("Everywhere", {
    Escape: { does: "To the flow run", run: () => flowRunId && navigate(href(pathOf("flow-runs", flowRunId))) },
  });
  const over = flowRunId && html`<a href=${href(pathOf("flow-runs", flowRunId))}><bdi>${flowRunName || "Flow run"}</bdi></a>`;
  const duration = taskRun?.duration;
  return html`<${Page} title=${html`<bdi>${slug ? name : "Task run"}</bdi>`} over=${over}
    aside=${html`${duration !== null && duration !== undefined && html`<span>${formatDuration(duration)}</span>`}<${Zone} />`}>
    ${error && !taskRun && html`<${Failure} error=${error} retry=${refresh} id=${parameters.task_run_id} />`}
    ${taskRun === undefined && !error && html`<${Loading} />`}
    ${taskRun === null && flowRun && html`<${NotStarted} slug=${slug} index=${index} flowRun=${flowRun} />`}
    ${taskRun && html`<${Content} key=${taskRun.id} taskRun=${taskRun} flowRun=${flowRun} added=${added} resets=${resets} />`}
  <//>`;
}
