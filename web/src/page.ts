/** The page: one `EventSource` per feed, and what each receives, as text. */

/** Lines that a feed shows; older ones go. */
const LINES_MAX = 50;

const STATES = ["connecting", "open", "closed"] as const;

function find<T extends Element>(parent: ParentNode, selector: string): T {
  const element = parent.querySelector<T>(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return element;
}

function show(section: HTMLElement, text: string, event?: string) {
  const line = document.createElement("li");
  line.textContent = event ? `${event}: ${text}` : text;
  if (event) line.dataset.event = event;
  const list = find<HTMLOListElement>(section, "ol");
  list.prepend(line);
  while (list.childElementCount > LINES_MAX) list.lastElementChild?.remove();
}

function follow(section: HTMLElement, url: string) {
  const source = new EventSource(url);
  const showState = () => {
    const state = STATES[source.readyState] ?? "closed";
    section.dataset.state = state;
    find(section, "output").textContent = state;
  };
  source.onopen = showState;
  source.onerror = showState;
  source.onmessage = ({ data }) => show(section, data);
  for (const name of ["gap", "expired"]) {
    source.addEventListener(name, ({ data }) => show(section, data, name));
  }
}

/** Why a post was refused, in words: a problem's `detail` (RFC 9457). */
async function reason(response: Response): Promise<string> {
  const problem: unknown = await response.json().catch(() => undefined);
  if (typeof problem === "object" && problem && "detail" in problem && typeof problem.detail === "string") {
    return problem.detail;
  }
  return `The message was not taken (${response.status}).`;
}

async function post(form: HTMLFormElement): Promise<string> {
  const fields = Object.fromEntries(new FormData(form));
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    return response.ok ? "" : await reason(response);
  } catch {
    return "The server cannot be reached: the message was not sent.";
  }
}

for (const section of document.querySelectorAll<HTMLElement>("[data-feed]")) {
  follow(section, section.dataset.feed ?? "");
}

const form = find<HTMLFormElement>(document, "form");
const button = find<HTMLButtonElement>(form, "button");
const text = find<HTMLInputElement>(form, "[name=text]");
form.onsubmit = async (event) => {
  event.preventDefault();
  button.disabled = true;
  const refusal = await post(form);
  button.disabled = false;
  find(form, "[role=alert]").textContent = refusal;
  if (!refusal) text.value = "";
  text.focus();
};
