/** The window of time that a timeline shows, and the gestures that move it. */

import { computed, useEffect, useMemo, useRef, useSignal, useState } from "./preact.js";
import { clock, query, setQuery } from "./store.js";
import { at, beginTime } from "./timeline_data.js";
import { foldTime, unfoldTime } from "./timeline_folds.js";

/**
 * @typedef {import("./timeline_scene.js").Scene} Scene
 * @typedef {import("./timeline_canvas.js").Hit} Hit
 * @typedef {{ from: number, to: number }} Span On the folded axis.
 * @typedef {ReturnType<typeof useTimeWindow>} TimeWindow
 * @typedef {{ hit: Hit, x: number, y: number, isPinned: boolean, hasFocus?: boolean }} TipState `x` and `y` are of the browser's window.
 */

const LEAST_MILLISECONDS = 20;
/** How long the address waits for the end of a gesture, in milliseconds. */
const ADDRESS_PAUSE = 200;
const REFINE_PAUSE = 400;

/** From the first to the last moment of a scene, and whether something goes on. @param {Scene | null} scene */
function extentOf(scene) {
  let [from, to, isOpen] = [Infinity, -Infinity, false];
  for (const task of scene?.tasks ?? []) {
    for (let i = 0; i < task.length; i++) {
      const [begin, queued, end] = [beginTime(task, i), at(task.queued, i), at(task.end, i)];
      if (queued < from) from = queued;
      if (begin < from) from = begin;
      if (begin > to) to = begin;
      if (end === Infinity) isOpen ||= begin === begin;
      else if (end > to) to = end;
    }
  }
  const { bins } = scene ?? {};
  if (bins) [from, to] = [bins.first, bins.first + bins.count * bins.width];
  return from <= to ? { from, to, isOpen } : { from: 0, to: 1000, isOpen: false };
}

/** A window in the address, in milliseconds since 1970. @returns {Span | null} */
function readAddress() {
  const [from, to] = [Date.parse(query("from") ?? ""), Date.parse(query("to") ?? "")];
  return from < to ? { from, to } : null;
}

/**
 * @param {Scene | null} scene
 * @param {(limits: import("./timeline_scene.js").Window) => void} refine Reads the task runs of a window, if there are
 *   too many to show each of them.
 */
export function useTimeWindow(scene, refine) {
  // Real times, since folds move while a flow run goes on; null shows all.
  const chosen = useSignal(/** @type {Span | null} */ (useMemo(readAddress, [])));
  const isRefined = useRef(false);
  const whole = useRef({ from: 0, to: 1000, isOpen: false });
  const extent = useMemo(() => extentOf(scene), [scene]);
  if (!isRefined.current) whole.current = extent;
  const frame = useRef(0);
  useEffect(() => {
    const span = chosen.value;
    const text = (/** @type {number} */ time) => new Date(time).toISOString();
    const limits = span ? { from: text(span.from), to: text(span.to) } : { from: null, to: null };
    const timer = setTimeout(() => setQuery(limits), ADDRESS_PAUSE);
    return () => clearTimeout(timer);
  }, [chosen.value]);
  useEffect(() => {
    if (!scene || (!scene.truncated && !isRefined.current)) return undefined;
    const span = chosen.value;
    const timer = setTimeout(() => {
      isRefined.current = span !== null;
      refine(span ? { after: new Date(span.from).toISOString(), before: new Date(span.to).toISOString() } : {});
    }, REFINE_PAUSE);
    return () => clearTimeout(timer);
  }, [chosen.value, scene?.truncated]);
  return useMemo(() => makeWindow(scene, whole.current, chosen, frame), [scene]);
}

/**
 * @param {Scene | null} scene @param {ReturnType<typeof extentOf>} extent
 * @param {import("./vendor/signals.js").Signal<Span | null>} chosen @param {{ current: number }} frame
 */
function makeWindow(scene, extent, chosen, frame) {
  const { folds = [], epoch = 0 } = scene ?? {};
  const domain = computed(() => {
    const now = extent.isOpen ? Math.max(foldTime(folds, clock.value - epoch), extent.from) : extent.to;
    const last = Math.max(extent.to, now);
    const margin = Math.max((last - extent.from) * 0.01, LEAST_MILLISECONDS / 2);
    return { from: extent.from - margin, to: last + margin, now };
  });
  const isFit = computed(() => chosen.value === null);
  const view = computed(() => {
    const { value } = chosen;
    return value ? { from: foldTime(folds, value.from - epoch), to: foldTime(folds, value.to - epoch) } : domain.value;
  });
  /** @type {Span | null} */
  let next = null;
  // However many events come, the picture moves once in a frame.
  const show = (/** @type {number} */ from, /** @type {number} */ to) => {
    const all = domain.peek();
    const span = Math.min(Math.max(to - from, LEAST_MILLISECONDS), all.to - all.from);
    const begin = Math.min(Math.max((from + to - span) / 2, all.from), all.to - span);
    next = { from: begin, to: begin + span };
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0;
      const shown = next;
      next = null;
      if (!shown) return;
      const isAll = shown.to - shown.from >= (all.to - all.from) * 0.9999;
      const real = (/** @type {number} */ time) => epoch + unfoldTime(folds, time);
      chosen.value = isAll ? null : { from: real(shown.from), to: real(shown.to) };
    });
  };
  const current = () => next ?? view.peek();
  return {
    domain,
    view,
    isFit,
    show,
    fit: () => show(domain.peek().from, domain.peek().to),
    /** @param {number} factor @param {number} [share] Where in the window the time stands still. */
    zoom(factor, share = 0.5) {
      const { from, to } = current();
      const [still, span] = [from + share * (to - from), Math.max((to - from) * factor, LEAST_MILLISECONDS)];
      show(still - share * span, still + (1 - share) * span);
    },
    /** @param {number} share Of the window. */
    pan(share) {
      const { from, to } = current();
      show(from + share * (to - from), to + share * (to - from));
    },
    /** @param {number} time */
    center(time) {
      const { from, to } = current();
      show(time - (to - from) / 2, time + (to - from) / 2);
    },
  };
}

/**
 * Lets a canvas be zoomed and moved: Ctrl and the wheel or a pinch zoom, dragging moves, a double click fits. A tip shows
 * what is under the pointer; a click holds it.
 *
 * @param {{ current: HTMLCanvasElement | null }} canvas
 * @param {TimeWindow} window
 * @param {(x: number, y: number) => Hit | null} hit
 */
export function useGestures(canvas, window, hit) {
  const [tip, setTip] = useState(/** @type {TipState | null} */ (null));
  const latest = useRef({ window, hit });
  latest.current = { window, hit };
  const leaving = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    const controller = new AbortController();
    const options = { signal: controller.signal, passive: false };
    /** @type {Map<number, PointerEvent>} */
    const pointers = new Map();
    let moved = 0;
    const point = (/** @type {MouseEvent} */ event) => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top, width: box.width };
    };
    const showTip = (/** @type {MouseEvent} */ event, /** @type {boolean} */ isPinned) => {
      clearTimeout(leaving.current);
      const { x, y } = point(event);
      const found = latest.current.hit(x, y);
      setTip((old) => (old?.isPinned && !isPinned ? old : found && { hit: found, x: event.clientX, y: event.clientY, isPinned }));
    };
    element.addEventListener("wheel", (event) => {
      const { x, width } = point(event);
      const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (event.ctrlKey || event.metaKey) latest.current.window.zoom(Math.exp(Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY) / 200, 0.5)), x / width);
      else if (isSideways) latest.current.window.pan((event.deltaX || event.deltaY) / width);
      else return;
      event.preventDefault();
    }, options);
    element.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, event);
      moved = 0;
      element.setPointerCapture(event.pointerId);
    }, options);
    element.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) {
        showTip(event, false);
        return;
      }
      const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
      const { x, width } = point(event);
      const [dx, gap] = [event.clientX - before.clientX, other ? Math.abs(before.clientX - other.clientX) : 0];
      moved += Math.abs(dx) + Math.abs(event.clientY - before.clientY);
      if (other && gap > 8) latest.current.window.zoom(gap / Math.max(Math.abs(event.clientX - other.clientX), 8), (x - dx / 2) / width);
      else if (dx && moved > 3) latest.current.window.pan(-dx / width);
      pointers.set(event.pointerId, event);
    }, options);
    const release = (/** @type {PointerEvent} */ event) => {
      pointers.delete(event.pointerId);
    };
    element.addEventListener("pointerup", release, options);
    element.addEventListener("pointercancel", release, options);
    element.addEventListener("click", (event) => moved <= 3 && showTip(event, true), options);
    element.addEventListener("dblclick", () => latest.current.window.fit(), options);
    element.addEventListener("pointerleave", () => {
      leaving.current = setTimeout(() => setTip((old) => (old?.isPinned ? old : null)), 250);
    }, options);
    return () => controller.abort();
  }, []);
  const close = () => setTip(null);
  const hold = () => clearTimeout(leaving.current);
  return { tip, setTip, close, hold };
}
