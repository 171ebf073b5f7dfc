/** When something is read that is not read at once, and when what was read is read again. */

import { useEffect, useRef, useState } from "./preact.js";

/**
 * Reads something again whenever a value changes, which it had when it was read first.
 *
 * @param {unknown} value
 * @param {() => void} refresh
 */
export function useRefresh(value, refresh) {
  const last = useRef(value);
  useEffect(() => {
    if (last.current !== value) refresh();
    last.current = value;
  }, [value]);
}

/**
 * Whether something is on the screen; what takes the service long is read then, so that it does not wait for that.
 *
 * @param {boolean} isReady whether it is part of what is drawn
 */
export function usePainted(isReady) {
  const [isPainted, setPainted] = useState(false);
  useEffect(() => {
    if (isReady) setPainted(true);
  }, [isReady]);
  return isPainted;
}

/**
 * A value that changes at most every so often.
 *
 * @template T
 * @param {T} value
 * @param {number} milliseconds
 * @returns {T}
 */
export function useThrottled(value, milliseconds) {
  const [shown, setShown] = useState(value);
  const changed = useRef(0);
  useEffect(() => {
    if (value === shown) return undefined;
    const timer = setTimeout(() => {
      changed.current = Date.now();
      setShown(value);
    }, Math.max(0, changed.current + milliseconds - Date.now()));
    return () => clearTimeout(timer);
  }, [value]);
  return shown;
}
