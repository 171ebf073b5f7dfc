/**
 * A task over time: how many of its task runs there were in each state, and how long they took.
 *
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {import("./types").Schemas["AggregateGroup"]} Group
 * @typedef {import("./task_range.js").TimeRange} TimeRange
 */

import { useAnswer } from "./api.js";
import { firstLine, formatCount, formatDuration, formatTime, printable, quoted, stateOf, taskRunName } from "./format.js";
import { AllButton, MessageRuns } from "./message_runs.js";
import { CountsBar, Duration, Empty, Loading, Page, Problem, Section, Sources, State, Time, Zone, summaryOf, usePage } from "./parts.js";
import { html, useEffect, useMemo } from "./preact.js";
import { addressOf } from "./routes.js";
import { SearchBox } from "./search.js";
import { clock, href, isUtc, navigate, pathOf, query, setQuery } from "./store.js";
import { Table } from "./table.js";
import { CountsChart, DurationsChart } from "./task_charts.js";
import { BUCKET_NAMES, RANGES, STANDARD_RANGE, bucketsOf, lengthOf, timeRange } from "./task_range.js";

const SLOWEST = 20;
const MESSAGES = 20;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const PERCENTILES = /** @type {const} */ (["p50_duration", "p95_duration", "p99_duration"]);

/**
 * A stretch of time, and what happened in it.
 * @typedef {{
 *   at: number, count: number, failed: number, counts: import("./types").Counts,
 *   p50: number | null, p95: number | null, p99: number | null,
 * }} Point
 */

/**
 * The stretches of a time, each with what is known of it; those without task runs have counts of 0.
 * @param {TimeRange} range
 * @param {readonly Group[]} measured by stretch
 * @param {readonly Group[]} counted by stretch and state
 * @returns {Point[]}
 */
export function pointsOf(range, measured, counted) {
  const length = lengthOf(range.bucket);
  /** @type {Map<number, Point>} */
  const points = new Map();
  for (let at = Math.floor(range.from / length) * length; at < range.to; at += length) {
    points.set(at, { at, count: 0, failed: 0, counts: {}, p50: null, p95: null, p99: null });
  }
  for (const { key, count, measures } of measured) {
    const point = points.get(Date.parse(key.bucket ?? ""));
    if (!point) continue;
    point.count = count;
    point.p50 = measures.p50_duration ?? null;
    point.p95 = measures.p95_duration ?? null;
    point.p99 = measures.p99_duration ?? null;
  }
  for (const { key, count } of counted) {
    const point = points.get(Date.parse(key.bucket ?? ""));
    if (!point || !key.state) continue;
    point.counts[key.state] = count;
    if (stateOf(key.state).group === "failed") point.failed += count;
  }
  return [...points.values()];
}

/**
 * The questions of the page.
 * @param {string} flow
 * @param {string} slug
 * @param {TimeRange} range
 */
function useTask(flow, slug, range) {
  const time = { start_time_gte: new Date(range.from).toISOString(), start_time_lt: new Date(range.to).toISOString() };
  const filter = { flow_name: [flow], task_slug: [slug], is_mapped_parent: false, ...time };
  const bucket = range.bucket;
  const measured = useAnswer("/task-runs/aggregate", { ...filter, bucket, measure: [...PERCENTILES] });
  const counted = useAnswer("/task-runs/aggregate", { ...filter, bucket, group_by: ["state"], limit: 10_000 });
  const minutes = Math.round((range.to - range.from) / MINUTE);
  // The API compares times from an hour to a year.
  const compare = minutes >= 60 && minutes <= 366 * 24 * 60 ? { compare: `PT${minutes}M` } : {};
  const total = useAnswer("/task-runs/aggregate", { ...filter, measure: [...PERCENTILES], ...compare });
  const slowest = useAnswer("/task-runs", { ...filter, sort: "-duration", limit: SLOWEST });
  const failures = useAnswer("/task-runs/aggregate", {
    ...filter, state_group: ["failed"], group_by: ["message"], sort: "-count", limit: MESSAGES,
  });
  const points = useMemo(
    () => (measured.data && counted.data ? pointsOf(range, measured.data.groups ?? [], counted.data.groups ?? []) : null),
    [measured.data, counted.data],
  );
  const isOpen = range.range !== null;
  useEffect(() => {
    if (!isOpen) return undefined;
    const timer = setInterval(() => document.hidden || refresh(), Math.max(MINUTE, lengthOf(bucket) / 5));
    return () => clearInterval(timer);
  }, [isOpen, bucket]);
  const error = measured.error ?? counted.error ?? total.error;
  const refresh = () => [measured, counted, total, slowest, failures].forEach((answer) => answer.refresh());
  const url = addressOf("/task-runs/aggregate", { ...filter, bucket, measure: [...PERCENTILES] });
  return { filter, points, total: total.data, slowest: slowest.data, failures: failures.data, error, refresh, url };
}

/** @param {{ range: TimeRange }} props */
function RangeChoice({ range }) {
  return html`<div class="range" role="group" aria-label="Time">
    ${Object.entries(RANGES).map(([key, { name }]) => html`<button key=${key} class="chip" aria-pressed=${range.range === key}
      onClick=${() => setQuery({ from: key === STANDARD_RANGE ? null : key, to: null, bucket: null })}>${name}</button>`)}
    ${!range.range && html`<button class="chip" aria-pressed="true">${formatTime(range.from, { utc: isUtc.value })} to ${formatTime(range.to, { utc: isUtc.value, today: range.from })}</button>`}
    <label>in steps of <select value=${range.bucket} onChange=${(/** @type {Event} */ event) => setQuery({ bucket: /** @type {HTMLSelectElement} */ (event.currentTarget).value })}>
      ${[...new Set([...bucketsOf(range), range.bucket])].map((name) => html`<option key=${name} value=${name}>${BUCKET_NAMES[name]}</option>`)}
    </select></label>
  </div>`;
}

/** @param {{ name: string, value: unknown, before: string }} props `before` is what it was in the same time before */
function Figure({ name, value, before }) {
  return html`<div><dt>${name}</dt><dd><b>${value}</b>${before && html`<span class="muted">before: ${before}</span>`}</dd></div>`;
}

/** @param {{ points: readonly Point[], total: import("./types").Schemas["Aggregate"] }} props */
function Figures({ points, total }) {
  const failed = points.reduce((sum, point) => sum + point.failed, 0);
  const share = total.count ? `${((failed / total.count) * 100).toFixed(failed && failed / total.count < 0.1 ? 2 : 0)} %` : "";
  const before = total.previous;
  return html`<dl class="key-figures">
    <${Figure} name="Task runs" value=${formatCount(total.count)} before=${before?.count ? formatCount(before.count) : ""} />
    <${Figure} name="Failed" value=${`${formatCount(failed)}${failed ? ` · ${share}` : ""}`} before="" />
    ${PERCENTILES.map((measure) => html`<${Figure} key=${measure} name=${measure.slice(0, 3)}
      value=${formatDuration(total.measures[measure]) || "–"} before=${formatDuration(before?.measures[measure])} />`)}
  </dl>`;
}

/** The address of a stretch: the page on its time alone. @param {Point} point @param {number} length */
function stretchHref({ at }, length) {
  return `?${new URLSearchParams({ from: new Date(at).toISOString(), to: new Date(at + length).toISOString() })}`;
}

/** @param {{ points: readonly Point[], range: TimeRange }} props */
function Numbers({ points, range }) {
  const rows = points.filter(({ count }) => count > 0);
  const length = lengthOf(range.bucket);
  const columns = /** @type {import("./table.js").Column<Point>[]} */ ([
    { title: "From", width: "9.5rem", cell: ({ at }) => formatTime(at, { utc: isUtc.value }).slice(0, 16) },
    { title: "Task runs", align: "end", width: "6rem", cell: ({ count }) => formatCount(count) },
    { title: "Failed", align: "end", width: "5rem", cell: ({ failed }) => (failed ? html`<b>${formatCount(failed)}</b>` : "0") },
    { title: "States", hide: 600, cell: ({ counts }) => html`<${CountsBar} counts=${counts} />` },
    { title: "p50", align: "end", width: "7rem", hide: 600, cell: ({ p50 }) => formatDuration(p50) },
    { title: "p95", align: "end", width: "7rem", hide: 600, cell: ({ p95 }) => formatDuration(p95) },
    { title: "p99", align: "end", width: "7rem", hide: 600, cell: ({ p99 }) => formatDuration(p99) },
  ]);
  return html`<${Table} label="Over time" rows=${rows} columns=${columns} keyOf=${(/** @type {Point} */ { at }) => at}
    hrefOf=${(/** @type {Point} */ point) => location.pathname + stretchHref(point, length)} />`;
}

/** @type {import("./table.js").Column<TaskRun>[]} */
const SLOWEST_COLUMNS = [
  { title: "Flow run", cell: (run) => {
    const name = printable(run.flow_run_name) + (run.map_index < 0 ? "" : ` ${taskRunName(run.task_slug, run.map_index)}`);
    return html`<bdi title=${name}>${name}</bdi>`;
  } },
  { title: "State", width: "clamp(5.5rem, 22vw, 9rem)", cell: ({ state }) => html`<${State} type=${state} />` },
  { title: "Started", width: "12rem", hide: 600, cell: ({ start_time }) => html`<${Time} at=${start_time} />` },
  { title: "Duration", align: "end", width: "clamp(5.5rem, 22vw, 8rem)", cell: ({ duration }) => html`<${Duration} seconds=${duration} />` },
];

/** @param {{ groups: readonly Group[], where: import("./types").Parameters<"/task-runs"> }} props */
function Failures({ groups, where }) {
  return html`<${Section} title="Failures by message">
    <table class="plain failures-of-task" aria-label="Failures by message"><thead><tr><th scope="col">Message</th><th scope="col" class="end">Count</th>
      <th scope="col" class="hide-600">First</th><th scope="col" class="hide-600">Last</th><th scope="col">Task runs</th></tr></thead>
    <tbody>${groups.map(({ key, count, measures, sample_ids }, index) => html`<tr key=${key.message ?? ""}>
      <th scope="row" class="message">${printable(firstLine(key.message)) || html`<span class="muted">no message</span>`}</th>
      <td class="end">${formatCount(count)}</td>
      <td class="hide-600"><${Time} at=${measures.first_end_time} /></td><td class="hide-600"><${Time} at=${measures.last_end_time} /></td>
      <td class="samples">${(sample_ids ?? []).map((id, place) => html`<a key=${id} href=${href(pathOf("task-runs", id))} aria-label=${`Sample ${place + 1}`}>${place + 1}</a> `)}
        ${count > (sample_ids?.length ?? 0) && html`<${AllButton} group=${groups[index]} />`}</td>
    </tr>`)}</tbody></table>
    ${groups.map((group) => html`<${MessageRuns} key=${group.key.message ?? ""} group=${group} where=${where} />`)}
  <//>`;
}

/** What stands in place of charts: where task runs are. @param {{ flow: string, slug: string }} props */
function Nothing({ flow, slug }) {
  const { data } = useAnswer("/task-runs", { flow_name: [flow], task_slug: [slug], sort: "-start_time", limit: 1 });
  const last = data?.items[0]?.start_time;
  if (!data) return html`<${Loading} />`;
  if (!data.items.length) {
    return html`<${Empty}><p>No task run of this flow and task is recorded.</p><//><${SearchBox} initial=${slug.slice(0, 255)} />`;
  }
  const end = last && Math.ceil((Date.parse(last) + 1) / MINUTE) * MINUTE;
  const around = end && `?${new URLSearchParams({ from: new Date(end - DAY).toISOString(), to: new Date(end).toISOString() })}`;
  return html`<${Empty}><p>No task run started in this time.</p>
    ${around && html`<p>The last one started <${Time} at=${last} ago />: <a href=${location.pathname + around}>show the day before that</a>.</p>`}
  <//>`;
}

/** @param {{ parameters: { [name: string]: string } }} props */
export default function Task({ parameters: { flow_name: flow = "", task_slug: slug = "" } }) {
  const minute = Math.floor(clock.value / MINUTE) * MINUTE;
  const [from, to, bucket] = [query("from"), query("to"), query("bucket")];
  const range = useMemo(() => timeRange({ from, to, bucket }, minute), [from, to, bucket, minute]);
  const { filter, points, total, slowest, failures, error, refresh, url } = useTask(flow, slug, range);
  usePage({ title: `${printable(slug)} · ${printable(flow)}` });
  const over = html`<a href=${href("/flow-runs", { flow })}><bdi>${printable(flow)}</bdi></a>`;
  const zoom = (/** @type {Point} */ point) => navigate(location.pathname + stretchHref(point, lengthOf(range.bucket)));
  const isEmpty = total?.count === 0;
  return html`<${Page} title=${html`<bdi>${printable(slug)}</bdi>`} over=${over} aside=${html`<${Zone} />`}>
    <${RangeChoice} range=${range} />
    ${error && !points && html`<${Problem} error=${error} retry=${refresh} />`}
    ${!error && !(points && total) && html`<${Loading} />`}
    ${points && total && (isEmpty ? html`<${Nothing} flow=${flow} slug=${slug} />` : html`
      <${Figures} points=${points} total=${total} />
      <${DurationsChart} points=${points} range=${range} onZoom=${zoom} />
      <${CountsChart} points=${points} range=${range} onZoom=${zoom} />
      ${(failures?.groups?.length ?? 0) > 0 && html`<${Failures} groups=${failures?.groups ?? []} where=${filter} />`}
      <${Section} title="Slowest"><${Table} label="Slowest" rows=${slowest?.items ?? []} columns=${SLOWEST_COLUMNS} keyOf=${(/** @type {TaskRun} */ run) => run.id}
        hrefOf=${(/** @type {TaskRun} */ run) => href(pathOf("task-runs", run.id))} /><//>
      <${Section} title="Numbers"><${Numbers} points=${points} range=${range} /><//>`)}
    <${Sources} url=${url} command=${`taskruns task-run aggregate --flow-name ${quoted(flow)} --task-slug ${quoted(slug)} --group-by day --measure p50_duration,p95_duration,p99_duration`} />
  <//>`;
}
