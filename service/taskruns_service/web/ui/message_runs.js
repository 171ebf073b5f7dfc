/**
 * All task runs that failed with a message, as rows below the group that counts them. Which group is open is in the
 * address: `message`, and on pages of several tasks `flow` and `task`.
 */

import { useList } from "./api.js";
import { firstLine, formatCount, printable, taskRunName } from "./format.js";
import { Duration, Loading, Problem, Time } from "./parts.js";
import { html, useState } from "./preact.js";
import { href, pathOf, query, setQuery } from "./store.js";
import { Table } from "./table.js";

/**
 * @typedef {import("./types").Schemas["AggregateGroup"]} Group
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {import("./types").Parameters<"/task-runs">} Where
 */

const PAGE = 50;
/** What stands for a message of nothing but blanks: an empty parameter would be none. */
const BLANK = " ";

/** What the address says while a group is open. @param {Group["key"]} key @returns {{ [name: string]: string | null }} */
function namesOf({ message, flow_name: flow, task_slug: task }) {
  const own = typeof message === "string" ? { message: message || BLANK, no_message: null } : { message: null, no_message: "true" };
  return { ...own, flow: flow ?? null, task: task ?? null };
}

/** @param {Group["key"]} key */
export function isOpen(key) {
  return Object.entries(namesOf(key)).every(([name, value]) => query(name) === value);
}

/** A button that shows all task runs of a group, or hides them. @param {{ group: Group }} props */
export function AllButton({ group: { key, count } }) {
  const names = namesOf(key);
  const open = isOpen(key);
  const closed = Object.fromEntries(Object.keys(names).map((name) => [name, null]));
  return html`<button class="all-runs" aria-expanded=${open} onClick=${() => setQuery(open ? closed : names)}>${open ? "Hide" : "Show"} all ${formatCount(count)}</button>`;
}

/**
 * The task runs of a group while it is open.
 * @param {{ group: Group, where: Where }} props `where` are the filters that the groups are of
 */
export function MessageRuns({ group, where }) {
  return isOpen(group.key) ? html`<${Rows} group=${group} where=${where} />` : null;
}

/** @param {{ group: Group, where: Where }} props */
function Rows({ group: { key, count }, where }) {
  const { message, flow_name: flow, task_slug: task } = key;
  const list = useList("/task-runs", {
    ...where,
    ...(flow === undefined ? {} : { flow_name: [flow] }),
    ...(task === undefined ? {} : { task_slug: [task] }),
    ...(typeof message === "string" ? { message: [message || BLANK] } : { message_is_null: true }),
    ...{ state_group: ["failed"], sort: "-end_time", limit: PAGE },
  });
  const [known, setKnown] = useState(count);
  const refresh = () => {
    setKnown(count);
    list.refresh();
  };
  if (list.error && !list.items) return html`<${Problem} error=${list.error} retry=${list.refresh} />`;
  if (!list.items) return html`<${Loading} />`;
  return html`<div class="message-runs">
    ${count > known && html`<p><button onClick=${refresh}>${formatCount(count - known)} new</button></p>`}
    <${Table} label=${`Task runs with this message: ${firstLine(printable(message), 60)}`} rows=${list.items}
      columns=${where.flow_run_id ? OF_FLOW_RUN : COLUMNS} keyOf=${(/** @type {TaskRun} */ { id }) => id} hrefOf=${hrefOf}
      total=${known} onEnd=${list.readNext} />
  </div>`;
}

/** @param {TaskRun} taskRun */
function hrefOf({ flow_run_id: flowRunId, task_slug: slug, map_index: index }) {
  return href(pathOf("flow-runs", flowRunId, "tasks", slug, index));
}

/** @type {import("./table.js").Column<TaskRun>[]} */
const COLUMNS = [
  { title: "Task run", width: "22%", cell: ({ task_slug: slug, map_index: index }) => html`<bdi title=${taskRunName(slug, index)}>${taskRunName(slug, index)}</bdi>` },
  { title: "Flow run", width: "16%", hide: 600, cell: ({ flow_run_name: name }) => html`<bdi title=${printable(name)}>${printable(name)}</bdi>` },
  { title: "Message", hide: 600, cell: ({ state_message: text }) => html`<bdi title=${printable(text).slice(0, 1000)}>${firstLine(printable(text))}</bdi>` },
  { title: "Ended", width: "11rem", cell: ({ end_time: end }) => html`<${Time} at=${end} />` },
  { title: "Duration", width: "7rem", align: "end", hide: 900, cell: ({ duration }) => html`<${Duration} seconds=${duration} />` },
];
const OF_FLOW_RUN = COLUMNS.filter(({ title }) => title !== "Flow run");
