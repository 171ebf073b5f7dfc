/** How large a canvas is, and whether its colors have changed. */

import { useEffect, useLayoutEffect, useState } from "./preact.js";
import { theme } from "./store.js";

/** The width of an element in CSS pixels, 0 before it is known. @param {{ current: Element | null }} element */
export function useWidth(element) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!element.current) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** A number that grows when colors change. */
export function useThemeVersion() {
  const [version, setVersion] = useState(0);
  const name = theme.value;
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setVersion((number) => number + 1);
    media.addEventListener("change", change);
    change();
    return () => media.removeEventListener("change", change);
  }, [name]);
  return version;
}

/** The height of the rows that are on the screen: all, or most of the screen. @param {number} height */
export function useRoom(height) {
  const [screen, setScreen] = useState(innerHeight);
  useEffect(() => {
    const change = () => setScreen(innerHeight);
    addEventListener("resize", change);
    return () => removeEventListener("resize", change);
  }, []);
  return Math.min(height, Math.max(Math.round(screen * 0.65), 240));
}
