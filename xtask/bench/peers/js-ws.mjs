// The Worker holds the streams. Each has a WebSocket of its own from the Durable Object, which may hibernate under them.
import { DurableObject } from "cloudflare:workers";

const encoder = new TextEncoder();

export class Room extends DurableObject {
  async fetch(request) {
    return request.method === "POST" ? this.post(await request.json()) : this.subscribe();
  }

  subscribe() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  post(message) {
    const event = encoder.encode(`data: ${JSON.stringify(message)}\n\n`);
    for (const socket of this.ctx.getWebSockets()) socket.send(event);
    return Response.json(message, { status: 201 });
  }

  webSocketClose() {}
}

async function stream(request, room) {
  const { webSocket } = await room.fetch(request.url, { headers: { Upgrade: "websocket" } });
  webSocket.binaryType = "arraybuffer";
  webSocket.accept();
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode("retry: 2000\n\n"));
      webSocket.addEventListener("message", ({ data }) => controller.enqueue(new Uint8Array(data)));
      webSocket.addEventListener("close", () => controller.close());
    },
    cancel: () => webSocket.close(),
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" } });
}

export default {
  fetch(request, env) {
    const room = env.ROOMS.getByName(new URL(request.url).pathname);
    return request.method === "POST" ? room.fetch(request) : stream(request, room);
  },
};
