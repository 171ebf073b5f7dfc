/**
 * One stream of events that stays open: it connects again, resumes where it was, and polls where no stream can be had.
 *
 * Browsers allow six connections to a host, so at most PLACES tabs have a stream; a hidden tab gives its own back.
 */

import { ApiError, isRefusal, request } from "./api.js";
import { effect, signal } from "./preact.js";
import { EventParser } from "./sse.js";
import { awaySince, key } from "./store.js";

/** @typedef {"idle" | "connecting" | "live" | "polling" | "finished" | "refused"} Mode */

/** How the page that is shown learns of changes. */
export const mode = signal(/** @type {Mode} */ ("idle"));

const PLACES = 4;
const FIRST_BYTE_SECONDS = 5;
const SILENCE_SECONDS = 30;
const HIDDEN_SECONDS = 30;
const POLL_SECONDS = 5;
const FINISHED_POLL_SECONDS = 60;
const STREAM_AGAIN_SECONDS = 60;
const MAX_BACKOFF_SECONDS = 30;
const MAX_RETRY_AFTER_SECONDS = 300;

/**
 * What a connection is about.
 * @typedef {{
 *   url: (lastEventId: string) => string,
 *   onEvent: (event: import("./sse.js").ServerEvent) => void,
 *   poll: (signal: AbortSignal) => Promise<void>,
 *   onRefused: (error: ApiError) => boolean,
 * }} Feed `onRefused` tells whether to connect again, without a position, after 404 or 410
 */

/** @param {number} seconds @param {AbortSignal} signal @param {string[]} [events] of the window, that end the wait */
function sleep(seconds, signal, events = []) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      for (const name of events) removeEventListener(name, end);
      resolve(undefined);
    };
    const timer = setTimeout(end, seconds * 1000);
    signal.addEventListener("abort", end);
    for (const name of events) addEventListener(name, end);
  });
}

/** Waits until the tab is visible. @param {AbortSignal} signal */
async function visible(signal) {
  while (document.hidden && !signal.aborted) {
    await /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        document.addEventListener("visibilitychange", () => resolve(), { once: true });
        signal.addEventListener("abort", () => resolve(), { once: true });
      })
    );
  }
}

/** Waits until the reader has given another key. @param {AbortSignal} signal */
async function anotherKey(signal) {
  const old = key.peek();
  let stop = () => {};
  await new Promise((resolve) => {
    stop = effect(() => {
      if (key.value !== old) resolve(undefined);
    });
    signal.addEventListener("abort", resolve, { once: true });
  });
  stop();
}

/**
 * Runs something while this tab has one of the places; false if there is none. Without Web Locks, which browsers offer
 * on HTTPS and on this machine only, every visible tab has a place.
 * @param {() => Promise<void>} run
 */
async function withPlace(run) {
  if (!navigator.locks) {
    await run();
    return true;
  }
  for (let place = 0; place < PLACES; place += 1) {
    const done = await navigator.locks.request(`taskruns.stream.${place}`, { ifAvailable: true }, async (lock) => {
      if (lock) await run();
      return Boolean(lock);
    });
    if (done) return true;
  }
  return false;
}

export class Connection {
  #controller = new AbortController();
  #lastEventId = "";
  #failures = 0;
  #noStreamBefore = 0;
  #wait = 0;
  #isFinished = false;
  #isRefused = false;

  /** @param {Feed} feed */
  constructor(feed) {
    this.feed = feed;
    this.#run();
  }

  close() {
    this.#controller.abort();
  }

  async #run() {
    const { signal } = this.#controller;
    mode.value = "connecting";
    while (!signal.aborted) {
      if (this.#isRefused) await this.#awaitKey();
      await visible(signal);
      if (signal.aborted) break;
      const canStream = performance.now() >= this.#noStreamBefore;
      const hadPlace = canStream && (await withPlace(() => this.#stream()));
      if (!hadPlace && !signal.aborted) await this.#poll();
      if (this.#wait && !signal.aborted) await sleep(this.#wait, signal, ["online"]);
    }
  }

  /** Reads a stream to its end, which is also that of a tab that was hidden for long. */
  async #stream() {
    const { signal } = this.#controller;
    if (signal.aborted) return; // closed while it waited for its place
    const ending = new AbortController();
    const end = () => ending.abort();
    signal.addEventListener("abort", end);
    let timer = setTimeout(end, FIRST_BYTE_SECONDS * 1000);
    const unhide = whenHidden(navigator.locks ? HIDDEN_SECONDS : 0, end);
    this.#wait = 0;
    let hasBegun = false;
    try {
      const response = await request(this.feed.url(this.#lastEventId), {
        signal: ending.signal,
        headers: { Accept: "text/event-stream", ...(this.#lastEventId ? { "Last-Event-ID": this.#lastEventId } : {}) },
      });
      const parser = new EventParser((event) => this.#take(event), this.#lastEventId);
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => this.#lose(end), SILENCE_SECONDS * 1000);
        if (!hasBegun) mode.value = "live";
        hasBegun = true;
        awaySince.value = null;
        parser.push(value);
        this.#lastEventId = parser.lastEventId;
        this.#failures = 0;
      }
      this.#wait ||= this.#backoff();
    } catch (error) {
      if (!signal.aborted && !document.hidden) this.#fail(error, hasBegun);
    } finally {
      clearTimeout(timer);
      unhide();
      signal.removeEventListener("abort", end);
      if (mode.value === "live" && !signal.aborted) mode.value = "connecting";
    }
  }

  /** The connection is dead: nothing came, not even a heartbeat. @param {() => void} end */
  #lose(end) {
    awaySince.value ??= Date.now() - SILENCE_SECONDS * 1000;
    end();
  }

  /** @param {import("./sse.js").ServerEvent} event */
  #take(event) {
    this.#isFinished = false;
    if (event.type !== "bye") {
      this.feed.onEvent(event);
      return;
    }
    const { code, retry_after: seconds } = JSON.parse(event.data);
    this.#wait = seconds;
    if (code === "finished") {
      this.#isFinished = true;
      this.#noStreamBefore = Infinity;
    }
  }

  /** @param {unknown} error @param {boolean} hadBegun */
  #fail(error, hadBegun) {
    if (this.#refuse(error)) return;
    if (error instanceof ApiError && (error.status === 404 || error.status === 410)) {
      this.#lastEventId = "";
      if (!this.feed.onRefused(error)) this.#controller.abort();
      this.#wait = 1;
      return;
    }
    this.#failures += 1;
    this.#wait = this.#backoff();
    // No place in the service, a proxy that buffers, or an older service: polling works there too.
    const isTemporary = awaySince.value !== null || hadBegun;
    if (error instanceof ApiError || (!isTemporary && this.#failures >= 2)) {
      this.#noStreamBefore = performance.now() + STREAM_AGAIN_SECONDS * 1000;
      this.#wait = 0;
    }
  }

  #backoff() {
    return Math.random() * Math.min(MAX_BACKOFF_SECONDS, 0.5 * 2 ** this.#failures);
  }

  async #poll() {
    const ownMode = this.#isFinished ? "finished" : "polling";
    if (!this.#failures) mode.value = ownMode;
    this.#wait = this.#isFinished ? FINISHED_POLL_SECONDS : POLL_SECONDS;
    try {
      await this.feed.poll(this.#controller.signal);
      this.#failures = 0;
      if (!this.#controller.signal.aborted) mode.value = ownMode;
    } catch (error) {
      if (this.#controller.signal.aborted) return;
      if (this.#refuse(error)) return;
      this.#failures += 1;
      mode.value = "connecting";
      const retryAfter = error instanceof ApiError ? Math.min(error.retryAfter, MAX_RETRY_AFTER_SECONDS) : 0;
      this.#wait = Math.max(1, this.#backoff(), retryAfter);
    }
  }

  /** Whether the reader has no key that may read: then nothing is tried again before there is another one. @param {unknown} error */
  #refuse(error) {
    this.#isRefused = isRefusal(error);
    if (this.#isRefused) this.#wait = 0;
    return this.#isRefused;
  }

  async #awaitKey() {
    mode.value = "refused";
    await anotherKey(this.#controller.signal);
    this.#isRefused = false;
    if (!this.#controller.signal.aborted) mode.value = "connecting";
  }

  /** Streams again at once, as after a change to a flow run that was finished. */
  resume() {
    this.#isFinished = false;
    this.#noStreamBefore = 0;
  }
}

/**
 * Calls something once the tab has been hidden for so many seconds.
 * @param {number} seconds
 * @param {() => void} run
 * @returns {() => void} stops it
 */
function whenHidden(seconds, run) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(run, seconds * 1000);
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", run);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
    removeEventListener("pagehide", run);
  };
}
