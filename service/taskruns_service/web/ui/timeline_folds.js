/** Folds of the time axis, which cut out long gaps in which nothing ran. Pure functions. */

/** @typedef {{from: number, to: number, at: number}} Fold A cut from `from` to `to`, which is shown at time `at`. */

const at = (/** @type {ArrayLike<number>} */ array, /** @type {number} */ index) => /** @type {number} */ (array[index]);

/**
 * Cuts of the time axis, where more than half of it would be empty: the gaps in which nothing ran, if they are long.
 *
 * Between two attempts hours may pass, which would squeeze all that ran into a few pixels.
 *
 * @param {Float64Array} starts When something began to run, in any order; it is sorted in place.
 * @param {Float64Array} ends When it ended; sorted in place.
 * @param {number} most How many cuts there may be; the longest gaps are cut.
 * @returns {Fold[]} By time; a gap that is cut keeps a fiftieth of the time in which something ran.
 */
export function findFolds(starts, ends, most = 20) {
  starts.sort();
  ends.sort();
  /** @type {[from: number, to: number][]} */
  const gaps = [];
  // If the k-th end is before the start that follows k starts, everything that had started has ended.
  for (let k = 1; k < starts.length; k++) {
    if (at(starts, k) > at(ends, k - 1)) gaps.push([at(ends, k - 1), at(starts, k)]);
  }
  const length = ([from, to] = [0, 0]) => to - from;
  const idle = gaps.reduce((sum, gap) => sum + length(gap), 0);
  const active = (ends.at(-1) ?? 0) - (starts[0] ?? 0) - idle;
  const long = gaps.filter((gap) => length(gap) > Math.max(active / 4, 1000));
  if (long.reduce((sum, gap) => sum + length(gap), 0) <= active) return [];
  const edge = active / 100;
  const cuts = long.sort((a, b) => length(b) - length(a)).slice(0, most);
  let cut = 0;
  return cuts.sort(([a], [b]) => a - b).map(([from, to]) => {
    const fold = { from: from + edge, to: to - edge, at: from + edge - cut };
    cut += fold.to - fold.from;
    return fold;
  });
}

/** The time on the folded axis. @param {readonly Fold[]} folds @param {number} time */
export function foldTime(folds, time) {
  let cut = 0;
  for (const { from, to, at: place } of folds) {
    if (time <= from) break;
    if (time < to) return place;
    cut += to - from;
  }
  return time - cut;
}

/** The time that a place on the folded axis stands for. @param {readonly Fold[]} folds @param {number} folded */
export function unfoldTime(folds, folded) {
  let cut = 0;
  for (const { from, to, at: place } of folds) {
    if (folded <= place) break;
    cut += to - from;
  }
  return folded + cut;
}
