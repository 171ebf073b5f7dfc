/** The children of a map as a grid of cells, one for each child or, zoomed out, for several. Pure functions. */

import { at } from "./timeline_data.js";

/** @import {Pixels} from "./timeline_pixels.js" */

/**
 * Where cells are, in device pixels: the cell of child k is the (k / perCell)-th, row by row.
 *
 * @typedef {{count: number, perCell: number, pitch: number, columns: number, rows: number}} Grid
 */

/** How far apart cells are, zoomed out first; below the last a pixel is a cell of several children. */
export const PITCHES = [2, 3, 4, 6, 8, 12, 16, 24];

/** @param {number} count @param {number} width @param {number} pitch @param {number} perCell @returns {Grid} */
export function makeGrid(count, width, pitch, perCell = 1) {
  const columns = Math.max(Math.floor(width / pitch), 1);
  return { count, perCell, pitch, columns, rows: Math.ceil(Math.ceil(count / perCell) / columns) };
}

/**
 * The grid with the largest cells that fits into a height.
 *
 * @param {number} count @param {number} width @param {number} height @param {number} pixel Device pixels of a CSS pixel.
 */
export function fitGrid(count, width, height, pixel) {
  for (const pitch of PITCHES.toReversed()) {
    const grid = makeGrid(count, width, Math.round(pitch * pixel));
    if (grid.rows * grid.pitch <= height) return grid;
  }
  const pitch = Math.max(Math.round(at(PITCHES, 0) * pixel), 1);
  const cells = Math.max(Math.floor(width / pitch), 1) * Math.max(Math.floor(height / pitch), 1);
  return makeGrid(count, width, pitch, Math.max(Math.ceil(count / cells), 1));
}

/** The worst rank of each cell. @param {Uint8Array} ranks The rank of each child. @param {Grid} grid */
export function rankCells(ranks, grid) {
  const cells = new Uint8Array(Math.ceil(grid.count / grid.perCell));
  for (let k = 0; k < grid.count; k++) {
    const cell = Math.floor(k / grid.perCell);
    if (at(cells, cell) < at(ranks, k)) cells[cell] = at(ranks, k);
  }
  return cells;
}

/**
 * Paints the rows of a grid that are in view, with a gap between cells that are large enough for it.
 *
 * @param {Pixels} pixels @param {Uint8Array} cells @param {Grid} grid @param {Uint32Array} colors
 * @param {number} scrolled How many pixels of the grid are above the picture.
 */
export function paintGrid(pixels, cells, grid, colors, scrolled) {
  const { pitch, columns, rows } = grid;
  const size = pitch > 3 ? pitch - Math.max(Math.round(pitch / 8), 1) : pitch;
  const until = Math.min(rows, Math.ceil((scrolled + pixels.height) / pitch));
  for (let row = Math.max(Math.floor(scrolled / pitch), 0); row < until; row++) {
    const top = row * pitch - scrolled;
    const [first, last] = [Math.max(top, 0), Math.min(top + size, pixels.height)];
    if (first >= last) continue;
    const start = first * pixels.width;
    const inRow = Math.min(columns, cells.length - row * columns);
    for (let column = 0; column < inRow; column++) {
      const x = start + column * pitch;
      pixels.data.fill(at(colors, at(cells, row * columns + column)), x, x + size);
    }
    for (let y = first + 1; y < last; y++) pixels.data.copyWithin(y * pixels.width, start, start + pixels.width);
  }
}

/**
 * The first child of the cell at a pixel of the grid; -1 if there is none.
 *
 * @param {Grid} grid
 * @param {number} x
 * @param {number} y
 */
export function childAt(grid, x, y) {
  const column = Math.floor(x / grid.pitch);
  const child = (Math.floor(y / grid.pitch) * grid.columns + column) * grid.perCell;
  return column >= 0 && column < grid.columns && y >= 0 && child < grid.count ? child : -1;
}

/** The corner of the cell of a child. @param {Grid} grid @param {number} child @returns {[x: number, y: number]} */
export function cornerOf(grid, child) {
  const cell = Math.floor(child / grid.perCell);
  return [(cell % grid.columns) * grid.pitch, Math.floor(cell / grid.columns) * grid.pitch];
}
