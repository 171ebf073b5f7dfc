/** Flow runs: a list with filters, each of which is in the address. */

import { get, useAnswer, useList } from "./api.js";
import { columnsOf, hrefOf, replaced } from "./flow_run_rows.js";
import { formatCount, printable, quoted, totalOf, typesOf } from "./format.js";
import { useKeys } from "./keyboard.js";
import { useOverviewEvents } from "./live.js";
import { Empty, Loading, Page, Problem, Sources, StatesBar, Zone, usePage } from "./parts.js";
import { html, useEffect, useMemo, useState } from "./preact.js";
import { addressOf } from "./routes.js";
import { clock, query, queryAll, setQuery } from "./store.js";
import { Table } from "./table.js";

const PAGE = 50;
const MAX_FLOWS = 200;
const MAX_WATCHED = 100;
const ROUND = 60_000;
const TYPING_MILLISECONDS = 200;

/** Stretches of time up to now, in milliseconds, by their name in the address. @type {[string, string, number][]} */
const WINDOWS = [["1h", "1 hour", 3_600_000], ["24h", "24 hours", 86_400_000], ["7d", "7 days", 604_800_000], ["30d", "30 days", 2_592_000_000]];
const NEWEST = "-created";
/** @type {[string, string][]} */
const SORTS = [[NEWEST, "Newest"], ["-duration", "Longest"], ["-end_time", "Ended last"]];

/** @typedef {import("./types").StateType} StateType */

/** The beginning of the window in the address; it moves every minute at most. */
function beginOf(/** @type {string | null} */ name) {
  const window = WINDOWS.find(([own]) => own === name);
  if (window) return new Date(Math.floor(clock.value / ROUND) * ROUND - window[2]).toISOString();
  return name && !Number.isNaN(Date.parse(name)) ? new Date(name).toISOString() : null;
}

/** The states that the address names, by type or by group. */
function selectedStates() {
  const group = query("group");
  const own = group === "failed" || group === "unfinished" || group === "running" ? typesOf(group) : [];
  return [...new Set([...own, .../** @type {StateType[]} */ (queryAll("state"))])];
}

/** The filters in the address, as parameters of the API. */
function filters() {
  const begin = beginOf(query("from"));
  const ended = beginOf(query("ended"));
  const end = query("to");
  return {
    ...(query("flow") ? { flow_name: queryAll("flow") } : {}),
    ...(query("name") ? { name_contains: query("name") ?? "" } : {}),
    ...(query("label") ? { label: queryAll("label") } : {}),
    ...(begin ? { created_gte: begin } : {}),
    ...(ended ? { end_time_gte: ended } : {}),
    ...(end && !Number.isNaN(Date.parse(end)) ? { created_lte: new Date(end).toISOString() } : {}),
  };
}

/** @param {string[]} types */
function select(types) {
  setQuery({ state: types, group: null });
}

export default function FlowRuns() {
  const where = filters();
  const states = selectedStates();
  const list = useList("/flow-runs", { ...where, ...(states.length ? { state: states } : {}), sort: query("sort") ?? NEWEST, limit: PAGE });
  const counts = useAnswer("/flow-runs/aggregate", { ...where, group_by: ["state"] });
  const byState = Object.fromEntries((counts.data?.groups ?? []).map(({ key, count }) => [String(key.state), count]));
  const ids = useMemo(() => (list.items ?? []).slice(0, MAX_WATCHED).map(({ id }) => id), [(list.items ?? []).slice(0, MAX_WATCHED).map(({ id }) => id).join()]);
  const [newest, setNewest] = useState(/** @type {string | null} */ (null));
  const [known, setKnown] = useState(/** @type {string | null} */ (null));
  useOverviewEvents({
    now: list.items !== undefined, flowRunIds: ids,
    onNow: ({ newest_flow_run_created: created }) => {
      setNewest(created);
      setKnown((old) => old ?? created);
    },
    onFlowRun: (flowRun) => list.update((items) => replaced(items, flowRun)),
  });
  const sort = query("sort") ?? NEWEST;
  useEffect(() => setKnown(newest), [sort]);
  const refresh = () => {
    setKnown(newest);
    list.refresh();
    counts.refresh();
  };
  useKeys("States", {
    f: { does: "Show only failed flow runs", run: () => setQuery({ group: "failed", state: null }) },
    r: { does: "Show only flow runs that are not finished", run: () => setQuery({ group: "unfinished", state: null }) },
    a: { does: "Show flow runs in all states", run: () => select([]) },
  });
  usePage({ title: "Flow runs" });
  const parameters = { ...where, state: states };
  return html`<${Page} title="Flow runs" aside=${html`<${Zone} />`}>
    <${Filters} />
    <${StatesBar} counts=${byState} selected=${states} onSelect=${select} noun="flow runs" />
    <${News} newest=${newest} known=${sort === NEWEST ? newestOf(list.items) : known} where=${parameters} show=${refresh} />
    ${list.error && html`<${Problem} error=${list.error} retry=${list.refresh} />`}
    <${Rows} list=${list} isFiltered=${totalOf(byState) > 0 || Object.keys(where).length > 0} total=${totalFor(byState, states)} />
    <${Sources} url=${addressOf("/flow-runs", parameters)} command=${commandOf(parameters)} />
  <//>`;
}

/**
 * The number of all rows; undefined while it is not known.
 * @param {{ [type: string]: number }} counts
 * @param {readonly string[]} states
 */
function totalFor(counts, states) {
  if (!Object.keys(counts).length) return undefined;
  return states.length ? states.reduce((sum, state) => sum + (counts[state] ?? 0), 0) : totalOf(counts);
}

/** The same question for the command line. @param {{ [name: string]: unknown }} parameters */
function commandOf(parameters) {
  const options = Object.entries(parameters).flatMap(([name, value]) => {
    const option = name === "created_gte" ? "--created-gte" : `--${name.replaceAll("_", "-")}`;
    return (Array.isArray(value) ? value : [value]).map((text) => `${option} ${quoted(String(text))}`);
  });
  return ["taskruns flow-run ls", ...options].join(" ");
}

/** @param {{ list: ReturnType<typeof useList<"/flow-runs">>, isFiltered: boolean, total: number | undefined }} props */
function Rows({ list, isFiltered, total }) {
  if (!list.items) return list.error ? null : html`<${Loading} />`;
  if (!list.items.length) {
    return isFiltered
      ? html`<${Empty}><p>No flow run matches these filters.</p>
          <button onClick=${() => setQuery({ flow: null, name: null, label: null, from: null, to: null, ended: null, state: null, group: null })}>Remove all filters</button><//>`
      : html`<${Empty}><p>There are no flow runs yet. <code>taskruns demo</code> records three.</p><//>`;
  }
  return html`<${Table} label="Flow runs" rows=${list.items} columns=${columnsOf(list.items)} keyOf=${keyOf} hrefOf=${hrefOf}
    total=${total} onEnd=${list.readNext} />`;
}

/** @param {{ id: string }} item */
function keyOf({ id }) {
  return id;
}

/** The filters besides the states. */
function Filters() {
  const flows = useAnswer("/flow-runs/aggregate", { group_by: ["flow_name"], sort: "-count", limit: MAX_FLOWS });
  const names = (flows.data?.groups ?? []).map(({ key }) => key.flow_name ?? "");
  const flow = query("flow") ?? "";
  return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <label>Flow <select value=${flow} onChange=${choose("flow")}>
      <option value="">All</option>
      ${[...new Set([...(flow ? [flow] : []), ...names])].map((name) => html`<option key=${name} value=${name}>${printable(name)}</option>`)}
    </select></label>
    <label>Name <${TypedFilter} name="name" placeholder="contains" /></label>
    <label>Label <${TypedFilter} name="label" placeholder="is" /></label>
    <${WindowFilter} name="from" until="to">Created in<//>
    <${WindowFilter} name="ended">Ended in<//>
    <label>Sort <select value=${query("sort") ?? NEWEST} onChange=${choose("sort")}>
      ${SORTS.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
    </select></label>
  </form>`;
}

/**
 * The choice of a stretch of time up to now; the address may name any moments.
 * @param {{ name: string, until?: string, children: string }} props the parameters of its begin and of its end
 */
function WindowFilter({ name, until, children }) {
  const [begin, end] = [query(name) ?? "", (until && query(until)) || ""];
  const isOther = end !== "" || (begin !== "" && !WINDOWS.some(([own]) => own === begin));
  const choice = (/** @type {Event} */ event) =>
    setQuery({ [name]: /** @type {HTMLSelectElement} */ (event.currentTarget).value, ...(until ? { [until]: null } : {}) });
  return html`<label>${children} <select value=${isOther ? "other" : begin} onChange=${choice}>
    <option value="">all time</option>
    ${isOther && html`<option value="other">${[begin && `since ${begin}`, end && `until ${end}`].filter(Boolean).join(" ")}</option>`}
    ${WINDOWS.map(([own, text]) => html`<option key=${own} value=${own}>the last ${text}</option>`)}
  </select></label>`;
}

/** @param {string} name */
function choose(name) {
  return (/** @type {Event} */ event) => setQuery({ [name]: /** @type {HTMLSelectElement} */ (event.currentTarget).value });
}

/** A text that filters once the reader stops typing. @param {{ name: string, placeholder: string }} props */
function TypedFilter({ name, placeholder }) {
  const inAddress = query(name) ?? "";
  const [text, setText] = useState(inAddress);
  useEffect(() => setText(inAddress), [inAddress]);
  useEffect(() => {
    if (text === inAddress) return undefined;
    const timer = setTimeout(() => setQuery({ [name]: text }), TYPING_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<input type="search" value=${text} placeholder=${placeholder}
    onInput=${(/** @type {Event} */ event) => setText(/** @type {HTMLInputElement} */ (event.currentTarget).value)} />`;
}

/** When the newest of a list was created; null before the list is read. @param {import("./flow_run_rows.js").FlowRun[] | undefined} items */
function newestOf(items) {
  return items ? items.reduce((latest, { created }) => (created > latest ? created : latest), "") : null;
}

/**
 * Says how many flow runs are new, instead of moving the rows that somebody reads.
 * @param {{
 *   newest: string | null, known: string | null, where: { [name: string]: unknown }, show: () => void,
 * }} props `known` is when the newest was created that the list was asked for; null while that is not known
 */
function News({ newest, known, where, show }) {
  const [count, setCount] = useState(0);
  useEffect(() => {
    setCount(0);
    if (newest === null || known === null || newest <= known) return undefined;
    const controller = new AbortController();
    const later = known ? { created_gt: known } : {};
    get("/flow-runs/aggregate", { ...where, ...later }, { signal: controller.signal }).then((answer) => setCount(answer.count), () => {});
    return () => controller.abort();
  }, [newest, known]);
  if (!count) return null;
  return html`<p class="news"><button onClick=${() => {
    scrollTo(0, 0);
    show();
  }}>${formatCount(count)} new</button></p>`;
}
