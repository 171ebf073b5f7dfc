/**
 * Where the result of a task run is, and the Python that loads it: the service itself never opens results.
 *
 * @typedef {import("./types").Schemas["TaskRun"]} TaskRun
 * @typedef {import("./types").Schemas["ResultReference"]} Reference
 * @typedef {import("./types").Schemas["Serializer"]} Serializer
 */

import { useAnswerSince } from "./attempts.js";
import { formatCount, printable, quoted, stateOf } from "./format.js";
import { CopyButton, Problem, Section, Sources } from "./parts.js";
import { html } from "./preact.js";
import { addressOf } from "./routes.js";
import { href, pathOf, root } from "./store.js";

const DEFAULT_URL = "http://127.0.0.1:4200";
const MAX_SHOWN = 4000;
/** @type {{ [type: string]: string }} What `pip install taskruns[…]` needs for a storage. */
const EXTRAS = { S3Result: "s3", GCSResult: "gcs", AzureResult: "azure" };

/**
 * How a result was written, in words.
 * @param {Serializer | null} serializer
 * @returns {string}
 */
export function serializerName(serializer) {
  if (!serializer) return "pickle";
  switch (serializer.type) {
    case "PickleSerializer":
      return "pickle";
    case "JSONSerializer":
      return "JSON";
    case "DateTimeSerializer":
      return "a time, as RFC 3339";
    case "PandasSerializer":
      return `a DataFrame, as ${serializer.file_type ?? "file"}`;
    case "CompressedSerializer":
      return `${serializerName(serializer.serializer)}, compressed with ${serializer.format ?? "zlib"}`;
    default:
      return serializer.name;
  }
}

/** @param {Serializer | null} serializer @returns {boolean} whether loading what it wrote runs code of its author */
export function runsCode(serializer) {
  if (!serializer || serializer.type === "PickleSerializer") return true;
  if (serializer.type === "CompressedSerializer") return runsCode(serializer.serializer);
  return serializer.type === "PandasSerializer" && serializer.file_type === "pickle";
}

/** @param {Serializer | null} serializer @returns {boolean} */
function needsPandas(serializer) {
  if (serializer?.type === "CompressedSerializer") return needsPandas(serializer.serializer);
  return serializer?.type === "PandasSerializer";
}

/**
 * The lines of Python that load the result of a task run.
 * @param {string} taskRunId
 * @param {string} url of the service
 * @param {Reference | null} reference null for the parent of a map, whose result is the list of its children's
 */
export function pythonOf(taskRunId, url, reference) {
  const extras = [EXTRAS[reference?.type ?? ""], needsPandas(reference?.serializer ?? null) && reference ? "pandas" : ""];
  const names = extras.filter(Boolean).join(",");
  const isDefault = url === DEFAULT_URL;
  return [
    ...(names ? [`# pip install "taskruns[${names}]"`] : []),
    `from taskruns import ${isDefault ? "" : "Client, "}TaskRunView`,
    "",
    ...(isDefault ? [] : [`client = Client("${url}")`]),
    `task_run = TaskRunView.from_task_run_id("${taskRunId}"${isDefault ? "" : ", client=client"})`,
    "result = task_run.get_result()",
  ].join("\n");
}

/** @param {unknown} value */
function textOf(value) {
  const text = printable(JSON.stringify(value, null, 2) ?? "");
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** @param {string} text @returns {unknown} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A value that is in the reference itself. @param {{ reference: Reference }} props */
function Value({ reference }) {
  if (reference.type !== "ConstantResult" && reference.type !== "PrefectResult" && reference.type !== "CustomResult") return null;
  const [name, value] =
    reference.type === "ConstantResult" ? ["Value", reference.value]
    : reference.type === "PrefectResult" ? ["Value", parsed(reference.location ?? "null")]
    : ["As it was sent", reference.given];
  return html`<div><dt>${name}</dt><dd><pre tabindex="0" role="region" aria-label=${name} class="value">${textOf(value)}</pre></dd></div>`;
}

/** @param {{ reference: Reference }} props */
function Where({ reference }) {
  const type = reference.type === "CustomResult" ? reference.name : reference.type;
  const { uri, location, size, digest, serializer } = reference;
  const isOwnValue = reference.type === "ConstantResult" || reference.type === "PrefectResult";
  return html`<dl class="overview where">
    <div><dt>Type</dt><dd>${printable(type)}</dd></div>
    ${uri && html`<div class="whole-row"><dt>URI</dt><dd class="uri"><code data-kind="uri">${printable(uri)}</code><${CopyButton} text=${uri} label="Copy the URI" /></dd></div>`}
    ${!uri && location && !isOwnValue && html`<div class="whole-row"><dt>Location</dt><dd class="uri"><code>${printable(location)}</code><${CopyButton} text=${location} label="Copy the location" /></dd></div>`}
    ${!isOwnValue && reference.type !== "SecretResult" && html`<div><dt>Serializer</dt><dd>${printable(serializerName(serializer))}</dd></div>`}
    ${size !== null && html`<div><dt>Size</dt><dd>${formatCount(size)} bytes</dd></div>`}
    ${digest && html`<div class="whole-row"><dt>Digest</dt><dd class="uri"><code>${printable(digest)}</code></dd></div>`}
    <${Value} reference=${reference} />
  </dl>`;
}

/** What a reader should know before running the lines. @param {Reference | null} reference */
function warningOf(reference) {
  if (reference?.type === "SecretResult") return "It is a secret that is stored elsewhere, which the client does not load.";
  if (reference?.type === "CustomResult" || reference?.serializer?.type === "CustomSerializer") {
    return "The client does not know this type: load it with the code that wrote it.";
  }
  const isStored = reference && reference.type !== "ConstantResult" && reference.type !== "PrefectResult";
  if (isStored && runsCode(reference.serializer)) {
    return "It is a pickle, which runs code of its author when it is loaded: the client refuses it unless TASKRUNS_TRUSTED_RESULTS names its place, or you pass trust=True.";
  }
  return "";
}

/** @param {{ taskRun: TaskRun, reference: Reference | null }} props */
function HowToLoad({ taskRun, reference }) {
  const warning = warningOf(reference);
  if (reference?.type === "SecretResult" || reference?.type === "CustomResult") return html`<p>${warning}</p>`;
  const code = pythonOf(taskRun.id, location.origin + root, reference);
  return html`<div class="verbatim python"><pre tabindex="0" role="region" aria-label="Python that loads the result"><code>${code}</code></pre><${CopyButton} text=${code} label="Copy the Python" /></div>
    ${warning && html`<p class="muted">${warning}</p>`}`;
}

/** @param {{ taskRun: TaskRun }} props */
function StoredResult({ taskRun }) {
  const parameters = { task_run_id: taskRun.id };
  const { data, error, refresh } = useAnswerSince("/task-runs/{task_run_id}/result", parameters, taskRun.sequence);
  if (error && !data) return html`<${Problem} error=${error} retry=${refresh} />`;
  if (!data?.reference) return null;
  return html`<${Where} reference=${data.reference} /><${HowToLoad} taskRun=${taskRun} reference=${data.reference} />`;
}

/** @param {{ taskRun: TaskRun }} props */
function MappedResult({ taskRun }) {
  const children = href(pathOf("flow-runs", taskRun.flow_run_id, "tasks", taskRun.task_slug));
  return html`<p>It is the list of the results of <a href=${children}>its children</a>.</p>
    <${HowToLoad} taskRun=${taskRun} reference=${null} />`;
}

/** @param {{ taskRun: TaskRun, isParent: boolean }} props */
export function Result({ taskRun, isParent }) {
  const isFinished = Boolean(taskRun.end_time) || isParent;
  if (!taskRun.has_result && !isParent) {
    if (!isFinished || stateOf(taskRun.state).group === "failed") return null;
    return html`<${Section} title="Result"><p class="muted">No result is stored.</p><//>`;
  }
  const url = addressOf("/task-runs/{task_run_id}/result", { task_run_id: taskRun.id });
  return html`<${Section} title="Result" aside=${html`<${Sources} url=${url} command=${`taskruns task-run result ${quoted(taskRun.id)}`} />`}>
    ${isParent ? html`<${MappedResult} taskRun=${taskRun} />` : html`<${StoredResult} taskRun=${taskRun} />`}
  <//>`;
}
