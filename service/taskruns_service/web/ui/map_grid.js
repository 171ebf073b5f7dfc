/** The children of a map as cells of a canvas: one cell for each, or for several where the screen is too small. */

import { formatCount, stateOf } from "./format.js";
import { childAt, cornerOf, fitGrid, makeGrid, paintGrid, PITCHES, rankCells } from "./grid.js";
import { State } from "./parts.js";
import { html, useLayoutEffect, useMemo, useRef, useState } from "./preact.js";
import { announce, navigate, query, setQuery } from "./store.js";
import { Buffer, pixelRatio, readPalette, resize } from "./timeline_canvas.js";
import { at } from "./timeline_data.js";
import { childLanes } from "./timeline_lanes.js";
import { STATES, makeRanks, shownStates } from "./timeline_rows.js";
import { useThemeVersion, useWidth } from "./timeline_size.js";

/** @typedef {import("./timeline_data.js").Task} Task */
/** @typedef {import("./grid.js").Grid} Cells */

const HEIGHT = 360;

/**
 * The children in the order of their map index, the worst rank of each cell, and where cells are.
 *
 * @param {Task} task
 * @param {readonly string[]} types
 * @param {number} width
 */
function useCells(task, types, width) {
  const version = types.join();
  const order = useMemo(() => childLanes(task, shownStates([])).order, [task]);
  const ranks = useMemo(() => {
    const { ofState } = makeRanks(shownStates(types));
    return Uint8Array.from(order, (i) => at(ofState, at(task.state, i)));
  }, [order, version]);
  const zoom = Number(query("cell"));
  const ratio = pixelRatio();
  const cells = useMemo(() => {
    const wide = Math.round(width * ratio);
    return zoom > 0 ? makeGrid(order.length, wide, Math.round(zoom * ratio)) : fitGrid(order.length, wide, HEIGHT * ratio, ratio);
  }, [order.length, width, zoom, ratio]);
  return { order, ranks, cells, worst: useMemo(() => rankCells(ranks, cells), [ranks, cells]) };
}

/** @param {{ task: Task, types: readonly string[], hrefOf: (mapIndex: number) => string }} props */
export function Grid({ task, types, hrefOf }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const buffer = useRef(new Buffer());
  const [top, setTop] = useState(0);
  const [child, setChild] = useState(-1);
  const width = useWidth(canvas);
  const { order, cells, worst } = useCells(task, types, width || 1);
  const ratio = pixelRatio();
  const high = (cells.rows * cells.pitch) / ratio;
  const room = Math.min(high, HEIGHT);
  const version = useThemeVersion();
  const palette = useMemo(readPalette, [version]);
  useLayoutEffect(() => {
    if (!canvas.current || !width) return;
    resize(canvas.current, width, room);
    buffer.current.show(canvas.current, (pixels) => paintGrid(pixels, worst, cells, palette.bars, Math.round(top * ratio)));
  }, [worst, cells, palette, top, width, room]);
  const move = (/** @type {number} */ next) => {
    const place = Math.min(Math.max(next, 0), order.length - 1);
    setChild(place);
    const y = cornerOf(cells, place)[1] / ratio;
    if (body.current && (y < top || y > top + room - 8)) body.current.scrollTop = y - room / 2;
    announce(labelOf(task, order, place));
  };
  const keys = useGridKeys(cells, child, move, () => child >= 0 && navigate(hrefOf(at(task.mapIndex, at(order, child)))));
  const find = (/** @type {MouseEvent} */ event) => {
    const box = /** @type {HTMLElement} */ (canvas.current).getBoundingClientRect();
    return childAt(cells, (event.clientX - box.left) * ratio, (event.clientY - box.top + top) * ratio);
  };
  const open = (/** @type {MouseEvent} */ event) => {
    const place = find(event);
    if (place >= 0) navigate(hrefOf(at(task.mapIndex, at(order, place))));
  };
  return html`<div class="grid">
    <${GridTools} cells=${cells} task=${task} order=${order} child=${child} hrefOf=${hrefOf} />
    <div class="grid-body" ref=${body} tabindex="0" role="group"
      aria-label="Grid of children: arrows move, Enter opens" style=${{ height: `${room}px` }}
      onScroll=${() => setTop(body.current?.scrollTop ?? 0)} onKeyDown=${keys}>
      <div style=${{ height: `${high}px` }}>
        <div class="grid-plot" style=${{ height: `${room}px` }}>
          <canvas ref=${canvas} aria-hidden="true"
            onPointerMove=${(/** @type {PointerEvent} */ event) => setChild(find(event))} onClick=${open}></canvas>
          ${child >= 0 && html`<${Frame} cells=${cells} child=${child} top=${top} />`}
        </div>
      </div>
    </div>
  </div>`;
}

/** @param {Task} task @param {Uint32Array} order @param {number} child */
function labelOf(task, order, child) {
  const i = at(order, child);
  return `${task.slug}[${at(task.mapIndex, i)}]: ${stateOf(STATES[at(task.state, i)] ?? "").word}`;
}

/** @param {Cells} cells @param {number} child @param {(next: number) => void} move @param {() => void} open */
function useGridKeys(cells, child, move, open) {
  const row = cells.columns * cells.perCell;
  const steps = /** @type {{ [key: string]: number }} */ ({
    ...{ ArrowLeft: -cells.perCell, ArrowRight: cells.perCell, ArrowUp: -row, ArrowDown: row },
    ...{ PageUp: -10 * row, PageDown: 10 * row, Home: -Infinity, End: Infinity },
  });
  return (/** @type {KeyboardEvent} */ event) => {
    const step = steps[event.key];
    if (event.key === "Enter") open();
    else if (step !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) move(Math.min(child, Number.MAX_SAFE_INTEGER) + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

/** A frame around the cell of a child. @param {{ cells: Cells, child: number, top: number }} props */
function Frame({ cells, child, top }) {
  const ratio = pixelRatio();
  const [x, y] = cornerOf(cells, child);
  const size = Math.max(cells.pitch / ratio, 2);
  const style = { left: `${x / ratio - 2}px`, top: `${y / ratio - top - 2}px`, width: `${size + 3}px`, height: `${size + 3}px` };
  return html`<div class="frame" style=${style} />`;
}

/**
 * @param {{ cells: Cells, task: Task, order: Uint32Array, child: number, hrefOf: (mapIndex: number) => string }} props
 */
function GridTools({ cells, task, order, child, hrefOf }) {
  const ratio = pixelRatio();
  const current = cells.pitch / ratio;
  const zoom = (/** @type {number | null} */ pitch) => setQuery({ cell: pitch });
  const larger = PITCHES.find((pitch) => pitch > current) ?? null;
  const smaller = PITCHES.findLast((pitch) => pitch < current) ?? null;
  const i = child >= 0 ? at(order, child) : -1;
  return html`<div class="timeline-tools">
    <p>${i >= 0
      ? html`<a href=${hrefOf(at(task.mapIndex, i))}>[${at(task.mapIndex, i)}]</a> <${State}
        type=${STATES[at(task.state, i)] ?? ""} />`
      : html`<span class="muted">${cells.perCell > 1 ? `${formatCount(cells.perCell)} children in a cell, which has the worst of their states` : "A cell for each child, by map index"}</span>`}</p>
    <div class="buttons" role="group" aria-label="Size of the cells">
      <button class="square" title="Smaller cells" disabled=${smaller === null}
        onClick=${() => zoom(smaller)}><span aria-hidden="true">−</span></button>
      <button class="square" title="Larger cells" disabled=${larger === null}
        onClick=${() => zoom(larger)}><span aria-hidden="true">+</span></button>
      <button title="Show all children" onClick=${() => zoom(null)}>Fit</button>
    </div>
  </div>`;
}
