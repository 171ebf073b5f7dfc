/**
 * The OpenAPI document as the reference shows it.
 *
 * @typedef {{ name: string, description: string, example?: unknown, schema: { [keyword: string]: unknown } }} Parameter
 * @typedef {{ [status: string]: { links?: unknown } }} Responses
 * @typedef {{
 *   operationId: string, summary: string, description: string, parameters?: Parameter[], responses: Responses,
 * }} Operation
 * @typedef {{
 *   servers: { url: string }[],
 *   paths: { [path: string]: { [method: string]: Operation } },
 *   components: { schemas: { [name: string]: unknown } },
 * }} OpenApi
 */

/** @param {OpenApi} openapi @returns {[string, string, Operation][]} method, path and operation */
function operationsOf(openapi) {
  return Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => /** @type {[string, string, Operation]} */ ([method, path, operation]),
    ),
  );
}

/**
 * Sends requests to the service that the page is of, and shows the examples of parameters without filling them in:
 * Swagger UI would send all of them at once, and no task run passes every filter.
 * @param {OpenApi} openapi changed in place
 * @param {string} url the address of the service
 */
export function prepare(openapi, url) {
  openapi.servers = [{ url }];
  for (const [, , operation] of operationsOf(openapi)) {
    for (const parameter of operation.parameters ?? []) {
      if (parameter.example === undefined) continue;
      parameter.description += `\n\nExample: \`${[parameter.example].flat().join(", ")}\``;
      delete parameter.example;
      delete parameter.schema.examples;
    }
    // Which operation takes the id from a response is plain from the paths.
    for (const response of Object.values(operation.responses)) delete response.links;
  }
  return openapi;
}

/**
 * What a search looks through, by operation: its words, its parameters, and the members of its bodies and responses.
 * @param {OpenApi} openapi
 * @returns {Map<string, string>}
 */
export function searchTexts(openapi) {
  return new Map(
    operationsOf(openapi).map(([method, path, operation]) => {
      const { operationId, summary, description } = operation;
      const words = [method, path, operationId, summary, description, ...namesIn(operation, openapi)];
      return [operationId, words.join(" ").toLowerCase()];
    }),
  );
}

/** @param {unknown} value @param {OpenApi} openapi @param {Set<string>} names @returns {Set<string>} */
function namesIn(value, openapi, names = new Set()) {
  if (typeof value !== "object" || value === null) return names;
  for (const [key, member] of Object.entries(value)) {
    if (key === "$ref") {
      const schema = String(member).replace("#/components/schemas/", "");
      if (names.has(schema)) continue;
      names.add(schema);
      namesIn(openapi.components.schemas[schema], openapi, names);
    } else if (key === "properties") {
      for (const name of Object.keys(member)) names.add(name);
      namesIn(member, openapi, names);
    } else if (key === "enum" || key === "name") {
      for (const name of [member].flat()) names.add(String(name));
    } else {
      namesIn(member, openapi, names);
    }
  }
  return names;
}
