/**
 * The focus after a page was left: it is on the heading of the next one, which screen readers read then. Without this,
 * it would be lost with the link that led there.
 */

/** Whether a page was left since this one was loaded, and whether its follower still has to get the focus. */
let [hasLeft, isArriving] = [false, false];

/** The reader goes to another page. */
export function leavePage() {
  [hasLeft, isArriving] = [true, true];
}

/** Whether the page that is shown follows another one. */
export function isFollower() {
  return hasLeft;
}

/** The heading of a page appears, the first one or another in its place. @param {HTMLElement | null} heading */
export function arrive(heading) {
  const isLost = hasLeft && document.activeElement === document.body;
  if (isArriving || isLost) heading?.focus({ preventScroll: true });
  isArriving = false;
}
