/**
 * Sending requests with the key. Those that the opened page makes first are sent by this module itself: it needs few
 * others, so that the service answers while the browser still loads the rest.
 */

import { filled, routeOf } from "./routes.js";
import { address, key } from "./store.js";

/** How long a response may wait for the page that it is for. */
const WAIT_MILLISECONDS = 5000;
/** How long the first paint waits for what the page reads, so that nothing is drawn twice. */
const FIRST_PAINT_MILLISECONDS = 200;

/**
 * Sends a GET with the key, or takes the response that is on its way.
 * @param {string} url
 * @param {{ signal?: AbortSignal | undefined, headers?: { [name: string]: string } }} [options]
 * @returns {Promise<Response>}
 */
export function send(url, { signal, headers = {} } = {}) {
  const response = sent.get(url);
  if (sent.delete(url) && response) return response;
  const own = key.peek() ? { ...headers, Authorization: `Bearer ${key.peek()}` } : headers;
  return fetch(url, { headers: own, cache: "no-store", ...(signal ? { signal } : {}) });
}

/** Sends a request, and reads the response to its end. @param {string} url */
async function sendEarly(url) {
  const response = await send(url);
  const { status, headers } = response;
  return new Response(await response.text(), { status, headers });
}

/** @type {Map<string, Promise<Response>>} */
const sent = new Map();

const { reads = [], parameters = {} } = routeOf(address.peek().path) ?? {};
for (const path of reads) {
  const url = filled(path, parameters);
  sent.set(url, sendEarly(url));
}
setTimeout(() => sent.clear(), WAIT_MILLISECONDS);

/** Fulfilled when all of these responses are there, or when the first paint waits no longer. */
export const ready = Promise.race([
  Promise.allSettled(sent.values()),
  new Promise((done) => setTimeout(done, FIRST_PAINT_MILLISECONDS)),
]);
