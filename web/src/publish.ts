/** The form that publishes a notification, by the token of the page. */
import { post, Refusal } from "./api.js";
import { complain, find } from "./dom.js";
import { newId } from "./ssedge-random.js";
import { inEveryLanguage, texts, whatIsWrong } from "./strings.js";
import { blameToken } from "./token.js";

/** Starts the form. `willPublish` hears the name of the event that is about to be sent. */
export function startPublishing(form: HTMLFormElement, willPublish: (name: string) => void) {
  const field = <T extends HTMLInputElement | HTMLTextAreaElement>(name: string) => find<T>(form, `[name=${name}]`);
  const fields = { topic: field("topic"), event: field("event"), data: field("data") };
  const [done, note] = [find(form, ".done"), find(form, "#publish-note")];
  /** What is said, and where. */
  let said: () => void = () => {};
  /** Of what the form says now: whatever is sent again without a change is the same notification. */
  let key = newId();

  function say(next: () => void = () => {}) {
    for (const field of Object.values(fields)) complain(field, "");
    note.textContent = done.textContent = "";
    said = next;
    said();
  }
  inEveryLanguage(() => said());

  function sayAt(field: HTMLInputElement | HTMLTextAreaElement, words: () => string) {
    say(() => complain(field, words()));
    field.focus();
  }

  function sayWhy(refusal: Refusal) {
    const { kind, retryAfter } = refusal;
    const at = fields[refusal.field as keyof typeof fields];
    if (kind === "unauthorized" || kind === "forbidden") return blameToken(() => whatIsWrong(refusal));
    if (at) return sayAt(at, () => whatIsWrong(refusal));
    const again = () => (retryAfter ? ` · ${texts().againAfter(retryAfter)}` : "");
    say(() => (note.textContent = whatIsWrong(refusal) + again()));
  }

  form.oninput = () => (key = newId());
  form.onsubmit = async (event) => {
    event.preventDefault();
    say();
    const name = fields.event.value.trim();
    try {
      JSON.parse(fields.data.value);
    } catch {
      return sayAt(fields.data, () => texts().badJson);
    }
    willPublish(name);
    try {
      // The data goes as it was written: a trip through a JavaScript number would change its digits.
      const head = JSON.stringify({ topic: fields.topic.value.trim(), ...(name && { event: name }) });
      const { id } = await post("/api/events", `${head.slice(0, -1)},"data":${fields.data.value}}`, key);
      key = newId();
      say(() => (done.textContent = texts().published(id)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      sayWhy(error);
    }
  };
}
