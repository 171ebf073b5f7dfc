/**
 * What stands beside a task run: other task runs, and what it made for people to look at.
 *
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {import("./types").Schemas["TaskRunNeighbour"]} Neighbour
 * @typedef {import("./types").Schemas["Artifact"]} Artifact
 */

import { useAnswer } from "./api.js";
import { useAnswerSince } from "./attempts.js";
import { formatDuration, printable, quoted, taskRunName } from "./format.js";
import { useKeys } from "./keyboard.js";
import { CopyButton, Section, Sources, State, Time } from "./parts.js";
import { html } from "./preact.js";
import { addressOf } from "./routes.js";
import { href, navigate, pathOf } from "./store.js";

/** @param {Neighbour} neighbour */
function hrefOf(neighbour) {
  return href(pathOf("task-runs", neighbour.id));
}

/** @param {{ neighbour: Neighbour, relation: string, longest: number, isEarlier?: boolean }} props */
function NeighbourRow({ neighbour, relation, longest, isEarlier = false }) {
  const name = isEarlier ? printable(neighbour.flow_run_name) : taskRunName(neighbour.task_slug, neighbour.map_index);
  const share = neighbour.duration === null || !longest ? 0 : neighbour.duration / longest;
  return html`<tr>
    <td class="muted">${relation}</td>
    <th scope="row"><a href=${hrefOf(neighbour)}><bdi>${name}</bdi></a></th>
    <td><${State} type=${neighbour.state} /></td>
    <td class="hide-600"><${Time} at=${neighbour.start_time} /></td>
    <td class="end">${formatDuration(neighbour.duration) || html`<span class="muted">–</span>`}</td>
    <td class="hide-600 share" aria-hidden="true">${share > 0 && html`<span style=${{ width: `${(share * 100).toFixed(1)}%` }} />`}</td>
  </tr>`;
}

/** @param {{ label: string, rows: [string, Neighbour][], longest: number, isEarlier?: boolean }} props */
function NeighbourTable({ label, rows, longest, isEarlier = false }) {
  return html`<table class="plain neighbours" aria-label=${label}>
    <thead><tr><th scope="col"><span class="hidden">Relation</span></th><th scope="col">${isEarlier ? "Flow run" : "Task run"}</th>
      <th scope="col">State</th><th scope="col" class="hide-600">Started</th><th scope="col" class="end">Duration</th>
      <th class="hide-600" aria-hidden="true"></th></tr></thead>
    <tbody>${rows.map(([relation, neighbour]) => html`<${NeighbourRow} key=${`${relation} ${neighbour.id}`} neighbour=${neighbour}
      relation=${relation} longest=${longest} isEarlier=${isEarlier} />`)}</tbody>
  </table>`;
}

/** @param {readonly [string, Neighbour | null][]} pairs @returns {[string, Neighbour][]} */
function present(pairs) {
  return pairs.flatMap(([relation, neighbour]) => (neighbour ? [/** @type {[string, Neighbour]} */ ([relation, neighbour])] : []));
}

/** @param {{ taskRun: TaskRun }} props */
export function Neighbours({ taskRun }) {
  const parameters = { task_run_id: taskRun.id };
  const { data } = useAnswer("/task-runs/{task_run_id}/neighbours", parameters);
  const open = (/** @type {Neighbour | null | undefined} */ neighbour) => neighbour && navigate(hrefOf(neighbour));
  useKeys(
    "Children",
    taskRun.map_index < 0
      ? {}
      : {
          "[": { does: "Previous child of the map", run: () => open(data?.previous_child) },
          "]": { does: "Next child of the map", run: () => open(data?.next_child) },
        },
  );
  if (!data) return null;
  const beside = present([
    ["parent", data.mapped_parent], ["previous", data.previous_child], ["next", data.next_child],
    ...data.upstream.map((neighbour) => /** @type {[string, Neighbour]} */ (["upstream", neighbour])),
    ...data.downstream.map((neighbour) => /** @type {[string, Neighbour]} */ (["downstream", neighbour])),
  ]);
  const earlier = data.earlier_task_runs;
  const longest = Math.max(0, ...earlier.map(({ duration }) => duration ?? 0));
  const sources = html`<${Sources} url=${addressOf("/task-runs/{task_run_id}/neighbours", parameters)} command=${`taskruns task-run neighbours ${quoted(taskRun.id)}`} />`;
  return html`
    ${beside.length > 0 && html`<${Section} title="Beside it" aside=${sources}>
      <${NeighbourTable} label="Beside it" rows=${beside} longest=${0} />
      ${data.truncated && html`<p class="muted">There are more upstream or downstream.</p>`}
    <//>`}
    ${earlier.length > 0 && html`<${Section} title="In earlier flow runs" aside=${html`<a href=${href(pathOf("tasks", taskRun.flow_name, taskRun.task_slug))}>Over time</a>`}>
      <${NeighbourTable} label="In earlier flow runs" rows=${present(earlier.map((neighbour) => ["", neighbour]))} longest=${longest} isEarlier />
    <//>`}`;
}

/**
 * The address that a link leads to; null for anything but the web, such as a script.
 * @param {unknown} value
 */
export function webAddress(value) {
  if (typeof value !== "string") return null;
  try {
    const url = new URL(value);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** @param {{ artifact: Artifact, number: number }} props */
function ArtifactData({ artifact, number }) {
  const { link, markdown } = /** @type {{ link?: unknown, markdown?: unknown }} */ (artifact.data ?? {});
  const address = artifact.kind === "link" ? webAddress(link) : null;
  if (address) {
    return html`<a href=${address} target="_blank" rel="noopener noreferrer external">${printable(/** @type {string} */ (link))}</a>`;
  }
  const text = typeof link === "string" ? link : typeof markdown === "string" ? markdown : JSON.stringify(artifact.data, null, 2);
  return html`<div class="verbatim"><pre tabindex="0" role="region" aria-label=${`Artifact ${number}`}>${printable(text)}</pre><${CopyButton} text=${text} label="Copy the artifact" /></div>`;
}

/** @param {{ taskRun: TaskRun }} props */
export function Artifacts({ taskRun }) {
  const parameters = { task_run_id: taskRun.id };
  const { data } = useAnswerSince("/task-runs/{task_run_id}/artifacts", parameters, taskRun.sequence);
  if (!data?.items.length) return null;
  return html`<${Section} title="Artifacts" aside=${html`<${Sources} url=${addressOf("/task-runs/{task_run_id}/artifacts", parameters)} command=${`taskruns task-run artifacts ${quoted(taskRun.id)}`} />`}>
    <ul class="artifacts">${data.items.map((artifact, index) => html`<li key=${artifact.id} data-id=${artifact.id} data-kind="artifact">
      <span class="muted">${printable(artifact.kind)} · <${Time} at=${artifact.created} /></span><${ArtifactData} artifact=${artifact} number=${index + 1} />
    </li>`)}</ul>
    ${data.next_cursor && html`<p class="muted">There are more: see the JSON.</p>`}
  <//>`;
}
