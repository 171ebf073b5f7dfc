/** The rows of a timeline as a table: for assistive technology it has all rows, in the page are those on the screen. */

import { countOf, formatCount, formatDuration, formatTime, printable, stateOf, taskRunName, totalOf } from "./format.js";
import { Shape } from "./parts.js";
import { html, useMemo } from "./preact.js";
import { href, isUtc, pathOf, query, setQuery } from "./store.js";
import { at, beginTime } from "./timeline_data.js";
import { unfoldTime } from "./timeline_folds.js";
import { STATES, countsOf, rowsBetween } from "./timeline_rows.js";

/**
 * @typedef {import("./timeline.js").TimelineState} TimelineState
 * @typedef {import("./timeline_rows.js").Row} Row
 * @typedef {import("./timeline_data.js").Task} Task
 */

const MARGIN = 240;
/** The table is made anew after so many pixels of scrolling. */
const STRIDE = 120;

/**
 * Opens a map into lanes or children, or closes it.
 *
 * @param {TimelineState["layouts"]} layouts
 * @param {string} slug
 * @param {import("./timeline_worker.js").Layout | null} layout
 */
function setLayout(layouts, slug, layout) {
  const changed = new Map(layouts);
  if (layout) changed.set(slug, layout);
  else changed.delete(slug);
  const slugsOf = (/** @type {import("./timeline_worker.js").Layout} */ own) => [...changed].filter(([, other]) => other === own).map(([name]) => name);
  setQuery({ lanes: slugsOf("lanes"), children: slugsOf("children") });
}

/** @param {{ timeline: TimelineState, top: number, room: number }} props */
export function Rows({ timeline, top, room }) {
  const stride = Math.floor(top / STRIDE) * STRIDE;
  const selected = query("run");
  const utc = isUtc.value;
  // The rows do not change with the window of time, which moves in each frame.
  return useMemo(() => {
    const rows = rowsBetween(timeline.blocks, stride - MARGIN, stride + STRIDE + room + MARGIN);
    return html`<div role="table" aria-label="Task runs of the timeline" aria-rowcount=${timeline.rows + 1}>
      <div role="row" aria-rowindex="1" class="hidden">
        ${["Task", "State", "Task runs", "Start", "Duration"].map((title) => html`<span key=${title}
          role="columnheader">${title}</span>`)}
      </div>
      ${rows.map((row) => html`<${TableRow} key=${`${row.block.kind} ${row.block.task.slug} ${row.lane}`} row=${row}
        timeline=${timeline} selected=${selected} utc=${utc} />`)}
    </div>`;
  }, [timeline.blocks, timeline.flowRunId, stride, room, selected, utc]);
}

/** @param {{ row: Row, timeline: TimelineState, selected: string | null, utc: boolean }} props */
function TableRow({ row, timeline, selected, utc }) {
  const { block, top, height, index } = row;
  const { kind, task } = block;
  const style = { top: `${top}px`, height: `${height}px` };
  const i = kind === "children" ? at(/** @type {import("./timeline_lanes.js").Lanes} */ (block.lanes).order, row.lane) : 0;
  const isSelected = kind !== "lanes" && selected === `${task.slug}/${kind === "map" ? "" : at(task.mapIndex, i)}`;
  return html`<div role="row" class=${`timeline-row ${kind}`} aria-rowindex=${index + 2} style=${style}
    aria-current=${isSelected ? "true" : undefined}>
    ${kind === "map" && html`<${MapCells} task=${task} timeline=${timeline} />`}
    ${kind === "lanes" && html`<span role="cell"
      class="muted">${formatCount(block.lanes?.count ?? 0)} at a time</span>`}
    ${(kind === "task" || kind === "children") && html`<${TaskRunCells} task=${task} i=${i} timeline=${timeline}
      isChild=${kind === "children"} utc=${utc} />`}
  </div>`;
}

/** @param {{ task: Task, timeline: TimelineState }} props */
function MapCells({ task, timeline }) {
  const counts = useMemo(() => countsOf(task), [task]);
  const layout = timeline.layouts.get(task.slug) ?? null;
  const [failed, total] = [countOf(counts, "failed"), totalOf(counts)];
  const worst = STATES.find((type) => counts[/** @type {import("./types").StateType} */ (type)]) ?? "Mapped";
  const next = layout === null ? "lanes" : layout === "lanes" ? "children" : null;
  const does = { lanes: "Show how they ran at a time", children: "Show each child", close: "Close" }[next ?? "close"];
  return html`<span role="rowheader" class="name">
      <button class="icon" aria-expanded=${layout !== null} aria-label=${`${does}: ${printable(task.slug)}`} title=${does}
        disabled=${Boolean(task.counts)} onClick=${() => setLayout(timeline.layouts, task.slug, next)}>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"
          class=${`shape turn ${layout ?? "closed"}`}><path class="line" d="M6 3.5l4.5 4.5L6 12.5" /></svg>
      </button>
      <a href=${href(pathOf("flow-runs", timeline.flowRunId, "tasks", task.slug))} title=${printable(task.slug)}>${printable(task.slug)}</a>
    </span>
    <span role="cell" class="hidden">${stateOf(worst).word}</span>
    <span role="cell" class="row-figures">
      ${failed > 0 && html`<b class="failures"><${Shape} kind="failed" size=${12} />${formatCount(failed)}<span
        class="hidden"> failed of</span></b>`}
      ${formatCount(total)}
    </span>
    <span role="cell" class="hidden"></span><span role="cell" class="hidden"></span>`;
}

/** @param {{ task: Task, i: number, timeline: TimelineState, isChild: boolean, utc: boolean }} props */
function TaskRunCells({ task, i, timeline: { flowRunId, scene }, isChild, utc }) {
  const { epoch = 0, folds = [] } = scene ?? {};
  const state = stateOf(STATES[at(task.state, i)] ?? "");
  const real = (/** @type {number} */ time) => unfoldTime(folds, time);
  const [begin, end, mapIndex] = [beginTime(task, i), at(task.end, i), at(task.mapIndex, i)];
  const duration = Number.isFinite(end - at(task.start, i)) ? formatDuration((real(end) - real(begin)) / 1000) : "";
  return html`<span role="rowheader" class="name">
      <${Shape} kind=${state.kind} type=${state.type} size=${14} />
      <a href=${href(pathOf("flow-runs", flowRunId, "tasks", task.slug, mapIndex))}
        title=${taskRunName(task.slug, mapIndex)}>${isChild ? `[${mapIndex}]` : printable(task.slug)}</a>
    </span>
    <span role="cell" class="hidden">${state.word}</span>
    <span role="cell" class="hidden">1</span>
    <span role="cell" class="hidden">${begin === begin ? formatTime(epoch + real(begin), { utc }) : ""}</span>
    <span role="cell" class="row-figures">${duration || html`<span class="muted">${state.word}</span>`}</span>`;
}
