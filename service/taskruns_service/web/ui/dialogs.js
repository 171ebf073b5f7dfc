/** The dialogs that lie over all pages: the API key, the search, and the help. */

import { setKeyDialog } from "./api.js";
import { currentKeys, useKeys } from "./keyboard.js";
import { missingKey } from "./parts.js";
import { html, signal, useEffect, useRef, useState } from "./preact.js";
import { SearchBox } from "./search.js";
import { ROWS } from "./table.js";
import { announce, hasDeclined, keepKey, key, root, shortcuts } from "./store.js";

/** What is open: the key dialog because a request needs a key, or because the reader wants it; another; or nothing. */
export const openDialog = signal(/** @type {"key" | "search" | "help" | null} */ (null));
const isKeyMissing = signal(false);

/** @type {((hasKey: boolean) => void)[]} Requests that wait for a key. */
const waiting = [];

setKeyDialog(() => {
  isKeyMissing.value = true;
  openDialog.value = "key";
  return new Promise((resolve) => {
    waiting.push(resolve);
  });
});

/**
 * A dialog that holds the focus until it is closed.
 * @param {{ title: string, onClose: () => void, children: unknown }} props
 */
function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    dialog.current?.showModal();
    return () => dialog.current?.close();
  }, []);
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${onClose}>
    <header><h2 id="dialog-title">${title}</h2>
      <button class="icon" aria-label="Close" onClick=${() => dialog.current?.close()}>
        <svg class="shape" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path class="line" d="M4 4l8 8M12 4l-8 8" /></svg>
      </button>
    </header>
    ${children}
  </dialog>`;
}

/**
 * Whether the service takes a key. A flow run list of one row is the cheapest question that needs one.
 * @param {string} value
 */
async function refusalOf(value) {
  try {
    const headers = { Authorization: `Bearer ${value}` };
    const response = await fetch(`${root}/flow-runs?limit=1`, { headers, cache: "no-store" });
    if (response.status === 401) return "The service does not know this key, or it was revoked.";
    return response.status === 403 ? "This key does not allow reading." : null;
  } catch {
    return "The service does not answer.";
  }
}

function KeyDialog() {
  const [error, setError] = useState("");
  const close = () => {
    openDialog.value = null;
    hasDeclined.value = isKeyMissing.value;
    for (const resolve of waiting.splice(0)) resolve(false);
  };
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const data = new FormData(form);
    const value = String(data.get("key")).trim();
    // Headers hold no other characters, and keys have none.
    const refusal = /^[\x21-\x7e]+$/.test(value) ? await refusalOf(value) : "This is not a key.";
    if (refusal) {
      setError(refusal);
      form.querySelector("input")?.focus();
      return;
    }
    keepKey(value, data.has("remember"));
    isKeyMissing.value = false;
    for (const resolve of waiting.splice(0)) resolve(true);
    close();
  };
  const forget = () => {
    keepKey("", false);
    announce("The key is forgotten.");
    close();
    location.reload();
  };
  return html`<${Dialog} title="API key" onClose=${close}>
    <form onSubmit=${submit}>
      <p>${isKeyMissing.value ? `${missingKey()} A key with the scope “read” is enough.` : "The key that this page sends with its requests."}</p>
      <label>Key <input name="key" type="password" autocomplete="off" spellcheck=${false} required autofocus
        aria-invalid=${Boolean(error)} aria-describedby="key-error" /></label>
      <label class="check"><input name="remember" type="checkbox" /> Remember on this device</label>
      <p id="key-error" role="alert" class="error">${error}</p>
      <footer>
        ${key.value && html`<button type="button" onClick=${forget}>Forget the key</button>`}
        <button class="primary">Use the key</button>
      </footer>
    </form>
  <//>`;
}

function SearchDialog() {
  const close = () => {
    openDialog.value = null;
  };
  return html`<${Dialog} title="Search" onClose=${close}><${SearchBox} isFocused onOpen=${close} /><//>`;
}

const KEY_NAMES = /** @type {{ [key: string]: string }} */ ({ Escape: "Esc", ArrowLeft: "←", ArrowRight: "→" });

/** @param {{ name: string, does: string }} props */
function KeyRow({ name, does }) {
  return html`<div><dt><kbd>${KEY_NAMES[name] ?? name}</kbd></dt><dd>${does}</dd></div>`;
}

function HelpDialog() {
  const close = () => {
    openDialog.value = null;
  };
  return html`<${Dialog} title="Help" onClose=${close}>
    <div class="keys">${currentKeys().map(([subject, keys]) => html`<section key=${subject}>
      <h3>${subject}</h3>
      <dl>${keys.map(([name, { does }]) => html`<${KeyRow} key=${name} name=${name} does=${does} />`)}
        ${subject === ROWS && html`<${KeyRow} name="Enter" does="Open the row that has the focus" />`}</dl>
    </section>`)}</div>
    <label class="check"><input type="checkbox" checked=${shortcuts.value === "on"} onChange=${() => {
      shortcuts.value = shortcuts.value === "on" ? "off" : "on";
    }} /> Use single keys</label>
    <p class="muted">Every filter, sort and selection is in the address of the page: copy it to share what you see. The
      pages change nothing. Their data is that of the <a href=${`${root}/docs`} data-native>API</a>.</p>
  <//>`;
}

/** The dialog that is open, and the keys that open one. */
export function Dialogs() {
  useKeys("Everywhere", {
    "?": {
      does: "Show this help",
      run: () => {
        openDialog.value = "help";
      },
    },
    "/": {
      does: "Search",
      run: () => {
        openDialog.value = "search";
      },
    },
  });
  if (openDialog.value === "key") return html`<${KeyDialog} />`;
  if (openDialog.value === "search") return html`<${SearchDialog} />`;
  return openDialog.value === "help" ? html`<${HelpDialog} />` : null;
}
