/**
 * What pages are made of, from one place: Preact, its hooks, signals, and `html`, which makes elements of templates.
 *
 *     import { html, useState } from "./preact.js";
 *     const Hello = ({ name }) => html`<p class="hello">Hello, ${name}.</p>`;
 */

import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";

export const html = htm.bind(h);
export { Component, Fragment, render } from "./vendor/preact.js";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "./vendor/signals.js";
