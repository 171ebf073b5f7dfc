/**
 * The start of the pages: the router, the header, and what lies over all pages.
 *
 * A page is a row of ROUTES (routes.js). Its module is loaded when its address is opened; its default export is a component that
 * gets `parameters`, the values of the placeholders (see parts.js for how a page is written). Its state is its address:
 * a filter, a sort, a zoom or a selection is a query parameter (store.js), so that every view has a link.
 */

import { ServiceAway, loadModule } from "./api.js";
import { Dialogs } from "./dialogs.js";
import { Header } from "./header.js";
import { formatTime } from "./format.js";
import { useKeys } from "./keyboard.js";
import { Empty, Loading, Page, Problem, usePage } from "./parts.js";
import { Component, html, render, useEffect, useState } from "./preact.js";
import { ROUTES, routeOf } from "./routes.js";
import { SearchBox } from "./search.js";
import { ready } from "./sending.js";
import { address, announcement, awaySince, clock, href, isUtc, navigate } from "./store.js";

/** @typedef {{ default: (props: import("./types").PageProps) => unknown }} PageModule */

/** How long the page that was opened has the connections to itself. */
const PREFETCH_MILLISECONDS = 2000;

/** @param {{ pattern: string, name: string }} route */
async function load({ pattern, name }) {
  const { default: page } = /** @type {PageModule} */ (await import(`./${name}.js`));
  return { pattern, page };
}

const opened = routeOf(address.peek().path);
/** The page that was opened, which index.html loads with this module: it is part of what is drawn first. */
const first = opened ? await load(opened).catch(() => ({})) : {};
await ready;

/** Shows a sentence in place of a page that fails, until the address is another. */
class Boundary extends Component {
  /** @param {Error} error */
  componentDidCatch(error) {
    console.error(error);
    this.setState({ error, url: location.href });
  }

  /** @override */
  render() {
    const { error, url } = /** @type {{ error?: Error, url?: string }} */ (this.state);
    if (!error || url !== location.href) return this.props.children;
    return html`<${Page} title="This page failed"><${Empty}>
      <p>${error.message}</p><button onClick=${() => location.reload()}>Load it again</button>
    <//><//>`;
  }
}

function NotFound() {
  usePage({ title: "Not found" });
  return html`<${Page} title="There is no such page"><${Empty}>
    <p>Search for a flow run, a task run or a task, or see what happens <a href=${href("/")}>now</a>.</p>
  <//><${SearchBox} /><//>`;
}

function Router() {
  const route = routeOf(address.value.path);
  const [loaded, setLoaded] = useState(/** @type {{ pattern?: string, page?: PageModule["default"], failed?: boolean }} */ (first));
  const pattern = route?.pattern;
  useEffect(() => {
    if (!route || (loaded.page && loaded.pattern === route.pattern)) return undefined;
    let isCurrent = true;
    loadModule(() => load(route)).then(
      (next) => isCurrent && setLoaded(next),
      () => isCurrent && setLoaded({ pattern: route.pattern, failed: true }),
    );
    return () => {
      isCurrent = false;
    };
  }, [pattern]);
  if (!route) return html`<${NotFound} />`;
  if (loaded.pattern !== pattern) {
    return awaySince.value !== null
      ? html`<${Page} title="The service is away"><${Problem} error=${new ServiceAway()} /><//>`
      : html`<main id="main" tabindex="-1"><${Loading} /></main>`;
  }
  if (loaded.failed || !loaded.page) {
    return html`<${Page} title="This page could not be loaded"><${Empty}>
      <p>The service may have been updated since you opened it.</p>
      <button onClick=${() => location.reload()}>Load it again</button>
    <//><//>`;
  }
  return html`<${Boundary} key=${pattern}><${loaded.page} key=${address.value.path} parameters=${route.parameters} /><//>`;
}

/** The page one level above a path. @param {string} path */
function above(path) {
  const parts = path.replace(/\/$/, "").split("/");
  while (parts.length > 1) {
    parts.pop();
    const parent = parts.join("/") || "/";
    if (routeOf(parent)) return parent;
  }
  return null;
}

/** Says that what is shown may be old, since the service is away. */
function Away() {
  if (awaySince.value === null) return null;
  const since = formatTime(awaySince.value, { utc: isUtc.value, today: clock.value });
  return html`<p class="away">The service has not answered since ${since}. What you see is from before; the page goes on
    by itself when the service is back.</p>`;
}

function App() {
  useKeys("Everywhere", {
    Escape: {
      does: "One level up",
      run: () => {
        const parent = above(address.value.path);
        if (parent) navigate(href(parent));
      },
    },
  });
  return html`
    <a class="skip" href="#main" data-native>Skip to the content</a>
    <${Header} />
    <${Away} />
    <${Router} />
    <${Dialogs} />
    <div class="hidden" role="status" aria-live="polite">${announcement.value}</div>
  `;
}

// Links of the pages are followed without loading the page again.
addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!(link instanceof HTMLAnchorElement) || link.target || "native" in link.dataset) return;
  if (link.origin !== location.origin || !link.pathname.startsWith(href("/"))) return;
  event.preventDefault();
  navigate(link.href);
});

/** Loads the modules of the other pages as well, so that they are there at once, also while the service is away. */
async function loadPages() {
  for (const [, name] of ROUTES) await import(`./${name}.js`).catch(() => {});
  const { loaders } = await import("./lazy.js").catch(() => ({ loaders: [] }));
  for (const load of loaders) await load().catch(() => {});
}

addEventListener("load", () => setTimeout(loadPages, PREFETCH_MILLISECONDS));

const app = document.getElementById("app");
if (app) render(html`<${App} />`, app);
