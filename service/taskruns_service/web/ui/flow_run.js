/** A flow run: its state, its task runs as a bar that filters, why some failed, when each ran, and what its tasks are. */

import { ApiError, get, useAnswer } from "./api.js";
import { countOf, firstLine, formatCount, formatOffset, printable, quoted, stateOf, totalOf } from "./format.js";
import { select, useFilterKeys } from "./filter.js";
import { useKeys } from "./keyboard.js";
import { newer, useFlowRunEvents } from "./live.js";
import { lazy } from "./lazy.js";
import {
  CopyId, CountsBar, Duration, Empty, Loading, Message, Page, Problem, Section, Sources, State, StatesBar, Time, usePage,
} from "./parts.js";
import { html, useRef, useState } from "./preact.js";
import { usePainted, useRefresh, useThrottled } from "./refresh.js";
import { addressOf } from "./routes.js";
import { SearchBox } from "./search.js";
import { announce, clock, href, isUtc, navigate, pathOf, queryAll } from "./store.js";
import { Table } from "./table.js";

/**
 * @typedef {import("./types").Schemas["FlowRun"]} FlowRun
 * @typedef {import("./types").Schemas["FlowRunTask"]} FlowRunTask
 * @typedef {import("./types").StateType} StateType
 * @typedef {import("./types").Schemas["Measures"]} Measures
 * @typedef {ReturnType<typeof useAnswer<"/flow-runs/{flow_run_id}/tasks">>} TasksAnswer
 */

const REFRESH_MILLISECONDS = 5000;

const Failures = lazy(() => import("./failures.js").then((module) => module.Failures), () => html`<${Section}
  title="Failures"><${Loading} /><//>`);
const Timeline = lazy(() => import("./timeline.js").then((module) => module.Timeline));
const Logs = lazy(() => import("./logs.js").then((module) => module.Logs));

/** @param {import("./types").PageProps} props */
export default function FlowRunPage({ parameters }) {
  const id = parameters.flow_run_id ?? "";
  const { data, error, refresh } = useAnswer("/flow-runs/{flow_run_id}", { flow_run_id: id });
  const tasks = useAnswer("/flow-runs/{flow_run_id}/tasks", { flow_run_id: id });
  // The timeline, the messages and the measures of the tasks are read of all task runs: once the tasks are on the screen.
  const isPainted = usePainted(Boolean(data && (tasks.data ?? tasks.error)));
  if (data) return html`<${Loaded} loaded=${data} refresh=${refresh} tasks=${tasks} isPainted=${isPainted} />`;
  return html`<${Unread} error=${error} refresh=${refresh} />`;
}

/** What stands in place of a flow run that is not read yet, or does not exist. @param {{ error: Error | undefined, refresh: () => void }} props */
function Unread({ error, refresh }) {
  const isMissing = error instanceof ApiError && error.status === 404;
  usePage({ title: isMissing ? "Not found" : "Flow run" });
  return html`<${Page} title="Flow run">
    ${error ? html`<${Problem} error=${error} retry=${refresh} />` : html`<${Loading} />`}
    ${isMissing && html`<p>Search for it by its name, or by the beginning of its id.</p><${SearchBox} />`}
  <//>`;
}

/** A flow run as the page read it, with what a stream says since. @param {FlowRun} loaded */
function useLatest(loaded) {
  const [summary, setSummary] = useState(/** @type {Partial<FlowRun> & { sequence: number }} */ (loaded));
  const latest = newer(loaded, summary) ? { ...loaded, ...summary } : loaded;
  return { flowRun: latest, merge: (/** @type {Partial<FlowRun> & { sequence: number }} */ next) => setSummary((old) => (newer(old, next) ? next : old)) };
}

/** @param {{ loaded: FlowRun, refresh: () => void, tasks: TasksAnswer, isPainted: boolean }} props */
function Loaded({ loaded, refresh, tasks, isPainted }) {
  const types = queryAll("state");
  const timeline = useRef(/** @type {import("./timeline.js").Handle | null} */ (null));
  const { flowRun, merge } = useLatest(loaded);
  const [lines, setLines] = useState(/** @type {readonly import("./types").Schemas["LogLine"][]} */ ([]));
  const [resets, setResets] = useState(0);
  useFlowRunEvents(flowRun.id, {
    after: loaded.sequence,
    logs: true,
    onLogs: setLines,
    onTaskRuns: (items) => timeline.current?.apply(items),
    onFlowRun: merge,
    onReset: () => {
      refresh();
      timeline.current?.reload();
      setResets((number) => number + 1);
    },
  });
  const counts = flowRun.task_run_counts;
  const failed = countOf(counts, "failed");
  const { kind, word } = stateOf(flowRun.state);
  usePage({ title: [failed ? `✕ ${formatCount(failed)} failed` : word, printable(flowRun.flow_name), printable(flowRun.name)].join(" · "), kind });
  useFilterKeys();
  return html`<${Page} title=${printable(flowRun.name)} over=${html`Flow run of <a
    href=${href("/flow-runs", { flow: flowRun.flow_name })}>${printable(flowRun.flow_name)}</a>`}
    aside=${html`<${RunsOfFlow} flowRun=${flowRun} />`}>
    <${Facts} flowRun=${flowRun} />
    ${totalOf(counts) > 0 && html`<${StatesBar} counts=${counts} selected=${types} onSelect=${select} />`}
    ${failed > 0 && html`<${Failures} isReady=${isPainted} flowRunId=${flowRun.id} count=${failed} />`}
    <${Section} title="Timeline" aside=${html`<${Legend} />`}>
      <${Timeline} isReady=${isPainted} flowRunId=${flowRun.id} types=${types} handle=${timeline} />
    <//>
    <${Tasks} flowRunId=${flowRun.id} answer=${tasks} isPainted=${isPainted} sequence=${flowRun.sequence} types=${types} />
    <${History} flowRun=${flowRun} />
    <${Section} title="Logs">
      <${Logs} key=${resets} isReady=${isPainted} source=${{ flowRunId: flowRun.id }} added=${lines} hasTaskRuns=${true}
        command=${`taskruns flow-run logs ${quoted(flowRun.id)}`} />
    <//>
    <${Sources} url=${addressOf("/flow-runs/{flow_run_id}", { flow_run_id: flowRun.id })}
      command=${`taskruns flow-run info ${quoted(flowRun.id)}`} />
  <//>`;
}

/** The flow run before and after this one, of the same flow. @param {{ flowRun: FlowRun }} props */
function RunsOfFlow({ flowRun }) {
  const open = async (/** @type {"created_lt" | "created_gt"} */ filter, /** @type {string} */ word) => {
    const sort = filter === "created_lt" ? "-created" : "created";
    try {
      const { items } = await get("/flow-runs", { flow_name: [flowRun.flow_name], [filter]: flowRun.created, sort, limit: 1 });
      if (items[0]) navigate(href(pathOf("flow-runs", items[0].id)));
      else announce(`There is no ${word} run of ${printable(flowRun.flow_name)}.`);
    } catch (error) {
      announce(/** @type {Error} */ (error).message);
    }
  };
  const previous = () => open("created_lt", "earlier");
  const next = () => open("created_gt", "later");
  useKeys("Runs of the flow", {
    "[": { does: "Previous run of the flow", run: previous },
    "]": { does: "Next run of the flow", run: next },
  });
  return html`<span class="buttons">
    <button title="Previous run of the flow ([)" onClick=${previous}>← Previous run</button>
    <button title="Next run of the flow (])" onClick=${next}>Next run →</button>
  </span>`;
}

/** @param {{ flowRun: FlowRun }} props */
function Facts({ flowRun }) {
  const { state, state_message: message, start_time: start, end_time: end, duration, queue_time: queued, parameters, labels } = flowRun;
  const isOpen = stateOf(state).group === "running";
  const fact = (/** @type {string} */ name, /** @type {unknown} */ value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`<dl class="facts">
    ${fact("State", html`<${State} type=${state} />`)}
    ${fact(`Started (${formatOffset(start ?? clock.peek(), isUtc.value)})`, html`<${Time} at=${start} ago=${true} />`)}
    ${fact("Ended", html`<${Time} at=${end} />`)}
    ${fact("Took", html`<${Duration} seconds=${duration} since=${isOpen && duration === null ? start : null} />`)}
    ${queued !== null && queued >= 0.01 && fact("Waited", html`<${Duration} seconds=${queued} />`)}
    ${labels.length > 0 && fact("Labels", printable(labels.join(", ")))}
    ${fact("Id", html`<${CopyId} id=${flowRun.id} kind="flow-run" />`)}
  </dl>
  ${message && html`<pre class="run-message" tabindex="0" role="region" aria-label="Message">${printable(message)}</pre>`}
  ${Object.keys(parameters).length > 0 && html`<details class="parameters">
    <summary>Parameters <span class="muted">${firstLine(Object.keys(parameters).join(", "), 100)}</span></summary>
    <pre class="panel">${JSON.stringify(parameters, null, 2)}</pre>
  </details>`}`;
}

function Legend() {
  return html`<span class="muted hide-600">n, N next and previous failure · + − zoom · Ctrl+wheel</span>`;
}

/** @param {{ flowRunId: string, answer: TasksAnswer, isPainted: boolean, sequence: number, types: readonly string[] }} props */
function Tasks({ flowRunId, answer: { data, error, refresh }, isPainted, sequence, types }) {
  const version = useThrottled(sequence, REFRESH_MILLISECONDS);
  const times = useAnswer("/task-runs/aggregate", isPainted && data && {
    ...{ flow_run_id: [flowRunId], is_mapped_parent: false, group_by: ["task_slug"], limit: 10_000 },
    measure: ["p50_duration", "p95_duration", "sum_duration"],
  });
  useRefresh(version, () => {
    refresh();
    times.refresh();
  });
  const measures = new Map(times.data?.groups?.map((group) => [group.key.task_slug, group.measures]));
  const rows = (data?.items ?? [])
    .filter(({ task_run_counts: counts }) => !types.length || types.some((type) => counts[/** @type {StateType} */ (type)]))
    .map((task) => ({ task, measures: measures.get(task.task_slug) }));
  return html`<${Section} title="Tasks" aside=${data && html`<span
    class="muted">${formatCount(data.items.length)}${data.truncated ? " of more" : ""}</span>`}>
    ${error && html`<${Problem} error=${error} retry=${refresh} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data && !rows.length && html`<${Empty}><p>${data.items.length ? "No task has task runs in these states." : "There are no task runs yet."}</p><//>`}
    ${rows.length > 0 && html`<${Table} label="Tasks" rows=${rows} columns=${TASK_COLUMNS}
      keyOf=${(/** @type {TaskRow} */ row) => row.task.task_slug}
      hrefOf=${(/** @type {TaskRow} */ { task }) => href(pathOf("flow-runs", flowRunId, "tasks", task.task_slug, ...(task.is_mapped ? [] : [-1])))} />`}
  <//>`;
}

/** @typedef {{ task: FlowRunTask, measures: Measures | undefined }} TaskRow */

/** Counts without the mapped parent, which is no work of its own. @param {FlowRunTask} task */
function childCounts({ is_mapped, task_run_counts: counts }) {
  return is_mapped && counts.Mapped ? { ...counts, Mapped: counts.Mapped - 1 } : counts;
}

/** @type {import("./table.js").Column<TaskRow>[]} */
const TASK_COLUMNS = [
  { title: "Task", cell: ({ task }) => html`<span title=${printable(task.task_slug)}>${printable(task.task_slug)}</span>` },
  { title: "State", width: "9rem", hide: 600, cell: ({ task }) => html`<${State} type=${task.state} />` },
  { title: "Task runs", width: "14rem", hide: 900, cell: ({ task }) => html`<${CountsBar}
    counts=${childCounts(task)} />` },
  { title: "Count", width: "5.5rem", align: "end", cell: ({ task }) => formatCount(totalOf(childCounts(task))) },
  { title: "Failed", width: "5.5rem", align: "end", cell: ({ task }) => formatFailed(task) },
  { title: "p50", width: "6rem", align: "end", hide: 600, cell: ({ measures }) => html`<${Duration}
    seconds=${measures?.p50_duration} />` },
  { title: "p95", width: "6rem", align: "end", hide: 600, cell: ({ measures }) => html`<${Duration}
    seconds=${measures?.p95_duration} />` },
  { title: "Total", width: "7rem", align: "end", hide: 600, cell: ({ measures }) => html`<${Duration}
    seconds=${measures?.sum_duration} />` },
];

/** @param {FlowRunTask} task */
function formatFailed({ task_run_counts }) {
  const failed = countOf(task_run_counts, "failed");
  return failed ? html`<b class="failures">${formatCount(failed)}</b>` : html`<span class="muted">0</span>`;
}

/** The states of the flow run itself. @param {{ flowRun: FlowRun }} props */
function History({ flowRun }) {
  const { data, error, refresh } = useAnswer("/flow-runs/{flow_run_id}/states", { flow_run_id: flowRun.id, limit: 100 });
  useRefresh(flowRun.version, refresh);
  return html`<${Section} title="History">
    ${error && html`<${Problem} error=${error} retry=${refresh} />`}
    ${data && !data.items.length && html`<p class="muted">The flow run has no state yet.</p>`}
    ${data && html`<ol class="history">${data.items.map((state) => html`<li key=${state.id}>
      <${Time} at=${state.timestamp} milliseconds=${true} /> <${State} type=${state.type} />
      ${state.is_late && html`<span class="muted">(late)</span>`} <${Message} text=${state.message} />
    </li>`)}</ol>`}
  <//>`;
}
