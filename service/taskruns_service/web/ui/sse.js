/**
 * Reads server-sent events from bytes, as the HTML standard has it: lines end with CR, LF or CRLF, wherever the bytes
 * are cut. Pure, tested in Node.
 *
 * @typedef {{ type: string, data: string, id: string }} ServerEvent
 */

export class EventParser {
  #decoder = new TextDecoder();
  #line = "";
  #endedWithCr = false;
  #type = "";
  /** @type {string[]} */
  #data = [];
  #id;

  /**
   * @param {(event: ServerEvent) => void} onEvent gets each event that has data
   * @param {string} [lastEventId] where the stream begins
   */
  constructor(onEvent, lastEventId = "") {
    this.onEvent = onEvent;
    this.lastEventId = lastEventId;
    this.#id = lastEventId;
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (!text) return;
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text ? text.endsWith("\r") : false;
    const lines = text.split(/\r\n|\r|\n/);
    for (const [index, part] of lines.entries()) {
      if (index > 0) {
        const line = this.#line;
        this.#line = "";
        this.#take(line);
      }
      this.#line += part;
    }
  }

  /** @param {string} line */
  #take(line) {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#type = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }

  #dispatch() {
    // An id counts once its event is complete: a stream that was cut before that sends the event again.
    this.lastEventId = this.#id;
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id };
    const isEvent = this.#data.length > 0;
    this.#type = "";
    this.#data = [];
    if (isEvent) this.onEvent(event);
  }
}
