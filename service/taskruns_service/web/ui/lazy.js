/**
 * Components whose modules are loaded when they are drawn, so that the rest of a page need not wait for them:
 *
 *     const Logs = lazy(() => import("./logs.js").then((module) => module.Logs));
 */

import { loadModule } from "./api.js";
import { Loading } from "./parts.js";
import { html, useEffect, useState } from "./preact.js";

/** @typedef {(props: any) => unknown} AnyComponent */

/** @type {(() => Promise<unknown>)[]} What loads the modules of all of them. */
export const loaders = [];

/**
 * A component that stands for one of a module until that is here. Nothing is loaded before its property `isReady`.
 * @param {() => Promise<AnyComponent>} load
 * @param {AnyComponent} [waiting] what is shown until then
 * @returns {AnyComponent}
 */
export function lazy(load, waiting = Loading) {
  loaders.push(load);
  return function Lazy({ isReady = true, ...props }) {
    const [state, setState] = useState(/** @type {{ component?: AnyComponent, error?: Error }} */ ({}));
    useEffect(() => {
      if (isReady) loadModule(load).then((component) => setState({ component }), (error) => setState({ error }));
    }, [isReady]);
    if (state.error) throw state.error; // main.js says that the page failed
    return html`<${state.component ?? waiting} ...${props} />`;
  };
}
