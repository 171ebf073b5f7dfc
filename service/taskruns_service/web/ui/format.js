/**
 * How states, times, durations and numbers look. Pure functions without a page, tested in Node.
 *
 * @typedef {import("./types").StateType} StateType
 * @typedef {import("./types").Counts} Counts
 * @typedef {"pending" | "waiting" | "running" | "success" | "cached" | "mapped" | "skipped" | "failed" | "blocked" | "cancelled"} Kind
 * @typedef {"pending" | "running" | "successful" | "failed" | "finished"} Group
 * @typedef {{ type: string, kind: Kind, group: Group, word: string, rank: number, color: string }} State
 *   `kind` names the colour, and the shape of most, `group` the API's group of states, `rank` is lower the sooner the state needs
 *   attention, and `color` is a CSS value.
 */

const CIRCLE = "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11";
const HALF = "M8 2.5a5.5 5.5 0 0 1 0 11z";

/** A shape on a field of 16 by 16: `fill` is filled, `line` is drawn with a stroke of 1.75. @typedef {{ line?: string, fill?: string }} Outline */

/**
 * The shape of each kind of state: shapes, words and colours all tell states apart.
 * @type {{ [kind in Kind]: Outline }}
 */
export const SHAPES = {
  pending: { line: CIRCLE },
  waiting: { line: `${CIRCLE}M8 5v3.2l2 1.3` },
  running: { line: CIRCLE, fill: HALF },
  success: { line: "M2.5 8.5l3.7 3.7L13.5 4.5" },
  cached: { line: "M12.9 6A5.3 5.3 0 1 0 13.3 9M13.4 2.6V6.2H9.8" },
  mapped: { line: "M2.5 4h11M2.5 8h11M2.5 12h11" },
  skipped: { line: "M3 8h10" },
  failed: { line: "M3.5 3.5l9 9M12.5 3.5l-9 9" },
  blocked: { line: "M2 8h7.5M6.5 5l3 3-3 3M13 2.5v11" },
  cancelled: { line: `${CIRCLE}M4.2 11.8l7.6-7.6` },
};

/** The shapes of types that share their kind with another one. @type {{ [type: string]: Outline }} */
const OWN_SHAPES = {
  TimedOut: { line: "M4 2.5h8l-8 11h8z" },
  ValidationFailed: { line: "M8 2l6.2 11.5H1.8zM8 6.5v3M8 11.4v.01" },
  Crashed: { line: "M9.5 1.5L4 9h4l-1.5 5.5L12 7H8z" },
  ClientFailed: { line: `${CIRCLE}M6 6l4 4M10 6l-4 4` },
  Retrying: { line: "M3.1 6A5.3 5.3 0 1 1 2.7 9M2.6 2.6V6.2H6.2" },
  Paused: { line: `${CIRCLE}M6.4 6v4M9.6 6v4` },
  Resume: { line: CIRCLE, fill: "M6.5 5l5 3-5 3z" },
  Queued: { line: `${CIRCLE}M5.4 8h.01M8 8h.01M10.6 8h.01` },
  Cancelling: { line: `${CIRCLE}M4.2 11.8l7.6-7.6`, fill: HALF },
  Submitted: { line: `${CIRCLE}M8 11V5.4M5.8 7.4L8 5.2l2.2 2.2` },
  Finished: { line: "M3 6h10M3 10h10" },
  Looped: { line: "M8 8c-1.6-2.8-5.5-3.2-5.5 0s3.9 2.8 5.5 0s5.5-3.2 5.5 0s-3.9 2.8-5.5 0" },
};

/** @param {Kind} kind @param {string} [type] of a state; without it, the shape of the kind */
export function outlineOf(kind, type = "") {
  return OWN_SHAPES[type] ?? SHAPES[kind];
}

/** @type {[StateType, Kind, Group, string?][]} The one that needs attention first is first. */
const TABLE = [
  ["Failed", "failed", "failed"],
  ["TimedOut", "failed", "failed", "Timed out"],
  ["ValidationFailed", "failed", "failed", "Validation failed"],
  ["Crashed", "failed", "failed"],
  ["TriggerFailed", "blocked", "failed", "Trigger failed"],
  ["ClientFailed", "cancelled", "pending", "Client failed"],
  ["Cancelled", "cancelled", "finished"],
  ["Retrying", "waiting", "pending"],
  ["Running", "running", "running"],
  ["Cancelling", "running", "running"],
  ["Pending", "pending", "pending"],
  ["Scheduled", "waiting", "pending"],
  ["Paused", "waiting", "pending"],
  ["Resume", "waiting", "pending"],
  ["Queued", "waiting", "pending"],
  ["Submitted", "pending", "pending"],
  ["Finished", "skipped", "finished"],
  ["Success", "success", "successful"],
  ["Cached", "cached", "successful"],
  ["Mapped", "mapped", "successful"],
  ["Skipped", "skipped", "successful"],
  ["Looped", "cached", "finished"],
];

/** @type {Map<string, State>} */
const STATES = new Map(
  TABLE.map(([type, kind, group, word], rank) => [
    type,
    { type, kind, group, word: word ?? type, rank, color: `var(--state-${kind})` },
  ]),
);

/** All types of states, the one that needs attention first is first. */
export const STATE_TYPES = TABLE.map(([type]) => type);

/**
 * What is known of a type of state; a type that a later service adds looks like one that ended.
 * @param {string} type
 * @returns {State}
 */
export function stateOf(type) {
  return (
    STATES.get(type) ?? {
      type, kind: "skipped", group: "finished", word: type, rank: TABLE.length, color: "var(--state-skipped)",
    }
  );
}

/**
 * The types of a group, as filters of the API take them; `unfinished` is pending and running together.
 * @param {Group | "unfinished"} group
 * @returns {StateType[]}
 */
export function typesOf(group) {
  const groups = group === "unfinished" ? ["pending", "running"] : [group];
  return TABLE.filter(([, , own]) => groups.includes(own)).map(([type]) => type);
}

/**
 * Counts by state in the order of attention, without those that are 0.
 * @param {Counts} counts
 * @returns {{ state: State, count: number }[]}
 */
export function sortedCounts(counts) {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([type, count]) => ({ state: stateOf(type), count }))
    .sort((a, b) => a.state.rank - b.state.rank);
}

/** @param {Counts} counts */
export function totalOf(counts) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/**
 * The number of runs in a group of states.
 * @param {Counts} counts
 * @param {Group | "unfinished"} group
 */
export function countOf(counts, group) {
  const types = new Set(/** @type {string[]} */ (typesOf(group)));
  return Object.entries(counts).reduce((sum, [type, count]) => sum + (types.has(type) ? count : 0), 0);
}

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** @param {number} value A whole number, which gets commas: 100,031. */
export function formatCount(value) {
  return NUMBER.format(value);
}

/**
 * A duration in words: 0.42 s, 12.3 s, 14 m 27 s, 3 h 05 m, 2 d 04 h.
 * @param {number | null | undefined} seconds
 * @returns {string}
 */
export function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0) return `−${formatDuration(-seconds)}`;
  if (seconds < 0.01) return seconds === 0 ? "0 s" : `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${pad(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`;
}

/** @param {number} number @param {number} [digits] */
function pad(number, digits = 2) {
  return String(number).padStart(digits, "0");
}

/**
 * The parts of a moment in the zone that the reader chose.
 * @param {string | number} moment RFC 3339, or milliseconds since 1970
 * @param {boolean} utc
 */
function partsOf(moment, utc) {
  const date = new Date(moment);
  const shifted = utc ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  const text = shifted.toISOString();
  return { date: text.slice(0, 10), time: text.slice(11, 19), milliseconds: text.slice(20, 23) };
}

/**
 * A time of day with seconds on 24 hours, after the date if that is another one than `today`'s.
 * @param {string | number} moment
 * @param {{ utc: boolean, today?: string | number | undefined, milliseconds?: boolean }} options
 */
export function formatTime(moment, { utc, today, milliseconds = false }) {
  const parts = partsOf(moment, utc);
  const time = milliseconds ? `${parts.time}.${parts.milliseconds}` : parts.time;
  return today !== undefined && partsOf(today, utc).date === parts.date ? time : `${parts.date} ${time}`;
}

/**
 * The offset of a moment's zone: UTC, or UTC+02:00.
 * @param {string | number} moment
 * @param {boolean} utc
 */
export function formatOffset(moment, utc) {
  const minutes = utc ? 0 : -new Date(moment).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "−" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/**
 * How long ago a moment was, roughly: now, 42 s ago, 4 min ago, 3 h ago, 12 d ago; the same with `in` for later ones.
 * @param {string | number} moment
 * @param {number} now in milliseconds
 */
export function formatAgo(moment, now) {
  const seconds = Math.round((now - new Date(moment).getTime()) / 1000);
  const size = Math.abs(seconds);
  if (size < 5) return "now";
  const [value, unit] =
    size < 60 ? [size, "s"] : size < 3600 ? [size / 60, "min"] : size < 172_800 ? [size / 3600, "h"] : [size / 86_400, "d"];
  const text = `${Math.floor(value)} ${unit}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/**
 * The first line of a text, cut to a number of characters.
 * @param {string | null | undefined} text
 * @param {number} [length]
 */
export function firstLine(text, length = 200) {
  const line = (text ?? "").split("\n", 1)[0] ?? "";
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

/**
 * A text that a shell takes as one word. Control characters are escapes, as Bash and Zsh read them: terminals could take
 * those of a text that is pasted for keys.
 * @param {string} text
 */
export function quoted(text) {
  if (/\p{Cc}/u.test(text)) {
    const escaped = text.replace(/[\\']/g, "\\$&");
    return `$'${escaped.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)}'`;
  }
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// Colours of terminals: ECMA-48, 8.3.117 (SGR).
const TERMINAL_COLORS = /\u001b\[[0-9;:]*m/g;
// Control characters but tab and line feed, and the marks that change the direction of the text around them.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/**
 * A text that others wrote, with escapes such as `\u202e` in place of characters that would hide or turn what is around
 * them. Colours of terminals are left out.
 * @param {string | null | undefined} text
 */
export function printable(text) {
  return (text ?? "")
    .replace(TERMINAL_COLORS, "")
    .replaceAll("\r\n", "\n")
    .replace(INVISIBLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * How a task run is known inside its flow run: `inc-1`, or `inc-1[3]` for the child of a map.
 * @param {string} taskSlug
 * @param {number} mapIndex
 */
export function taskRunName(taskSlug, mapIndex) {
  return printable(mapIndex < 0 ? taskSlug : `${taskSlug}[${mapIndex}]`);
}
