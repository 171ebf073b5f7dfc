/**
 * Reading the API: with the key, with ETags, and with problems as errors.
 *
 *     const tasks = await get("/flow-runs/{flow_run_id}/tasks", { flow_run_id: id });
 *
 * In a component, `useAnswer` reads when it appears and whenever its parameters change. Null waits for something else:
 *
 *     const { data, error, refresh } = useAnswer("/flow-runs/{flow_run_id}", id && { flow_run_id: id });
 *     if (error) return html`<${Problem} error=${error} retry=${refresh} />`;
 *     if (!data) return html`<${Loading} />`;
 *
 * `data` is the last answer, also while the next one is on its way (`isLoading`). The types are those of openapi.json.
 *
 * @typedef {import("./types").GetPath} GetPath
 */

import { effect, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { addressOf } from "./routes.js";
import { send } from "./sending.js";
import { awaySince, hasDeclined, key, root } from "./store.js";

/** A problem that the API answered with (RFC 9457), or the status alone where a proxy answered. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {import("./types").Schemas["Problem"] | null} problem
   * @param {number} retryAfter in seconds, 0 if the answer does not say
   */
  constructor(status, problem, retryAfter) {
    super(problem?.detail ?? `The service answered with status ${status}.`);
    this.status = status;
    this.problem = problem;
    this.code = problem?.code ?? "";
    this.retryAfter = retryAfter;
  }
}

/** What a proxy answers, without a problem, for a service that does not. */
const GATEWAY_STATUSES = [502, 503, 504];

/** Whether the service wants another key. @param {unknown} error */
export function isRefusal(error) {
  return error instanceof ApiError && (error.status === 401 || error.status === 403);
}

/** The service did not answer. */
export class ServiceAway extends Error {
  constructor() {
    super("The service does not answer.");
  }
}

const MAX_ANSWERS = 100;
const MAX_CHARACTERS = 8_000_000;
/** @type {Map<string, { etag: string, data: unknown, size: number }>} Answers with an ETag, the one that was read last is last. */
const answers = new Map();
let characters = 0;

/** @param {string} url */
function forget(url) {
  characters -= answers.get(url)?.size ?? 0;
  answers.delete(url);
}

/** Keeps an answer, and lets go of the oldest ones that are too many. @param {string} url @param {string} etag @param {unknown} data @param {number} size */
function keep(url, etag, data, size) {
  answers.set(url, { etag, data, size });
  characters += size;
  for (const oldest of answers.keys()) {
    if (answers.size <= MAX_ANSWERS && characters <= MAX_CHARACTERS) break;
    forget(oldest);
  }
}

/** @type {() => Promise<boolean>} Waits until the reader has given another key; false if there is none. */
export let askForKey = async () => false;

/** @param {() => Promise<boolean>} ask */
export function setKeyDialog(ask) {
  askForKey = ask;
}

/**
 * Sends a GET with the key. Raises ServiceAway, or ApiError for a status of 400 and more; after 401 it asks for a key
 * and tries again, unless the reader has closed the dialog before: then only the reader opens it again.
 * @param {string} url
 * @param {{ signal?: AbortSignal | undefined, headers?: { [name: string]: string } }} [options]
 * @returns {Promise<Response>}
 */
export async function request(url, { signal, headers = {} } = {}) {
  for (;;) {
    const usedKey = key.peek();
    let response;
    try {
      response = await send(url, { signal, headers });
    } catch (error) {
      if (signal?.aborted) throw error;
      awaySince.value ??= Date.now();
      throw new ServiceAway();
    }
    const problem = response.status < 400 ? null : await problemOf(response);
    if (!problem && GATEWAY_STATUSES.includes(response.status)) {
      awaySince.value ??= Date.now();
      throw new ServiceAway();
    }
    awaySince.value = null;
    if (response.status < 400) return response;
    const error = new ApiError(response.status, problem, Number(response.headers.get("Retry-After")) || 0);
    if (error.status !== 401) throw error;
    if (key.peek() === usedKey && (hasDeclined.peek() || !(await askForKey()))) throw error;
  }
}

/** Whether the service answers; `awaySince` knows it then as well. */
function isThere() {
  return request(`${root}/health`).then(() => true, (error) => !(error instanceof ServiceAway));
}

/** Waits until the service is not away. */
async function isBack() {
  let dispose = () => {};
  await new Promise((resolve) => {
    dispose = effect(() => {
      if (awaySince.value === null) resolve(undefined);
    });
  });
  dispose();
}

/**
 * Loads a module, again when the service is back if it was away. Fails where the service answers and the module did
 * not arrive twice: it may have come back between the first try and its answer.
 * @template M
 * @param {() => Promise<M>} load
 * @returns {Promise<M>}
 */
export async function loadModule(load) {
  for (let hasAnswered = false; ; ) {
    await isBack();
    try {
      return await load();
    } catch (error) {
      if (!(await isThere())) continue;
      if (hasAnswered) throw error;
      hasAnswered = true;
    }
  }
}

/** @param {Response} response */
async function problemOf(response) {
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  try {
    return isProblem ? await response.json() : null;
  } catch {
    return null;
  }
}

/**
 * Reads a path of the API; an answer that has not changed is taken from memory.
 * @template {GetPath} P
 * @param {P} path
 * @param {import("./types").Parameters<P>} [parameters]
 * @param {{ signal?: AbortSignal }} [options]
 * @returns {Promise<import("./types").Answer<P>>}
 */
export async function get(path, parameters, { signal } = {}) {
  const url = addressOf(path, parameters ?? {});
  const known = answers.get(url);
  const response = await request(url, { signal, headers: known ? { "If-None-Match": known.etag } : {} });
  if (response.status === 304 && known) await response.text();
  if (response.status === 304 && known) return /** @type {any} */ (known.data);
  const text = await response.text();
  const data = JSON.parse(text);
  const etag = response.headers.get("ETag");
  forget(url);
  if (etag) keep(url, etag, data, text.length);
  return data;
}

/**
 * Reads a path of the API in a component, again whenever the parameters change, and when `refresh` is called.
 * @template {GetPath} P
 * @param {P} path
 * @param {import("./types").Parameters<P> | null | undefined | "" | false} parameters nothing is read without them
 * @returns {{
 *   data: import("./types").Answer<P> | undefined, error: Error | undefined, isLoading: boolean, refresh: () => void,
 * }}
 */
export function useAnswer(path, parameters) {
  const [state, setState] = useState(
    /** @type {{ url: string, data?: import("./types").Answer<P>, error?: Error }} */ ({ url: "" }),
  );
  const [turn, setTurn] = useState(0);
  const refresh = useCallback(() => setTurn((number) => number + 1), []);
  // What failed while the service was away is read again when it is back, and what a key did not allow with another one.
  const wasAway = state.error instanceof ServiceAway;
  useEffect(() => {
    if (wasAway && awaySince.value === null) refresh();
  }, [wasAway, awaySince.value]);
  useEffect(() => {
    if (isRefusal(state.error)) refresh();
  }, [key.value]);
  const url = parameters ? addressOf(path, parameters) : "";
  const last = useRef(parameters);
  last.current = parameters;
  // Before the browser paints, so that the answer is on its way meanwhile.
  useLayoutEffect(() => {
    if (!last.current) return undefined;
    const controller = new AbortController();
    get(path, last.current, { signal: controller.signal }).then(
      (data) => controller.signal.aborted || setState({ url, data }),
      (error) => controller.signal.aborted || setState(({ data }) => ({ url, error, ...(data ? { data } : {}) })),
    );
    return () => controller.abort();
  }, [url, turn]);
  return { data: state.data, error: state.error, isLoading: url !== state.url, refresh };
}

/**
 * A list of the API in a component: its first page, and the next one whenever `readNext` is called. `update` changes the
 * items in place, as when a stream sends newer ones.
 * @template {import("./types").ListPath} P
 * @param {P} path
 * @param {import("./types").Parameters<P> | null | undefined | "" | false} parameters nothing is read without them
 */
export function useList(path, parameters) {
  /** @typedef {import("./types").Item<P>} Item */
  const [state, setState] = useState(
    /** @type {{ url: string, items: Item[], cursor: string | null, error?: Error }} */ ({ url: "", items: [], cursor: null }),
  );
  const first = useAnswer(path, parameters);
  const url = parameters ? addressOf(path, parameters) : "";
  const isReading = useRef(false);
  useEffect(() => {
    const page = /** @type {import("./types").ListPage<Item> | undefined} */ (first.data);
    if (page && !first.isLoading) setState({ url, items: page.items, cursor: page.next_cursor });
  }, [first.data, first.isLoading]);
  const readNext = useCallback(async () => {
    if (!state.cursor || isReading.current || state.url !== url || !parameters) return;
    isReading.current = true;
    try {
      const answer = await get(path, { ...parameters, cursor: state.cursor });
      const page = /** @type {import("./types").ListPage<Item>} */ (answer);
      setState((old) => (old.url === url ? { ...old, items: [...old.items, ...page.items], cursor: page.next_cursor } : old));
    } catch (error) {
      setState((old) => ({ ...old, error: /** @type {Error} */ (error) }));
    }
    isReading.current = false;
  }, [url, state]);
  const update = useCallback((/** @type {(items: Item[]) => Item[]} */ change) => {
    setState((old) => ({ ...old, items: change(old.items) }));
  }, []);
  return {
    items: first.data ? state.items : undefined,
    error: first.error ?? state.error,
    isLoading: first.isLoading,
    readNext: state.cursor ? readNext : undefined,
    refresh: first.refresh,
    update,
  };
}
