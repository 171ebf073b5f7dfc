/**
 * Single keys, which the reader can switch off, and the list of them.
 *
 *     useKeys({ f: { does: "Show only failed task runs", run: showFailed } });
 *
 * The component that appeared last goes first. Names are those of `KeyboardEvent.key`, such as "Escape".
 */

import { useEffect, useRef } from "./preact.js";
import { shortcuts } from "./store.js";

/**
 * @typedef {{ does: string, run: (event: KeyboardEvent) => void }} Shortcut
 * @typedef {{ [key: string]: Shortcut }} Shortcuts
 */

/** @type {{ current: Shortcuts }[]} */
const layers = [];

/** @param {Shortcuts} keys */
export function useKeys(keys) {
  const layer = useRef(keys);
  layer.current = keys;
  useEffect(() => {
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}

/** All keys that do something now, for the help. @returns {[string, Shortcut][]} */
export function currentKeys() {
  /** @type {Map<string, Shortcut>} */
  const found = new Map();
  for (const layer of layers) {
    for (const [name, shortcut] of Object.entries(layer.current)) found.set(name, shortcut);
  }
  return [...found];
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
    const shortcut = current[event.key];
    if (shortcut) {
      event.preventDefault();
      shortcut.run(event);
      return;
    }
  }
});
