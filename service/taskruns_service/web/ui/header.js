/** The header of all pages: where one can go, and what is the same everywhere. */

import { html } from "./preact.js";
import { address, clock, href, isUtc, theme, zone } from "./store.js";
import { formatOffset } from "./format.js";
import { useKeys } from "./keyboard.js";
import { docsUrl } from "./parts.js";

const NEXT_THEME = /** @type {{ [theme: string]: string }} */ ({ auto: "light", light: "dark", dark: "auto" });

export function switchZone() {
  zone.value = isUtc.value ? "local" : "utc";
}

/** @param {{ path: string, children: unknown }} props */
function NavigationLink({ path, children }) {
  const own = address.value.path;
  const isHere = path === "/" ? own === "/" : own.startsWith(path);
  return html`<a href=${href(path)} aria-current=${isHere ? "page" : undefined}>${children}</a>`;
}

export function Header() {
  useKeys({ u: { does: "Show times in UTC or in local time", run: switchZone } });
  return html`<header class="top">
    <nav aria-label="Pages">
      <a class="brand" href=${href("/")}>task runs</a>
      <${NavigationLink} path="/">Now<//>
      <${NavigationLink} path="/flow-runs">Flow runs<//>
    </nav>
    <div class="tools">
      <button class="tool" title="Show times in UTC or in local time (u)" onClick=${switchZone}>${formatOffset(clock.value, isUtc.value)}</button>
      <button class="tool" title="Theme" aria-label=${`Theme: ${theme.value}`} onClick=${() => {
        theme.value = NEXT_THEME[theme.value] ?? "auto";
      }}>${theme.value === "auto" ? "Auto" : theme.value === "light" ? "Light" : "Dark"}</button>
      <a class="tool" href=${docsUrl} data-native>API</a>
    </div>
  </header>`;
}
