// Serves the built Worker for tests that break things, inside a module that can look at a channel and crash it.
// The first line of standard input is that of xtask/serve.mjs. Each further one is a command,
// {"do": "evict", "channel": "chat/lobby", "webSockets": "close"}; each line of standard output is the answer to one,
// {"ok": value} or {"error": text}. The first says {"ok": port}.
import { lines, settings } from "../../xtask/input.mjs";
import { name, serve } from "../../xtask/miniflare.mjs";

const around = (main) => `
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import Worker, { Channel as Real } from ${JSON.stringify(main)};

// All live as long as the isolate, which outlives every object in it.
const instances = new Map();
const timers = new Set();
const stalls = new Map();
// What passes between the Worker and its channels as if it were of another version: "commands" or "messages".
let differing;

// Large chunks for readers: those that are in a buffer as it came from a channel, and copies.
const received = new WeakSet();
const chunks = { passed: 0, copied: 0 };
const LARGE = 4096;
const remember = (value) => (value instanceof ArrayBuffer && received.add(value), value);
const { arrayBuffer } = Response.prototype;
Response.prototype.arrayBuffer = async function () { return remember(await arrayBuffer.call(this)); };
// The next stream is cut off as it is opened.
let cutsOff = false;
// What comes for a hub is written to one stream, its owner, and to no other.
let forbids = false;
let written;
const NOBODY = {};
const { addEventListener } = EventTarget.prototype;
WebSocket.prototype.addEventListener = function (type, ...rest) {
  if (cutsOff) return;
  if (type === "message") {
    addEventListener.call(this, type, (event) => {
      remember(event.data);
      written = NOBODY;
      queueMicrotask(() => (written = undefined));
    });
  }
  addEventListener.call(this, type, ...rest);
};
const { enqueue } = ReadableStreamDefaultController.prototype;
ReadableStreamDefaultController.prototype.enqueue = function (chunk) {
  if (written === NOBODY) written = this;
  if (forbids && written && written !== this) throw new Error("Cannot perform I/O on behalf of a different request.");
  if (chunk.byteLength > LARGE) chunks[received.has(chunk.buffer) ? "passed" : "copied"] += 1;
  return enqueue.call(this, chunk);
};

const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (message) {
  if (differing !== "messages" || !(message instanceof ArrayBuffer)) return send.call(this, message);
  const other = new Uint8Array(message.slice(0));
  other[0] += 1;
  send.call(this, other.buffer);
};

const { setTimeout, clearTimeout } = globalThis;
// Shorter ones are over soon, or end with the object that a test crashes.
const COUNTED_MS = 150;
globalThis.setTimeout = (callback, ...rest) => {
  if (cutsOff) return 0;
  if (!(rest[0] > COUNTED_MS)) return setTimeout(callback, ...rest);
  const timer = Number(setTimeout((...values) => (timers.delete(timer), callback(...values)), ...rest));
  timers.add(timer);
  return timer;
};
globalThis.clearTimeout = (timer) => (timers.delete(timer), clearTimeout(timer));

export class Channel extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.real = new Real(ctx, env);
    const id = ctx.id.toString();
    instances.set(id, (instances.get(id) ?? 0) + 1);
    const stall = stalls.get(id);
    if (stall) ctx.blockConcurrencyWhile(() => scheduler.wait(stall));
    stalls.delete(id);
  }
  fetch(request) {
    if (differing !== "commands") return this.real.fetch(request);
    const url = new URL(request.url);
    url.pathname += "1";
    return this.real.fetch(new Request(url, request));
  }
  ask(version, question) { return this.real.ask(version + (differing === "commands"), question); }
  alarm() { return this.real.alarm(); }
  webSocketMessage(...event) { return this.real.webSocketMessage(...event); }
  webSocketClose(...event) { return this.real.webSocketClose(...event); }
  webSocketError(...event) { return this.real.webSocketError(...event); }
  sockets() { return this.ctx.getWebSockets().length; }
  sql(statement) { return this.ctx.storage.sql.exec(statement).toArray(); }
  // When its alarm is due, once it is due so many milliseconds earlier.
  async hurry(millis) {
    const due = await this.ctx.storage.getAlarm();
    if (due !== null && millis > 0) await this.ctx.storage.setAlarm(due - millis);
    return due - millis;
  }
  // The next alarm that the Worker sets is not set.
  alarmless() {
    const { storage } = this.ctx;
    storage.setAlarm = () => {
      delete storage.setAlarm;
      throw new Error("a failure that a test asked for");
    };
  }
  crash() { this.ctx.abort("a crash that a test asked for"); }
}

const commands = {
  sockets: (env, channel) => env.CHANNELS.getByName(channel).sockets(),
  sql: (env, channel, statement) => env.CHANNELS.getByName(channel).sql(statement),
  hurry: (env, channel, millis) => env.CHANNELS.getByName(channel).hurry(Number(millis)),
  alarmless: (env, channel) => env.CHANNELS.getByName(channel).alarmless(),
  crash: (env, channel) => env.CHANNELS.getByName(channel).crash().catch(() => null),
  // Asks no object, which would wake it.
  instances: (env, channel) => instances.get(env.CHANNELS.idFromName(channel).toString()) ?? 0,
  timers: () => timers.size,
  // The next number that the Worker draws fails, which ends its instance of the wasm as a panic does.
  fail: () => {
    const { random } = Math;
    Math.random = () => {
      Math.random = random;
      throw new Error("a failure that a test asked for");
    };
  },
  cutOff: () => void (cutsOff = true),
  forbid: () => void (forbids = true),
  chunks: () => chunks,
  differ: (env, channel, what) => void (differing = what),
  // The next object of this channel takes so many milliseconds to start.
  stall: (env, channel, millis) => void stalls.set(env.CHANNELS.idFromName(channel).toString(), Number(millis)),
};

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const command = commands[pathname.replace("/around/", "")];
    if (!command) {
      const answer = await new Worker(this.ctx, this.env).fetch(request);
      cutsOff = false;
      return answer;
    }
    return Response.json({ ok: (await command(this.env, searchParams.get("channel"), searchParams.get("value"))) ?? null });
  }
}
`;

const { miniflare, port } = await serve({ ...settings, around });
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ ok: port });

for await (const line of lines) {
  const { do: command, webSockets, ...rest } = JSON.parse(line);
  try {
    if (command === "evict") {
      await miniflare.unsafeEvictDurableObject(name, "Channel", { name: rest.channel, webSockets }).catch((error) => {
        // It is gone already: an eviction just before this one, or ten idle seconds.
        if (!/not currently running/.test(error)) throw error;
      });
      say({ ok: null });
    } else {
      const query = new URLSearchParams(rest);
      const answer = await miniflare.dispatchFetch(`http://around/around/${command}?${query}`);
      say(await answer.json());
    }
  } catch (error) {
    say({ error: String(error) });
  }
}
