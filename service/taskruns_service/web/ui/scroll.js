/**
 * Where a page was scrolled to and which link led away, which is kept with its entry in the history of the browser. The
 * browser brings a page back to its place at once, when the lists of this one have no rows yet.
 */

const MAX_MILLISECONDS = 5000;
/** How many frames a page must keep its place: the page before is in the document in the first ones. */
const STEADY_FRAMES = 30;

let current = new AbortController();

/** Gives a link the focus; false if the page has no such link yet. @param {string} target */
function focusLink(target) {
  const link = document.querySelector(`main a[href="${CSS.escape(target)}"]`);
  if (link instanceof HTMLElement) link.focus({ preventScroll: true });
  return link !== null;
}

/** Keeps the place of the page that is left. */
export function keepPlace() {
  current.abort();
  const link = document.activeElement?.closest("main a[href]")?.getAttribute("href") ?? null;
  history.replaceState({ scrollY, link }, "");
}

/** Brings a page back to the place in its entry in the history, unless the reader moves. @param {any} entry */
export function returnToPlace(entry) {
  current.abort();
  const wanted = Number(entry?.scrollY ?? 0);
  let link = typeof entry?.link === "string" ? entry.link : null;
  const { signal } = (current = new AbortController());
  for (const event of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    addEventListener(event, () => current.abort(), { signal, passive: true });
  }
  const end = performance.now() + MAX_MILLISECONDS;
  let steady = 0;
  const look = () => {
    if (signal.aborted) return;
    steady = Math.abs(scrollY - wanted) <= 1 ? steady + 1 : 0;
    if (steady > STEADY_FRAMES || performance.now() > end) current.abort();
    // At the end of a list that has more rows, this reads them.
    scrollTo(0, wanted);
    if (link && focusLink(link)) link = null;
    requestAnimationFrame(look);
  };
  look();
}
