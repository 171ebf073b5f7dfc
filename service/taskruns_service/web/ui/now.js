/** Now: what runs, what failed in the last 24 hours, and what has run for longest. */

import { get, useAnswer, useList } from "./api.js";
import { columnsOf, hrefOf, replaced } from "./flow_run_rows.js";
import { firstLine, formatCount, formatDuration, printable, stateOf, taskRunName, totalOf } from "./format.js";
import { useOverviewEvents } from "./live.js";
import { AllButton, MessageRuns } from "./message_runs.js";
import {
  CountsBar, Duration, Empty, Loading, Page, Problem, Section, Shape, Sources, Time, Zone, usePage,
} from "./parts.js";
import { html, useEffect, useMemo, useRef, useState } from "./preact.js";
import { addressOf } from "./routes.js";
import { clock, href, pathOf } from "./store.js";
import { Table } from "./table.js";

const HOUR = 3_600_000;
const ROUND = 300_000;
const REFRESH_MILLISECONDS = 10_000;
const MAX_GROUPS = 12;
const MAX_OLDEST = 8;

/** @typedef {import("./types").Schemas["NowEvent"]} NowEvent */
/** @typedef {import("./types").Schemas["AggregateGroup"]} Group */
/** @typedef {import("./types").Schemas["TaskRun"]} TaskRun */

/** The beginning of the last 24 hours, which moves every five minutes. */
function dayAgo() {
  return new Date(Math.floor(clock.value / ROUND) * ROUND - 24 * HOUR).toISOString();
}

/**
 * Calls something when a value changes, at most every ten seconds.
 * @param {unknown} value
 * @param {() => void} run
 */
function useChange(value, run) {
  const last = useRef({ value, at: 0 });
  useEffect(() => {
    if (value === undefined || last.current.value === value) return undefined;
    const isFirst = last.current.value === undefined;
    const delay = isFirst ? 0 : Math.max(0, last.current.at + REFRESH_MILLISECONDS - Date.now());
    last.current.value = value;
    if (isFirst) return undefined;
    const timer = setTimeout(() => {
      last.current.at = Date.now();
      run();
    }, delay);
    return () => clearTimeout(timer);
  }, [value]);
}

export default function Now() {
  const [now, setNow] = useState(/** @type {NowEvent | null} */ (null));
  const running = useList("/flow-runs", { state_group: ["running"], sort: "-start_time", limit: 50 });
  const ids = useMemo(() => (running.items ?? []).map(({ id }) => id), [running.items?.map(({ id }) => id).join()]);
  const since = dayAgo();
  const failed = useAnswer("/flow-runs/aggregate", { state_group: ["failed"], end_time_gte: since });
  const isReady = running.items !== undefined;
  useOverviewEvents({
    now: isReady, flowRunIds: ids, onNow: setNow,
    onFlowRun: (flowRun) => running.update((items) => replaced(items, flowRun)),
  });
  const newest = now?.failures[0];
  const failures = newest ? `${newest.id} ${newest.sequence}` : now ? "none" : undefined;
  useChange(now ? `${now.running_flow_runs} ${now.newest_flow_run_created}` : undefined, running.refresh);
  useChange(failures, failed.refresh);
  usePage({ title: "Now", kind: failed.data?.count ? "failed" : now?.running_flow_runs ? "running" : undefined });
  if (running.error && !running.items) return html`<${Page} title="Now"><${Problem} error=${running.error} retry=${running.refresh} /><//>`;
  if (now && !totalOf(now.counts) && !now.newest_flow_run_created) return html`<${Page} title="Now"><${Welcome} /><//>`;
  return html`<${Page} title="Now" aside=${html`<${Zone} />`}>
    <${Figures} now=${now} failed=${failed.data?.count} />
    <${Running} list=${running} />
    <${Failures} since=${since} change=${failures} />
    <${Oldest} change=${now?.counts.Running} />
    <${Sources} url=${addressOf("/flow-runs", { state_group: "running", sort: "-start_time" })}
      command="taskruns flow-run ls --state-group running" />
  <//>`;
}

/** What to do on a new service. */
function Welcome() {
  return html`<${Empty}>
    <p>Nothing has been recorded yet.</p>
    <p>Record three example flow runs with <code>taskruns demo</code>, or <a href=${href("/search")}>search</a> once
      there is something.</p>
  <//>`;
}

/** The numbers at a glance. @param {{ now: NowEvent | null, failed: number | undefined }} props */
function Figures({ now, failed }) {
  const counts = now?.counts ?? {};
  return html`<dl class="glance">
    <div><dt>Flow runs running</dt>
      <dd><a href=${href("/flow-runs", { group: "running" })}>${now ? formatCount(now.running_flow_runs) : "–"}</a></dd></div>
    <div class=${failed ? "bad" : ""}><dt>Flow runs failed in 24 hours</dt>
      <dd><a href=${href("/flow-runs", { group: "failed", ended: "24h" })}>${failed === undefined ? "–" : formatCount(failed)}</a></dd></div>
    <div class="wide"><dt>Task runs</dt>
      <dd>${now ? formatCount(totalOf(counts)) : "–"}</dd>
      <dd class="spread"><${CountsBar} counts=${counts} /><${Legend} counts=${counts} /></dd></div>
  </dl>`;
}

/** The counts that say most, in words. @param {{ counts: import("./types").Counts }} props */
function Legend({ counts }) {
  const parts = Object.entries(counts).filter(([, count]) => count > 0).map(([type, count]) => ({ state: stateOf(type), count }));
  parts.sort((a, b) => a.state.rank - b.state.rank);
  return html`<ul class="legend">${parts.slice(0, 6).map(
    ({ state, count }) => html`<li key=${state.type}><${Shape} kind=${state.kind} type=${state.type} size=${12} /> ${formatCount(count)} ${state.word}</li>`,
  )}</ul>`;
}

/** @param {{ list: ReturnType<typeof useList<"/flow-runs">> }} props */
function Running({ list }) {
  const items = list.items;
  return html`<${Section} title="Running" aside=${html`<a href=${href("/flow-runs")}>All flow runs</a>`}>
    ${!items ? html`<${Loading} />` : items.length
      ? html`<${Table} label="Running flow runs" rows=${items} columns=${columnsOf(items)} keyOf=${keyOf} hrefOf=${hrefOf} />`
      : html`<${Empty}><p>No flow run is running.</p><//>`}
  <//>`;
}

/** @param {{ id: string }} item */
function keyOf({ id }) {
  return id;
}

/**
 * Failures grouped by flow, task and message.
 * @param {{ since: string, change: string | undefined }} props
 */
function Failures({ since, change }) {
  const groups = useAnswer("/task-runs/aggregate", {
    state_group: ["failed"], end_time_gte: since, group_by: ["flow_name", "task_slug", "message"],
    measure: ["first_end_time", "last_end_time"], sort: "-count", limit: MAX_GROUPS,
  });
  const hours = useAnswer("/task-runs/aggregate", {
    state_group: ["failed"], end_time_gte: since, group_by: ["flow_name", "task_slug", "message"], bucket: "PT1H",
    bucket_time: "end_time", limit: 2000,
  });
  useChange(change, () => {
    groups.refresh();
    hours.refresh();
  });
  const found = groups.data?.groups ?? [];
  return html`<${Section} title="Failures of the last 24 hours"
    aside=${groups.data?.count ? html`<span class="muted">${formatCount(groups.data.count)} task runs</span>` : null}>
    ${groups.error && html`<${Problem} error=${groups.error} retry=${groups.refresh} />`}
    ${!groups.data ? !groups.error && html`<${Loading} />` : found.length
      ? html`<ul class="failures-list">${found.map((group) => html`<${Failure} key=${JSON.stringify(group.key)} group=${group}
          since=${since} hours=${hoursOf(hours.data?.groups ?? [], group, since)} />`)}</ul>`
      : html`<${Empty}><p>Nothing failed.</p><//>`}
    ${groups.data?.truncated && html`<p class="muted">These are the ${MAX_GROUPS} that occur most often.</p>`}
  <//>`;
}

/**
 * The numbers of failures in each of the last 24 hours.
 * @param {readonly Group[]} groups
 * @param {Group} group
 * @param {string} since
 */
function hoursOf(groups, group, since) {
  const begin = Math.floor(Date.parse(since) / HOUR) * HOUR;
  const counts = new Array(25).fill(0);
  for (const { key, count } of groups) {
    const isSame = key.flow_name === group.key.flow_name && key.task_slug === group.key.task_slug;
    if (!isSame || key.message !== group.key.message || !key.bucket) continue;
    const index = Math.round((Date.parse(key.bucket) - begin) / HOUR);
    if (index < counts.length) counts[index] += count;
  }
  return counts;
}

/** @param {{ group: Group, since: string, hours: number[] }} props */
function Failure({ group, since, hours }) {
  const { flow_name: flow = "", task_slug: slug = "", message } = group.key;
  const [sample] = group.sample_ids ?? [];
  return html`<li>
    <span class="count">${formatCount(group.count)}<span class="hidden"> failed</span></span>
    <span class="what">
      <a class="why" href=${sample ? href(pathOf("task-runs", sample)) : href(pathOf("tasks", flow, slug))} title=${printable(message)}>
        ${firstLine(printable(message)) || "Failed without a message"}</a>
      <span class="muted">${printable(flow)} / <a href=${href(pathOf("tasks", flow, slug))}>${printable(slug)}</a>${" · "}first
        at <${Time} at=${group.measures.first_end_time} /> ${group.count > 1 && html`<${AllButton} group=${group} />`}</span>
    </span>
    <${Spark} values=${hours} />
    <span class="last"><${Time} at=${group.measures.last_end_time} ago /></span>
    <${MessageRuns} group=${group} where=${{ end_time_gte: since }} />
  </li>`;
}

/** Numbers as bars, one for each hour. @param {{ values: readonly number[] }} props */
function Spark({ values }) {
  const most = Math.max(1, ...values);
  const sum = values.reduce((total, value) => total + value, 0);
  return html`<svg class="spark" viewBox="0 0 100 24" width="100" height="24" role="img" aria-label=${`${sum} in 24 hours, at most ${Math.max(...values)} in one`}>
    ${values.map((value, index) => {
      const height = value ? Math.max(2, (value / most) * 23) : 1;
      return html`<rect key=${index} x=${index * 4} y=${24 - height} width="3" height=${height} class=${value ? "some" : ""} />`;
    })}
  </svg>`;
}

/**
 * The task runs that have run for longest, beside how long those of their tasks usually take.
 * @param {{ change: number | undefined }} props
 */
function Oldest({ change }) {
  const { data, error, refresh } = useAnswer("/task-runs", {
    state_group: ["running"], sort: "start_time", limit: MAX_OLDEST, start_time_is_null: false,
  });
  useChange(change, refresh);
  const usual = useUsual(data?.items ?? []);
  if (error && !data) return html`<${Section} title="Running for longest"><${Problem} error=${error} retry=${refresh} /><//>`;
  if (!data?.items.length) return null;
  return html`<${Section} title="Running for longest">
    <${Table} label="Task runs that have run for longest" rows=${data.items} columns=${oldestColumns(usual)} keyOf=${keyOf}
      hrefOf=${(/** @type {TaskRun} */ { id }) => href(pathOf("task-runs", id))} />
  <//>`;
}

/**
 * The 95th percentile of the durations of some task runs' tasks, by flow and task.
 * @param {readonly TaskRun[]} taskRuns
 */
function useUsual(taskRuns) {
  const [usual, setUsual] = useState(/** @type {{ [task: string]: number }} */ ({}));
  const tasks = [...new Set(taskRuns.map(({ flow_name: flow, task_slug: slug }) => JSON.stringify([flow, slug])))].sort();
  useEffect(() => {
    if (!tasks.length) return undefined;
    const controller = new AbortController();
    const pairs = tasks.map((task) => /** @type {[string, string]} */ (JSON.parse(task)));
    get("/task-runs/aggregate", {
      flow_name: [...new Set(pairs.map(([flow]) => flow))], task_slug: [...new Set(pairs.map(([, slug]) => slug))],
      state_group: ["successful"], group_by: ["flow_name", "task_slug"], measure: ["p95_duration"],
    }, { signal: controller.signal }).then(
      ({ groups }) => setUsual(Object.fromEntries((groups ?? []).flatMap(({ key, measures }) =>
        typeof measures.p95_duration === "number" ? [[JSON.stringify([key.flow_name, key.task_slug]), measures.p95_duration]] : []))),
      () => {}, // The table is complete without it.
    );
    return () => controller.abort();
  }, [tasks.join()]);
  return usual;
}

/** @param {TaskRun} taskRun */
function taskRunCell({ state, task_slug: slug, map_index: index }) {
  const name = taskRunName(slug, index);
  return html`<span class="named" title=${name}><${Shape} kind=${stateOf(state).kind} type=${state} /><span class="text">${name}</span></span>`;
}

/**
 * @param {{ [task: string]: number }} usual
 * @returns {import("./table.js").Column<TaskRun>[]}
 */
function oldestColumns(usual) {
  const p95 = (/** @type {TaskRun} */ { flow_name: flow, task_slug: slug }) => usual[JSON.stringify([flow, slug])];
  return [
    { title: "Task run", cell: taskRunCell },
    { title: "Flow run", cell: ({ flow_run_id: id, flow_run_name: name }) => html`<a href=${href(pathOf("flow-runs", id))} title=${printable(name)}>${printable(name)}</a>`, width: "24%", hide: 600 },
    { title: "Started", cell: (run) => html`<${Time} at=${run.start_time} ago />`, width: "13.5rem", hide: 900 },
    { title: "Usually", cell: (run) => html`<span class="muted">${formatDuration(p95(run)) || "–"}</span>`, width: "7rem", align: "end", hide: 600 },
    { title: "So far", cell: (run) => html`<${Duration} seconds=${null} since=${run.start_time} />`, width: "9rem", align: "end" },
  ];
}
