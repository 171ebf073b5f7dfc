/**
 * A log: that of a task run, or that of a flow run with all of its task runs.
 *
 *     html`<${Logs} source=${{ flowRunId }} added=${lines} hasTaskRuns />`
 *
 * `added` are the lines that arrived last, a new list each time (`onLogs` of live.js). Its filters are in the address:
 * `log_level`, `log_text`, `log_order` and `follow`. Only the lines on the screen are in the page; further ones are read
 * as the reader comes near them.
 *
 * @typedef {import("./log_feed.js").LogLine} LogLine
 * @typedef {import("./log_feed.js").LogSource} LogSource
 */

import { get } from "./api.js";
import { formatCount, formatTime, printable, taskRunName } from "./format.js";
import { LEVELS, LogFeed, logUrl } from "./log_feed.js";
import { useLineWindow } from "./log_window.js";
import { mode } from "./live.js";
import { Empty, Loading, Problem, Sources, Zone } from "./parts.js";
import { html, useEffect, useMemo, useRef, useState } from "./preact.js";
import { href, isUtc, pathOf, query, setQuery } from "./store.js";

const POLL_MILLISECONDS = 5000;
const TYPING_MILLISECONDS = 200;
const LONG_MESSAGE = 4000;

/** The filters in the address. */
function useFilter() {
  const level = query("log_level");
  return {
    level: level && LEVELS.includes(level) ? level : null,
    text: query("log_text") ?? "",
    newestFirst: query("log_order") === "newest",
    isFollowing: query("follow") === "1",
  };
}

/**
 * The lines that are loaded, for the filter in the address.
 * @param {LogSource} source
 * @param {ReturnType<typeof useFilter>} filter
 * @param {readonly LogLine[] | undefined} added
 */
function useFeed({ flowRunId, taskRunId }, filter, added) {
  const [, setTurn] = useState(0);
  const { level, text, newestFirst } = filter;
  const feed = useMemo(() => {
    const source = taskRunId ? { taskRunId } : flowRunId ? { flowRunId } : {};
    return new LogFeed(source, { level, text, newestFirst }, () => setTurn((turn) => turn + 1));
  }, [flowRunId, taskRunId, level, text, newestFirst]);
  const isFollowing = useRef(false);
  isFollowing.current = filter.isFollowing;
  useEffect(() => {
    void feed.loadMore();
    return () => feed.close();
  }, [feed]);
  useEffect(() => {
    if (added?.length) feed.add(added, isFollowing.current);
  }, [added]);
  const liveness = mode.value;
  useEffect(() => {
    // What was logged between the page that was read and the begin of the stream.
    if (liveness === "live") void feed.catchUp(isFollowing.current);
    if (liveness !== "polling") return undefined;
    const timer = setInterval(() => document.hidden || void feed.catchUp(isFollowing.current), POLL_MILLISECONDS);
    return () => clearInterval(timer);
  }, [feed, liveness, feed.isComplete]);
  return feed;
}

/** @param {{ filter: ReturnType<typeof useFilter> }} props */
function Filters({ filter }) {
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  const find = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.currentTarget);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ log_text: value }), TYPING_MILLISECONDS);
  };
  const selectLevel = (/** @type {Event} */ event) =>
    setQuery({ log_level: /** @type {HTMLSelectElement} */ (event.currentTarget).value });
  return html`<div class="log-filters">
    <label>Level
      <select value=${filter.level ?? ""} onChange=${selectLevel}>
        <option value="">all</option>
        ${LEVELS.map((level) => html`<option key=${level} value=${level}>${level}${level === "CRITICAL" ? "" : " and above"}</option>`)}
      </select>
    </label>
    <label>Find <input type="search" value=${filter.text} onInput=${find} maxlength="255" autocomplete="off" spellcheck=${false} /></label>
    <button aria-pressed=${filter.newestFirst} class="toggle"
      onClick=${() => setQuery({ log_order: filter.newestFirst ? null : "newest", follow: null })}>Newest first</button>
    <button aria-pressed=${filter.isFollowing} class="toggle"
      onClick=${() => setQuery(filter.isFollowing ? { follow: null } : { follow: 1, log_order: "newest" })}>Follow</button>
  </div>`;
}

/** A text with what the reader looks for marked. @param {{ text: string, needle: string }} props */
function Marked({ text, needle }) {
  if (!needle) return text;
  const [lower, lowerNeedle] = [text.toLowerCase(), needle.toLowerCase()];
  // Few letters have another length in lower case; then nothing is marked.
  if (lower.length !== text.length) return text;
  const parts = [];
  let end = 0;
  for (let at = lower.indexOf(lowerNeedle); at >= 0; at = lower.indexOf(lowerNeedle, end)) {
    parts.push(text.slice(end, at), html`<mark>${text.slice(at, at + needle.length)}</mark>`);
    end = at + needle.length;
  }
  return [...parts, text.slice(end)];
}

/**
 * @param {{
 *   line: LogLine, index: number, total: number, day: string | null, needle: string, utc: boolean, taskRun: unknown,
 *   isOpen: boolean, onOpen: () => void,
 * }} props `day` is written above the first line of a day
 */
function Line({ line, index, total, day, needle, utc, taskRun, isOpen, onOpen }) {
  const message = printable(line.message);
  const isLong = message.length > LONG_MESSAGE && !isOpen;
  return html`<div class=${`log-line ${LEVELS.includes(line.level) ? `level-${line.level.toLowerCase()}` : ""}`} role="listitem" data-index=${index} data-id=${line.id}
    data-kind="log-line" aria-posinset=${index + 1} aria-setsize=${total}>
    ${day && html`<div class="log-day">${day}</div>`}
    <time dateTime=${line.timestamp} title=${line.timestamp}>${formatTime(line.timestamp, { utc, today: line.timestamp, milliseconds: true })}</time>
    <span class="log-level">${printable(line.level)}</span>
    <span class="log-message" title=${line.name ? printable(line.name) : undefined}>${taskRun}<${Marked}
      text=${isLong ? message.slice(0, LONG_MESSAGE) : message} needle=${needle} />${
      isLong && html`… <button onClick=${onOpen}>Show all ${formatCount(message.length)} characters</button>`
    }</span>
  </div>`;
}

/**
 * The names of the task runs that lines on the screen belong to, by their ids; read when they come into sight.
 * @param {string | undefined} flowRunId
 * @param {readonly LogLine[]} lines those on the screen
 */
function useTaskRunNames(flowRunId, lines) {
  const [names, setNames] = useState(/** @type {ReadonlyMap<string, { slug: string, index: number }>} */ (new Map()));
  const unknown = [...new Set(lines.flatMap(({ task_run_id: id }) => (id && !names.has(id) ? [id] : [])))].slice(0, 100);
  useEffect(() => {
    if (!flowRunId || !unknown.length) return undefined;
    const controller = new AbortController();
    const fields = /** @type {const} */ (["id", "task_slug", "map_index"]);
    const parameters = { flow_run_id: flowRunId, task_run_id: unknown, fields: [...fields], limit: 100 };
    get("/flow-runs/{flow_run_id}/task-runs/fields", parameters, { signal: controller.signal }).then(
      ({ items }) => {
        const next = new Map(names);
        for (const item of items) next.set(item.id ?? "", { slug: item.task_slug ?? "", index: item.map_index ?? -1 });
        setNames(next);
      },
      () => {},
    );
    return () => controller.abort();
  }, [unknown.join()]);
  return names;
}

/** @param {LogLine} line @param {ReturnType<typeof useTaskRunNames>} names */
function taskRunLink(line, names) {
  if (!line.task_run_id) return null;
  const name = names.get(line.task_run_id);
  return html`<a class="log-task" href=${href(pathOf("task-runs", line.task_run_id))}>${
    name ? taskRunName(name.slug, name.index) : "task run"
  }</a> `;
}

/**
 * @param {{
 *   feed: LogFeed, filter: ReturnType<typeof useFilter>, flowRunId: string | undefined, label: string,
 * }} props `flowRunId` is of a log with lines of several task runs
 */
function Lines({ feed, filter, flowRunId, label }) {
  const { lines } = feed;
  const utc = isUtc.value;
  const [open, setOpen] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const view = useLineWindow(lines, {
    isFollowing: filter.isFollowing, newestFirst: filter.newestFirst,
    onLeave: () => setQuery({ follow: null }), onNearEnd: () => void feed.loadMore(),
  });
  const shown = lines.slice(view.first, view.last);
  const names = useTaskRunNames(flowRunId, shown);
  const dayOf = (/** @type {LogLine | undefined} */ line) => (line ? formatTime(line.timestamp, { utc }).slice(0, 10) : "");
  const total = feed.isComplete ? lines.length : -1;
  return html`<div class="log-lines" role="list" tabindex="0" aria-label=${label} ref=${view.scroller} onScroll=${view.onScroll}
    style=${{ height: `min(60vh, ${view.total}px)` }}>
    <div style=${{ height: `${view.above}px` }} />
    <div ref=${view.body}>
      ${shown.map((line, place) => {
        const index = view.first + place;
        const day = dayOf(line) === dayOf(lines[index - 1]) ? null : dayOf(line);
        return html`<${Line} key=${line.id} line=${line} index=${index} total=${total} day=${day} needle=${filter.text}
          utc=${utc} taskRun=${flowRunId ? taskRunLink(line, names) : null} isOpen=${open.has(line.id)}
          onOpen=${() => setOpen(new Set([...open, line.id]))} />`;
      })}
    </div>
    <div style=${{ height: `${view.below}px` }} />
  </div>`;
}

/** @param {LogFeed} feed */
function countOfLines(feed) {
  const count = `${formatCount(feed.lines.length)} ${feed.lines.length === 1 ? "line" : "lines"}`;
  return feed.isComplete ? count : `${count} loaded`;
}

/**
 * @param {{
 *   source: LogSource, added?: readonly LogLine[] | undefined, hasTaskRuns?: boolean, command?: string | undefined,
 * }} props `hasTaskRuns`: its lines are of several task runs, and each links to its own
 */
export function Logs({ source, added, hasTaskRuns = false, command }) {
  const filter = useFilter();
  const feed = useFeed(source, filter, added);
  const isFiltered = Boolean(filter.level || filter.text);
  const isEmpty = feed.isComplete && !feed.lines.length;
  return html`<div class="logs">
    ${(!isEmpty || isFiltered || filter.newestFirst) && html`<${Filters} filter=${filter} />`}
    ${feed.waiting.length > 0 && html`<button class="log-waiting" onClick=${() => feed.takeWaiting()}>
      Show ${formatCount(feed.waiting.length)} new ${feed.waiting.length === 1 ? "line" : "lines"}
    </button>`}
    ${feed.lines.length > 0 && html`<${Lines} key=${`${filter.level} ${filter.text} ${filter.newestFirst}`} feed=${feed}
      filter=${filter} flowRunId=${hasTaskRuns ? source.flowRunId : undefined} label="Log lines" />`}
    ${feed.error && html`<${Problem} error=${feed.error} retry=${() => feed.loadMore()} />`}
    ${!feed.lines.length && feed.isLoading && html`<${Loading} />`}
    ${isEmpty && html`<${Empty}>${isFiltered ? "No line matches." : "Nothing was logged."}<//>`}
    <footer>
      <span class="muted">${feed.lines.length > 0 && countOfLines(feed)}${feed.lines.length > 0 && html` · <${Zone} />`}</span>
      <${Sources} url=${logUrl(source, filter)} ...${command ? { command } : {}} />
    </footer>
  </div>`;
}
