/**
 * What is different in this Swagger UI: texts become elements and no HTML, the search finds operations by their whole
 * content, and the controls have names for assistive technology.
 *
 * Components and functions are replaced by their names, as Swagger UI documents it under "plug points".
 *
 * @typedef {{ [name: string]: unknown }} Properties
 * @typedef {(properties: Properties) => unknown} Component
 * @typedef {(type: unknown, properties: Properties | null, ...children: unknown[]) => unknown} Create
 * @typedef {{ getIn: (path: string[]) => string | undefined }} Operation as Immutable.js has it
 * @typedef {{ size: number, filter: (test: (operation: Operation) => boolean) => Operations }} Operations
 * @typedef {{
 *   get: (name: "operations") => Operations,
 *   update: (name: "operations", change: (operations: Operations) => Operations) => Tag,
 * }} Tag
 * @typedef {{ map: (change: (tag: Tag) => Tag) => Tags, filter: (test: (tag: Tag) => boolean) => Tags }} Tags
 */

/** Operations that answer without an end, for which Swagger UI would wait. */
const STREAMS = /\/events$/;

/** @param {Map<string, string>} searchTexts what to search in, by the id of the operation */
export function plugin(searchTexts) {
  return (/** @type {{ React: { createElement: Create } }} */ { React }) => {
    const create = React.createElement;
    return {
      fn: {
        opsFilter: (/** @type {Tags} */ tags, /** @type {string} */ phrase) =>
          filterOperations(tags, phrase, searchTexts),
      },
      wrapComponents: wrappers(create),
      components: {
        /** @type {Component} Swagger UI has none of its own, and says so on the console. */
        JsonSchema_string_uuid: (properties) => {
          const getComponent = /** @type {(name: string) => unknown} */ (properties.getComponent);
          return create(getComponent("JsonSchema_string"), properties);
        },
      },
      statePlugins: {
        spec: {
          wrapSelectors: {
            allowTryItOutFor: () => (/** @type {unknown} */ _, /** @type {string} */ path) => !STREAMS.test(path),
          },
        },
      },
    };
  };
}

/** @param {Create} create @returns {{ [name: string]: (original: Component) => Component }} */
function wrappers(create) {
  return {
    Markdown: () => ({ source, className }) => textOf(create, String(source ?? ""), String(className ?? "")),
    InfoContainer: (Info) => (properties) => create("section", { "aria-label": "About" }, create(Info, properties)),
    FilterContainer: () => (properties) => searchOf(create, properties),
    ServersContainer: () => () => null,
    // A link inside of a button; the address names the operation that was opened without it.
    DeepLink: () => ({ text }) => create("span", null, text),
    JsonSchemaForm: (Control) => (properties) => {
      const name = create("span", { className: "control-name" }, properties.description);
      return create("label", null, name, create(Control, properties));
    },
  };
}

/**
 * The operations in which all words of a phrase occur, by tag; tags without any are left out.
 * @param {Tags} tags
 * @param {string} phrase
 * @param {Map<string, string>} searchTexts
 */
function filterOperations(tags, phrase, searchTexts) {
  const words = phrase.toLowerCase().split(/\s+/);
  const isMatch = (/** @type {Operation} */ operation) => {
    const text = searchTexts.get(operation.getIn(["operation", "operationId"]) ?? "") ?? "";
    return words.every((word) => text.includes(word));
  };
  return tags
    .map((tag) => tag.update("operations", (operations) => operations.filter(isMatch)))
    .filter((tag) => tag.get("operations").size > 0);
}

/**
 * A text with paragraphs, lists and `code`, which is the Markdown that the document has.
 * @param {Create} create
 * @param {string} source
 * @param {string} className
 */
function textOf(create, source, className) {
  if (!source) return null;
  const blocks = source.trim().split(/\n{2,}/);
  return create("div", { className: `markdown ${className}` }, ...blocks.map((block) => blockOf(create, block)));
}

/** @param {Create} create @param {string} block a paragraph, a list, or a paragraph that introduces a list */
function blockOf(create, block) {
  const [first = "", ...items] = block.split(/^[-*] /m);
  const paragraph = first.trim() ? create("p", null, ...inline(create, first)) : null;
  const entries = items.map((item) => create("li", null, ...inline(create, item)));
  return create("div", null, paragraph, entries.length ? create("ul", null, ...entries) : null);
}

/**
 * Swagger UI itself writes the names of what it adds to a parameter, as "Default value", in italics.
 * @param {Create} create
 * @param {string} text
 */
function inline(create, text) {
  return text
    .trim()
    .split(/(`[^`]+`|<i>[^<]+<\/i>)/)
    .map((part) => {
      if (part.startsWith("`")) return create("code", null, part.slice(1, -1));
      if (part.startsWith("<i>")) return create("em", null, part.slice(3, -4));
      return part;
    });
}

/** @param {Create} create @param {Properties} properties */
function searchOf(create, properties) {
  const selectors = /** @type {{ currentFilter: () => unknown }} */ (properties.layoutSelectors);
  const actions = /** @type {{ updateFilter: (phrase: string) => void }} */ (properties.layoutActions);
  const phrase = selectors.currentFilter();
  const input = create("input", {
    type: "search",
    className: "operation-filter-input",
    "aria-label": "Search operations",
    placeholder: "Search: a path, a parameter, a member, a value",
    value: typeof phrase === "string" ? phrase : "",
    onChange: (/** @type {{ target: HTMLInputElement }} */ event) => actions.updateFilter(event.target.value),
  });
  const heading = create("h2", { className: "control-name" }, "Operations");
  return create("search", { className: "filter wrapper" }, heading, input);
}
