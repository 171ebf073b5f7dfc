/** Draws the rows of a timeline into a canvas, and finds what is at a point of it. */

import { colorOf } from "./parts.js";
import { at } from "./timeline_data.js";
import { binnedDensity, density, hitFailures, hitLane, paintDensity, paintRows, rankLane } from "./timeline_pixels.js";
import { KINDS, QUIET, WAITING, findBlock } from "./timeline_rows.js";

/**
 * @typedef {import("./timeline_rows.js").Block} Block
 * @typedef {import("./timeline_data.js").Counts} Counts
 * @typedef {import("./timeline_pixels.js").Pixels} Pixels
 * @typedef {import("./timeline_pixels.js").Ranks} Ranks
 * @typedef {import("./timeline_pixels.js").View} View
 * @typedef {{ bars: Uint32Array, waits: Uint32Array, counts: Uint32Array, lanes: Uint32Array }} Palette The color of each
 *   rank: of bars and of the lines of waiting between them, of densities, and of lanes.
 * @typedef {{ blocks: readonly Block[], bins: import("./timeline_data.js").Bins | null, view: View, ranks: Ranks, top: number }} Picture
 *   `view.width` counts CSS pixels, and `top` is how many of them are above the canvas.
 * @typedef {{ block: Block, i: number, time: number, failures: number[] }} Hit `i` is -1 where a map is not one task run.
 */

const SUCCESSES = new Set(["success", "cached", "mapped"]);

/** Device pixels of a CSS pixel, up to 2. */
export const pixelRatio = () => Math.min(devicePixelRatio || 1, 2);

/** The colors of the theme, as they are now. @returns {Palette} */
export function readPalette() {
  const context = /** @type {CanvasRenderingContext2D} */ (
    Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true })
  );
  const pixelOf = (/** @type {string} */ color) => {
    context.fillStyle = colorOf(color);
    context.fillRect(0, 0, 1, 1);
    return at(new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer), 0);
  };
  const bars = Uint32Array.from(KINDS, (kind) => (kind ? pixelOf(SUCCESSES.has(kind) ? "var(--timeline-success)" : `var(--state-${kind})`) : 0));
  bars[QUIET] = pixelOf("var(--timeline-quiet)");
  const waits = new Uint32Array(bars.length);
  waits[WAITING] = pixelOf("var(--state-waiting)");
  const [counts, lanes] = [bars.slice(), bars.slice()];
  counts[WAITING] = at(waits, WAITING);
  lanes[WAITING] = pixelOf("var(--timeline-wait)");
  return { bars, waits, counts, lanes };
}

/** A picture that fills a canvas; its memory is used again while the size stays. */
export class Buffer {
  /** @type {ImageData | null} */
  image = null;

  /**
   * Calls `paint` with blank pixels, and shows them.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {(pixels: Pixels) => void} paint
   */
  show(canvas, paint) {
    const { width, height } = canvas;
    const context = canvas.getContext("2d");
    if (!context || !width || !height) return;
    if (this.image?.width !== width || this.image.height !== height) this.image = new ImageData(width, height);
    const data = new Uint32Array(this.image.data.buffer);
    data.fill(0);
    paint({ data, width, height });
    context.putImageData(this.image, 0, 0);
  }
}

/**
 * Gives a canvas the size of its box in device pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function resize(canvas, width, height) {
  const ratio = pixelRatio();
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
}

/** @param {Pixels} pixels @param {Picture} picture @param {Palette} palette */
export function paintPicture(pixels, picture, palette) {
  const { blocks, top } = picture;
  const ratio = pixelRatio();
  const best = new Uint8Array(pixels.width);
  for (let k = findBlock(blocks, top); k < blocks.length; k++) {
    const block = /** @type {Block} */ (blocks[k]);
    const y = Math.round((block.top - top) * ratio);
    if (y >= pixels.height) break;
    if (block.kind === "map") paintMap(pixels, block, picture, palette, y);
    else paintLanes(pixels, block, picture, palette, y, best);
  }
}

/** @param {Pixels} pixels @param {Block} block @param {Picture} picture @param {Palette} palette @param {number} y */
function paintMap(pixels, { task, height }, { view, bins, ranks }, palette, y) {
  const ratio = pixelRatio();
  const wide = { ...view, width: pixels.width };
  const counts = task.counts && bins ? binnedDensity(task.counts, bins, wide, ranks) : density([task], wide, ranks);
  const margin = Math.round(4 * ratio);
  paintDensity(pixels, counts, palette.counts, ranks, y + margin, Math.round(height * ratio) - 2 * margin, ratio);
}

/**
 * @param {Pixels} pixels @param {Block} block @param {Picture} picture @param {Palette} palette @param {number} y
 * @param {Uint8Array} best
 */
function paintLanes(pixels, { kind, drawn, lanes, rowHeight }, { view, ranks }, palette, y, best) {
  if (!lanes) return;
  const ratio = pixelRatio();
  const high = rowHeight * ratio;
  const margin = kind === "lanes" ? 0 : Math.round((kind === "task" ? 8 : 6) * ratio);
  const wide = { ...view, width: pixels.width };
  const last = Math.min(Math.ceil((pixels.height - y) / high), lanes.count);
  for (let lane = Math.max(Math.floor(-y / high), 0); lane < last; lane++) {
    rankLane(best, drawn, lanes, lane, wide, ranks);
    const [from, to] = [Math.round(y + lane * high), Math.round(y + (lane + 1) * high)];
    if (kind === "lanes") {
      paintRows(pixels, best, palette.lanes, from, to - Math.max(Math.round(ratio), 1));
      continue;
    }
    // Waiting is a line in the middle, so that what ran stands out.
    paintRows(pixels, best, palette.bars, from + margin, to - margin);
    const middle = Math.round((from + to) / 2 - ratio);
    paintWaits(pixels, best, at(palette.waits, WAITING), middle, middle + Math.round(2 * ratio));
  }
}

/** @param {Pixels} pixels @param {Uint8Array} best @param {number} color @param {number} top @param {number} bottom */
function paintWaits({ data, width, height }, best, color, top, bottom) {
  for (let y = Math.max(top, 0); y < Math.min(bottom, height); y++) {
    for (let x = 0; x < width; x++) if (at(best, x) === WAITING) data[y * width + x] = color;
  }
}

/**
 * All tasks in one strip, as the overview shows them.
 *
 * @param {Pixels} pixels
 * @param {Picture} picture
 * @param {Palette} palette
 */
export function paintOverview(pixels, { blocks, bins, view, ranks }, palette) {
  const wide = { ...view, width: pixels.width };
  const ratio = pixelRatio();
  const tasks = blocks.filter(({ kind }) => kind === "map" || kind === "task").map(({ task }) => task);
  const counted = tasks.flatMap((task) => task.counts ?? []);
  const sums = bins && counted.length ? binnedDensity(joinCounts(counted), bins, wide, ranks) : density(tasks, wide, ranks);
  paintDensity(pixels, sums, palette.counts, ranks, 0, pixels.height, ratio);
}

/** @param {readonly Counts[]} parts @returns {Counts} */
function joinCounts(parts) {
  const join = (/** @type {(part: Counts) => ArrayLike<number>} */ column) => parts.flatMap((part) => Array.from(column(part)));
  return {
    bin: Int32Array.from(join((part) => part.bin)),
    state: Uint8Array.from(join((part) => part.state)),
    count: Uint32Array.from(join((part) => part.count)),
  };
}

/**
 * What is at a point of the canvas; null in empty space.
 *
 * @param {Picture} picture @param {number} x @param {number} y CSS pixels from the corner of the canvas.
 * @returns {Hit | null}
 */
export function hitPicture({ blocks, view, ranks, top }, x, y) {
  const block = blocks[findBlock(blocks, y + top)];
  if (!block || block.top > y + top) return null;
  const time = view.from + ((x + 0.5) * (view.to - view.from)) / view.width;
  if (block.kind === "map") {
    const failures = hitFailures(block.task, view, x, ranks, 3);
    return { block, i: failures[0] ?? -1, time, failures };
  }
  if (!block.lanes) return null;
  const lane = Math.min(Math.floor((y + top - block.top) / block.rowHeight), block.lanes.count - 1);
  const i = hitLane(block.drawn, block.lanes, lane, view, x, ranks);
  return i === -1 ? null : { block, i, time, failures: [] };
}
