// Streams held in a Durable Object, in plain JavaScript.
import { DurableObject } from "cloudflare:workers";

const encoder = new TextEncoder();

export class Room extends DurableObject {
  readers = new Set();
  last = 0;

  async fetch(request) {
    return request.method === "POST" ? this.post(await request.json()) : this.stream();
  }

  stream() {
    let reader;
    const body = new ReadableStream({
      start: (controller) => {
        reader = controller;
        this.readers.add(reader);
        reader.enqueue(encoder.encode("retry: 2000\n\n"));
      },
      cancel: () => this.readers.delete(reader),
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" } });
  }

  post({ text }) {
    const message = { id: ++this.last, text };
    const event = encoder.encode(`id: ${message.id}\ndata: ${JSON.stringify(message)}\n\n`);
    for (const reader of this.readers) {
      try {
        reader.enqueue(event);
      } catch {
        this.readers.delete(reader);
      }
    }
    return Response.json(message, { status: 201 });
  }
}

export default {
  fetch: (request, env) => env.ROOMS.getByName(new URL(request.url).pathname).fetch(request),
};
