// The channels of a host in memory, as API.md describes them: what the tests of the client ask. It can be made to fail.
import { createServer } from "node:http";
import { Readable } from "node:stream";

const ENTRY_BYTES = 16 * 1024;
const BODY_BYTES = 64 * 1024;
const ENTRIES = 500;
const HEARTBEAT_MS = 15_000;
/** Ids begin here, so that no test takes an id for a count. */
const FIRST = 41;
const utf8 = new TextEncoder();

const problem = (status, kind, members = {}, headers = {}) =>
  Response.json({ type: `urn:ssedge:problem:${kind}`, title: kind, status, detail: `it is ${kind}`, ...members }, { status, headers: { "Content-Type": "application/problem+json", ...headers } });

const block = ({ id, event, data }) =>
  `${id === undefined ? "" : `id: ${id}\n`}${event ? `event: ${event}\n` : ""}${data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join("")}\n`;

/** The entries of a body. */
function entriesIn(type, text, event, key) {
  if (text === "") return [];
  if (type === "application/json") return [{ event, key, data: JSON.stringify(JSON.parse(text)) }];
  if (type === "text/plain") return [{ event, key, data: text }];
  if (type === "application/x-ndjson") {
    return text.trim().split("\n").map((line) => ({ event, key, data: JSON.stringify(JSON.parse(line)) }));
  }
  return text.split("\n\n").flatMap((block) => {
    const fields = block.split("\n").map((line) => /^(\w+): ?(.*)$/s.exec(line)).filter(Boolean);
    const data = fields.filter(([, name]) => name === "data").map(([, , value]) => value);
    const own = fields.find(([, name]) => name === "event")?.[2];
    return data.length > 0 ? [{ event: own ?? event, key, data: data.join("\n") }] : [];
  });
}

class Channel {
  entries = [];
  last = FIRST;
  closed = undefined;
  keys = new Map();
  readers = new Set();
  leaseTimer = undefined;

  append(entries) {
    for (const entry of entries) {
      this.last += 1;
      this.entries.push({ id: String(this.last), ...entry });
      this.readers.forEach((reader) => reader.entry(this.entries.at(-1)));
    }
  }

  close(reason) {
    clearTimeout(this.leaseTimer);
    this.closed = { reason };
    this.readers.forEach((reader) => reader.end(reason));
  }
}

export class Server {
  channels = new Map();
  /** The requests that came, with their body. */
  requests = [];
  /** What the next requests get instead: a status with headers; `lost`: it is served, and the answer is lost. */
  faults = [];
  /** Whether it answers as a host that cannot answer without a body. */
  isLambda = false;
  /** The token that it takes. Without one, it asks for none. */
  token = undefined;
  /** How long it says that a reader should wait, in ms. */
  retry = 1_000;

  channel(path) {
    if (!this.channels.has(path)) this.channels.set(path, new Channel());
    return this.channels.get(path);
  }

  /** Stands in for the global `fetch`. */
  fetch = async (input, init) => {
    const request = new Request(input, { ...init, ...(init?.body && { duplex: "half" }) });
    const body = await request.text();
    this.requests.push({ at: Date.now(), method: request.method, url: new URL(request.url), headers: request.headers, body });
    const [fault] = this.faults.splice(0, 1);
    if (fault?.status === 0) throw new TypeError("fetch failed");
    if (fault?.status) return problem(fault.status, fault.kind ?? "fault", {}, fault.headers);
    const answer = await this.#answer(request, body);
    if (fault?.lost) throw new TypeError("the answer is lost");
    return answer;
  };

  async #answer(request, body) {
    const { pathname, searchParams } = new URL(request.url);
    if (this.token && request.headers.get("Authorization") !== `Bearer ${this.token}`) return problem(403, "forbidden");
    const channel = this.channel(pathname);
    if (request.method === "POST") return this.#post(channel, request.headers, searchParams, body);
    if (request.method === "DELETE") {
      channel.close("deleted");
      this.channels.delete(pathname);
      return new Response(null, { status: 204 });
    }
    const isBare = searchParams.get("events") === "bare";
    const given = request.headers.get("Last-Event-ID") ?? searchParams.get("lastEventId");
    const keys = searchParams.get("keys")?.split(",");
    const kept = channel.entries.filter(({ key }) => !keys || keys.includes(key));
    const history = searchParams.get("history") ?? "0";
    const after = given === null ? undefined : Number(given);
    const oldest = Number(channel.entries[0]?.id ?? channel.last + 1);
    const hasGap = after !== undefined && !(after >= oldest - 1 && after <= channel.last);
    if (hasGap && isBare) return problem(410, "gap", { requested: given, resumes_after: String(channel.last) });
    const from = hasGap ? channel.last : after;
    const page = from === undefined ? (history === "all" ? kept : history === "0" ? [] : kept.slice(-Number(history))) : kept.filter(({ id }) => Number(id) > from);
    if (request.headers.get("Accept")?.includes("json")) {
      return Response.json({ entries: page, cursor: String(channel.last), closed: channel.closed ?? null });
    }
    const isOver = channel.closed && page.length === 0;
    if (isOver || (searchParams.has("active") && (channel.closed || channel.entries.length === 0))) {
      return this.isLambda ? problem(410, "ended") : new Response(null, { status: 204 });
    }
    const cursor = String(page.length > 0 ? Number(page[0].id) - 1 : channel.last);
    return this.#stream(channel, isBare, keys, page, hasGap ? { reason: "expired", requested: given, resumes_after: cursor } : undefined, cursor);
  }

  #stream(channel, isBare, keys, page, gap, cursor) {
    let reader;
    const body = new ReadableStream({
      start: (controller) => {
        const send = (text) => controller.enqueue(utf8.encode(text));
        const beat = () => send(isBare ? ":\n\n" : block({ id: cursor, event: "cursor", data: JSON.stringify({ cursor, heartbeat_secs: HEARTBEAT_MS / 1_000 }) }));
        let timer = setInterval(beat, HEARTBEAT_MS);
        const stop = () => {
          clearInterval(timer);
          channel.readers.delete(reader);
        };
        reader = {
          entry: ({ id, event, key, data }) => {
            if (keys && !keys.includes(key)) return;
            cursor = id;
            send(block({ id, event, data }));
          },
          end: (reason) => {
            const last = String(channel.last);
            if (!isBare) send(block({ id: last, event: "end", data: JSON.stringify({ reason, last }) }));
            stop();
            controller.close();
          },
          /** Ends by plan, or breaks, or falls silent. */
          cut: (how) => {
            stop();
            if (how === "break") controller.error(new TypeError("terminated"));
            else if (how !== "silence") {
              send("retry: 100\n\n");
              controller.close();
            }
          },
          stop,
        };
        send(`retry: ${this.retry}\n`);
        if (gap) send(block({ id: cursor, event: "gap", data: JSON.stringify(gap) }));
        else if (isBare) send(`id: ${cursor}\n\n`);
        else beat();
        channel.readers.add(reader);
        page.forEach(reader.entry);
        if (channel.closed) reader.end(channel.closed.reason);
      },
      cancel: () => reader.stop(),
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
  }

  #post(channel, headers, query, body) {
    const key = headers.get("Idempotency-Key");
    const before = key && channel.keys.get(key);
    if (before) {
      return before.body === body ? Response.json(before.answer, { headers: { "Idempotent-Replayed": "true" } }) : problem(422, "key-reused");
    }
    const [match, none] = [headers.get("If-Match"), headers.get("If-None-Match")];
    const last = String(channel.last);
    const isNew = channel.entries.length === 0 && !channel.closed;
    if ((match && match !== `"${last}"`) || (none && !isNew)) return problem(412, "precondition", { last });
    const reason = query.get("reason") ?? "done";
    const entries = entriesIn(headers.get("Content-Type"), body, query.get("event") ?? undefined, query.get("key") ?? undefined);
    if (channel.closed) {
      const isSame = entries.length === 0 && query.has("close") && channel.closed.reason === reason;
      return isSame ? Response.json({ last, count: 0 }) : problem(409, "closed", { ...channel.closed, last });
    }
    const size = (text) => utf8.encode(text).length;
    if (size(body) > BODY_BYTES || entries.length > ENTRIES || entries.some(({ data }) => size(data) > ENTRY_BYTES)) return problem(413, "too-large");
    const first = String(channel.last + 1);
    channel.append(entries);
    const lease = Number(query.get("lease"));
    if (lease) {
      clearTimeout(channel.leaseTimer);
      channel.leaseTimer = setTimeout(() => channel.close("abandoned"), lease * 1_000);
    }
    if (query.has("close")) channel.close(reason);
    const answer = { ...(entries.length > 0 && { first }), last: String(channel.last), count: entries.length };
    if (key) channel.keys.set(key, { body, answer });
    return Response.json(answer, { status: 201, headers: { ETag: `"${channel.last}"` } });
  }

  /** Ends all streams by plan; or they `break`, or nothing comes any more (`silence`). */
  cut(how) {
    for (const { readers } of this.channels.values()) [...readers].forEach((reader) => reader.cut(how));
  }

  /** What a channel has, as a reader gets it. */
  data(path) {
    return this.channel(path).entries.map(({ data }) => data);
  }

  /** Serves on a port of this machine, for pages of any origin. Returns the URL. */
  async listen() {
    this.http = createServer(async (incoming, outgoing) => {
      const url = `http://${incoming.headers.host}${incoming.url}`;
      const { method, headers } = incoming;
      const hasBody = method === "POST";
      const answer = method === "OPTIONS" ? new Response() : await this.fetch(url, { method, headers, ...(hasBody && { body: Readable.toWeb(incoming) }) });
      const cors = { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*, Authorization", "Access-Control-Allow-Methods": "*" };
      outgoing.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...cors });
      if (!answer.body) return outgoing.end();
      const body = Readable.fromWeb(answer.body);
      outgoing.on("close", () => body.destroy());
      body.on("error", () => outgoing.destroy());
      body.pipe(outgoing);
    });
    await new Promise((resolve) => this.http.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.http.address().port}`;
  }

  close() {
    this.cut();
    this.http?.close();
    this.http?.closeAllConnections();
    this.channels.forEach(({ leaseTimer }) => clearTimeout(leaseTimer));
  }
}
