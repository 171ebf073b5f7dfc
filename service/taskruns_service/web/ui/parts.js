/**
 * The components that pages are made of. A page is a module whose default export is a component, as `now.js`:
 *
 *     export default function FlowRuns({ parameters }) {                 // the values of the address's placeholders
 *       usePage({ title: "Flow runs" });                                 // the title, and the icon of a state
 *       return html`<${Page} title="Flow runs" links=${LINKS}>…<//>`;
 *     }
 *
 * Links are plain `<a href=${href(pathOf("flow-runs", id))}>`; the router takes clicks on them. Styles are classes of
 * app.css, or of a style sheet of the page's own, which the service links by itself. Texts come from the service and
 * are never HTML.
 */

import {
  SHAPES, countOf, firstLine, formatAgo, formatCount, formatDuration, formatOffset, formatTime, outlineOf, printable, sortedCounts,
  stateOf, totalOf,
} from "./format.js";
import { html, useEffect, useRef, useState } from "./preact.js";
import { ApiError, ServiceAway, askForKey, isRefusal } from "./api.js";
import { arrive, isFollower } from "./focus.js";
import { announce, clock, isUtc, key, root } from "./store.js";

/** @typedef {import("./types").Counts} Counts */

/** How soon a page says its title: most titles say more once something is read. */
const TITLE_MILLISECONDS = 500;

/**
 * The shape of a kind of state, or of a type.
 * @param {{ kind: import("./format.js").Kind, type?: string, size?: number }} props
 */
export function Shape({ kind, type, size = 16 }) {
  const { line, fill } = outlineOf(kind, type);
  return html`<svg class="shape" viewBox="0 0 16 16" width=${size} height=${size} aria-hidden="true"
    style=${{ color: `var(--state-${kind})` }}>
    ${line && html`<path d=${line} class="line" />`}
    ${fill && html`<path d=${fill} class="fill" />`}
  </svg>`;
}

/**
 * A state with its shape and its word; `quiet` leaves the word to screen readers, where a column says it.
 * @param {{ type: string, quiet?: boolean }} props
 */
export function State({ type, quiet = false }) {
  const state = stateOf(type);
  return html`<span class="state" data-state=${type} title=${quiet ? state.word : undefined}>
    <${Shape} kind=${state.kind} type=${type} /><span class=${quiet ? "hidden" : ""}>${state.word}</span>
  </span>`;
}

/**
 * The counts of the states as a bar in their proportions, with a sentence for screen readers.
 * @param {{ counts: Counts }} props
 */
export function CountsBar({ counts }) {
  const parts = sortedCounts(counts);
  const sentence = parts.map(({ state, count }) => `${formatCount(count)} ${state.word}`).join(", ") || "no task runs";
  return html`<span class="bar" role="img" title=${sentence}>
    ${parts.map(({ state, count }) => html`<span key=${state.type} style=${{ flexGrow: count, background: state.color }} />`)}
  </span>`;
}

/**
 * The states bar: counts in their proportions, and a button for each state that shows only its runs.
 * @param {{
 *   counts: Counts, selected: readonly string[], onSelect: (types: string[]) => void, noun?: string,
 * }} props `selected` are types of states; none stands for all
 */
export function StatesBar({ counts, selected, onSelect, noun = "task runs" }) {
  const toggle = (/** @type {string} */ type) =>
    onSelect(selected.includes(type) ? selected.filter((one) => one !== type) : [...selected, type]);
  return html`<div class="states" role="group" aria-label=${`Filter ${noun} by state`}>
    <${CountsBar} counts=${counts} />
    <div class="chips">
      <button class="chip" aria-pressed=${selected.length === 0} onClick=${() => onSelect([])}>
        All <b>${formatCount(totalOf(counts))}</b>
      </button>
      ${sortedCounts(counts).map(
        ({ state, count }) => html`<button key=${state.type} class="chip" aria-pressed=${selected.includes(state.type)}
          onClick=${() => toggle(state.type)}>
          <${Shape} kind=${state.kind} type=${state.type} /> ${state.word} <b>${formatCount(count)}</b>
        </button>`,
      )}
    </div>
  </div>`;
}

/**
 * How far a flow run is, in words: `419 failed of 100,031`.
 * @param {Counts} counts
 */
export function summaryOf(counts) {
  const failed = countOf(counts, "failed");
  const unfinished = countOf(counts, "unfinished");
  const words = [failed && `${formatCount(failed)} failed`, unfinished && `${formatCount(unfinished)} unfinished`];
  return [...words.filter(Boolean), `${formatCount(totalOf(counts))} task runs`].join(" · ");
}

/**
 * A moment in the zone of the reader, with how long ago that was if `ago`; the exact time in UTC is its title.
 * @param {{ at: string | null | undefined, ago?: boolean, milliseconds?: boolean, since?: string }} props `since` is
 *   the time that stands before it, whose date is not repeated
 */
export function Time({ at, ago = false, milliseconds = false, since }) {
  if (!at) return html`<span class="muted">–</span>`;
  const text = formatTime(at, { utc: isUtc.value, today: since ?? clock.value, milliseconds });
  return html`<span class="time"><time dateTime=${at} title=${`${at} (${formatOffset(at, isUtc.value)})`}>${text}</time>${
    ago && html` <span class="muted">${formatAgo(at, clock.value)}</span>`
  }</span>`;
}

/**
 * The times between which something was, the date of both once.
 * @param {{ from: string | null | undefined, to: string | null | undefined }} props
 */
export function Span({ from, to }) {
  if (!from || !to || from === to) return html`<${Time} at=${to ?? from} />`;
  return html`<${Time} at=${from} /> to <${Time} at=${to} since=${from} />`;
}

/** The zone of the times of a view, which says it once. */
export function Zone() {
  return html`<span class="muted">times in ${formatOffset(clock.value, isUtc.value)}</span>`;
}

/**
 * A duration; that of a run that goes on counts from its start.
 * @param {{ seconds: number | null | undefined, since?: string | null | undefined }} props `since` is of a run that goes on
 */
export function Duration({ seconds, since }) {
  const running = since ? Math.max(0, (clock.value - Date.parse(since)) / 1000) : null;
  const text = formatDuration(seconds ?? (running === null ? null : Math.floor(running)));
  return html`<span class=${since ? "duration running" : "duration"}>${text || html`<span class="muted">–</span>`}</span>`;
}

/**
 * Copies a text. Browsers offer no clipboard over plain HTTP: then the text is selected for the reader to copy.
 * @param {string} text
 * @param {Element | null} [element] what shows the text
 */
export async function copy(text, element = null) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied.");
    return true;
  } catch {
    if (element) getSelection()?.selectAllChildren(element);
    announce("Selected. Copy it with Ctrl+C.");
    return false;
  }
}

/**
 * An id as text that can be selected, with a button that copies it.
 * @param {{ id: string, kind: "flow-run" | "task-run" }} props
 */
export function CopyId({ id, kind }) {
  return html`<span class="id"><code data-id=${id} data-kind=${kind}>${id}</code><${CopyButton} text=${id} label="Copy the id" /></span>`;
}

/** @param {{ text: string, label: string }} props */
export function CopyButton({ text, label }) {
  const [done, setDone] = useState(false);
  const run = async (/** @type {MouseEvent} */ event) => {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    setDone(await copy(text, button.previousElementSibling));
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button class="icon" title=${label} onClick=${run}>
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class="shape">
      <path class="line" d=${done ? SHAPES.success.line : "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z"} />
    </svg>
  </button>`;
}

/** The first line of a message of a run. @param {{ text: string | null | undefined }} props */
export function Message({ text }) {
  return text ? html`<span class="message" title=${printable(text)}>${firstLine(printable(text))}</span>` : null;
}

/** Why the service wants another key than the page has. */
export function missingKey() {
  return key.value
    ? "The service does not know the API key of this page, or it was revoked."
    : "This service needs an API key, and this page has none.";
}

/** Why something cannot be shown, and what to do. @param {{ error: Error, retry?: () => void }} props */
export function Problem({ error, retry }) {
  const id = error instanceof ApiError ? error.problem?.request_id : undefined;
  const isKeyWrong = isRefusal(error);
  return html`<div class="problem" role="alert">
    <p>${error instanceof ApiError && error.status === 401 ? missingKey() : error.message}</p>
    ${id && html`<p class="muted">Request <code>${id}</code></p>`}
    ${isKeyWrong && html`<button onClick=${() => void askForKey()}>Give a key</button>`}
    ${retry && !isKeyWrong && html`<button onClick=${retry}>Try again</button>`}
    ${error instanceof ServiceAway && html`<p class="muted">The page tries again by itself.</p>`}
  </div>`;
}

/** What stands in place of rows that do not exist. @param {{ children: unknown }} props */
export function Empty({ children }) {
  return html`<div class="empty">${children}</div>`;
}

/** Shows that an answer is awaited, once that takes long enough to be noticed. */
export function Loading() {
  return html`<p class="loading" role="status">Loading…</p>`;
}

/**
 * Where what a page shows comes from: the call of the API, and the same for curl and for the command line.
 * @param {{ url: string, command?: string }} props `url` is the address of the API call, as `addressOf` makes it
 */
export function Sources({ url, command }) {
  const curl = `curl '${location.origin}${url.replaceAll("'", "%27")}'`;
  return html`<div class="sources">
    <a href=${url} data-native>JSON</a>
    <${CopyText} text=${curl} name="as curl" />
    ${command && html`<${CopyText} text=${command} name="as taskruns" />`}
  </div>`;
}

/** @param {{ text: string, name: string }} props */
function CopyText({ text, name }) {
  return html`<details class="source"><summary>${name}</summary>
    <div><code>${text}</code><${CopyButton} text=${text} label=${`Copy: ${name}`} /></div>
  </details>`;
}

/**
 * A page with its heading; `aside` stands at the heading's side.
 * @param {{ title: unknown, over?: unknown, aside?: unknown, children: unknown }} props `over` is the way up, above the heading
 */
export function Page({ title, over, aside, children }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => arrive(heading.current), []);
  return html`<main id="main" tabindex="-1">
    <header class="heading">
      <div>${over && html`<p class="over">${over}</p>`}<h1 ref=${heading} tabindex="-1">${title}</h1></div>
      ${aside && html`<div class="aside">${aside}</div>`}
    </header>
    ${children}
  </main>`;
}

/** A part of a page. @param {{ title: unknown, aside?: unknown, children: unknown }} props */
export function Section({ title, aside, children }) {
  return html`<section class="section">
    <header><h2>${title}</h2>${aside && html`<div class="aside">${aside}</div>`}</header>
    ${children}
  </section>`;
}

/**
 * Gives the document the title of a page, which screen readers say when it is opened, and the icon of a state.
 * @param {{ title: string, kind?: import("./format.js").Kind | undefined }} page
 */
export function usePage({ title, kind }) {
  useEffect(() => {
    document.title = title === "Task runs" ? title : `${title} · Task runs`;
  }, [title]);
  useEffect(() => {
    if (!isFollower()) return undefined;
    const timer = setTimeout(() => announce(document.title), TITLE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    const link = document.querySelector("link[rel=icon]");
    if (link instanceof HTMLLinkElement) link.href = kind ? iconOf(kind) : new URL("icon.svg", import.meta.url).href;
  }, [kind]);
}

/** @param {import("./format.js").Kind} kind */
function iconOf(kind) {
  const { line = "", fill = "" } = SHAPES[kind];
  const color = getComputedStyle(document.documentElement).getPropertyValue(`--state-${kind}`).trim();
  const rgb = colorOf(color);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="${line}" fill="none" stroke="${rgb}" ` +
    `stroke-width="2.5" stroke-linecap="round"/><path d="${fill}" fill="${rgb}"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

/** A colour as canvases and images take it, where `light-dark()` means nothing. @param {string} value */
export function colorOf(value) {
  const probe = document.createElement("span");
  probe.style.color = value;
  // Pictures show states by their colours, whatever colours the reader forces on texts.
  probe.style.setProperty("forced-color-adjust", "none");
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export const docsUrl = `${root}/docs`;
