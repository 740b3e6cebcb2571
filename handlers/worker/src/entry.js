// The module that Cloudflare runs. It hands requests and the events of a channel to the code that wasm-bindgen wrote
// around the Worker's wasm.
//
// A panic ends its instance of the wasm, and the next call starts a fresh one: the crate `worker` asks wasm-bindgen for
// that. Objects of the old instance are of no use to the new one, so a channel makes its object again.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "./index.js";

// The platform's own takes twenty times as long, and each Rust future that goes on is one.
globalThis.queueMicrotask = (task) => void Promise.resolve().then(task);

/** Counts the instances of the wasm, of which there is one at a time. As any call, this one replaces one that has ended. */
const instance = () => wasm.__worker_init_state().instanceId;

export default class extends WorkerEntrypoint {
  fetch(request) {
    const response = wasm.fetch(request, this.env, this.ctx);
    // The request goes on when its client has left: a Rust future that is not polled again is never freed.
    this.ctx.waitUntil(response);
    return response;
  }
}

export class Channel extends DurableObject {
  #instance;
  #object;

  constructor(ctx, env) {
    super(ctx, env);
    this.#live();
  }

  /** The object in the current instance of the wasm. */
  #live() {
    const current = instance();
    if (this.#instance !== current) {
      this.#object = new wasm.Channel(this.ctx, this.env);
      this.#instance = current;
    }
    return this.#object;
  }

  fetch(request) {
    return this.#live().fetch(request);
  }

  ask(version, question) {
    return this.#live().ask(version, question);
  }

  alarm() {
    return this.#live().alarm();
  }

  webSocketMessage(socket, message) {
    return this.#live().webSocketMessage(socket, message);
  }

  webSocketClose(socket, code, reason, wasClean) {
    return this.#live().webSocketClose(socket, code, reason, wasClean);
  }

  webSocketError(socket, error) {
    return this.#live().webSocketError(socket, error);
  }
}
