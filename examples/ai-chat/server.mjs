// A chat whose answers cannot be lost. The questions of a user are a channel, and each answer is a channel of its own.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { convertToModelMessages, JsonToSseTransformStream, simulateReadableStream, streamText, toUIMessageStream } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { build } from "esbuild";
import { toChannel } from "ssedge/ai";
import { channel, mint } from "ssedge/publish";

const { SSEDGE = "http://127.0.0.1:8787", AUTH_SECRET, PORT = "3000", LEASE = "10", CHUNK_MS = "5" } = process.env;
/** After so many seconds of silence from this process, an answer counts as abandoned. */
const lease = Number(LEASE);

/** A model that needs no key: it counts to 2000. A real one is: `const model = "anthropic/claude-sonnet-4.5";` */
const model = new MockLanguageModelV4({
  doStream: async () => {
    const words = Array.from({ length: 2000 }, (_, index) => ({ type: "text-delta", id: "1", delta: `${index + 1} ` }));
    const end = { type: "finish", finishReason: { unified: "stop" }, usage: { inputTokens: {}, outputTokens: {} } };
    const chunks = [{ type: "text-start", id: "1" }, ...words, { type: "text-end", id: "1" }, end];
    return { stream: simulateReadableStream({ chunks, initialDelayInMs: 0, chunkDelayInMs: Number(CHUNK_MS) }) };
  },
});

/** A token with these grants, for ten minutes. */
const token = (grants) => mint({ exp: Math.floor(Date.now() / 1000) + 600, ...grants }, AUTH_SECRET);
const own = { token: () => token({ publish: ["channels/chats/*"] }) };
const questionsOf = (user) => `${SSEDGE}/api/channels/chats/${user}`;

/** Stores the question, and begins the answer. Nobody waits for its end: the page reads it from the channel. */
async function ask(user, messages) {
  const question = messages.at(-1);
  if (!/^\w{1,64}$/.test(question.id)) throw new Error("the id of a question has letters and digits only");
  const answer = channel(`${questionsOf(user)}/${question.id}`, own);
  // The lease comes first: from the moment that a page may see the question, its answer has an end.
  await answer.append([], { lease });
  const { replayed } = await channel(questionsOf(user), own).append(question, { idempotencyKey: question.id });
  if (replayed) return;
  const stop = new AbortController();
  const { stream } = streamText({ model, messages: await convertToModelMessages(messages), abortSignal: stop.signal });
  const store = toChannel(answer, { lease, onStop: () => stop.abort() });
  store({ stream: toUIMessageStream({ stream }).pipeThrough(new JsonToSseTransformStream()) });
}

const page = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>Chat</title><main></main><script type="module" src="/page.js"></script></html>';
const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("page.jsx", import.meta.url))],
  bundle: true,
  format: "esm",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  write: false,
});

const server = createServer(async (request, response) => {
  const send = (status, type, body) => response.writeHead(status, { "Content-Type": `${type}; charset=utf-8` }).end(body);
  try {
    // Who is logged in, your own session says.
    const user = "ada";
    if (request.url === "/page.js") return send(200, "text/javascript", outputFiles[0].text);
    if (request.url === "/session") {
      const answers = `channels/chats/${user}/*`;
      const grants = { sub: user, subscribe: [`channels/chats/${user}`, answers], close: [answers] };
      return send(200, "application/json", JSON.stringify({ url: questionsOf(user), token: await token(grants) }));
    }
    if (request.url === "/ask" && request.method === "POST") {
      await ask(user, await json(request));
      return send(202, "text/plain", "The answer comes in its channel.");
    }
    return send(200, "text/html", page);
  } catch (error) {
    return send(error.status ?? 500, "text/plain", error.message);
  }
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
