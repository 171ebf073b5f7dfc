/**
 * Single keys, which the reader can switch off, and the list of them by subject.
 *
 *     useKeys("States", { f: { does: "Show only failed task runs", run: showFailed } });
 *
 * The component that appeared last goes first. Names are those of `KeyboardEvent.key`, such as "Escape".
 */

import { useLayoutEffect, useRef } from "./preact.js";
import { shortcuts } from "./store.js";

/**
 * @typedef {{ does: string, run: (event: KeyboardEvent) => void }} Shortcut
 * @typedef {{ [key: string]: Shortcut }} Shortcuts
 */

/** @type {{ current: { subject: string, keys: Shortcuts } }[]} */
const layers = [];

/** @param {string} subject @param {Shortcuts} keys */
export function useKeys(subject, keys) {
  const layer = useRef({ subject, keys });
  layer.current = { subject, keys };
  // A key works as soon as what it belongs to is on the screen.
  useLayoutEffect(() => {
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}

/** All keys that do something now, by subject, for the help. @returns {[subject: string, keys: [string, Shortcut][]][]} */
export function currentKeys() {
  /** @type {Map<string, [subject: string, shortcut: Shortcut]>} */
  const found = new Map();
  for (const { current } of layers) {
    for (const [name, shortcut] of Object.entries(current.keys)) found.set(name, [current.subject, shortcut]);
  }
  /** @type {Map<string, [string, Shortcut][]>} */
  const subjects = new Map();
  for (const [name, [subject, shortcut]] of found) subjects.set(subject, [...(subjects.get(subject) ?? []), [name, shortcut]]);
  return [...subjects];
}

/** @param {EventTarget | null} target */
function takesText(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select"))
  );
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (takesText(event.target) || document.querySelector("dialog:modal")) return;
  if (shortcuts.value === "off" && event.key.length === 1) return;
  for (const { current } of layers.toReversed()) {
    const shortcut = current.keys[event.key];
    if (shortcut) {
      event.preventDefault();
      shortcut.run(event);
      return;
    }
  }
});
