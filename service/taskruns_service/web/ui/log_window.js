/**
 * Which lines of a log are on the screen, where lines have different heights: they are measured once they have been
 * shown, and estimated before.
 *
 * @typedef {import("./log_feed.js").LogLine} LogLine
 */

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./preact.js";

const LINE_HEIGHT = 20;
const ROW_PADDING = 4;
const MARGIN_PIXELS = 400;
const NEAR_END_PIXELS = 4000;
const EDGE_PIXELS = 4;
const CHARACTER_WIDTH = 7.3;
const COLUMNS_WIDTH = 200;
const MAX_ESTIMATE = 60;

/**
 * About how high a line will be.
 * @param {LogLine} line
 * @param {number} width of the log in pixels
 */
export function estimateHeight(line, width) {
  const columns = Math.max(20, Math.floor((width - COLUMNS_WIDTH) / CHARACTER_WIDTH));
  let rows = 0;
  for (const text of (line.message ?? "").split("\n", MAX_ESTIMATE)) rows += Math.max(1, Math.ceil(text.length / columns));
  return Math.min(MAX_ESTIMATE, rows) * LINE_HEIGHT + ROW_PADDING;
}

/** The top of each line, and the bottom of the last: one more than there are lines. @param {Float64Array} heights */
export function topsOf(heights) {
  const tops = new Float64Array(heights.length + 1);
  let bottom = 0;
  for (let index = 0; index < heights.length; index += 1) {
    bottom += /** @type {number} */ (heights[index]);
    tops[index + 1] = bottom;
  }
  return tops;
}

/** The line at a height: the last whose top is not below it. @param {Float64Array} tops @param {number} y */
export function indexAt(tops, y) {
  let [low, high] = [0, tops.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (/** @type {number} */ (tops[middle]) <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * @param {readonly LogLine[]} lines
 * @param {{
 *   isFollowing: boolean, newestFirst: boolean, onLeave: () => void, onNearEnd: () => void,
 * }} options `onLeave`: the reader has scrolled away from the newest line
 */
export function useLineWindow(lines, { isFollowing, newestFirst, onLeave, onNearEnd }) {
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const heights = useRef(/** @type {WeakMap<LogLine, number>} */ (new WeakMap()));
  const anchor = useRef(/** @type {{ line: LogLine, offset: number } | null} */ (null));
  const [, setTurn] = useState(0);
  const [measured, setMeasured] = useState(0);
  const [forgotten, setForgotten] = useState(0);
  const width = scroller.current?.clientWidth ?? 1000;
  const lineHeights = useMemo(() => {
    const heightOf = (/** @type {LogLine} */ line) => {
      const height = heights.current.get(line) ?? estimateHeight(line, width);
      heights.current.set(line, height);
      return height;
    };
    return Float64Array.from(lines, heightOf);
  }, [lines, lines.length, lines[0], forgotten]);
  const tops = useMemo(() => topsOf(lineHeights), [lineHeights, measured]);
  const top = scroller.current?.scrollTop ?? 0;
  const height = scroller.current?.clientHeight ?? 600;
  const total = tops[lines.length] ?? 0;
  const first = Math.min(lines.length, indexAt(tops, Math.max(0, top - MARGIN_PIXELS)));
  const last = Math.min(lines.length, indexAt(tops, top + height + MARGIN_PIXELS) + 1);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !body.current) return;
    let isChanged = false;
    for (const row of body.current.children) {
      const { dataset, offsetHeight } = /** @type {HTMLElement} */ (row);
      const index = Number(dataset.index);
      const line = lines[index];
      if (!line || lineHeights[index] === offsetHeight) continue;
      heights.current.set(line, offsetHeight);
      lineHeights[index] = offsetHeight;
      isChanged = true;
    }
    if (isFollowing) element.scrollTop = newestFirst ? 0 : element.scrollHeight;
    if (isChanged) setMeasured((turn) => turn + 1);
  });

  // Lines that come above what the reader looks at do not move it.
  useLayoutEffect(() => {
    const element = scroller.current;
    const position = anchor.current;
    if (!element || !position || isFollowing) return;
    const index = lines.indexOf(position.line);
    const wanted = index < 0 ? element.scrollTop : (tops[index] ?? 0) + position.offset;
    if (Math.abs(wanted - element.scrollTop) > 1) element.scrollTop = wanted;
  }, [lines[0], lines.length]);

  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    const isAtEdge = newestFirst
      ? element.scrollTop <= EDGE_PIXELS
      : element.scrollTop + element.clientHeight >= element.scrollHeight - EDGE_PIXELS;
    if (isFollowing && !isAtEdge) onLeave();
    const index = indexAt(tops, element.scrollTop);
    const line = lines[index];
    anchor.current = line && element.scrollTop > 0 ? { line, offset: element.scrollTop - (tops[index] ?? 0) } : null;
    setTurn((turn) => turn + 1);
  }, [tops, isFollowing, newestFirst]);

  useEffect(() => {
    const forget = () => {
      heights.current = new WeakMap();
      setForgotten((turn) => turn + 1);
    };
    addEventListener("resize", forget);
    return () => removeEventListener("resize", forget);
  }, []);

  useEffect(() => {
    if (total - top - height < NEAR_END_PIXELS) onNearEnd();
  });

  return { scroller, body, onScroll, first, last, total, above: tops[first] ?? 0, below: total - (tops[last] ?? 0) };
}
