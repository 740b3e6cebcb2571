// The client by `fetch`, as a backend has it, against a real host.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { load } from "../../packages/client/test/simulated.mjs";
import { startHost } from "./hosts.mjs";
import { token } from "./token.mjs";

const { read, RefusedError } = await load("packages/client/src/index");

let host;
before(async () => (host = await startHost()));
after(() => host?.close());

const texts = (told) => told.map(({ data }) => JSON.parse(data).text);

test("a loop outlives its server, and gets each message once", { timeout: 120_000 }, async () => {
  const told = [];
  let changed = () => {};
  const loop = async () => {
    for await (const entry of read(`${host.base}/api/chat/read?history=10`)) {
      told.push(entry);
      changed();
      if (JSON.parse(entry.data).text === "last") return;
    }
  };
  await host.say("kept", { room: "read" });
  const reading = loop();
  while (told.length < 1) await new Promise((resolve) => (changed = resolve));
  await host.say("live", { room: "read" });
  await host.restart();
  await host.say("after", { room: "read" });
  await host.say("last", { room: "read" });
  await reading;
  assert.deepEqual(texts(told), ["kept", "live", "after", "last"]);
  const resumed = read(`${host.base}/api/chat/read`, { cursor: told[1].id });
  assert.deepEqual([(await resumed.next()).value, (await resumed.next()).value], told.slice(2));
  await resumed.return();
});

test("a token is sent as a header, and a bad one is a refusal with the server's words", async () => {
  const entries = read(`${host.base}/api/events?tick=250`, { headers: () => ({ Authorization: `Bearer ${token()}` }) });
  assert.equal(JSON.parse((await entries.next()).value.data).type, "tick");
  await entries.return();
  const refused = read(`${host.base}/api/events`, { headers: { Authorization: "Bearer nonsense" } });
  await assert.rejects(refused.next(), (error) => {
    assert.ok(error instanceof RefusedError);
    assert.deepEqual([error.status, error.kind], [401, "unauthorized"]);
    assert.match(error.message, /token/);
    return true;
  });
});
