/** The parser of server-sent events against the rules of the HTML standard, wherever the bytes are cut. */

import assert from "node:assert/strict";
import { test } from "node:test";

const { EventParser } = await import(`${process.env.UI}/sse.js`);
const encode = (text) => new TextEncoder().encode(text);

/** What a parser finds in bytes that come in pieces of these sizes. */
function parsed(bytes, sizes = [bytes.length]) {
  const events = [];
  const parser = new EventParser((event) => events.push(event));
  let begin = 0;
  for (let turn = 0; begin < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length]);
    parser.push(bytes.slice(begin, begin + size));
    begin += size;
  }
  return { events, lastEventId: parser.lastEventId };
}

const event = (data, { type = "message", id = "" } = {}) => ({ type, data, id });

test("the examples of the standard", () => {
  const expected = [
    ["data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\n",
      [event("This is the first message."), event("This is the second message, it\nhas two lines.")]],
    ["event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n", [event("73857293", { type: "add" }), event("2153", { type: "remove" })]],
    ["data: YHOO\ndata: +2\ndata: 10\n\n", [event("YHOO\n+2\n10")]],
    [": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
      [event("first event", { id: "1" }), event("second event"), event(" third event")]],
    ["data\n\ndata\ndata\n\ndata:", [event(""), event("\n")]],
    ["data:test\n\ndata: test\n\n", [event("test"), event("test")]],
  ];
  for (const [text, events] of expected) assert.deepEqual(parsed(encode(text)).events, events, text);
});

test("an id counts when its event is complete, without data too", () => {
  assert.equal(parsed(encode("id: 7\n\nid: 8\ndata: x\n")).lastEventId, "7");
  assert.equal(parsed(encode("id: 7\n\nid: a\0b\n\n")).lastEventId, "7");
});

test("a byte order mark, unknown fields and fields without a colon mean nothing", () => {
  assert.deepEqual(parsed(encode("\ufeffdata: a\nnope: b\nretry: 10\nevent\n\n")).events, [event("a")]);
});

/** A generator of numbers below 1 that a seed determines (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("500 random streams, with every kind of line end, cut anywhere", () => {
  const texts = ["", "a", "ä", "日本", "🙂", " x", "a:b", "{\"x\": 1}", "\u2028"];
  for (let seed = 0; seed < 500; seed += 1) {
    const random = randomOf(seed);
    const pick = (choices) => choices[Math.floor(random() * choices.length)];
    const events = [];
    let text = random() < 0.2 ? "\ufeff" : "";
    let id = "";
    const line = (content) => {
      text += content + pick(["\n", "\r", "\r\n"]);
    };
    for (let count = 0; count < 10; count += 1) {
      let type = "message";
      if (random() < 0.3) line(`:${pick(texts)}`);
      if (random() < 0.5) line(`event: ${(type = pick(["task_runs", "flow_run"]))}`);
      if (random() < 0.5) line(`id: ${(id = String(count))}`);
      const data = Array.from({ length: Math.floor(random() * 3) }, () => pick(texts));
      for (const part of data) line(`data: ${part}`);
      // A CR before it and a LF after it would be one line end.
      text += text.endsWith("\r") ? "\r" : "\n";
      if (data.length) events.push({ type, data: data.join("\n"), id });
    }
    const bytes = encode(`${text}\n`);
    const sizes = Array.from({ length: 5 }, () => 1 + Math.floor(random() * 20));
    assert.deepEqual(parsed(bytes, sizes).events, events, `seed ${seed}`);
    assert.deepEqual(parsed(bytes, [1]).events, events, `seed ${seed}, byte by byte`);
  }
});
