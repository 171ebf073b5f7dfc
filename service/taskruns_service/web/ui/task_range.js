/**
 * The time that the page of a task covers, and the stretches that it is divided into.
 *
 * @typedef {{ from: number, to: number, bucket: string, range: string | null }} TimeRange `from` and `to` in
 *   milliseconds; `range` is the key of RANGES that was chosen
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
export const STANDARD_RANGE = "7d";
/** @type {{ [range: string]: { length: number, name: string } }} */
export const RANGES = {
  "24h": { length: DAY, name: "24 hours" },
  "7d": { length: 7 * DAY, name: "7 days" },
  "30d": { length: 30 * DAY, name: "30 days" },
};
/** @type {[string, number][]} Lengths of stretches, as the API takes them. */
export const BUCKETS = [
  ["PT1M", MINUTE], ["PT5M", 5 * MINUTE], ["PT15M", 15 * MINUTE], ["PT1H", HOUR], ["PT6H", 6 * HOUR], ["P1D", DAY],
];
const LAST_MOMENT = Date.UTC(9999, 0);
const BEST_POINTS = 170;
export const MAX_POINTS = 500;

/** @param {string} bucket */
export function lengthOf(bucket) {
  return BUCKETS.find(([name]) => name === bucket)?.[1] ?? HOUR;
}

/** A moment in the address, from 1970 to 9999, which the API takes; NaN if it is none. @param {string | null} text */
function momentOf(text) {
  return Math.min(Math.max(Date.parse(text ?? ""), 0), LAST_MOMENT);
}

/**
 * What the address says: `from` is a key of RANGES or a time, `to` a time, `bucket` one of BUCKETS.
 * @param {{ from: string | null, to: string | null, bucket: string | null }} address
 * @param {number} now
 * @returns {TimeRange}
 */
export function timeRange({ from, to, bucket }, now) {
  const begin = momentOf(from);
  const range = Number.isNaN(begin) ? (from !== null && Object.hasOwn(RANGES, from) ? from : STANDARD_RANGE) : null;
  const length = range ? (RANGES[range]?.length ?? DAY) : 0;
  const end = range ? now : momentOf(to) || now;
  const start = Math.max(Math.min(range ? end - length : begin, end - MINUTE), end - (MAX_POINTS - 1) * DAY);
  const fits = (/** @type {number} */ step, /** @type {number} */ points) => (end - start) / step <= points;
  const chosen = BUCKETS.find(([name, step]) => name === bucket && fits(step, MAX_POINTS - 2));
  const best = chosen ?? BUCKETS.find(([, step]) => fits(step, BEST_POINTS)) ?? BUCKETS.at(-1);
  const step = best?.[1] ?? DAY;
  // What ends now ends with its last stretch: the questions stay the same while that lasts.
  const last = range ? Math.ceil(end / step) * step : end;
  return { from: range ? last - length : start, to: last, bucket: best?.[0] ?? "P1D", range };
}

/** The stretches that can be chosen for a time. @param {TimeRange} range */
export function bucketsOf({ from, to }) {
  return BUCKETS.filter(([, length]) => (to - from) / length <= MAX_POINTS - 1 && to - from >= 2 * length).map(([name]) => name);
}

/** @type {{ [bucket: string]: string }} */
export const BUCKET_NAMES = { PT1M: "1 min", PT5M: "5 min", PT15M: "15 min", PT1H: "1 h", PT6H: "6 h", P1D: "1 day" };
