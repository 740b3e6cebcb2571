// The AI SDK, the last two of its major versions, with its own transport: an answer that is stored in a channel, and read from there.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import * as six from "ai-6";
import * as seven from "ai";
import { Server } from "./server.mjs";
import { load } from "./simulated.mjs";

const { channel, fromChannel, toChannel } = await load("packages/client/test/entries");

const PATH = "/api/channels/chats/7";
const TEXT = ["Once ", "upon ", "a time ", "there was 一 log."];
let server;

beforeEach(() => (server = new Server()));
afterEach(() => server.close());

const run = (path = PATH) => channel(`https://live.example${path}`, { fetch: server.fetch });
const passed = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** An answer that a test gives word by word. */
function answering({ createUIMessageStream, createUIMessageStreamResponse }, options = {}) {
  const words = [];
  let said = () => {};
  const stream = createUIMessageStream({
    execute: async ({ writer }) => {
      writer.write({ type: "text-start", id: "t" });
      for (;;) {
        while (words.length === 0) await new Promise((resolve) => (said = resolve));
        const word = words.shift();
        if (word === undefined) break;
        writer.write({ type: "text-delta", id: "t", delta: word });
      }
      writer.write({ type: "text-end", id: "t" });
    },
  });
  let work;
  const response = createUIMessageStreamResponse({ stream, consumeSseStream: toChannel(run(), { waitUntil: (promise) => (work = promise), ...options }) });
  return { response, say: (word) => (words.push(word), said()), stored: () => work };
}

const transport = ({ DefaultChatTransport }, options = {}) =>
  new DefaultChatTransport({ api: "https://own.example/api/chat", headers: { Authorization: "Bearer own" }, ...fromChannel((id) => `https://live.example/api/channels/chats/${id}`, { fetch: server.fetch, headers: { Authorization: "Bearer live" }, ...options }) });

const again = (sdk, options) => transport(sdk, options).reconnectToStream({ chatId: "7" });

/** The text of the message that the chunks make. */
async function message({ readUIMessageStream }, stream) {
  let last;
  for await (const message of readUIMessageStream({ stream })) last = message;
  return last?.parts.map(({ text }) => text).join("");
}

for (const [name, sdk] of [["6", six], ["7", seven]]) {
  test(`${name}: an answer is stored in its channel, and read whole while it is under way`, async () => {
    const { response, say, stored } = answering(sdk);
    const own = response.text();
    TEXT.slice(0, 2).forEach(say);
    await passed(80);
    const reading = message(sdk, await again(sdk));
    await passed(20);
    TEXT.slice(2).forEach(say);
    say(undefined);
    await stored();
    assert.equal(await reading, TEXT.join(""));
    assert.match(await own, /\[DONE\]/, "the first reader gets its own answer as ever");
    assert.deepEqual(server.channel(PATH).closed, { reason: "done" });
    const [request] = server.requests.filter(({ method }) => method === "GET");
    assert.equal(request.url.search, "?history=all&events=bare&active=1");
    assert.equal(request.headers.get("Authorization"), "Bearer live", "the token of one's own server goes to that alone");
  });

  test(`${name}: an answer is whole although its stream ends by plan, or breaks, or it is complete meanwhile`, async () => {
    server.retry = 100;
    const { response, say, stored } = answering(sdk);
    void response.text();
    say(TEXT[0]);
    await passed(80);
    const reading = message(sdk, await again(sdk));
    for (const how of ["by plan", "break"]) {
      await passed(30);
      server.cut(how);
      say(TEXT[how === "break" ? 2 : 1]);
      await passed(200);
    }
    server.cut("by plan");
    say(TEXT[3]);
    say(undefined);
    await stored();
    assert.equal(await reading, TEXT.join(""));
  });

  test(`${name}: where no answer is under way, there is none to read, on either host`, async () => {
    for (const isLambda of [false, true]) {
      server.isLambda = isLambda;
      assert.equal(await again(sdk), null, "there never was one");
      await run().append("{}");
      await run().close();
      assert.equal(await again(sdk), null, "it is complete");
      server.channels.clear();
    }
  });

  test(`${name}: an answer that has ended is read, and its end is told, if that is asked for`, async () => {
    for (const isLambda of [false, true]) {
      server.isLambda = isLambda;
      const ends = [];
      const read = () => again(sdk, { ended: true, onEnd: ({ reason }) => ends.push(reason) });
      await run().append(TEXT.map((delta) => ({ type: "text-delta", id: "t", delta })).toSpliced(0, 0, { type: "text-start", id: "t" }));
      await run().close("abandoned");
      assert.equal(await message(sdk, await read()), TEXT.join(""));
      server.channels.clear();
      await run().close("stopped");
      assert.equal(await message(sdk, await read()), undefined, "it ended before its first word");
      assert.deepEqual(ends, ["abandoned", "stopped"]);
      server.channels.clear();
    }
  });

  test(`${name}: a refusal is an error of the SDK, with the words of the server`, async () => {
    server.token = "other";
    await assert.rejects(again(sdk), /it is forbidden/);
  });

  test(`${name}: who stops the channel stops the answer`, async () => {
    const ends = [];
    const { response, say, stored } = answering(sdk, { onStop: (end) => ends.push(end.reason) });
    void response.text();
    say(TEXT[0]);
    await passed(80);
    const reading = message(sdk, await again(sdk));
    await run().close("stopped");
    assert.equal(await reading, TEXT[0]);
    say(TEXT[1]);
    await stored();
    assert.deepEqual(ends, ["stopped"]);
    say(undefined);
  });

  test(`${name}: an answer that cannot be stored is told, and read by its own reader all the same`, async () => {
    server.token = "other";
    const errors = [];
    const { response, say, stored } = answering(sdk, { onError: (error) => errors.push(error.status) });
    [...TEXT, undefined].forEach(say);
    await stored();
    assert.match(await response.text(), /upon/);
    assert.deepEqual(errors, [403]);
  });

  test(`${name}: a reader that leaves closes its stream`, async () => {
    const { response, say, stored } = answering(sdk);
    void response.text();
    say(TEXT[0]);
    await passed(80);
    const stream = await again(sdk);
    await stream.getReader().read();
    assert.equal(server.channel(PATH).readers.size, 1);
    await (await again(sdk)).cancel();
    await passed(20);
    assert.equal(server.channel(PATH).readers.size, 1);
    say(undefined);
    await stored();
  });

  test(`${name}: messages are sent as ever`, async () => {
    const sent = [];
    const post = async (url, init) => {
      sent.push([url, init.method]);
      return new Response('data: {"type":"start"}\n\ndata: [DONE]\n\n');
    };
    const stream = await transport(sdk, { fetch: post }).sendMessages({ chatId: "7", messages: [], trigger: "submit-message" });
    assert.deepEqual((await stream.getReader().read()).value, { type: "start" });
    assert.deepEqual(sent, [["https://own.example/api/chat", "POST"]]);
  });
}
