/** The addresses of the pages, and those of requests. */

import { partOf, root } from "./store.js";

/**
 * Addresses below /ui, the modules of their pages, and what a page reads first, by the names of its placeholders.
 * @type {[pattern: string, name: string, reads?: import("./types").GetPath[]][]}
 */
export const ROUTES = [
  ["/", "now"],
  ["/flow-runs", "flow_runs"],
  ["/flow-runs/:flow_run_id", "flow_run", ["/flow-runs/{flow_run_id}", "/flow-runs/{flow_run_id}/tasks"]],
  ["/flow-runs/:flow_run_id/tasks/:task_slug", "map", ["/flow-runs/{flow_run_id}"]],
  ["/flow-runs/:flow_run_id/tasks/:task_slug/:map_index", "task_run", ["/flow-runs/{flow_run_id}"]],
  ["/task-runs/:task_run_id", "task_run", ["/task-runs/{task_run_id}"]],
  ["/tasks/:flow_name/:task_slug", "task"],
  ["/search", "search"],
];

/**
 * The values of a pattern's placeholders in a path; null if it does not fit.
 * @param {string} pattern
 * @param {string} path encoded as in the address
 */
function match(pattern, path) {
  const names = pattern.split("/");
  const parts = path.split("/");
  if (names.length !== parts.length) return null;
  /** @type {{ [name: string]: string }} */
  const parameters = {};
  for (const [index, name] of names.entries()) {
    const part = parts[index] ?? "";
    if (name.startsWith(":")) {
      const text = partOf(part);
      if (!text) return null;
      parameters[name.slice(1)] = text;
    } else if (name !== part) return null;
  }
  return parameters;
}

/** @param {string} path */
export function routeOf(path) {
  const plain = path.length > 1 ? path.replace(/\/$/, "") : path;
  for (const [pattern, name, reads = []] of ROUTES) {
    const parameters = match(pattern, plain);
    if (parameters) return { pattern, name, parameters, reads };
  }
  return null;
}

/**
 * The address of a request without its query.
 * @param {string} path as openapi.json writes it
 * @param {{ [name: string]: unknown }} parameters those for the placeholders, and others
 */
export function filled(path, parameters) {
  return root + path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(parameters[name])));
}

/**
 * The address of a request; placeholders take the parameters of their names, and the others are the query.
 * @param {string} path as openapi.json writes it
 * @param {{ [name: string]: unknown }} parameters a list repeats the parameter; null, undefined and "" leave it out
 */
export function addressOf(path, parameters) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (path.includes(`{${name}}`)) continue;
    for (const text of Array.isArray(value) ? value : [value]) {
      if (text !== null && text !== undefined && text !== "") pairs.append(name, String(text));
    }
  }
  return filled(path, parameters) + (pairs.size ? `?${pairs}` : "");
}
