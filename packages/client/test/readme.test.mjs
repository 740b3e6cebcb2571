// The examples of the README, run as they stand there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { runText } from "./simulated.mjs";
import { simulateSources, sources } from "./event-source.mjs";
import { Server } from "./server.mjs";

const examples = readFileSync("packages/client/README.md", "utf8").split("```js\n").slice(1).map((rest) => rest.split("```")[0]);

simulateSources();
const { fetch } = globalThis;
let server;
/** What the examples show. */
let told;

beforeEach(() => {
  server = new Server();
  told = [];
  const tell = (value) => void told.push(value);
  Object.assign(globalThis, { show: tell, note: tell, badge: tell, token: "t", secret: "0123456789abcdef0123456789abcdef" });
  globalThis.fetch = server.fetch;
});
afterEach(() => {
  globalThis.fetch = fetch;
  server.close();
});

/** Runs the one example that has this text. */
async function run(text) {
  const [example, ...more] = examples.filter((example) => example.includes(text));
  assert.ok(example && more.length === 0, `one example has ${text}`);
  return runText(example);
}

test("there are no other examples than those that are run here", () => assert.equal(examples.length, 6));

test("read in a browser", async () => {
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const page = new EventTarget();
  globalThis.addEventListener ??= page.addEventListener.bind(page);
  globalThis.location = new URL("https://a.example");
  await run("subscribe(");
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual([told, sources.length], [["closed"], 0], "it is closed before it connects");
});

test("read on a server", async () => {
  const orders = server.channel("/api/channels/orders");
  orders.append([{ data: "a" }, { data: "b" }]);
  orders.close("done");
  await run("of read(");
  assert.deepEqual(told, ["a", "b"]);
  server.token = "other";
  told.length = 0;
  await run("of read(");
  assert.deepEqual(told, ["403: it is forbidden"]);
});

test("write", async () => {
  await run("run.append(");
  const { entries, closed } = server.channel("/api/channels/run/42");
  assert.deepEqual(entries.map(({ event, data }) => [event, data]), [[undefined, '{"type":"started"}'], ["word", "a"], ["word", "b"]]);
  assert.deepEqual([closed, told], [{ reason: "done" }, ["done"]]);
});

test("pipe the answer of a model", async () => {
  const model = () => new Response("data: a\n\ndata: b\n\n", { headers: { "Content-Type": "text/event-stream" } });
  globalThis.fetch = async (url, init) => (String(url).includes("model.example") ? model() : server.fetch(url, init));
  await run("run.pipe(");
  assert.deepEqual([server.data("/api/channels/run/43"), told], [["a", "b"], ["2 entries"]]);
  server.channel("/api/channels/run/43").closed.reason = "stopped";
  await run("run.pipe(");
  assert.equal(told.at(-1), "stopped: stopped");
});

test("with the AI SDK, an answer is stored, and read while it is under way", async () => {
  const { answer } = await run("createUIMessageStreamResponse");
  const { transport } = await run("DefaultChatTransport");
  let controller;
  const stream = new ReadableStream({ start: (it) => (controller = it) });
  const model = new AbortController();
  const response = answer({ id: "7" }, stream, model);
  controller.enqueue({ type: "start" });
  await new Promise((resolve) => setTimeout(resolve, 80));
  const reader = (await transport.reconnectToStream({ chatId: "7" })).getReader();
  assert.deepEqual((await reader.read()).value, { type: "start" });
  server.channel("/api/channels/chats/7").close("stopped");
  controller.enqueue({ type: "finish" });
  controller.close();
  assert.match(await response.text(), /finish/);
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.deepEqual([model.signal.aborted, (await reader.read()).done], [true, true]);
});
