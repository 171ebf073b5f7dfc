/**
 * What all pages share: the address, the reader's settings, the key, the clock, and whether the service answers.
 *
 *     navigate(href("/flow-runs"));         to another page
 *     const state = query("state");         a filter in the address; reading it in a component subscribes to it
 *     setQuery({ state: "Failed" });        replaces it, and null removes it
 */

import { leavePage } from "./focus.js";
import { keepPlace, returnToPlace } from "./scroll.js";
import { computed, effect, signal } from "./vendor/signals.js";

/** The prefix under which the service is served, empty without a proxy that adds one. */
export const root = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");
const PAGES = `${root}/ui`;

/** @returns {{ path: string, search: string }} */
function here() {
  const { pathname: path, search } = location;
  return { path: path.startsWith(PAGES) ? path.slice(PAGES.length) || "/" : path, search };
}

/** The address below /ui, encoded, as `{ path: "/flow-runs", search: "?state=Failed" }`. */
export const address = signal(here());
const searchParameters = computed(() => new URLSearchParams(address.value.search));

/**
 * The address of a page.
 * @param {string} path as `/flow-runs/ID`; each part that is not a constant needs `encodeURIComponent`, or `pathOf`
 * @param {{ [name: string]: string | number | null | undefined }} [parameters]
 */
export function href(path, parameters = {}) {
  const pairs = Object.entries(parameters).flatMap(([name, value]) =>
    value === null || value === undefined || value === "" ? [] : [[name, String(value)]],
  );
  return PAGES + path + (pairs.length ? `?${new URLSearchParams(pairs)}` : "");
}

/**
 * A path of parts, each of which may be any text.
 * @param {(string | number)[]} parts
 */
export function pathOf(...parts) {
  return parts.map((part) => `/${encodeURIComponent(DOTS.test(`${part}`) ? `~${part}` : part)}`).join("");
}

/** Browsers take away the parts `.` and `..`, however they are encoded: so these, and what would be read as them, get a `~`. */
const DOTS = /^~*\.\.?$/;

/** A part of a path as the text that it was; null if it is not UTF-8. @param {string} part */
export function partOf(part) {
  try {
    const text = decodeURIComponent(part);
    return text.startsWith("~") && DOTS.test(text) ? text.slice(1) : text;
  } catch {
    return null;
  }
}

/** @param {string} target @param {{ replace?: boolean }} [options] */
export function navigate(target, { replace = false } = {}) {
  const url = new URL(target, location.href);
  if (url.href === location.href) return;
  if (!replace) keepPlace();
  history[replace ? "replaceState" : "pushState"](null, "", url);
  goHere();
  if (!replace) scrollTo(0, 0);
}

/** Shows what the address of the browser names. */
function goHere() {
  const next = here();
  if (next.path !== address.peek().path) leavePage();
  address.value = next;
}

addEventListener("popstate", ({ state }) => {
  goHere();
  returnToPlace(state);
});

/** @param {string} name @returns {string | null} the value of a query parameter in the address */
export function query(name) {
  return searchParameters.value.get(name);
}

/** @param {string} name @returns {string[]} all values of a query parameter in the address */
export function queryAll(name) {
  return searchParameters.value.getAll(name);
}

/**
 * Changes query parameters of the address in place; null removes one, and a list repeats it.
 * @param {{ [name: string]: string | number | readonly string[] | null | undefined }} changes
 */
export function setQuery(changes) {
  const parameters = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    parameters.delete(name);
    for (const text of Array.isArray(value) ? value : [value]) {
      if (text !== null && text !== undefined && text !== "") parameters.append(name, String(text));
    }
  }
  const search = parameters.size ? `?${parameters}` : "";
  navigate(location.origin + location.pathname + search, { replace: true });
}

/**
 * What is kept in the browser; browsers may refuse to, and then it lasts as long as the page.
 * @param {Storage | "session" | "local"} storage
 */
function storageOf(storage) {
  const find = () => (storage === "session" ? sessionStorage : localStorage);
  return {
    /** @param {string} name */
    get(name) {
      try {
        return find().getItem(`taskruns.${name}`);
      } catch {
        return null;
      }
    },
    /** @param {string} name @param {string | null} value */
    set(name, value) {
      try {
        if (value === null) find().removeItem(`taskruns.${name}`);
        else find().setItem(`taskruns.${name}`, value);
      } catch {
        // Nothing depends on it.
      }
    },
  };
}

const local = storageOf("local");
const session = storageOf("session");

/** @param {string} name @param {string} standard */
function setting(name, standard) {
  const value = signal(local.get(name) ?? standard);
  effect(() => local.set(name, value.value === standard ? null : value.value));
  return value;
}

/** The zone of all times: "local" or "utc". */
export const zone = setting("zone", "local");
/** The theme: "auto", "light" or "dark". */
export const theme = setting("theme", "auto");
/** Whether single keys are shortcuts: "on" or "off". */
export const shortcuts = setting("shortcuts", "on");
export const isUtc = computed(() => zone.value === "utc");

effect(() => {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

/** The API key, "" without one. */
export const key = signal(session.get("key") ?? local.get("key") ?? "");
/** Whether the reader was asked for a key and gave none. */
export const hasDeclined = signal(false);

/**
 * Keeps a key for this tab, or for this device; "" forgets it.
 * @param {string} value
 * @param {boolean} remember
 */
export function keepKey(value, remember) {
  session.set("key", remember ? null : value || null);
  local.set("key", remember ? value || null : null);
  hasDeclined.value = false;
  key.value = value;
}

/** When the service stopped to answer, in milliseconds; null while it does. */
export const awaySince = signal(/** @type {number | null} */ (null));

/** The present in milliseconds, each second while the page is visible; it stands still while the service is away. */
export const clock = signal(Date.now());
setInterval(() => {
  if (!document.hidden && awaySince.value === null) clock.value = Date.now();
}, 1000);

/**
 * A sentence for screen readers; a new one takes the place of one that waits, and there is at most one in 5 seconds.
 * @param {string} sentence
 */
export function announce(sentence) {
  waiting = sentence;
  announcing ||= setTimeout(say, Math.max(0, spoken + 5000 - Date.now()));
}

/** What the live region says. */
export const announcement = signal("");
let waiting = "";
let spoken = 0;
let announcing = /** @type {ReturnType<typeof setTimeout> | 0} */ (0);

function say() {
  announcing = 0;
  spoken = Date.now();
  announcement.value = waiting;
}
