/** Flow runs as rows: the columns that lists of them share, and how live changes get into them. */

import { countOf, formatCount, formatDuration, printable, stateOf, totalOf } from "./format.js";
import { newer } from "./live.js";
import { CountsBar, Duration, Shape, Time, summaryOf } from "./parts.js";
import { html } from "./preact.js";
import { href, pathOf } from "./store.js";

/** @typedef {import("./types").Schemas["FlowRunSummary"]} FlowRun */

/** @param {FlowRun} flowRun */
export function hrefOf(flowRun) {
  return href(pathOf("flow-runs", flowRun.id));
}

/** @param {FlowRun} flowRun */
function isRunning(flowRun) {
  return stateOf(flowRun.state).group === "running";
}

/** The name with the shape of the state, whose word is for screen readers. @param {FlowRun} flowRun */
function nameCell(flowRun) {
  const state = stateOf(flowRun.state);
  return html`<span class="named" title=${`${state.word}: ${printable(flowRun.name)}`}>
    <${Shape} kind=${state.kind} type=${state.type} /><span class="hidden">${state.word}: </span><span class="text">${printable(flowRun.name)}</span>
  </span>`;
}

/** How many task runs have ended, of how many. @param {FlowRun} flowRun */
function countsCell({ task_run_counts: counts }) {
  const total = totalOf(counts);
  if (!total) return html`<span class="muted">–</span>`;
  const failed = countOf(counts, "failed");
  return html`<span class="counts" title=${summaryOf(counts)}>
    <${CountsBar} counts=${counts} />
    <span class="end">${formatCount(total)}</span>
    <span class="failed-count">${failed ? html`${formatCount(failed)}<span class="hidden"> failed</span> <${Shape} kind="failed" size=${12} />` : ""}</span>
  </span>`;
}

/**
 * The duration as a number, and as a bar in proportion to the longest of the list.
 * @param {number} longest in seconds
 */
function durationCell(longest) {
  return (/** @type {FlowRun} */ flowRun) => {
    const seconds = flowRun.duration ?? 0;
    const share = longest > 0 ? Math.max(1.5, (seconds / longest) * 100) : 0;
    return html`<span class="length">
      ${seconds > 0 && html`<span class="track" aria-hidden="true"><span style=${{ width: `${share}%` }} title=${formatDuration(seconds)} /></span>`}
      <${Duration} seconds=${flowRun.duration} since=${isRunning(flowRun) ? flowRun.start_time : null} />
    </span>`;
  };
}

/**
 * The columns of a list of flow runs.
 * @param {readonly FlowRun[]} flowRuns
 * @returns {import("./table.js").Column<FlowRun>[]}
 */
export function columnsOf(flowRuns) {
  const longest = flowRuns.reduce((most, { duration }) => Math.max(most, duration ?? 0), 0);
  return [
    { title: "Flow run", cell: nameCell, width: "26%" },
    { title: "Flow", cell: ({ flow_name: name }) => html`<span title=${printable(name)}>${printable(name)}</span>`, width: "14%", hide: 600 },
    { title: "Task runs", cell: countsCell },
    { title: "Started", cell: ({ start_time: at }) => html`<${Time} at=${at} ago />`, width: "13.5rem", hide: 900 },
    { title: "Took", cell: durationCell(longest), width: "18%", align: "end", hide: 600 },
  ];
}

/**
 * Items with a flow run in place of an older version of it.
 * @param {FlowRun[]} items
 * @param {FlowRun} flowRun
 */
export function replaced(items, flowRun) {
  return items.map((item) => (item.id === flowRun.id && newer(item, flowRun) ? { ...item, ...flowRun } : item));
}
