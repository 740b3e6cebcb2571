// A backend that notifies its users, each in a channel of their own. It needs nothing but Node.
import { createHmac, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const { SSEDGE = "http://127.0.0.1:8787", AUTH_SECRET, PORT = "3000" } = process.env;
const part = (text) => Buffer.from(text).toString("base64url");

/** A token with these claims, for ten minutes. */
function mint(claims) {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const signed = `${part('{"alg":"HS256"}')}.${part(JSON.stringify({ exp, ...claims }))}`;
  return `${signed}.${createHmac("sha256", AUTH_SECRET).update(signed).digest("base64url")}`;
}

/** Stores a notification. With the same key it is stored once, however often this is tried. */
const notify = (user, notification, key = randomUUID()) =>
  fetch(`${SSEDGE}/api/channels/user/${user}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${mint({ publish: ["channels/user/*"] })}`, "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify(notification),
  });

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  // Who is logged in, your own session says.
  const user = searchParams.get("user") ?? "ada";
  const json = (status, body) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  if (pathname === "/inbox") {
    const url = `${SSEDGE}/api/channels/user/${user}`;
    return json(200, { url, token: mint({ sub: user, subscribe: [`channels/user/${user}`] }) });
  }
  if (pathname === "/order" && request.method === "POST") {
    const stored = await notify(user, { text: `Your order ${searchParams.get("number")} is on its way.` });
    return json(stored.status, await stored.json());
  }
  response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(await readFile(new URL("index.html", import.meta.url)));
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
