/** When what was read is read again. */

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
