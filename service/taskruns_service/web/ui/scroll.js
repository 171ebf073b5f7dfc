/**
 * Where a page was scrolled to, which is kept with its entry in the history of the browser. The browser brings a page
 * back to that place at once, when the lists of this one have no rows yet.
 */

const MAX_MILLISECONDS = 5000;
/** How many frames a page must keep its place: the page before is in the document in the first ones. */
const STEADY_FRAMES = 30;

let current = new AbortController();

/** Keeps the place of the page that is left. */
export function keepPlace() {
  current.abort();
  history.replaceState({ scrollY }, "");
}

/** Brings a page back to the place in its entry in the history, unless the reader scrolls. @param {unknown} entry */
export function returnToPlace(entry) {
  current.abort();
  const wanted = typeof entry === "object" && entry && "scrollY" in entry ? Number(entry.scrollY) : 0;
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
    requestAnimationFrame(look);
  };
  look();
}
