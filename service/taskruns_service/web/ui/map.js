/** A map as one object: how far it is, why children failed, how long they took, and each child as a cell and as a row. */

import { ApiError, useAnswer } from "./api.js";
import { countOf, formatCount, formatDuration, formatTime, printable, quoted, stateOf, totalOf } from "./format.js";
import { Failures } from "./failures.js";
import { select, useFilterKeys } from "./filter.js";
import { useKeys } from "./keyboard.js";
import { useFlowRunEvents } from "./live.js";
import { Grid } from "./map_grid.js";
import { Histogram } from "./map_histogram.js";
import { Duration, Empty, Loading, Page, Problem, Section, Sources, State, StatesBar, Time, usePage } from "./parts.js";
import { html, useEffect, useMemo, useRef } from "./preact.js";
import { useRefresh, useThrottled } from "./refresh.js";
import { addressOf } from "./routes.js";
import { SearchBox } from "./search.js";
import { clock, href, isUtc, navigate, pathOf, queryAll } from "./store.js";
import { Table } from "./table.js";
import { at, isMapped } from "./timeline_data.js";
import { unfoldTime } from "./timeline_folds.js";
import { childLanes } from "./timeline_lanes.js";
import { STATES, countsOf, shownStates } from "./timeline_rows.js";
import { useScene } from "./timeline_scene.js";

/**
 * @typedef {import("./timeline_data.js").Task} Task
 * @typedef {import("./timeline_scene.js").Scene} Scene
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {{ flowRunId: string, slug: string }} Name
 */

const SLOWEST = 20;
const REFRESH_MILLISECONDS = 5000;

/** @param {import("./types").PageProps} props */
export default function MapPage({ parameters }) {
  const name = { flowRunId: parameters.flow_run_id ?? "", slug: parameters.task_slug ?? "" };
  const { data: flowRun, error: flowRunError, refresh } = useAnswer("/flow-runs/{flow_run_id}", { flow_run_id: name.flowRunId });
  const { scene, error, apply, reload } = useScene(name.flowRunId, { taskSlug: name.slug });
  useFlowRunEvents(name.flowRunId, { after: flowRun?.sequence, taskSlugs: [name.slug], onTaskRuns: apply, onFlowRun: () => undefined, onReset: reload });
  const task = scene?.tasks[0];
  const problem = flowRunError ?? error;
  useEffect(() => {
    // A task that is not mapped has one task run, which has a page of its own.
    if (task && task.length === 1 && !isMapped(task) && scene?.tasks.length) navigate(childHref(name, -1), { replace: true });
  }, [task]);
  const over = html`Task of <a href=${href(pathOf("flow-runs", name.flowRunId))}>${flowRun ? printable(flowRun.name) : "a flow run"}</a>`;
  return html`<${Page} title=${printable(name.slug)} over=${over} aside=${html`<${Links} name=${name}
    flowName=${flowRun?.flow_name} task=${task} />`}>
    ${problem && html`<${Problem} error=${problem} retry=${flowRunError ? refresh : reload} />`}
    ${problem instanceof ApiError && problem.status === 404 && html`<${SearchBox} />`}
    ${!scene && !problem && html`<${Loading} />`}
    ${scene && !task && html`<${Empty}><p>This task has no task runs in this flow run yet.</p><//><${SearchBox} />`}
    ${scene && task && html`<${Loaded} name=${name} flowRunName=${flowRun ? [flowRun.name] : []} scene=${scene} task=${task} />`}
  <//>`;
}

/** @param {Name} name @param {number} index */
const childHref = ({ flowRunId, slug }, index) => href(pathOf("flow-runs", flowRunId, "tasks", slug, index));

/** @param {{ name: Name, flowName: string | undefined, task: Task | undefined }} props */
function Links({ name, flowName, task }) {
  const result = task?.taskRunId && addressOf("/task-runs/{task_run_id}/result", { task_run_id: task.taskRunId });
  return html`<${GoTo} name=${name} />
    ${flowName && html`<a href=${href(pathOf("tasks", flowName, name.slug))}>This task over time</a>`}
    ${result && html`<a href=${result} data-native>Results (JSON)</a>`}`;
}

/** Opens the child of a map index. @param {{ name: Name }} props */
function GoTo({ name }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useKeys("Children", { g: { does: "Go to a map index", run: () => input.current?.select() } });
  const open = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (input.current?.value) navigate(childHref(name, Number(input.current.value)));
  };
  const leave = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && input.current?.blur();
  return html`<form class="go-to" onSubmit=${open}>
    <label>Go to <input ref=${input} name="index" inputmode="numeric" pattern="[0-9]{1,10}" size="7"
      placeholder="index" aria-label="Map index" onKeyDown=${leave} title="Go to a map index (g)" /></label>
  </form>`;
}

/** @param {{ name: Name, flowRunName: readonly string[], scene: Scene, task: Task }} props `flowRunName` is empty until it is read */
function Loaded({ name, flowRunName, scene, task }) {
  const types = queryAll("state");
  const counts = useMemo(() => countsOf(task), [task]);
  const failed = countOf(counts, "failed");
  const version = useThrottled(scene.sequence, REFRESH_MILLISECONDS);
  const worst = STATES.find((type) => counts[/** @type {import("./types").StateType} */ (type)]) ?? "Mapped";
  useFilterKeys();
  usePage({ title: [failed ? `✕ ${formatCount(failed)} failed` : stateOf(worst).word, name.slug, ...flowRunName].map(printable).join(" · "), kind: stateOf(worst).kind });
  return html`<${Progress} scene=${scene} task=${task} counts=${counts} />
    <${StatesBar} counts=${counts} selected=${types} onSelect=${select} noun="children" />
    <${Failures} flowRunId=${name.flowRunId} taskSlug=${name.slug} count=${failed} />
    <${Section} title="Children">
      ${task.counts
        ? html`<p class="muted">There are too many children to show each of them.</p>`
        : html`<${Grid} task=${task} types=${types}
          hrefOf=${(/** @type {number} */ index) => childHref(name, index)} />`}
    <//>
    <div class="columns">
      <${Durations} name=${name} version=${version} />
      <${Slowest} name=${name} version=${version} />
    </div>
    <${Children} name=${name} scene=${scene} task=${task} types=${types} />
    <${Sources} url=${addressOf("/flow-runs/{flow_run_id}/timeline", { flow_run_id: name.flowRunId, task_slug: name.slug })}
      command=${`taskruns task-run ls --flow-run-id ${name.flowRunId} --task-slug ${quoted(name.slug)}`} />`;
}

/**
 * How many children are done, and how many end in a second.
 *
 * @param {{ scene: Scene, task: Task, counts: import("./types").Counts }} props
 */
function Progress({ scene: { epoch, folds }, task, counts }) {
  const [total, open] = [totalOf(counts), countOf(counts, "unfinished")];
  const span = useMemo(() => {
    let [first, last] = [Infinity, -Infinity];
    for (let i = 0; i < task.length; i++) {
      if (at(task.mapIndex, i) < 0) continue;
      first = Math.min(first, at(task.start, i) || Infinity);
      if (at(task.end, i) !== Infinity) last = Math.max(last, at(task.end, i) || -Infinity);
    }
    return { first: epoch + unfoldTime(folds, first), last: epoch + unfoldTime(folds, last) };
  }, [task]);
  const until = open ? clock.value : span.last;
  const seconds = (until - span.first) / 1000;
  const fact = (/** @type {string} */ name, /** @type {unknown} */ value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const moment = (/** @type {number} */ time) => html`<${Time}
    at=${Number.isFinite(time) ? new Date(time).toISOString() : null} />`;
  return html`<dl class="facts">
    ${fact("Done", `${formatCount(total - open)} of ${formatCount(total)}`)}
    ${fact("Rate", seconds > 0 && Number.isFinite(seconds) ? rateText((total - open) / seconds) : "–")}
    ${fact("First start", moment(span.first))}
    ${fact("Last end", open ? html`<span class="muted">goes on</span>` : moment(span.last))}
    ${fact("Took", Number.isFinite(seconds) ? formatDuration(Math.max(0, open ? Math.floor(seconds) : seconds)) : "–")}
  </dl>`;
}

/** @param {number} perSecond */
function rateText(perSecond) {
  if (perSecond >= 1) return `${perSecond >= 100 ? Math.round(perSecond) : perSecond.toFixed(1)} per second`;
  return perSecond * 60 >= 1 ? `${(perSecond * 60).toFixed(1)} per minute` : `${(perSecond * 3600).toFixed(1)} per hour`;
}

/** @param {{ name: Name, version: number }} props */
function Durations({ name, version }) {
  const { data, error, refresh } = useAnswer("/task-runs/aggregate", {
    ...{ flow_run_id: [name.flowRunId], task_slug: [name.slug], is_mapped_child: true, histogram: "duration" },
    measure: ["p50_duration", "p95_duration", "p99_duration", "max_duration"],
  });
  useRefresh(version, refresh);
  const { p50_duration: p50, p95_duration: p95, p99_duration: p99, max_duration: max } = data?.measures ?? {};
  const marks = Object.entries({ p50, p95, p99, max }).flatMap(([label, value]) => (typeof value === "number" ? [{ label, value }] : []));
  return html`<${Section} title="Durations" aside=${marks.map(({ label, value }) => html`<span key=${label}><span
    class="muted">${label}</span> <b>${formatDuration(value)}</b></span>`)}>
    ${error && html`<${Problem} error=${error} retry=${refresh} />`}
    ${data?.histogram && html`<${Histogram} histogram=${data.histogram} marks=${marks} />`}
  <//>`;
}

/** @param {{ name: Name, version: number }} props */
function Slowest({ name, version }) {
  const { data, error, refresh } = useAnswer("/flow-runs/{flow_run_id}/task-runs", {
    ...{ flow_run_id: name.flowRunId, task_slug: [name.slug], is_mapped_child: true, sort: "-duration", limit: SLOWEST },
  });
  useRefresh(version, refresh);
  const longest = data?.items[0]?.duration ?? 0;
  const items = (data?.items ?? []).filter((item) => item.duration !== null);
  return html`<${Section} title="Slowest">
    ${error && html`<${Problem} error=${error} retry=${refresh} />`}
    ${data && !items.length && html`<p class="muted">No child has ended yet.</p>`}
    <ol class="slowest">${items.map((item) => html`<li key=${item.id}>
      <a href=${childHref(name, item.map_index)}>[${item.map_index}]</a>
      <span class="slow-bar"><span
        style=${{ width: `${((item.duration ?? 0) / (longest || 1)) * 100}%`, background: stateOf(item.state).color }} /></span>
      <${Duration} seconds=${item.duration} /> <${State} type=${item.state} quiet=${true} />
    </li>`)}</ol>
  <//>`;
}

/** All children by map index. @param {{ name: Name, scene: Scene, task: Task, types: readonly string[] }} props */
function Children({ name, scene: { epoch, folds }, task, types }) {
  const version = types.join();
  const rows = useMemo(() => [...childLanes(task, shownStates(types)).order], [task, version]);
  const columns = useMemo(() => {
    const real = (/** @type {number} */ time) => unfoldTime(folds, time);
    const moment = (/** @type {number} */ time) => (Number.isFinite(time) ? formatTime(epoch + real(time), { utc: isUtc.value, today: clock.peek() }) : "–");
    /** @type {import("./table.js").Column<number>[]} */
    const made = [
      { title: "Child", width: "9rem", cell: (i) => `[${at(task.mapIndex, i)}]` },
      { title: "State", width: "10rem", cell: (i) => html`<${State} type=${STATES[at(task.state, i)] ?? ""} />` },
      { title: "Start", cell: (i) => moment(at(task.start, i)) },
      { title: "Waited", width: "8rem", align: "end", hide: 600, cell: (i) => formatDuration((real(at(task.start, i)) - real(at(task.queued, i))) / 1000 || null) },
      { title: "Duration", width: "8rem", align: "end", cell: (i) => formatDuration(finite((real(at(task.end, i)) - real(at(task.start, i))) / 1000)) },
      { title: "Attempts", width: "6rem", align: "end", hide: 900, cell: (i) => formatCount(at(task.runCount ?? [], i) || 1) },
    ];
    return made;
  }, [task, isUtc.value]);
  if (!rows.length) return null;
  return html`<${Section} title="By map index" aside=${html`<span class="muted">${formatCount(rows.length)}</span>`}>
    <${Table} label="Children by map index" rows=${rows} columns=${columns}
      keyOf=${(/** @type {number} */ i) => at(task.mapIndex, i)}
      hrefOf=${(/** @type {number} */ i) => childHref(name, at(task.mapIndex, i))} />
  <//>`;
}

/** @param {number} value */
const finite = (value) => (Number.isFinite(value) ? value : null);
