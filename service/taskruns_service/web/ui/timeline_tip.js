/** What a point of the timeline is: a task run with its times, or what ran in a map at a time and which children failed. */

import { useAnswer } from "./api.js";
import { firstLine, formatCount, formatDuration, formatTime, printable, taskRunName } from "./format.js";
import { useKeys } from "./keyboard.js";
import { State } from "./parts.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { href, isUtc, pathOf } from "./store.js";
import { at, isMapped } from "./timeline_data.js";
import { unfoldTime } from "./timeline_folds.js";
import { STATES } from "./timeline_rows.js";

/**
 * @typedef {import("./timeline.js").TimelineState} TimelineState
 * @typedef {import("./timeline_data.js").Task} Task
 * @typedef {import("./timeline_window.js").TipState} TipState
 */

const MAX_FAILURES = 5;

/** @param {{ timeline: TimelineState, tip: TipState | null, close: () => void, hold: () => void }} props */
export function Tip({ timeline, tip, close, hold }) {
  if (!tip) return null;
  return html`<${Box} timeline=${timeline} tip=${tip} close=${close} hold=${hold} />`;
}

/** @param {{ timeline: TimelineState, tip: TipState, close: () => void, hold: () => void }} props */
function Box({ timeline, tip, close, hold }) {
  const { hit, x, y, isPinned } = tip;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    if (!box.current) return;
    const { width, height } = box.current.getBoundingClientRect();
    setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
  });
  useEffect(() => {
    if (tip.hasFocus) box.current?.querySelector("a")?.focus({ preventScroll: true });
  }, [tip]);
  useKeys("Timeline", { Escape: { does: "Close the tip", run: close } });
  const left = Math.max(Math.min(x + 12, innerWidth - size.width - 8), 8);
  const top = y + 16 + size.height > innerHeight ? Math.max(y - size.height - 12, 8) : y + 16;
  return html`<div ref=${box} class=${`tip ${isPinned ? "pinned" : ""}`} style=${{ left: `${left}px`, top: `${top}px` }}
    onPointerEnter=${hold} onPointerLeave=${() => isPinned || close()}>
    ${hit.block.kind === "map"
      ? html`<${MapTip} timeline=${timeline} task=${hit.block.task} time=${hit.time} failures=${hit.failures} />`
      : html`<${TaskRunTip} timeline=${timeline} task=${hit.block.task} drawn=${hit.block.drawn} i=${hit.i}
        isPinned=${isPinned} />`}
  </div>`;
}

/** @param {TimelineState} timeline @param {Task} task @param {number} i */
function linkOf({ flowRunId }, task, i) {
  const mapIndex = at(task.mapIndex, i);
  const name = taskRunName(task.slug, mapIndex);
  return html`<a href=${href(pathOf("flow-runs", flowRunId, "tasks", task.slug, mapIndex))}>${name}</a>`;
}

/** @param {{ timeline: TimelineState, task: Task, drawn: Task, i: number, isPinned: boolean }} props */
function TaskRunTip({ timeline, task, drawn, i, isPinned }) {
  const { epoch = 0, folds = [] } = timeline.scene ?? {};
  const real = (/** @type {number} */ time) => unfoldTime(folds, time);
  const text = (/** @type {number} */ time) => formatTime(epoch + real(time), { utc: isUtc.value, milliseconds: true });
  const [start, end, queued] = [at(drawn.start, i), at(drawn.end, i), at(drawn.queued, i)];
  const between = (/** @type {number} */ from, /** @type {number} */ to) => formatDuration((real(to) - real(from)) / 1000);
  const isAttempt = drawn !== task;
  const runCount = isAttempt ? 1 : at(drawn.runCount ?? [1], i);
  return html`<p class="tip-title">${linkOf(timeline, isAttempt ? task : drawn, isAttempt ? 0 : i)} <${State}
    type=${STATES[at(drawn.state, i)] ?? ""} /></p>
    ${isAttempt && html`<p>Attempt ${i + 1} of ${drawn.length}</p>`}
    ${start === start && html`<p>${text(start)}${Number.isFinite(end) && html` to ${text(end).slice(11)}, took <b>${between(start, end)}</b>`}</p>`}
    ${start === start && queued < start && html`<p class="muted">waited ${between(queued, start)}</p>`}
    ${start !== start && queued === queued && !Number.isFinite(end) && html`<p>since ${text(queued)}</p>`}
    ${start !== start && Number.isFinite(end) && html`<p>${text(end)}, never started</p>`}
    ${start !== start && queued < end && Number.isFinite(end) && html`<p class="muted">waited ${between(queued, end)}</p>`}
    ${runCount > 1 && html`<p class="muted">${runCount} attempts</p>`}
    ${isPinned && html`<${Why} flowRunId=${timeline.flowRunId} slug=${task.slug}
      mapIndex=${at(drawn.mapIndex, i)} />`}`;
}

/** The message of a task run. @param {{ flowRunId: string, slug: string, mapIndex: number }} props */
function Why({ flowRunId, slug, mapIndex }) {
  const { data } = useAnswer("/flow-runs/{flow_run_id}/task-runs/fields", {
    ...{ flow_run_id: flowRunId, task_slug: [slug], map_index: [mapIndex] },
    fields: ["state_message"],
  });
  const message = data?.items[0]?.state_message;
  return message ? html`<p class="tip-message">${firstLine(printable(message), 300)}</p>` : null;
}

/** @param {{ timeline: TimelineState, task: Task, time: number, failures: number[] }} props */
function MapTip({ timeline, task, time, failures }) {
  const { epoch = 0, folds = [] } = timeline.scene ?? {};
  let running = 0;
  for (let i = 0; i < task.length; i++) {
    if (at(task.mapIndex, i) >= 0 && at(task.start, i) <= time && at(task.end, i) >= time) running++;
  }
  const moment = formatTime(epoch + unfoldTime(folds, time), { utc: isUtc.value, milliseconds: true });
  const rest = failures.length - MAX_FAILURES;
  return html`<p class="tip-title"><a
    href=${href(pathOf("flow-runs", timeline.flowRunId, "tasks", task.slug))}>${printable(task.slug)}</a> <span
    class="muted">at ${moment}</span></p>
    ${isMapped(task) && !task.counts && html`<p>${formatCount(running)} running</p>`}
    ${failures.length > 0 && html`<p>${formatCount(failures.length)} failed around here:</p><ul>
      ${failures.slice(0, MAX_FAILURES).map((i) => html`<li key=${i}>${linkOf(timeline, task, i)}</li>`)}
      ${rest > 0 && html`<li class="muted">and ${formatCount(rest)} more</li>`}
    </ul>`}`;
}
