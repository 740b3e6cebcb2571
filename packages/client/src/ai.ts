/**
 * The entry `ssedge/ai`: each answer of a model is a channel, for the AI SDK (npm `ai`, from version 6 on). A reload, a
 * second tab or a phone goes on where the answer is.
 *
 * ```ts
 * // On the server, which answers the chat:
 * const run = channel(`https://live.example/api/channels/chats/${id}/${runId}`, { token });
 * return result.toUIMessageStreamResponse({ consumeSseStream: toChannel(run, { lease: 30 }) });
 *
 * // In the page:
 * const transport = new DefaultChatTransport({ ...fromChannel((id) => urlOfRun(id)) });
 * useChat({ id, transport, resume: true });
 * ```
 */
import type { ChannelWriter } from "./channel.js";
import { encode } from "./draft.js";
import { endOfAnswer } from "./end.js";
import type { PipeOptions } from "./pipe.js";
import { membersOf } from "./problem.js";
import { follow } from "./read.js";
import type { HeadersGiven, RequestOptions } from "./stream.js";
import type { End } from "./types.js";

export interface ToChannelOptions extends PipeOptions {
  /** Keeps the program alive until the answer is stored: `waitUntil` of a Worker, or `after` of Next.js. */
  readonly waitUntil?: (work: Promise<unknown>) => void;
  /** The answer could not be stored, or the model failed. By default this is written to the console. */
  readonly onError?: (error: unknown) => void;
}

/**
 * What the SDK takes as `consumeSseStream`: it stores a copy of the answer in the channel, and closes that at the end.
 *
 * When somebody closes the channel, `onStop` is called. Stop the model there: the SDK goes on for as long as its own
 * answer is read.
 */
export function toChannel(channel: ChannelWriter, options: ToChannelOptions = {}) {
  const { waitUntil, onError = console.error, ...piped } = options;
  return ({ stream }: { readonly stream: ReadableStream<string> }): Promise<void> => {
    const body = stream.pipeThrough(new TextEncoderStream() as unknown as ReadableWritablePair<Uint8Array, string>);
    const answer = new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, { headers: { "Content-Type": "text/event-stream" } });
    // The SDK does not wait for this, so it may not fail.
    const work = channel.pipe(answer, piped).then(() => {}, onError);
    waitUntil?.(work);
    return work;
  };
}

/** How the page asks for a channel. */
export interface FromChannelOptions extends Omit<RequestOptions, "signal"> {
  /** Whether an answer is found that has ended, too. The default is `false`: only one that is under way. */
  readonly ended?: boolean;
  /** The answer has ended. Its reason says how: for example `done`, `stopped` or `abandoned`. */
  readonly onEnd?: (end: End) => void;
}

/** What `DefaultChatTransport` takes, so that it finds an answer that is under way, and follows it to its end. */
export interface FromChannel {
  readonly prepareReconnectToStreamRequest: (chat: { readonly id: string }) => Promise<{
    readonly api: string;
    readonly headers: HeadersGiven;
    readonly credentials?: "include" | "omit" | "same-origin";
  }>;
  readonly fetch: typeof fetch;
}

/**
 * `url` says, for the id of a chat, which channel has the answer that may be under way. The headers of the transport are
 * not sent there: they are for your own server.
 */
export function fromChannel(url: (id: string) => string | URL, options: FromChannelOptions = {}): FromChannel {
  const { headers, credentials, ended = false } = options;
  const ask: typeof fetch = (input, init) => (options.fetch ?? globalThis.fetch).call(globalThis, input, init);
  return {
    async prepareReconnectToStreamRequest({ id }) {
      const api = new URL(url(id), globalThis.location?.href);
      // All of the answer, without events that the SDK does not know.
      const query = { history: "all", events: "bare", ...(!ended && { active: "1" }) };
      for (const [name, value] of Object.entries(query)) api.searchParams.set(name, value);
      const sent = typeof headers === "function" ? await headers() : headers;
      return { api: api.href, headers: sent ?? {}, ...(credentials && { credentials }) };
    },
    // The transport sends messages by POST, and asks for an answer by GET.
    fetch: async (input, init) => {
      const answer = await ask(input, init);
      if (init?.method !== "GET") return answer;
      const all = () => whole(new URL(String(input)), answer, { ...options, fetch: ask }, init.signal);
      // One that ended before its first word is followed, too: its end is told.
      if (ended && (answer.status === 204 || answer.status === 410)) return all();
      // The SDK takes a 204 for "nothing is under way". A host that cannot answer without a body says so by a 410.
      if (answer.status === 410 && endOfAnswer(410, await membersOf(answer.clone()))) return new Response(null, { status: 204 });
      if (answer.status !== 200) return answer;
      return all();
    },
  };
}

/** The whole answer of a model, although the stream that brings it may end before, or break. */
function whole(feed: URL, first: Response, options: FromChannelOptions, signal: AbortSignal | null | undefined): Response {
  // When the answer is complete by the time that the next stream is opened, the rest of it is wanted all the same.
  feed.searchParams.delete("active");
  const left = new AbortController();
  const leave = () => left.abort(signal?.reason);
  if (signal?.aborted) leave();
  signal?.addEventListener("abort", leave);
  const entries = follow(feed, { ...options, signal: left.signal }, first);
  const utf8 = new TextEncoder();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { value, done } = await entries.next();
      if (!done) return controller.enqueue(utf8.encode(encode(value.data)));
      signal?.removeEventListener("abort", leave);
      controller.close();
    },
    cancel: leave,
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}
