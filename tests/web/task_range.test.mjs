/** The times that the page of a task covers, and where the lines of a log stand. */

import assert from "node:assert/strict";
import { test } from "node:test";

const { indexAt, topsOf } = await import(`${process.env.UI}/log_window.js`);
const { MAX_POINTS, RANGES, bucketsOf, lengthOf, timeRange } = await import(`${process.env.UI}/task_range.js`);

const NOW = Date.parse("2026-11-30T15:04:05Z");
const rangeOf = (address) => timeRange({ from: null, to: null, bucket: null, ...address }, NOW);

test("ranges that end now have their length and end with their last stretch", () => {
  for (const [key, { length }] of Object.entries(RANGES)) {
    const range = rangeOf({ from: key });
    assert.equal(range.to - range.from, length);
    assert.equal(range.to % lengthOf(range.bucket), 0);
    assert.ok(range.to >= NOW && range.to - NOW < lengthOf(range.bucket));
  }
  assert.equal(rangeOf({}).range, "7d");
  assert.equal(rangeOf({ from: "constructor" }).range, "7d");
});

/** The first and the last moment of dates in JavaScript. */
const EDGES = ["-271821-04-20T00:00:00Z", "+275760-09-13T00:00:00Z"];

test("no range has more stretches than a chart shows", () => {
  const moments = ["1970-01-01T00:00:00Z", "2021-05-12T00:00:00Z", "2026-11-01T00:00:00Z", "2026-11-30T15:04:00Z", "x", "24h", ...EDGES];
  for (const from of moments) {
    for (const to of [null, "2026-11-30T15:04:05Z", "1990-01-01T00:00:00Z", "y", ...EDGES]) {
      for (const bucket of [null, "PT1M", "PT1H", "P1D", "PT0S", "<b>"]) {
        const range = rangeOf({ from, to, bucket });
        const points = (range.to - range.from) / lengthOf(range.bucket);
        assert.doesNotThrow(() => [new Date(range.from).toISOString(), new Date(range.to).toISOString()]);
        assert.ok(range.from < range.to && points <= MAX_POINTS, JSON.stringify([from, to, bucket, range]));
      }
    }
  }
});

test("stretches of a range can be chosen", () => {
  assert.deepEqual(bucketsOf(rangeOf({ from: "24h" })), ["PT5M", "PT15M", "PT1H", "PT6H"]);
  assert.equal(rangeOf({ from: "24h", bucket: "PT5M" }).bucket, "PT5M");
  assert.equal(rangeOf({ from: "30d", bucket: "PT1M" }).bucket, "PT6H");
});

test("the line at a height is found in any log", () => {
  const heights = Float64Array.from({ length: 1000 }, (_, index) => 20 + ((index * 7) % 5) * 20);
  const tops = topsOf(heights);
  for (let y = 0; y < tops[1000]; y += 7) {
    const index = indexAt(tops, y);
    assert.ok(tops[index] <= y && y < tops[index + 1]);
  }
  assert.equal(indexAt(topsOf(new Float64Array()), 5), 0);
});
