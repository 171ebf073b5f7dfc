/** How many children took how long, on a logarithmic axis. */

import { formatCount, formatDuration, stateOf } from "./format.js";
import { html } from "./preact.js";

/** @typedef {import("./types").Schemas["Histogram"]} HistogramAnswer */

const [WIDTH, HEIGHT, LABELS] = [640, 160, 20];

/**
 * @param {{ histogram: HistogramAnswer, marks: readonly { label: string, value: number }[] }} props `marks` are seconds.
 */
export function Histogram({ histogram: { bounds, counts }, marks }) {
  const states = Object.entries(counts)
    .map(([type, values]) => ({ state: stateOf(type), values: values ?? [] }))
    .sort((a, b) => b.state.rank - a.state.rank);
  const totals = Array.from({ length: bounds.length + 1 }, (_, k) => states.reduce((sum, { values }) => sum + (values[k] ?? 0), 0));
  const first = Math.max(totals.findIndex(Boolean) - 1, 0);
  const last = Math.min(totals.findLastIndex(Boolean) + 1, totals.length - 1);
  const peak = Math.max(...totals);
  if (!peak) return html`<p class="muted">No child has ended yet.</p>`;
  const wide = WIDTH / (last - first + 1);
  const high = (/** @type {number} */ count) => (count ? Math.max((count / peak) * HEIGHT, 2) : 0);
  const range = (/** @type {number} */ k) => `${formatDuration(bounds[k - 1] ?? 0)} to ${formatDuration(bounds[k] ?? null) || "more"}`;
  const xOf = (/** @type {number} */ seconds) => {
    const k = bounds.findIndex((bound) => bound > seconds);
    const [low, top] = [bounds[k - 1] ?? 0, bounds[k] ?? 0];
    const share = low > 0 && top > low ? Math.log(seconds / low) / Math.log(top / low) : 0.5;
    return ((k === -1 ? bounds.length : k) - first + share) * wide;
  };
  const text = `Durations: most children, ${formatCount(peak)}, took ${range(totals.indexOf(peak))}.`;
  return html`<svg class="histogram" viewBox=${`0 -14 ${WIDTH} ${HEIGHT + LABELS + 14}`} role="img" aria-label=${text}>
    ${totals.slice(first, last + 1).map((total, column) => {
      const k = first + column;
      let y = HEIGHT;
      return html`<g key=${k}><title>${`${range(k)}: ${formatCount(total)}`}</title>
        <rect x=${column * wide} y="0" width=${wide} height=${HEIGHT} class="area" />
        ${states.map(({ state, values }) => {
          const tall = high(values[k] ?? 0);
          y -= tall;
          return tall > 0 && html`<rect key=${state.type} x=${column * wide + 0.5} y=${y}
            width=${Math.max(wide - 1, 1)} height=${tall} style=${{ fill: state.color }} />`;
        })}
        ${column % Math.ceil(64 / wide) === 1 && html`<text x=${column * wide}
          y=${HEIGHT + 15}>${formatDuration(bounds[k - 1] ?? 0)}</text>`}
      </g>`;
    })}
    <line x1="0" x2=${WIDTH} y1=${HEIGHT} y2=${HEIGHT} class="base" />
    ${marks.filter(({ label }) => label !== "max").map(({ label, value }) => html`<g key=${label} class="mark">
      <line x1=${xOf(value)} x2=${xOf(value)} y1="0" y2=${HEIGHT} /><text x=${xOf(value)} y="-3">${label}</text></g>`)}
  </svg>`;
}
