/** Now: what runs, what failed, and how much of it. */

import { Page, usePage } from "./parts.js";
import { html } from "./preact.js";

export default function Now() {
  usePage({ title: "Now" });
  return html`<${Page} title="Now"></${Page}>`;
}
