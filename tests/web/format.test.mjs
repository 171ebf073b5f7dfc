/** How states, times, durations and numbers look. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const format = await import(`${process.env.UI}/format.js`);

test("a duration is in words of two units at most", () => {
  const expected = {
    0: "0 s", 0.0001: "1 ms", 0.004: "4 ms", 0.01: "0.01 s", 0.42: "0.42 s", 9.994: "9.99 s", 9.996: "10.0 s",
    12.34: "12.3 s", 59.94: "59.9 s", 59.96: "1 m 00 s", 867: "14 m 27 s", 3599.4: "59 m 59 s", 3599.6: "1 h 00 m",
    11100: "3 h 05 m", 86399: "1 d 00 h", 187_200: "2 d 04 h",
  };
  for (const [seconds, text] of Object.entries(expected)) assert.equal(format.formatDuration(Number(seconds)), text);
  assert.equal(format.formatDuration(-3), "−3.00 s");
  assert.equal(format.formatDuration(null), "");
});

test("a longer duration never looks shorter", () => {
  const unit = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };
  let last = 0;
  for (let seconds = 0; seconds < 1e6; seconds = seconds * 1.001 + 0.0005) {
    const parts = format.formatDuration(seconds).split(" ");
    let value = 0;
    for (let index = 0; index < parts.length; index += 2) value += Number(parts[index]) * unit[parts[index + 1]];
    assert.ok(value >= last - 1e-9, `${seconds}: ${parts.join(" ")}`);
    last = value;
  }
});

test("a time is local or UTC, with its date unless that is today", () => {
  const moment = "2021-07-12T22:30:05.125Z";
  assert.equal(format.formatTime(moment, { utc: true }), "2021-07-12 22:30:05");
  assert.equal(format.formatTime(moment, { utc: false }), "2021-07-13 00:30:05");
  assert.equal(format.formatTime(moment, { utc: true, today: "2021-07-12T01:00:00Z" }), "22:30:05");
  assert.equal(format.formatTime(moment, { utc: false, today: "2021-07-12T01:00:00Z" }), "2021-07-13 00:30:05");
  assert.equal(format.formatTime(moment, { utc: true, milliseconds: true }), "2021-07-12 22:30:05.125");
});

test("the offset is that of the moment", () => {
  assert.equal(format.formatOffset("2021-07-12T22:30:05Z", false), "UTC+02:00");
  assert.equal(format.formatOffset("2021-01-12T22:30:05Z", false), "UTC+01:00");
  assert.equal(format.formatOffset("2021-07-12T22:30:05Z", true), "UTC");
});

test("how long ago says the largest unit", () => {
  const now = Date.parse("2021-05-12T12:00:00Z");
  const ago = (seconds) => format.formatAgo(now - seconds * 1000, now);
  assert.deepEqual([0, 42, 240, 10_800, 172_800, 1e6].map(ago), ["now", "42 s ago", "4 min ago", "3 h ago", "2 d ago", "11 d ago"]);
  assert.equal(ago(-90), "in 1 min");
});

test("every type of state of the document has a shape of its own, a word and a colour", () => {
  const shapes = new Set();
  const document = JSON.parse(readFileSync("openapi.json", "utf8"));
  const css = readFileSync(`${process.env.UI}/app.css`, "utf8");
  assert.deepEqual([...format.STATE_TYPES].sort(), [...document.components.schemas.StateType.enum].sort());
  for (const type of format.STATE_TYPES) {
    const state = format.stateOf(type);
    shapes.add(JSON.stringify(format.outlineOf(state.kind, type)));
    assert.ok(css.includes(`--state-${state.kind}: light-dark(`), type);
  }
  assert.equal(shapes.size, format.STATE_TYPES.length);
  assert.equal(format.stateOf("Teleported").word, "Teleported");
});

test("counts are in the order of attention, without zeros", () => {
  const counts = { Success: 7, Failed: 2, Running: 1, Pending: 0, Teleported: 3 };
  assert.deepEqual(format.sortedCounts(counts).map(({ state }) => state.type), ["Failed", "Running", "Success", "Teleported"]);
  assert.equal(format.totalOf(counts), 13);
  assert.equal(format.countOf({ TimedOut: 2, Crashed: 1, Success: 9 }, "failed"), 3);
  assert.equal(format.countOf({ Queued: 2, Running: 1, Success: 9 }, "unfinished"), 3);
});

test("a quoted text is one word of a shell", () => {
  assert.deepEqual(["inc-1", "inc-1[2]", "it's", "$(x)"].map(format.quoted), ["inc-1", "'inc-1[2]'", "'it'\\''s'", "'$(x)'"]);
  assert.equal(format.quoted("it's\u001b[201~\\\n"), "$'it\\'s\\u001b[201~\\\\\\u000a'");
});
