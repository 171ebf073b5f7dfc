/** The filter by state of the pages of a flow run and of a map, which is in the address. */

import { typesOf } from "./format.js";
import { useKeys } from "./keyboard.js";
import { announce, setQuery } from "./store.js";

/** Shows only task runs in some states; none stands for all. @param {readonly string[]} types */
export function select(types) {
  setQuery({ state: types });
}

export function useFilterKeys() {
  const show = (/** @type {readonly string[]} */ types, /** @type {string} */ sentence) => {
    select(types);
    announce(sentence);
  };
  useKeys("States", {
    f: { does: "Show only failed task runs", run: () => show(typesOf("failed"), "Only failed task runs are shown.") },
    r: { does: "Show only unfinished task runs", run: () => show(typesOf("unfinished"), "Only unfinished task runs are shown.") },
    a: { does: "Show all task runs", run: () => show([], "All task runs are shown.") },
  });
}
