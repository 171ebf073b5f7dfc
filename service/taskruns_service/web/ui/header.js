/** The header of all pages: where one can go, whether what is shown is current, and what is the same everywhere. */

import { askForKey } from "./api.js";
import { openDialog } from "./dialogs.js";
import { formatCount, formatOffset, formatTime } from "./format.js";
import { useKeys } from "./keyboard.js";
import { heldChanges, mode, paused } from "./live.js";
import { copy, docsUrl } from "./parts.js";
import { html, useEffect } from "./preact.js";
import { address, announce, awaySince, clock, href, isUtc, key, root, theme, zone } from "./store.js";

const NEXT_THEME = /** @type {{ [theme: string]: string }} */ ({ auto: "light", light: "dark", dark: "auto" });
const THEME_NAMES = /** @type {{ [theme: string]: string }} */ ({ auto: "Auto", light: "Light", dark: "Dark" });
const RETRY_MILLISECONDS = 2000;

function switchZone() {
  zone.value = isUtc.value ? "local" : "utc";
}

function switchTheme() {
  theme.value = NEXT_THEME[theme.value] ?? "auto";
}

function switchPause() {
  paused.value = !paused.value;
  announce(paused.value ? "Changes are paused." : "Changes are shown again.");
}

/** @param {{ path: string, children: unknown }} props */
function NavigationLink({ path, children }) {
  const own = address.value.path;
  const isHere = path === "/" ? own === "/" : own.startsWith(path);
  return html`<a href=${href(path)} aria-current=${isHere ? "page" : undefined}>${children}</a>`;
}

/** What the badge says: a word for the eye, and a class for its colour. */
function liveness() {
  if (awaySince.value !== null) {
    const since = formatTime(awaySince.value, { utc: isUtc.value, today: clock.value });
    return { kind: "lost", text: `no connection since ${since}` };
  }
  if (mode.value === "idle") return null;
  if (mode.value === "refused") return { kind: "refused", text: key.value ? "key refused" : "no key" };
  if (paused.value) {
    const count = heldChanges.value;
    return { kind: "paused", text: count ? `paused · ${formatCount(count)} changes` : "paused" };
  }
  return { kind: mode.value, text: mode.value };
}

/** Whether the page shows changes as they happen; a click pauses them. */
function Badge() {
  const state = liveness();
  if (!state) return null;
  if (state.kind === "refused") {
    return html`<button class="badge refused" onClick=${() => void askForKey()}
      title="Give a key"><span class="dot" aria-hidden="true" />${state.text}</button>`;
  }
  return html`<button class=${`badge ${state.kind}`} aria-pressed=${paused.value} onClick=${switchPause}
    title="Pause or show changes (p)"><span class="dot" aria-hidden="true" />${state.text}</button>`;
}

/** Asks whether the service is back, for pages that have no stream. */
function useReturn() {
  const isAway = awaySince.value !== null;
  useEffect(() => {
    if (!isAway) return undefined;
    announce("The service does not answer.");
    const look = async () => {
      try {
        const response = await fetch(`${root}/health`, { cache: "no-store" });
        if (!response.ok) return;
        awaySince.value = null;
        announce("The service answers again.");
      } catch {
        // It is tried again.
      }
    };
    const timer = setInterval(look, RETRY_MILLISECONDS);
    addEventListener("online", look);
    return () => {
      clearInterval(timer);
      removeEventListener("online", look);
    };
  }, [isAway]);
}

/** Opens the dialog in place of the page; a click that opens a new tab opens the page. @param {MouseEvent} event */
function openSearch(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  openDialog.value = "search";
}

export function Header() {
  useReturn();
  useKeys("Everywhere", {
    u: { does: "Show times in UTC or in local time", run: switchZone },
    p: { does: "Pause or show changes", run: switchPause },
    y: { does: "Copy the link to this view", run: () => void copy(location.href) },
    c: {
      does: "Copy the id",
      run: () => {
        const element = document.querySelector("main .id [data-id]");
        if (element instanceof HTMLElement) void copy(element.dataset.id ?? "", element);
      },
    },
  });
  return html`<header class="top">
    <nav aria-label="Pages">
      <a class="brand" href=${href("/")}>task runs</a>
      <${NavigationLink} path="/">Now<//>
      <${NavigationLink} path="/flow-runs">Flow runs<//>
    </nav>
    <a class="find" href=${href("/search")} onClick=${openSearch}>Search <kbd>/</kbd></a>
    <div class="tools">
      <${Badge} />
      <button class="tool" title="Show times in UTC or in local time (u)" onClick=${switchZone}>${formatOffset(clock.value, isUtc.value)}</button>
      <button class="tool" title="Theme" aria-label=${`Theme: ${THEME_NAMES[theme.value]}`} onClick=${switchTheme}>${THEME_NAMES[theme.value]}</button>
      ${key.value && html`<button class="tool" onClick=${() => {
        openDialog.value = "key";
      }}>Key</button>`}
      <a class="tool" href=${docsUrl} data-native>API</a>
      <button class="tool" title="Help (?)" aria-label="Help" onClick=${() => {
        openDialog.value = "help";
      }}>?</button>
    </div>
  </header>`;
}
