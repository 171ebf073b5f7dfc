/**
 * How often a task run ran, how long it waited before, and all states that were reported of it.
 *
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {import("./types").Schemas["TaskRunAttempt"]} Attempt
 * @typedef {import("./types").Schemas["State"]} HistoryState
 */

import { get, useAnswer } from "./api.js";
import { firstLine, formatCount, formatDuration, printable, quoted, stateOf } from "./format.js";
import { CopyButton, Duration, Problem, Section, Sources, State, Time } from "./parts.js";
import { html, useEffect, useState } from "./preact.js";
import { useRefresh } from "./refresh.js";
import { addressOf } from "./routes.js";
import { clock } from "./store.js";

const STATES_PAGE = 100;
const MAX_STATES = 1000;
const MAX_ATTEMPTS = 50;
/** A wait that is longer than the work gets no more room than that part of it. */
const LONGEST_WAIT = 0.3;

/**
 * An answer about a task run that is read again when that changes.
 * @template {import("./types").GetPath} P
 * @param {P} path
 * @param {import("./types").Parameters<P>} parameters
 * @param {number} sequence
 */
export function useAnswerSince(path, parameters, sequence) {
  const answer = useAnswer(path, parameters);
  useRefresh(sequence, answer.refresh);
  return answer;
}

/**
 * The history of a task run, the oldest state first, up to MAX_STATES unless `readAll` was called.
 * @param {TaskRun} taskRun
 */
export function useHistory({ id, sequence }) {
  const [known, setKnown] = useState(
    /** @type {{ states: HistoryState[], isComplete: boolean, error?: Error }} */ ({ states: [], isComplete: true }),
  );
  const [limit, setLimit] = useState(MAX_STATES);
  useEffect(() => {
    const controller = new AbortController();
    readStates(id, limit, controller.signal).then(setKnown, (error) => {
      if (!controller.signal.aborted) setKnown((old) => ({ ...old, error }));
    });
    return () => controller.abort();
  }, [id, sequence, limit]);
  return { ...known, readMore: () => setLimit(limit * 10) };
}

/** @param {string} id @param {number} limit @param {AbortSignal} signal */
async function readStates(id, limit, signal) {
  /** @type {HistoryState[]} */
  const states = [];
  /** @type {string | null | undefined} */
  let cursor;
  do {
    const parameters = { task_run_id: id, limit: STATES_PAGE, ...(cursor ? { cursor } : {}) };
    const page = await get("/task-runs/{task_run_id}/states", parameters, { signal });
    states.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && states.length < limit);
  return { states, isComplete: !cursor };
}

/**
 * The state of the history that is the current one of a task run.
 * @param {TaskRun} taskRun
 * @param {readonly HistoryState[]} states
 */
export function currentOf(taskRun, states) {
  return states.findLast(
    (state) => !state.is_late && state.type === taskRun.state && state.timestamp === taskRun.state_timestamp,
  );
}

/**
 * @typedef {{
 *   attempt: Attempt, wait: number, seconds: number,
 *   waitLeft: number, waitWidth: number, left: number, width: number, isFolded: boolean,
 * }} AttemptBar `wait` and `seconds` are seconds; the lefts and widths are parts of 1
 */

/**
 * Attempts as bars on one axis: each after what it waited. A wait that is much longer than the work is drawn shorter,
 * so that attempts on different days can be seen beside each other.
 * @param {{ queue_time: number | null, start_time: string | null }} taskRun
 * @param {readonly Attempt[]} attempts
 * @param {number} now in milliseconds: where attempts that go on end
 * @returns {AttemptBar[]}
 */
export function attemptBars(taskRun, attempts, now) {
  const rows = attempts.map((attempt, number) => {
    const previous = attempts[number - 1];
    const start = Date.parse(attempt.start_time);
    const wait = previous ? (start - Date.parse(previous.end_time ?? attempt.start_time)) / 1000 : (taskRun.queue_time ?? 0);
    return { attempt, wait: Math.max(0, wait), seconds: attempt.duration ?? Math.max(0, (now - start) / 1000) };
  });
  const work = rows.reduce((sum, { seconds }) => sum + seconds, 0);
  const longest = work > 0 ? work * LONGEST_WAIT : Infinity;
  const total = rows.reduce((sum, { wait, seconds }) => sum + Math.min(wait, longest) + seconds, 0) || 1;
  let end = 0;
  return rows.map(({ attempt, wait, seconds }) => {
    const waitWidth = Math.min(wait, longest) / total;
    const bar = {
      attempt, wait, seconds, waitLeft: end, waitWidth, left: end + waitWidth,
      width: seconds / total, isFolded: wait > longest,
    };
    end = bar.left + bar.width;
    return bar;
  });
}

const percent = (/** @type {number} */ part) => `${(part * 100).toFixed(3)}%`;

/** @param {{ bar: AttemptBar }} props */
function Bar({ bar }) {
  return html`<div class="attempt-bar" aria-hidden="true">
    <span class=${`wait ${bar.isFolded ? "folded" : ""}`} style=${{ left: percent(bar.waitLeft), width: percent(bar.waitWidth) }} />
    <span class="run" style=${{ left: percent(bar.left), width: percent(bar.width), background: stateOf(bar.attempt.state).color }} />
  </div>`;
}

/** @param {{ bar: AttemptBar, isRunning: boolean }} props */
function AttemptRow({ bar, isRunning }) {
  const { attempt } = bar;
  return html`<tr>
    <th scope="row">${attempt.number}</th>
    <td><${State} type=${attempt.state} /></td>
    <td class="bars"><${Bar} bar=${bar} /></td>
    <td class="end">${formatDuration(bar.wait)}</td>
    <td class="hide-600"><${Time} at=${attempt.start_time} milliseconds /></td>
    <td class="end"><${Duration} seconds=${attempt.duration} since=${isRunning ? attempt.start_time : null} /></td>
    <td class="message hide-900">${printable(firstLine(attempt.message))}</td>
  </tr>`;
}

/** @param {{ taskRun: TaskRun }} props */
export function Attempts({ taskRun }) {
  const parameters = { task_run_id: taskRun.id };
  const { data, error, refresh } = useAnswerSince("/task-runs/{task_run_id}/attempts", parameters, taskRun.sequence);
  const [isAll, setAll] = useState(false);
  if (error && !data) return html`<${Section} title="Attempts"><${Problem} error=${error} retry=${refresh} /><//>`;
  if (!data?.items.length) return null;
  const isOpen = data.items.some(({ end_time }) => !end_time);
  const bars = attemptBars(taskRun, data.items, isOpen ? clock.value : 0);
  const shown = isAll ? bars : bars.slice(-MAX_ATTEMPTS);
  return html`<${Section} title="Attempts" aside=${html`<span class="attempt-legend"><span class="wait" aria-hidden="true" /> waited
      <span class="run" aria-hidden="true" /> ran</span>
      <${Sources} url=${addressOf("/task-runs/{task_run_id}/attempts", parameters)} command=${`taskruns task-run attempts ${quoted(taskRun.id)}`} />`}>
    <table class="plain attempts" aria-label="Attempts">
      <thead><tr><th scope="col">#</th><th scope="col">State</th><th scope="col" class="bars"><span class="hidden">When</span></th>
        <th scope="col" class="end">Waited</th><th scope="col" class="hide-600">Started</th><th scope="col" class="end">Ran for</th>
        <th scope="col" class="hide-900">Message</th></tr></thead>
      <tbody>${shown.map((bar) => html`<${AttemptRow} key=${bar.attempt.number} bar=${bar} isRunning=${!bar.attempt.end_time} />`)}</tbody>
    </table>
    ${shown.length < bars.length && html`<button onClick=${() => setAll(true)}>Show all ${formatCount(bars.length)} attempts</button>`}
    ${data.truncated && html`<p class="muted">These are the attempts of the oldest 1,000 states.</p>`}
  <//>`;
}

/** What a state has beside its message. @param {{ state: HistoryState }} props */
function Details({ state }) {
  const { traceback, ...details } = /** @type {{ traceback?: unknown }} */ (state.details ?? {});
  const hasDetails = Object.keys(details).length > 0;
  const message = printable(state.message);
  const line = firstLine(message);
  if (line === message && typeof traceback !== "string" && !hasDetails) return html`<span>${line}</span>`;
  const text = [
    line === message ? "" : message, typeof traceback === "string" ? printable(traceback) : "",
    hasDetails ? printable(JSON.stringify(details, null, 2)) : "",
  ];
  const whole = text.filter(Boolean).join("\n\n");
  return html`<details><summary>${line || "details"}</summary><div class="verbatim">
    <pre tabindex="0" role="region" aria-label="Details of the state">${whole}</pre><${CopyButton} text=${whole} label="Copy the details" />
  </div></details>`;
}

/** @param {{ state: HistoryState, isCurrent: boolean }} props */
function StateRow({ state, isCurrent }) {
  const lag = (Date.parse(state.received) - Date.parse(state.timestamp)) / 1000;
  return html`<tr class=${state.is_late ? "late" : ""} data-id=${state.id} data-kind="state">
    <td><${Time} at=${state.timestamp} milliseconds /></td>
    <td><${State} type=${state.type} />${isCurrent && html` <span class="tag">current</span>`}${state.is_late && html` <span class="tag" title="It arrived after a state that takes precedence, so it was never the current one.">late</span>`}</td>
    <td class="message"><${Details} state=${state} /></td>
    <td class="end muted hide-900" title=${state.received}>${lag >= 1 ? `${formatDuration(lag)} later` : "at once"}</td>
  </tr>`;
}

/** @param {{ history: ReturnType<typeof useHistory>, taskRun: TaskRun }} props */
export function History({ history, taskRun }) {
  const { states, isComplete, error, readMore } = history;
  const current = currentOf(taskRun, states);
  const parameters = { task_run_id: taskRun.id };
  if (error && !states.length) return html`<${Section} title="History"><${Problem} error=${error} /><//>`;
  if (!states.length) return null;
  return html`<${Section} title="History" aside=${html`<${Sources} url=${addressOf("/task-runs/{task_run_id}/states", parameters)}
      command=${`taskruns task-run states ${quoted(taskRun.id)}`} />`}>
    <table class="plain state-history" aria-label="History">
      <thead><tr><th scope="col">Time</th><th scope="col">State</th><th scope="col">Message</th><th scope="col" class="end hide-900">Received</th></tr></thead>
      <tbody>${states.map((state) => html`<${StateRow} key=${state.id} state=${state} isCurrent=${state === current} />`)}</tbody>
    </table>
    ${!isComplete && html`<p><button onClick=${readMore}>Show later states</button> <span class="muted">These are the oldest ${formatCount(states.length)}.</span></p>`}
  <//>`;
}
