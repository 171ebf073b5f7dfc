/**
 * The API reference: Swagger UI on the OpenAPI document of this service.
 *
 * Why Swagger UI: docs/decisions/0033-swagger-ui-is-the-reference.md.
 */

import { plugin } from "./plugin.js";
import { prepare, searchTexts } from "./openapi.js";

const root = new URL("../../../", import.meta.url);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** Follows the theme of the pages, which is that of the system unless the reader has chosen another one. */
function applyTheme() {
  const theme = localStorage.getItem("taskruns.theme") ?? "auto";
  document.documentElement.classList.toggle("dark-mode", theme === "auto" ? prefersDark.matches : theme === "dark");
}

async function start() {
  const response = await fetch(new URL("openapi.json", root));
  const openapi = prepare(await response.json(), root.href.replace(/\/$/, ""));
  const globals = /** @type {unknown} */ (window);
  const { SwaggerUIBundle } = /** @type {{ SwaggerUIBundle: (options: object) => void }} */ (globals);
  SwaggerUIBundle({
    domNode: document.getElementById("reference"),
    spec: openapi,
    plugins: [plugin(searchTexts(openapi))],
    deepLinking: true,
    filter: true,
    defaultModelRendering: "model",
    defaultModelExpandDepth: 3,
    defaultModelsExpandDepth: 0,
    displayOperationId: true,
    displayRequestDuration: true,
    showCommonExtensions: true,
    // The key stays in this page.
    persistAuthorization: false,
    validatorUrl: null,
  });
}

applyTheme();
prefersDark.addEventListener("change", applyTheme);
await start();
