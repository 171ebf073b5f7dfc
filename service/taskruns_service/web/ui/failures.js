/** Why task runs failed: their messages, each with how many have it, since when and until when, and which they are. */

import { get, useAnswer } from "./api.js";
import { firstLine, formatCount, printable, taskRunName } from "./format.js";
import { AllButton, MessageRuns, isOpen } from "./message_runs.js";
import { Loading, Problem, Section, Span, Time } from "./parts.js";
import { html, useEffect, useState } from "./preact.js";
import { useRefresh } from "./refresh.js";
import { href, pathOf } from "./store.js";

/** @typedef {import("./types").Schemas["AggregateGroup"]} Group */

const MAX_GROUPS = 50;
/** How many messages are shown at first. */
const SHORT = 5;

/**
 * @param {{ flowRunId: string, taskSlug?: string, count: number }} props `count` is how many task
 *   runs have failed: the messages are read again when it changes
 */
export function Failures({ flowRunId, taskSlug, count }) {
  const { data, error, refresh } = useAnswer("/task-runs/aggregate", count > 0 && {
    ...{ flow_run_id: [flowRunId], state_group: ["failed"], group_by: ["message"], sort: "-count", limit: MAX_GROUPS },
    ...(taskSlug ? { task_slug: [taskSlug] } : {}),
  });
  useRefresh(count, refresh);
  const [isLong, setLong] = useState(false);
  const all = data?.groups ?? [];
  // A link to the task runs of a message leads to them wherever it is in the list.
  const groups = isLong ? all : all.filter(({ key }, place) => place < SHORT || isOpen(key));
  const labels = useLabels(groups.flatMap((group) => group.sample_ids ?? []));
  if (!count) return null;
  return html`<${Section} title="Failures" aside=${html`<span
    class="muted">${formatCount(count)} ${count === 1 ? "task run" : "task runs, by message"}</span>`}>
    ${error && html`<${Problem} error=${error} retry=${refresh} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data && html`<ol class="failure-groups">${groups.map((group) => html`<${FailureGroup} key=${group.key.message}
      group=${group} flowRunId=${flowRunId} taskSlug=${taskSlug} labels=${labels} />`)}</ol>`}
    ${groups.length < all.length && html`<button class="more"
      onClick=${() => setLong(true)}>Show ${all.length - groups.length} more messages</button>`}
    ${isLong && data?.truncated && html`<p
      class="muted">These are the ${MAX_GROUPS} messages that most of them have.</p>`}
  <//>`;
}

/** @param {{ group: Group, flowRunId: string, taskSlug: string | undefined, labels: ReadonlyMap<string, Label> }} props */
function FailureGroup({ group, flowRunId, taskSlug, labels }) {
  const { first_end_time: first, last_end_time: last } = group.measures;
  const where = { flow_run_id: [flowRunId], ...(taskSlug ? { task_slug: [taskSlug] } : {}) };
  return html`<li>
    <b class="failure-count">${formatCount(group.count)}<span class="hidden"> failed</span></b>
    <div>
      <p class="failure-message">${firstLine(printable(group.key.message)) || html`<span
        class="muted">without a message</span>`}</p>
      <p class="failure-facts">
        <span class="muted"><${Span} from=${first} to=${last} /></span>
        ${(group.sample_ids ?? []).map((id) => html`<${Sample} key=${id} id=${id} flowRunId=${flowRunId}
          label=${labels.get(id)} />`)}
        ${group.count > (group.sample_ids?.length ?? 0) && html`<${AllButton} group=${group} />`}
      </p>
      <${MessageRuns} group=${group} where=${where} />
    </div>
  </li>`;
}

/** @param {{ id: string, flowRunId: string, label: Label | undefined }} props */
function Sample({ id, flowRunId, label }) {
  if (!label) return html`<a href=${href(pathOf("task-runs", id))}>${id.slice(0, 8)}</a>`;
  const { slug, mapIndex } = label;
  return html`<a href=${href(pathOf("flow-runs", flowRunId, "tasks", slug, mapIndex))}>${taskRunName(slug, mapIndex)}</a>`;
}

/** @typedef {{ slug: string, mapIndex: number }} Label */

/** What task runs are called, by id. @param {readonly string[]} ids @returns {ReadonlyMap<string, Label>} */
function useLabels(ids) {
  const [labels, setLabels] = useState(/** @type {ReadonlyMap<string, Label>} */ (new Map()));
  const version = ids.join();
  useEffect(() => {
    if (!version) return undefined;
    const controller = new AbortController();
    get("/task-runs", { task_run_id: [...ids], limit: ids.length }, { signal: controller.signal }).then(
      ({ items }) => {
        const entries = items.map((item) => /** @type {[string, Label]} */ ([item.id, { slug: item.task_slug, mapIndex: item.map_index }]));
        setLabels(new Map(entries));
      },
      // Without their names, ids are links as well.
      () => undefined,
    );
    return () => controller.abort();
  }, [version]);
  return labels;
}
