// better-sse: a session for each reader, and a channel that broadcasts to all of them.
import { createChannel, createSession } from "better-sse";
import { json } from "node:stream/consumers";

const channel = createChannel();

export default async function room(request, response) {
  if (request.method === "POST") {
    const message = await json(request);
    channel.broadcast(message);
    response.writeHead(201, { "Content-Type": "application/json" }).end(JSON.stringify(message));
  } else {
    channel.register(await createSession(request, response));
  }
}
