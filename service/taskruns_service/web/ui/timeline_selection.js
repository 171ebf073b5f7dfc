/** The task run that is selected in the address, as `run=inc-1/77777`, and the steps from one failure to the next. */

import { useKeys } from "./keyboard.js";
import { useEffect, useMemo } from "./preact.js";
import { announce, query, setQuery } from "./store.js";
import { at, beginTime } from "./timeline_data.js";
import { STATES } from "./timeline_rows.js";
import { stateOf } from "./format.js";

/**
 * @typedef {import("./timeline.js").TimelineState} TimelineState
 * @typedef {import("./timeline_data.js").Task} Task
 * @typedef {import("./timeline_rows.js").Block} Block
 * @typedef {{ task: Task, i: number, time: number }} Failure
 */

const FAILED = Uint8Array.from(STATES, (type) => (stateOf(type).group === "failed" ? 1 : 0));

/**
 * The failed task runs by the time at which they failed; those that never ran are last, since others are their cause.
 *
 * @param {readonly Task[]} tasks
 * @returns {Failure[]}
 */
export function failuresOf(tasks) {
  /** @type {Failure[]} */
  const failures = [];
  for (const task of tasks) {
    for (let i = 0; i < task.length; i++) {
      if (at(FAILED, at(task.state, i))) failures.push({ task, i, time: Math.max(at(task.end, i), beginTime(task, i)) });
    }
  }
  const neverRan = (/** @type {Failure} */ { task, i }) => Number(Number.isNaN(at(task.start, i)));
  return failures.sort((a, b) => neverRan(a) - neverRan(b) || a.time - b.time);
}

/** @param {Task} task @param {number} i */
const nameOf = (task, i) => `${task.slug}/${at(task.mapIndex, i)}`;

/** Whether the tip of the next selection gets the focus: the reader selects by keys, and Enter then opens the task run. */
let isByKeys = false;

/** The keys to the next and to the previous failure. @param {TimelineState} timeline */
export function useFailureKeys({ scene }) {
  const failures = useMemo(() => failuresOf(scene?.tasks ?? []), [scene]);
  const step = (/** @type {1 | -1} */ by) => {
    if (!failures.length) {
      announce(scene?.truncated ? "There are too many task runs to show each failure: zoom in." : "No task run has failed.");
      return;
    }
    const selected = query("run");
    const current = failures.findIndex(({ task, i }) => nameOf(task, i) === selected);
    const next = current === -1 && by === -1 ? failures.length - 1 : (current + by + failures.length) % failures.length;
    const failure = /** @type {Failure} */ (failures[next]);
    isByKeys = true;
    setQuery({ run: nameOf(failure.task, failure.i) });
    announce(`Failure ${next + 1} of ${failures.length}: ${nameOf(failure.task, failure.i)}`);
  };
  useKeys("Failures", {
    n: { does: "Next failure", run: () => step(1) },
    N: { does: "Previous failure", run: () => step(-1) },
  });
}

/**
 * Where a task run is: its row, and its place in the task.
 *
 * @param {readonly Block[]} blocks
 * @param {string} slug
 * @param {number} mapIndex
 */
function findTaskRun(blocks, slug, mapIndex) {
  const own = blocks.filter(({ task }) => task.slug === slug);
  const task = own[0]?.task;
  const i = task ? task.mapIndex.indexOf(mapIndex) : -1;
  if (!task || i === -1) return null;
  // A child is in its lane if the map is open.
  for (const block of own.toReversed()) {
    if (block.kind === "map" || block.kind === "task") return { block, i, y: block.top + block.rowHeight / 2 };
    const place = block.lanes?.order.indexOf(i) ?? -1;
    if (!block.lanes || place === -1) continue;
    let lane = 0;
    while (at(block.lanes.offset, lane + 1) <= place) lane++;
    return { block, i, y: block.top + (lane + 0.5) * block.rowHeight };
  }
  return null;
}

/**
 * Brings the selected task run into view, and shows its tip.
 *
 * @param {TimelineState} timeline
 * @param {{ current: HTMLElement | null }} body @param {{ current: HTMLCanvasElement | null }} canvas
 * @param {(tip: import("./timeline_window.js").TipState | null) => void} setTip
 */
export function useSelection({ blocks, window }, body, canvas, setTip) {
  const selected = query("run");
  const isReady = blocks.length > 0;
  useEffect(() => {
    const slash = selected?.lastIndexOf("/") ?? -1;
    if (!selected || slash === -1 || !body.current || !canvas.current) return undefined;
    const place = findTaskRun(blocks, selected.slice(0, slash), Number(selected.slice(slash + 1)));
    if (!place) return undefined;
    const { block, i, y } = place;
    const { task } = block;
    const [begin, end] = [beginTime(task, i), Math.min(at(task.end, i), window.domain.peek().now)];
    const time = block.kind === "map" ? Math.max(begin, end) : (begin + Math.max(begin, end)) / 2;
    const { from, to } = window.view.peek();
    if (time < from || time > to) window.center(time);
    body.current.scrollIntoView({ block: "nearest" });
    body.current.scrollTop = y - body.current.clientHeight / 2;
    const timer = setTimeout(() => showTip(), 50);
    const showTip = () => {
      if (!body.current || !canvas.current) return;
      const box = canvas.current.getBoundingClientRect();
      const view = window.view.peek();
      const x = box.left + ((time - view.from) / (view.to - view.from)) * box.width;
      // The tip is that of the child even where its row is that of the map.
      const hit = { block: { ...block, kind: /** @type {const} */ ("children"), drawn: task }, i, time, failures: [] };
      setTip({ hit, x, y: box.top + y - body.current.scrollTop, isPinned: true, hasFocus: isByKeys });
      isByKeys = false;
    };
    return () => clearTimeout(timer);
  }, [selected, isReady]);
}

