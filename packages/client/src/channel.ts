/** A channel to write to. */
import type { Appended, AppendOptions } from "./append.js";
import { checkEvent, checkKey, type Draft, draft, REQUEST_BYTES, REQUEST_ENTRIES } from "./draft.js";
import { Pipe, type Piped, type PipeOptions, type Send } from "./pipe.js";
import { text } from "./problem.js";
import { newId } from "./random.js";
import { request } from "./request.js";
import { piecesOf, type Source } from "./source.js";

/** How a channel is asked. */
export interface ChannelOptions {
  /** A token that may publish to the channel. A function is called for each request, so it can give a new one. */
  readonly token?: string | (() => string | Promise<string>);
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof fetch;
}

export class ChannelWriter {
  readonly #url: URL;
  readonly #options: ChannelOptions;

  constructor(url: URL, options: ChannelOptions) {
    this.#url = url;
    this.#options = options;
  }

  /**
   * Appends an entry, or all entries of an array in one step. A text is sent as it is, any other value as JSON. What may
   * have failed by accident is repeated for up to a minute, and stored once.
   *
   * Throws a `RangeError` if an entry or the request is too long, a `RefusedError` if the server refuses it, what `fetch`
   * throws if there is no answer, and the reason of the signal when that is aborted.
   */
  async append(data: unknown, options: AppendOptions = {}): Promise<Appended> {
    const all: unknown[] = Array.isArray(data) ? data : [data];
    return this.send(all.map((data) => draft(data, options.event)), options);
  }

  /** @internal Appends entries that are ready to be sent. */
  async send(drafts: readonly Draft[], options: AppendOptions): Promise<Appended> {
    const bytes = drafts.reduce((sum, draft) => sum + draft.bytes, 0);
    if (bytes > REQUEST_BYTES) throw new RangeError(`a request has ${bytes} bytes, and may have ${REQUEST_BYTES} at most`);
    if (drafts.length > REQUEST_ENTRIES) {
      throw new RangeError(`a request has ${drafts.length} entries, and may have ${REQUEST_ENTRIES} at most`);
    }
    const { key, lease, keep, close, reason, ifMatch, ifNoneMatch, signal } = options;
    const url = new URL(this.#url);
    const given = { key: key && checkKey(key), lease, keep, close: close && 1, reason };
    for (const [name, value] of Object.entries(given)) if (value) url.searchParams.set(name, String(value));
    const headers = {
      "Content-Type": "text/event-stream",
      "Idempotency-Key": options.idempotencyKey ?? newId(),
      ...(ifMatch !== undefined && { "If-Match": `"${ifMatch}"` }),
      ...(ifNoneMatch && { "If-None-Match": ifNoneMatch }),
    };
    const body = drafts.map(({ block }) => block).join("");
    const answer = await this.#request("POST", url, headers, body, signal);
    const { first, last, count } = answer.members;
    return {
      first: text(first),
      last: text(last) ?? "",
      count: typeof count === "number" ? count : drafts.length,
      replayed: answer.headers.get("Idempotent-Replayed") === "true",
    };
  }

  /**
   * Appends what comes from a source until that ends, and closes the channel then: with the reason `done`, or with
   * `failed` when the source throws. A text of the source becomes an entry as it is, bytes are those of a text, and any
   * other value is sent as JSON. A `Response` that is a stream of events gives its events; a name that an event of a
   * channel may not have is left out.
   *
   * Throws what the source throws; a `RangeError` if an entry is too long; and what `append` throws.
   */
  async pipe(source: Source, options: PipeOptions = {}): Promise<Piped> {
    // A mistake of the program is not to close the channel.
    if (options.event) checkEvent(options.event);
    if (options.key) checkKey(options.key);
    const send: Send = (drafts, options) => this.send(drafts, options);
    return new Pipe(piecesOf(source, options.event), send, options).run();
  }

  /**
   * Closes the channel for good: its readers are told, and whoever appends to it is refused. It takes the grant `publish`
   * or `close`. Fails as `append`.
   */
  close(reason = "done", { signal }: { readonly signal?: AbortSignal } = {}): Promise<Appended> {
    return this.send([], { close: true, reason, ...(signal && { signal }) });
  }

  /** Deletes all entries at once. Readers are told that the channel has ended. Fails as `append`. */
  async delete({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#request("DELETE", this.#url, {}, undefined, signal);
  }

  #request(
    method: string,
    url: URL,
    headers: Record<string, string>,
    body: string | undefined,
    signal: AbortSignal | undefined,
  ) {
    const { token, fetch = globalThis.fetch } = this.#options;
    const init = async () => {
      const bearer = typeof token === "function" ? await token() : token;
      const sent = { ...headers, ...(bearer && { Authorization: `Bearer ${bearer}` }) };
      return { method, headers: sent, ...(body !== undefined && { body }) };
    };
    return request({ url, init, fetch, signal });
  }
}
