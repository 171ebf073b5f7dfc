/**
 * The timeline of a flow run: a row for each task, a map is one row with its density, which opens into lanes or children.
 *
 *     const timeline = useRef(null);
 *     html`<${Timeline} flowRunId=${id} types=${["Failed"]} handle=${timeline} />`
 *     timeline.current?.apply(items);               // what a stream sends
 *
 * The bars are pixels of a canvas, which is decoration: the rows at its left are a table of the same. The window of time,
 * the open maps and the selected task run are in the address (`from`, `to`, `lanes`, `children`, `run`).
 */

import { formatDuration, formatOffset, formatTime } from "./format.js";
import { useKeys } from "./keyboard.js";
import { Empty, Loading, Problem } from "./parts.js";
import { html, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./preact.js";
import { isUtc, queryAll } from "./store.js";
import { Buffer, hitPicture, paintOverview, paintPicture, readPalette, resize } from "./timeline_canvas.js";
import { unfoldTime } from "./timeline_folds.js";
import { makeBlocks, makeRanks, makeTicks, shownStates } from "./timeline_rows.js";
import { useScene } from "./timeline_scene.js";
import { Rows } from "./timeline_table.js";
import { Tip } from "./timeline_tip.js";
import { useRoom, useThemeVersion, useWidth } from "./timeline_size.js";
import { useFailureKeys, useSelection } from "./timeline_selection.js";
import { useGestures, useTimeWindow } from "./timeline_window.js";

/**
 * @typedef {import("./timeline_canvas.js").Picture} Picture
 * @typedef {import("./timeline_rows.js").Block} Block
 * @typedef {import("./timeline_scene.js").Scene} Scene
 * @typedef {import("./timeline_worker.js").Layout} Layout
 * @typedef {ReturnType<typeof useTimeline>} TimelineState
 */

/** The room of a label of the axis. */
const LABEL_PIXELS = 96;
const LANES = /** @type {const} */ (["lanes", "children"]);

/** The maps that are open, as the address says. @returns {ReadonlyMap<string, Layout>} */
function useLayouts() {
  const slugs = LANES.map((layout) => queryAll(layout));
  const version = JSON.stringify(slugs);
  return useMemo(
    () => new Map(LANES.flatMap((layout, k) => (slugs[k] ?? []).map((slug) => /** @type {[string, Layout]} */ ([slug, layout])))),
    [version],
  );
}

/**
 * What a timeline shows: the task runs, where each row is, the window of time, and the filter.
 *
 * @param {string} flowRunId
 * @param {readonly string[]} types the states that are shown; the others are grey, and none if it is empty
 */
function useTimeline(flowRunId, types) {
  const layouts = useLayouts();
  const version = types.join();
  const shown = useMemo(() => shownStates(types), [version]);
  const ranks = useMemo(() => makeRanks(shown), [shown]);
  const [limits, setLimits] = useState(/** @type {import("./timeline_scene.js").Window} */ ({}));
  const { scene, error, apply, reload } = useScene(flowRunId, { layouts, shown, window: limits });
  const window = useTimeWindow(scene, setLimits);
  const { blocks, height, rows } = useMemo(() => {
    const isShown = (/** @type {import("./timeline_data.js").Task} */ task) =>
      !version || Boolean(task.counts) || task.state.some((state) => shown[state] === 1);
    return makeBlocks(scene?.tasks ?? [], scene?.lanes ?? new Map(), layouts, scene?.attempts ?? new Map(), isShown);
  }, [scene, layouts, shown]);
  return { flowRunId, scene, error, apply, reload, layouts, ranks, window, blocks, height, rows };
}

/**
 * @typedef {{ apply: TimelineState["apply"], reload: TimelineState["reload"] }} Handle what a page does with a timeline
 * @param {{ flowRunId: string, types: readonly string[], handle: { current: Handle | null } }} props
 */
export function Timeline({ flowRunId, types, handle }) {
  const timeline = useTimeline(flowRunId, types);
  const { scene, error, apply, reload, blocks } = timeline;
  useLayoutEffect(() => {
    handle.current = { apply, reload };
    return () => {
      handle.current = null;
    };
  }, [apply, reload]);
  useFailureKeys(timeline);
  if (!scene) return error ? html`<${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  if (!blocks.length) return html`<${Empty}><p>${scene.tasks.length ? "No task run is in these states." : "No task run has begun yet."}</p><//>`;
  return html`<div class="timeline">
    <${Tools} timeline=${timeline} scene=${scene} />
    <${Overview} timeline=${timeline} scene=${scene} />
    <${Axis} timeline=${timeline} scene=${scene} />
    <${Body} timeline=${timeline} />
  </div>`;
}

/** @param {{ timeline: TimelineState, scene: Scene }} props */
function Tools({ timeline: { window }, scene }) {
  const { from, to } = window.view.value;
  const real = (/** @type {number} */ time) => scene.epoch + unfoldTime(scene.folds, time);
  const style = { utc: isUtc.value, milliseconds: to - from < 60_000 };
  useKeys("Timeline", {
    "+": { does: "Zoom in", run: () => window.zoom(0.5) },
    "=": { does: "Zoom in", run: () => window.zoom(0.5) },
    "-": { does: "Zoom out", run: () => window.zoom(2) },
    0: { does: "Show all of the time", run: window.fit },
    ArrowLeft: { does: "Earlier", run: () => window.pan(-0.2) },
    ArrowRight: { does: "Later", run: () => window.pan(0.2) },
  });
  const button = (/** @type {string} */ label, /** @type {string} */ sign, /** @type {() => void} */ run) =>
    html`<button class="square" title=${label} onClick=${run}><span aria-hidden="true">${sign}</span></button>`;
  return html`<div class="timeline-tools">
    <p><span class="muted">from</span> ${formatTime(real(from), style)} <span
      class="muted">to</span> ${formatTime(real(to), { ...style, today: real(from) })} <span
      class="muted">${formatOffset(scene.epoch, isUtc.value)}</span></p>
    ${scene.truncated && html`<p class="muted">Too many task runs to show each: zoom in.</p>`}
    <div class="buttons" role="group" aria-label="Window of time">
      ${button("Earlier (←)", "←", () => window.pan(-0.2))}${button("Later (→)", "→", () => window.pan(0.2))}
      ${button("Zoom out (-)", "−", () => window.zoom(2))}${button("Zoom in (+)", "+", () => window.zoom(0.5))}
      <button title="Show all of the time (0)" onClick=${window.fit}>Fit</button>
    </div>
  </div>`;
}

/**
 * All of the time in one strip, with the window on it, which can be dragged.
 *
 * @param {{ timeline: TimelineState, scene: Scene }} props
 */
function Overview({ timeline: { blocks, ranks, window }, scene }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const buffer = useRef(new Buffer());
  const width = useWidth(canvas);
  const { from, to, now } = window.domain.value;
  useEffect(() => {
    if (!canvas.current || !width) return;
    resize(canvas.current, width, 32);
    const picture = { blocks, bins: scene.bins, view: { from, to, width, now }, ranks, top: 0 };
    buffer.current.show(canvas.current, (pixels) => paintOverview(pixels, picture, readPalette()));
  }, [blocks, ranks, width, from, to, now, useThemeVersion()]);
  const { from: begin, to: end } = window.view.value;
  const percent = (/** @type {number} */ time) => `${(((time - from) / (to - from)) * 100).toFixed(3)}%`;
  const move = (/** @type {PointerEvent} */ event) => {
    if (!event.buttons || !canvas.current) return;
    const box = canvas.current.getBoundingClientRect();
    window.center(from + ((event.clientX - box.left) / box.width) * (to - from));
  };
  return html`<div class="timeline-overview" aria-hidden="true" onPointerDown=${move} onPointerMove=${move}>
    <canvas ref=${canvas}></canvas>
    ${window.isFit.value || html`<div class="outside" style=${{ left: 0, width: percent(begin) }} />
    <div class="outside" style=${{ left: percent(end), right: 0 }} />`}
  </div>`;
}

/** @param {{ timeline: TimelineState, scene: Scene }} props */
function Axis({ timeline: { window }, scene }) {
  const axis = useRef(/** @type {HTMLElement | null} */ (null));
  const width = useWidth(axis);
  const { view } = window;
  const offset = isUtc.value ? 0 : -new Date(scene.epoch).getTimezoneOffset() * 60_000;
  const { step, ticks } = makeTicks({ ...view.value, width: width || 1, now: 0 }, scene.folds, scene.epoch, offset, LABEL_PIXELS);
  const folds = placeFolds(scene, view.value, width);
  const free = ticks.filter(({ x: tick }) => folds.every(({ x }) => x - tick > LABEL_PIXELS / 2 || tick - x > LABEL_PIXELS));
  return html`<div class="timeline-axis" ref=${axis} aria-hidden="true">
    ${free.map(({ x, time }) => html`<span key=${time} class="tick"
      style=${{ left: `${x}px` }}>${tickText(time, step)}</span>`)}
    ${folds.map(({ x, fold }) => html`<span key=${fold.at} class="fold" style=${{ left: `${x}px` }}
      title="Nothing ran in between">⋯ ${formatDuration((fold.to - fold.from) / 1000)}</span>`)}
  </div>`;
}

/**
 * Where the folds in view are.
 *
 * @param {Scene} scene
 * @param {{ from: number, to: number }} view
 * @param {number} width
 */
function placeFolds({ folds }, { from, to }, width) {
  return folds.filter((fold) => fold.at > from && fold.at < to).map((fold) => ({ fold, x: ((fold.at - from) / (to - from)) * width }));
}

/** @param {number} time @param {number} step */
function tickText(time, step) {
  const text = formatTime(time, { utc: isUtc.value, milliseconds: true });
  if (step >= 86_400_000) return text.slice(0, 10);
  return text.slice(11, step >= 60_000 ? 16 : step >= 1000 ? 19 : 23);
}

/** The rows: the table, and the canvas beside it. @param {{ timeline: TimelineState }} props */
function Body({ timeline }) {
  const { blocks, height, ranks, scene, window } = timeline;
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const buffer = useRef(new Buffer());
  const [top, setTop] = useState(0);
  const width = useWidth(canvas);
  const room = useRoom(height);
  const version = useThemeVersion();
  const palette = useMemo(readPalette, [version]);
  const { now } = window.domain.value;
  const { from, to } = window.view.value;
  const real = (/** @type {number} */ time) => (scene ? scene.epoch + unfoldTime(scene.folds, time) : time);
  const latest = useRef(/** @type {Picture} */ ({ blocks: [], bins: null, view: { from: 0, to: 1, width: 1, now }, ranks, top: 0 }));
  const draw = useCallback(() => {
    if (!canvas.current) return;
    buffer.current.show(canvas.current, (pixels) => paintPicture(pixels, latest.current, palette));
  }, [palette]);
  useLayoutEffect(() => {
    if (!canvas.current || !width) return;
    latest.current = { blocks, bins: scene?.bins ?? null, view: { from, to, width, now }, ranks, top };
    resize(canvas.current, width, room);
    draw();
  });
  const hit = useCallback((/** @type {number} */ x, /** @type {number} */ y) => hitPicture(latest.current, x, y), []);
  const gestures = useGestures(canvas, window, hit);
  useSelection(timeline, body, canvas, gestures.setTip);
  return html`<div class="timeline-body" ref=${body} tabindex="0" role="region" aria-label="Timeline"
    style=${{ height: `${room}px` }} onScroll=${() => setTop(body.current?.scrollTop ?? 0)}>
    <div class="timeline-rows" style=${{ height: `${height}px` }}>
      <${Rows} timeline=${timeline} top=${top} room=${room} />
      <div class="timeline-plot" style=${{ height: `${room}px` }} data-from=${real(from)} data-to=${real(to)}>
        ${scene && placeFolds(scene, { from, to }, width).map(({ x, fold }) => html`<div key=${fold.at}
          class="fold-line" style=${{ left: `${x}px` }} />`)}
        <canvas ref=${canvas} aria-hidden="true"></canvas>
      </div>
    </div>
  </div>
  <${Tip} timeline=${timeline} tip=${gestures.tip} close=${gestures.close} hold=${gestures.hold} />`;
}
