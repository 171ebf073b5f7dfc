/**
 * Search: a dialog on every page, a page with an address, and a box where something was not found. It takes any id, or
 * its beginning, and the beginnings of names. Arrows lead to the hits, and Enter opens the first.
 *
 * @typedef {import("./types").Schemas["SearchHit"]} SearchHit
 */

import { useAnswer } from "./api.js";
import { printable, quoted, taskRunName } from "./format.js";
import { Empty, Page, Problem, Sources, State, Time, usePage } from "./parts.js";
import { html, signal, useEffect, useRef, useState } from "./preact.js";
import { addressOf } from "./routes.js";
import { href, navigate, pathOf, query, setQuery } from "./store.js";

const TYPING_MILLISECONDS = 150;
const MAX_RECENT = 8;
const MAX_TASK_FLOWS = 20;
const KINDS = /** @type {const} */ ([
  ["flow", "Flows"], ["task", "Tasks"], ["flow_run", "Flow runs"], ["task_run", "Task runs"],
]);

/** What was searched for since the page was loaded, the latest first. */
export const recent = signal(/** @type {readonly string[]} */ ([]));

/** @param {string} text */
function remember(text) {
  if (text) recent.value = [text, ...recent.value.filter((other) => other !== text)].slice(0, MAX_RECENT);
}

/** A row of the hits: where it leads, what it is called, and what is known of it. @typedef {{ key: string, target: string, name: string, note: string, hit: SearchHit }} Hit */

/** @param {SearchHit} hit @returns {Hit} */
function hitOf(hit) {
  const name = printable(hit.name);
  const key = `${hit.kind} ${hit.id ?? hit.name}`;
  if (hit.kind === "flow_run") return { key, hit, name, target: href(pathOf("flow-runs", hit.id ?? "")), note: printable(hit.flow_name) };
  if (hit.kind === "task_run") {
    const note = [hit.flow_run_name, hit.flow_name].filter(Boolean).map(printable).join(" · ");
    return { key, hit, name: taskRunName(hit.name, hit.map_index ?? -1), target: href(pathOf("task-runs", hit.id ?? "")), note };
  }
  return { key, hit, name, target: href("/flow-runs", { flow: hit.name }), note: "" };
}

/**
 * The hits to show. A task is known by its slug in several flows, and each of them has a page.
 * @param {readonly SearchHit[]} items
 * @param {readonly import("./types").Schemas["AggregateGroup"][]} groups by task slug and flow
 */
function hitsOf(items, groups) {
  return items.flatMap((hit) => {
    if (hit.kind !== "task") return [hitOf(hit)];
    return groups.flatMap(({ key: { task_slug: slug, flow_name: flow } }) =>
      slug === hit.name && flow !== undefined
        ? [{ key: `task ${slug} ${flow}`, hit, name: printable(slug), target: href(pathOf("tasks", flow, slug)), note: printable(flow) }]
        : [],
    );
  });
}

/** @param {string} text */
function useSearch(text) {
  const answer = useAnswer("/search", text && { q: text });
  const items = text ? (answer.data?.items ?? []) : [];
  const slugs = items.flatMap(({ kind, name }) => (kind === "task" ? [name] : []));
  const flows = useAnswer("/task-runs/aggregate", slugs.length > 0 && {
    task_slug: slugs, group_by: ["task_slug", "flow_name"], sort: "-count", limit: MAX_TASK_FLOWS,
  });
  return { ...answer, hits: hitsOf(items, flows.data?.groups ?? []), truncated: Boolean(answer.data?.truncated) };
}

/** @param {{ hit: Hit, onOpen: () => void }} props */
function HitRow({ hit: { target, name, note, hit }, onOpen }) {
  return html`<li><a class="hit" href=${target} onClick=${onOpen} data-kind=${hit.kind} data-id=${hit.id}>
    <span class="hit-name"><bdi>${name}</bdi></span>
    <span class="hit-note muted"><bdi>${note}</bdi></span>
    ${hit.state && html`<${State} type=${hit.state} />`}
    ${hit.created && html`<span class="hit-time hide-600"><${Time} at=${hit.created} /></span>`}
  </a></li>`;
}

/** @param {{ hits: readonly Hit[], onOpen: () => void }} props */
function Hits({ hits, onOpen }) {
  return KINDS.map(([kind, title]) => {
    const own = hits.filter(({ hit }) => hit.kind === kind);
    if (!own.length) return null;
    return html`<h2 id=${`hits-${kind}`}>${title}</h2>
      <ul class="hits" aria-labelledby=${`hits-${kind}`}>${own.map((hit) => html`<${HitRow} key=${hit.key} hit=${hit} onOpen=${onOpen} />`)}</ul>`;
  });
}

/** @param {{ onSelect: (text: string) => void }} props */
function Recent({ onSelect }) {
  if (!recent.value.length) return null;
  return html`<div class="recent"><span class="muted">Recent</span>
    ${recent.value.map((text) => html`<button key=${text} class="chip" onClick=${() => onSelect(text)}><bdi>${printable(text)}</bdi></button>`)}
  </div>`;
}

/**
 * Moves the focus between the input and the links of the hits.
 * @param {HTMLElement} box
 * @param {number} by
 */
function moveFocus(box, by) {
  const places = [...box.querySelectorAll("input, .hit")].map((place) => /** @type {HTMLElement} */ (place));
  const at = places.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  places[Math.min(places.length - 1, Math.max(0, at + by))]?.focus();
}

/** What is said when there are no hits, or more. @param {{ text: string, search: ReturnType<typeof useSearch> }} props */
function Outcome({ text, search }) {
  const { data, error, isLoading, hits, truncated, refresh } = search;
  if (error && !isLoading) return html`<${Problem} error=${error} retry=${refresh} />`;
  if (!text) return html`<p class="muted">An id or its first 8 digits, or the beginning of the name of a flow, a flow run or a task.</p>`;
  if (data && !isLoading && !data.items.length) return html`<${Empty}>Nothing begins with “<bdi>${printable(text)}</bdi>”.<//>`;
  return truncated && hits.length ? html`<p class="muted">There is more that matches: write more of it.</p>` : null;
}

/**
 * @param {{
 *   initial?: string, isFocused?: boolean, onText?: (text: string) => void, onOpen?: () => void,
 * }} props `onText` is called with what is searched for, `onOpen` when a hit is opened
 */
export function SearchBox({ initial = "", isFocused = false, onText, onOpen }) {
  const [text, setText] = useState(initial.trim());
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  const isWaiting = useRef(false);
  const search = useSearch(text);
  const { hits, isLoading } = search;
  useEffect(() => {
    if (isFocused) input.current?.focus();
    return () => clearTimeout(timer.current);
  }, []);
  const select = (/** @type {string} */ next) => {
    clearTimeout(timer.current);
    setText(next);
    onText?.(next);
  };
  const open = () => {
    remember(text);
    onOpen?.();
  };
  const openFirst = () => {
    const [first] = hits;
    if (!first) return;
    open();
    navigate(first.target);
  };
  useEffect(() => {
    if (!isWaiting.current || isLoading) return;
    isWaiting.current = false;
    openFirst();
  }, [isLoading, hits.length]);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!by || !box.current) return;
    event.preventDefault();
    moveFocus(box.current, by);
  };
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const typed = (input.current?.value ?? "").trim();
    // Enter is often faster than the answer: then the first hit is opened when it comes.
    if (typed === text && !isLoading) openFirst();
    else {
      isWaiting.current = true;
      select(typed);
    }
  };
  return html`<div class="search" ref=${box} onKeyDown=${onKeyDown}>
    <form role="search" onSubmit=${submit}>
      <input ref=${input} type="search" name="q" autofocus=${isFocused} value=${text} aria-label="Search" placeholder="Id or name" maxlength="255"
        autocomplete="off" autocapitalize="off" spellcheck=${false} onInput=${(/** @type {InputEvent} */ event) => {
          const { value } = /** @type {HTMLInputElement} */ (event.currentTarget);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => select(value.trim()), TYPING_MILLISECONDS);
        }} />
    </form>
    ${!text && html`<${Recent} onSelect=${select} />`}
    <div aria-live="polite"><${Outcome} text=${text} search=${search} /></div>
    <${Hits} hits=${hits} onOpen=${open} />
  </div>`;
}

/** The page, whose address has what is searched for. */
export default function Search() {
  const text = query("q") ?? "";
  usePage({ title: text ? `Search: ${printable(text).slice(0, 60)}` : "Search" });
  return html`<${Page} title="Search">
    <${SearchBox} initial=${text} isFocused onText=${(/** @type {string} */ next) => setQuery({ q: next })} />
    ${text && html`<footer class="search-sources"><${Sources} url=${addressOf("/search", { q: text })} command=${`taskruns find ${quoted(text)}`} /></footer>`}
  <//>`;
}
