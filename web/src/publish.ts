/** The form that publishes a notification. The token of this browser has to grant that. */
import { newId } from "../../packages/client/src/random.js";
import { post, Refusal } from "./api.js";
import { find, showFieldProblem } from "./dom.js";
import { inEveryLanguage, refusalText, texts } from "./strings.js";
import { showTokenProblem } from "./token.js";

/** Starts the form. `willPublish` is called with the event name of each notification before it is sent. */
export function startPublishing(form: HTMLFormElement, willPublish: (name: string) => void) {
  const field = <T extends HTMLInputElement | HTMLTextAreaElement>(name: string) => find<T>(form, `[name=${name}]`);
  const fields = { topic: field("topic"), event: field("event"), data: field("data") };
  const [done, note] = [find(form, ".done"), find(form, "#publish-note")];
  /** Shows the present text at its place, in the present language. */
  let showText: () => void = () => {};
  /** The idempotency key. It changes with each input, so a notification that is sent again unchanged is stored once. */
  let key = newId();

  function show(next: () => void = () => {}) {
    for (const field of Object.values(fields)) showFieldProblem(field, "");
    note.textContent = done.textContent = "";
    showText = next;
    showText();
  }
  inEveryLanguage(() => showText());

  function showAt(field: HTMLInputElement | HTMLTextAreaElement, words: () => string) {
    show(() => showFieldProblem(field, words()));
    field.focus();
  }

  function showRefusal(refusal: Refusal) {
    const { kind, retryAfter } = refusal;
    const at = fields[refusal.field as keyof typeof fields];
    if (kind === "unauthorized" || kind === "forbidden") return showTokenProblem(() => refusalText(refusal));
    if (at) return showAt(at, () => refusalText(refusal));
    const again = () => (retryAfter ? ` · ${texts().againAfter(retryAfter)}` : "");
    show(() => (note.textContent = refusalText(refusal) + again()));
  }

  form.oninput = () => (key = newId());
  form.onsubmit = async (event) => {
    event.preventDefault();
    show();
    const name = fields.event.value.trim();
    try {
      JSON.parse(fields.data.value);
    } catch {
      return showAt(fields.data, () => texts().badJson);
    }
    willPublish(name);
    try {
      // The data is sent exactly as it was written. To parse it and write it again could change the digits of numbers.
      const head = JSON.stringify({ topic: fields.topic.value.trim(), ...(name && { event: name }) });
      const { id } = await post("/api/events", `${head.slice(0, -1)},"data":${fields.data.value}}`, key);
      key = newId();
      show(() => (done.textContent = texts().published(id)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      showRefusal(error);
    }
  };
}
