// The simplest tutorial's client: `onmessage` of a plain EventSource.
import assert from "node:assert/strict";
import { test } from "node:test";
import { suite } from "./suite.mjs";

const the = suite();

const firstMessage = (page, url) =>
  page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const source = new EventSource(url);
        source.onmessage = ({ data, type, lastEventId }) => {
          source.close();
          resolve({ data: JSON.parse(data), type, lastEventId });
        };
      }),
    url,
  );

test("events", async () => {
  const page = await the.open();
  const { data } = await firstMessage(page, "/api/events");
  assert.equal(data.type, "tick");
});

test("stock", async () => {
  const page = await the.open();
  const { data } = await firstMessage(page, "/api/stock");
  assert.equal(typeof data.price, "number");
});

test("chat", async () => {
  const id = await the.host.say("hello, tutorial");
  const page = await the.open();
  const { data, lastEventId } = await firstMessage(page, "/api/chat");
  assert.equal(data.text, "hello, tutorial");
  assert.equal(lastEventId, id);
});
