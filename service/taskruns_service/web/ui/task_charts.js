/**
 * The charts of a task over time. What they show stands in a table of the page as well, so they are pictures for
 * assistive technology.
 *
 * @typedef {import("./task.js").Point} Point
 * @typedef {import("./task_range.js").TimeRange} TimeRange
 */

import { formatCount, formatDuration, formatTime, sortedCounts } from "./format.js";
import { Shape } from "./parts.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { isUtc } from "./store.js";
import { lengthOf } from "./task_range.js";

const HEIGHT = 180;
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 12, 10, 22];
const LABEL_WIDTH = 110;
/** Lines go on over as many stretches without a value. */
const MAX_GAP = 4;
const OUTLIER = 20;
/** Seconds that a logarithmic scale names. */
const DURATION_TICKS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 21_600, 86_400, 604_800];
/** @type {{ key: "p50" | "p95" | "p99", class: string }[]} The thickest line is what most task runs take. */
const LINES = [{ key: "p99", class: "p99" }, { key: "p95", class: "p95" }, { key: "p50", class: "p50" }];

/** A length that axes are divided by: 1, 2 or 5 times a power of 10. @param {number} max @param {number} parts */
export function stepOf(max, parts) {
  const rough = max / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5].find((value) => value * power >= rough) ?? 10;
  return factor * power;
}

/** The marks of an axis from 0 on. @param {number} max @param {number} parts */
export function ticksOf(max, parts) {
  if (!(max > 0)) return [0];
  const step = stepOf(max, parts);
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, index) => index * step);
}

/** @param {{ current: HTMLElement | null }} element */
function useWidth(element) {
  const [width, setWidth] = useState(800);
  useLayoutEffect(() => {
    const measure = () => setWidth(element.current?.clientWidth || 800);
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  return width;
}

/** @param {TimeRange} range @param {number} width */
function scaleOf(range, width) {
  const length = lengthOf(range.bucket);
  const begin = Math.floor(range.from / length) * length;
  const end = Math.ceil(range.to / length) * length;
  const room = Math.max(1, width - LEFT - RIGHT);
  return { length, begin, end, x: (/** @type {number} */ at) => LEFT + ((at - begin) / (end - begin)) * room };
}

/**
 * Marks of the axis of time: as many as there is room for, at the begin of stretches.
 * @param {{ points: readonly Point[], scale: ReturnType<typeof scaleOf>, width: number }} props
 */
function TimeAxis({ points, scale, width }) {
  const every = Math.max(1, Math.ceil(points.length / Math.max(1, Math.floor((width - LEFT) / LABEL_WIDTH))));
  const hasDays = scale.end - scale.begin > 172_800_000;
  const text = (/** @type {number} */ at) => {
    const whole = formatTime(at, { utc: isUtc.value });
    return hasDays ? whole.slice(5, 16) : whole.slice(11, 16);
  };
  return points.map(({ at }, index) =>
    index % every ? null : html`<text key=${at} x=${scale.x(at)} y=${HEIGHT - 6} class="axis-tick">${text(at)}</text>`,
  );
}

/** @param {{ ticks: readonly number[], y: (value: number) => number, width: number, format: (value: number) => string }} props */
function ValueAxis({ ticks, y, width, format }) {
  return ticks.map((value) => html`<g key=${value}>
    <line x1=${LEFT} x2=${width - RIGHT} y1=${y(value)} y2=${y(value)} class="grid-line" />
    <text x=${LEFT - 8} y=${y(value) + 4} class="axis-tick end">${format(value)}</text>
  </g>`);
}

/**
 * A chart with the stretch under the pointer, which a click shows alone.
 * @param {{
 *   label: string, points: readonly Point[], range: TimeRange, onZoom: (point: Point) => void, legend: unknown,
 *   readOut: (point: Point) => string, draw: (scale: ReturnType<typeof scaleOf>, width: number) => unknown,
 * }} props
 */
function Chart({ label, points, range, onZoom, legend, readOut, draw }) {
  const figure = useRef(/** @type {HTMLElement | null} */ (null));
  const width = useWidth(figure);
  const [hovered, setHovered] = useState(-1);
  useEffect(() => setHovered(-1), [points]);
  const scale = scaleOf(range, width);
  const indexOf = (/** @type {MouseEvent} */ event) => {
    const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    const part = (event.clientX - box.left - LEFT) / (width - LEFT - RIGHT);
    return Math.min(points.length - 1, Math.max(0, Math.floor(part * points.length)));
  };
  const point = points[hovered];
  const next = scale.x((point?.at ?? 0) + scale.length);
  return html`<figure class="chart" ref=${figure}>
    <figcaption><h2>${label}</h2><span class="chart-legend">${legend}</span>
      <span class="read-out">${point && `${formatTime(point.at, { utc: isUtc.value }).slice(0, 16)} · ${readOut(point)}`}</span></figcaption>
    <svg width=${width} height=${HEIGHT} role="img" aria-label=${`${label}: the numbers are in the table below`}
      onPointerMove=${(/** @type {MouseEvent} */ event) => setHovered(indexOf(event))} onPointerLeave=${() => setHovered(-1)}
      onClick=${(/** @type {MouseEvent} */ event) => {
        const target = points[indexOf(event)];
        if (target?.count) onZoom(target);
      }}>
      ${point && html`<rect x=${scale.x(point.at)} y=${TOP} width=${Math.max(1, next - scale.x(point.at))} height=${HEIGHT - TOP - BOTTOM} class="hovered" />`}
      ${draw(scale, width)}
      <${TimeAxis} points=${points} scale=${scale} width=${width} />
    </svg>
  </figure>`;
}

/**
 * A line through the values, interrupted where there is none for a while; a value alone is a dot.
 * @param {readonly (number | null)[]} values
 * @param {(index: number) => number} x
 * @param {(value: number) => number} y
 */
export function linePath(values, x, y) {
  let path = "";
  let last = -Infinity;
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    const place = `${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    path += index - last > MAX_GAP ? `M${place}h0.01` : `L${place}`;
    last = index;
  }
  return path;
}

/** A round duration without its zeros: `10 m` for `10 m 00 s`. @param {number} seconds */
function tickText(seconds) {
  return formatDuration(seconds).replace(/\.0+ /, " ").replace(/ 00 [smh]$/, "");
}

/**
 * The scale of durations. One that is far longer than most would press all others to the ground: then the scale is
 * logarithmic.
 * @param {readonly Point[]} points
 */
export function durationScale(points) {
  const values = points.flatMap(({ p50, p99 }) => [p50, p99]).filter((value) => value !== null && value > 0);
  const sorted = /** @type {number[]} */ (values).sort((a, b) => a - b);
  const max = sorted.at(-1) ?? 1;
  const median = sorted[sorted.length >> 1] ?? max;
  if (max / median < OUTLIER) return { isLogarithmic: false, ticks: ticksOf(max, 4), part: (/** @type {number} */ value) => value / max };
  const bottom = Math.max(sorted[0] ?? 0.001, median / 1000, 0.001);
  const ticks = DURATION_TICKS.filter((value) => value >= bottom && value <= max);
  const part = (/** @type {number} */ value) => Math.max(0, Math.log(value / bottom) / Math.log(max / bottom));
  return { isLogarithmic: true, ticks: ticks.filter((_, index) => index % Math.ceil(ticks.length / 5) === 0), part };
}

/** @param {{ points: readonly Point[], range: TimeRange, onZoom: (point: Point) => void }} props */
export function DurationsChart({ points, range, onZoom }) {
  const { isLogarithmic, ticks, part } = durationScale(points);
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - part(value) * (HEIGHT - TOP - BOTTOM);
  const readOut = (/** @type {Point} */ { p50, p95, p99 }) =>
    p50 === null ? "none has ended" : `p50 ${formatDuration(p50)} · p95 ${formatDuration(p95)} · p99 ${formatDuration(p99)}`;
  const legend = LINES.toReversed().map(
    (line) => html`<span key=${line.key}><svg width="22" height="10" aria-hidden="true"><path d="M1 5h20" class=${`series ${line.class}`} /></svg> ${line.key}</span>`,
  );
  if (isLogarithmic) legend.push(html`<span key="scale">logarithmic</span>`);
  return html`<${Chart} label="Duration" points=${points} range=${range} onZoom=${onZoom} legend=${legend} readOut=${readOut}
    draw=${(/** @type {ReturnType<typeof scaleOf>} */ scale, /** @type {number} */ width) => {
      const x = (/** @type {number} */ index) => scale.x((points[index]?.at ?? 0) + scale.length / 2);
      return html`<${ValueAxis} ticks=${ticks} y=${y} width=${width} format=${tickText} />
        ${LINES.map((line) => html`<path key=${line.key} d=${linePath(points.map((point) => point[line.key]), x, y)} class=${`series ${line.class}`} />`)}`;
    }} />`;
}

/** @param {{ points: readonly Point[], range: TimeRange, onZoom: (point: Point) => void }} props */
export function CountsChart({ points, range, onZoom }) {
  const max = Math.max(1, ...points.map(({ count }) => count));
  const room = HEIGHT - TOP - BOTTOM;
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - (value / max) * room;
  /** @type {import("./types").Counts} */
  const all = {};
  for (const { counts } of points) {
    for (const { state, count } of sortedCounts(counts)) {
      const type = /** @type {import("./types").StateType} */ (state.type);
      all[type] = (all[type] ?? 0) + count;
    }
  }
  const legend = sortedCounts(all).map(({ state }) => html`<span key=${state.type}><${Shape} kind=${state.kind} type=${state.type} size=${12} /> ${state.word}</span>`);
  const readOut = (/** @type {Point} */ { counts }) =>
    sortedCounts(counts).map(({ state, count }) => `${formatCount(count)} ${state.word}`).join(" · ") || "no task runs";
  return html`<${Chart} label="Task runs" points=${points} range=${range} onZoom=${onZoom} legend=${legend} readOut=${readOut}
    draw=${(/** @type {ReturnType<typeof scaleOf>} */ scale, /** @type {number} */ width) => html`
      <${ValueAxis} ticks=${ticksOf(max, 4).filter(Number.isInteger)} y=${y} width=${width} format=${formatCount} />
      ${points.map((point) => html`<${CountsColumn} key=${point.at} point=${point} scale=${scale} room=${room} max=${max} />`)}`} />`;
}

/**
 * The states of a stretch above each other: those that need attention at the bottom, and each at least 2 pixels high.
 * @param {{ point: Point, scale: ReturnType<typeof scaleOf>, room: number, max: number }} props
 */
function CountsColumn({ point, scale, room, max }) {
  const [left, right] = [scale.x(point.at), scale.x(point.at + scale.length)];
  const width = Math.max(1, right - left - (right - left > 4 ? 1 : 0));
  let bottom = HEIGHT - BOTTOM;
  return sortedCounts(point.counts).map(({ state, count }) => {
    const height = Math.max(2, (count / max) * room);
    bottom -= height;
    return html`<rect key=${state.type} x=${left} y=${bottom} width=${width} height=${height} style=${{ fill: state.color }} />`;
  });
}
