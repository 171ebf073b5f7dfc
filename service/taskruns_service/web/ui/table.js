/**
 * A table of any number of rows, of which only those on the screen are in the page. For assistive technology it is a
 * table of all: `aria-rowcount` and `aria-rowindex` count the others. `j` and `k` move, Enter opens, `o` opens a new tab.
 *
 *     html`<${Table} label="Flow runs" rows=${items} columns=${COLUMNS} keyOf=${(run) => run.id}
 *            hrefOf=${(run) => href(pathOf("flow-runs", run.id))} onEnd=${readNextPage} />`
 *
 * A column is `{ title, cell, width, align, hide }`: `cell(row)` is what it shows, `width` a CSS width, `align: "end"` is
 * for numbers, and `hide` leaves it out on screens narrower than so many pixels (600 or 900).
 * The first column is the name of the row, and links to `hrefOf(row)`.
 * `total` is the number of all rows if it is known. `onEnd` is called when the last rows come into sight.
 */

import { useKeys } from "./keyboard.js";
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { navigate } from "./store.js";

export const ROW_HEIGHT = 40;
/** The subject of the keys that move between rows. */
export const ROWS = "Rows";
const MARGIN = 12;
/** Tables of so many rows are in the page as a whole, where the browser's own search and its print find them. */
const SHORT = 40;

/**
 * @template Row
 * @typedef {{
 *   title: string, cell: (row: Row) => unknown, width?: string, align?: "end", hide?: 600 | 900,
 * }} Column
 */

/**
 * The rows on the screen, with a margin.
 * @param {{ current: HTMLElement | null }} body
 * @param {number} count
 */
function useWindow(body, count) {
  const [range, setRange] = useState({ first: 0, last: SHORT });
  const measure = useCallback(() => {
    if (!body.current || count <= SHORT) return;
    const top = body.current.getBoundingClientRect().top;
    const first = Math.min(count, Math.max(0, Math.floor(-top / ROW_HEIGHT) - MARGIN));
    const last = Math.min(count, Math.max(first, Math.ceil((innerHeight - top) / ROW_HEIGHT) + MARGIN));
    setRange((old) => (old.first === first && old.last === last ? old : { first, last }));
  }, [count]);
  useLayoutEffect(measure, [measure]);
  useEffect(() => {
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
    };
  }, [measure]);
  if (count <= SHORT) return { first: 0, last: count };
  return { first: Math.min(range.first, count), last: Math.min(range.last, count) };
}

/**
 * A table as `j` and `k` see it: `active` is the row that they moved to, -1 before the first move.
 * @typedef {{ body: HTMLElement, count: number, active: number, addressOfRow: (index: number) => string | undefined }} Stop
 */

/** @type {{ current: Stop | null }[]} The tables of the page, through all of which the keys go in the order of the page. */
const stops = [];
/** @type {Stop | null} The table of the last move. */
let lastStop = null;

/** The tables with rows, and which of them the next move starts from. */
function findStop() {
  const all = stops.flatMap(({ current }) => (current?.count ? [current] : []));
  all.sort((a, b) => (a.body.compareDocumentPosition(b.body) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
  const focused = document.activeElement?.closest("[data-row]");
  const own = all.find(({ body }) => body.contains(focused ?? null));
  if (own && focused instanceof HTMLElement) own.active = Number(focused.dataset.row);
  const place = all.findIndex((stop) => stop === (own ?? lastStop));
  return { all, place: Math.max(0, place) };
}

/** @param {1 | -1} by */
function moveRow(by) {
  const { all, place } = findStop();
  let stop = all[place];
  if (!stop) return;
  let index = Math.max(0, stop.active + by);
  const isOut = stop.active + by < 0 || index >= stop.count;
  const other = stop.active === -1 ? undefined : all[place + by];
  if (isOut && other) {
    stop = other;
    index = by === 1 ? 0 : stop.count - 1;
  }
  focusRow(stop, Math.min(index, stop.count - 1));
}

/** @param {Stop} stop @param {number} index */
function focusRow(stop, index) {
  const { body } = stop;
  stop.active = index;
  lastStop = stop;
  const focus = () => {
    const link = body.querySelector(`[data-row="${index}"] a`);
    if (link instanceof HTMLElement) link.focus({ preventScroll: true });
    return Boolean(link);
  };
  const top = body.getBoundingClientRect().top + index * ROW_HEIGHT;
  if (top < 96) scrollBy(0, top - 96);
  else if (top + ROW_HEIGHT > innerHeight) scrollBy(0, top + ROW_HEIGHT + 8 - innerHeight);
  // A row that was off the screen is in the page after the next frame.
  if (!focus()) requestAnimationFrame(() => requestAnimationFrame(focus));
}

/** Opens the row of the last move in a new tab. */
function openTab() {
  const { all, place } = findStop();
  const stop = all[place];
  const target = stop?.addressOfRow(stop.active);
  if (target) open(target, "_blank", "noopener");
}

/**
 * @param {{ current: HTMLElement | null }} body
 * @param {number} count
 * @param {(index: number) => string | undefined} addressOfRow
 */
function useRowKeys(body, count, addressOfRow) {
  const stop = useRef(/** @type {Stop | null} */ (null));
  useLayoutEffect(() => {
    if (stop.current) Object.assign(stop.current, { count, addressOfRow });
    else if (body.current) stop.current = { body: body.current, count, active: -1, addressOfRow };
  });
  useEffect(() => {
    stops.push(stop);
    return () => {
      stops.splice(stops.indexOf(stop), 1);
    };
  }, []);
  useKeys(ROWS, {
    j: { does: "Next row", run: () => moveRow(1) },
    k: { does: "Previous row", run: () => moveRow(-1) },
    o: { does: "Open the row in a new tab", run: openTab },
  });
}

/**
 * @template Row
 * @param {{
 *   label: string, rows: readonly Row[], columns: readonly Column<Row>[], keyOf: (row: Row) => string | number,
 *   hrefOf?: (row: Row) => string, total?: number | undefined, onEnd?: (() => void) | undefined,
 *   classOf?: (row: Row) => string,
 * }} props
 */
export function Table({ label, rows, columns, keyOf, hrefOf, total, onEnd, classOf }) {
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const { first, last } = useWindow(body, rows.length);
  useRowKeys(body, rows.length, (index) => {
    const row = rows[index];
    return row === undefined ? undefined : hrefOf?.(row);
  });
  useEffect(() => {
    if (last >= rows.length && rows.length) onEnd?.();
  }, [last >= rows.length, rows.length]);
  return html`<table class="table" aria-label=${label} aria-rowcount=${(total ?? (onEnd ? -2 : rows.length)) + 1}>
    <thead>
      <tr aria-rowindex="1">
        ${columns.map(
          (column) =>
            html`<th key=${column.title} scope="col" class=${classesOf(column)} style=${widthOf(column)}>${column.title}</th>`,
        )}
      </tr>
    </thead>
    <tbody ref=${body}>
      <${Gap} rows=${first} />
      ${rows.slice(first, last).map(
        (row, index) => html`<${Row} key=${keyOf(row)} row=${row} index=${first + index} columns=${columns}
          href=${hrefOf?.(row)} class=${classOf?.(row) ?? ""} />`,
      )}
      <${Gap} rows=${rows.length - last} />
    </tbody>
  </table>`;
}

/** @param {Column<any>} column */
function classesOf({ align, hide }) {
  return [align === "end" ? "end" : "", hide ? `hide-${hide}` : ""].join(" ").trim();
}

/** @param {Column<any>} column */
function widthOf({ width }) {
  return width ? { "--width": width } : {};
}

/** The room of the rows that are not in the page. @param {{ rows: number }} props */
function Gap({ rows }) {
  if (rows <= 0) return null;
  return html`<tr class="gap" aria-hidden="true"><td style=${{ height: `${rows * ROW_HEIGHT}px` }}></td></tr>`;
}

/**
 * @param {{ row: any, index: number, columns: readonly Column<any>[], href: string | undefined, class: string }} props
 */
function Row({ row, index, columns, href, class: className }) {
  const [head, ...others] = columns;
  if (!head) return null;
  const name = head.cell(row);
  // The whole row can be clicked; the link in it is what the keyboard and assistive technology use.
  const openRow = (/** @type {MouseEvent} */ event) => {
    const isOwn = event.target instanceof Element && event.target.closest("a, button");
    if (href && !isOwn && !event.ctrlKey && !event.metaKey && !getSelection()?.toString()) navigate(href);
  };
  return html`<tr data-row=${index} aria-rowindex=${index + 2} class=${`${className} ${href ? "link" : ""}`} onClick=${openRow}>
    <th scope="row" class=${classesOf(head)}>${href ? html`<a href=${href}>${name}</a>` : name}</th>
    ${others.map((column) => html`<td key=${column.title} class=${classesOf(column)}>${column.cell(row)}</td>`)}
  </tr>`;
}
