// That the types of the package are those that others expect. It is checked, and never run.
import * as seven from "ai";
import * as six from "ai-6";
import { fromChannel, toChannel } from "../src/ai.js";
import { channel } from "../src/publish.js";

const stored = toChannel(channel("/api/channels/a"), { lease: 30 });
seven.createUIMessageStreamResponse({ stream: new ReadableStream(), consumeSseStream: stored });
six.createUIMessageStreamResponse({ stream: new ReadableStream(), consumeSseStream: stored });
const read = fromChannel((id) => `/api/channels/${id}`, { headers: async () => ({ Authorization: "Bearer t" }) });
export const transports = [new seven.DefaultChatTransport(read), new six.DefaultChatTransport(read)];
