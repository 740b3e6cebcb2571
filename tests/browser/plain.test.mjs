// The simplest tutorial's client: `onmessage` of a plain EventSource.
import assert from "node:assert/strict";
import { test } from "node:test";
import { suite } from "./suite.mjs";

const the = suite();

/** The first message of a feed whose data has these words; fails with what came instead. */
const message = (page, url, wanted = "") =>
  page.evaluate(
    ([url, wanted]) =>
      new Promise((resolve, reject) => {
        const source = new EventSource(url);
        const others = [];
        const stop = () => reject(new Error(`${url} is in state ${source.readyState} and brought ${others}`));
        const timer = setTimeout(stop, 60_000);
        source.onmessage = ({ data, type, lastEventId }) => {
          if (!data.includes(wanted)) return void others.push(data);
          clearTimeout(timer);
          source.close();
          resolve({ data: JSON.parse(data), type, lastEventId });
        };
      }),
    [url, wanted],
  );

test("events: ticks", async () => {
  const page = await the.open();
  const { data } = await message(page, "/api/events");
  assert.equal(data.type, "tick");
});

test("events: notifications", async () => {
  const page = await the.open();
  const awaited = message(page, "/api/events?history=100", "for everybody");
  const id = await the.host.notify({ text: "for everybody" }, { topic: "plain" });
  const { data, type, lastEventId } = await awaited;
  assert.deepEqual([data.type, data.topic, data.data], ["notification", "plain", { text: "for everybody" }]);
  assert.deepEqual([type, lastEventId], ["message", id]);
});

test("stock", async () => {
  const page = await the.open();
  const { data } = await message(page, "/api/stock");
  assert.equal(typeof data.price, "number");
});

test("chat", async () => {
  const id = await the.host.say("hello, tutorial");
  const page = await the.open();
  const { data, lastEventId } = await message(page, "/api/chat");
  assert.equal(data.text, "hello, tutorial");
  assert.equal(lastEventId, id);
});
