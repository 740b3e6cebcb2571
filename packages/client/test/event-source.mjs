// An `EventSource` that does what a test says.
import { beforeEach } from "node:test";

/** Every one that was opened, oldest first. */
export const sources = [];

class Source extends EventTarget {
  static CLOSED = 2;
  readyState = 0;
  openedAt = Date.now();

  constructor(url) {
    super();
    this.url = String(url);
    sources.push(this);
  }

  close() {
    this.readyState = 2;
  }

  /** The server begins the stream. */
  begin() {
    this.readyState = 1;
    this.onopen(new Event("open"));
    this.send("cursor", '{"cursor":"5","heartbeat_secs":15}', "5");
  }

  send(event, data, lastEventId) {
    this.dispatchEvent(new MessageEvent(event, { data, lastEventId }));
  }

  /** The connection breaks, and the browser tries again, unless it gives up. */
  fail({ givesUp = false } = {}) {
    this.readyState = givesUp ? 2 : 0;
    this.onerror(new Event("error"));
  }
}

/** Replaces the global `EventSource` in the tests of one file. */
export function simulateSources() {
  beforeEach(() => {
    sources.length = 0;
    globalThis.EventSource = Source;
  });
}
