// The page: it asks by POST, and reads each answer from its channel. So it does not matter who asked, or when.
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, readUIMessageStream } from "ai";
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { fromChannel } from "ssedge/ai";
import { channel } from "ssedge/publish";

const startSession = async () => (await fetch("/session")).json();
let session = await startSession();
/** A token ends, so each request asks for a new one. While the backend cannot be reached, the old one serves. */
async function headers() {
  session = await startSession().catch(() => session);
  return { Authorization: `Bearer ${session.token}` };
}
const answerTo = (question) => `${session.url}/${question}`;

/** The chunks of an answer: those that are there, then those that come. */
const read = (question, onEnd) =>
  new DefaultChatTransport(fromChannel(answerTo, { headers, ended: true, onEnd })).reconnectToStream({ chatId: question });

/** The questions so far, each with its answer; the last answer may be under way, so `useChat` reads that. */
async function load(onEnd) {
  const answer = await fetch(`${session.url}?history=500`, { headers: { ...(await headers()), Accept: "application/json" } });
  const questions = (await answer.json()).entries.map(({ data }) => JSON.parse(data));
  const turns = questions.map(async (question, index) => {
    let message;
    const stream = index < questions.length - 1 && (await read(question.id, (end) => onEnd(question.id, end)));
    if (stream) for await (message of readUIMessageStream({ stream }));
    return message ? [question, message] : [question];
  });
  return (await Promise.all(turns)).flat();
}

/** What is said of an answer that did not come to its end. */
const ENDS = {
  stopped: "Stopped.",
  abandoned: "The answer broke off, because its server is gone. Please ask again.",
  failed: "The answer broke off, because the model failed. Please ask again.",
};

function Chat({ messages: before, ends: endsBefore }) {
  const [ends, setEnds] = useState(endsBefore);
  const follow = (question) => read(question, ({ reason }) => setEnds((ends) => ({ ...ends, [question]: reason })));
  const [transport] = useState({
    async sendMessages({ messages }) {
      const answer = await fetch("/ask", { method: "POST", body: JSON.stringify(messages) });
      if (!answer.ok) throw new Error(await answer.text());
      return follow(messages.at(-1).id);
    },
    reconnectToStream: async () => (before.length > 0 ? follow(before.at(-1).id) : null),
  });
  const { messages, sendMessage, status, error } = useChat({ messages: before, transport, resume: true, throttle: 50 });
  const isBusy = status === "submitted" || status === "streaming";
  const question = messages.findLast(({ role }) => role === "user")?.id;
  const stop = () => channel(answerTo(question), { token: session.token }).close("stopped");
  const send = (form) => void sendMessage({ text: form.get("text") });
  return (
    <>
      {messages.map(({ id, role, parts }) => (
        <p key={id} className={role}>{parts.map((part) => part.type === "text" && part.text)}</p>
      ))}
      <p role="status">{error?.message ?? (isBusy ? "The answer comes." : ENDS[ends[question]])}</p>
      <form action={send}>
        <input name="text" aria-label="Question" required />
        {isBusy ? <button type="button" onClick={stop}>Stop</button> : <button>Send</button>}
      </form>
    </>
  );
}

const ends = {};
const messages = await load((question, { reason }) => (ends[question] = reason));
createRoot(document.querySelector("main")).render(<Chat messages={messages} ends={ends} />);
