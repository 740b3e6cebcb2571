/** The stock panel: a chart of the chosen symbols, and a table with the last quote of each symbol. */
import type { Entry } from "../../packages/client/src/index.js";
import { Badge } from "./badge.js";
import { Chart, seriesVariable } from "./chart.js";
import { find, make, memory } from "./dom.js";
import { follow } from "./feeds.js";
import { Market, WINDOW_SECS, type Quote } from "./market.js";
import { onThemeChange } from "./settings.js";
import { inEveryLanguage, texts } from "./strings.js";

/** How many symbols the chart shows until somebody chooses some. */
const CHOSEN_AT_FIRST = 4;

interface Row {
  readonly chosen: HTMLInputElement;
  readonly price: HTMLElement;
  readonly arrow: HTMLElement;
  readonly change: HTMLElement;
}

export function startStock() {
  const panel = find(document, "#stock");
  const body = find(panel, "tbody");
  const label = find(panel, ".simulated");
  const market = new Market();
  const chart = new Chart(find(panel, ".chart"), market);
  const wantsNoMotion = matchMedia("(prefers-reduced-motion: reduce)");
  const remembered = memory.get("symbols")?.split(",");
  const rows = new Map<string, Row>();

  const chosen = () => [...rows].filter(([, row]) => row.chosen.checked).map(([symbol]) => symbol);

  function addRow(symbol: string): Row {
    const line = make("tr");
    const head = make("th");
    head.scope = "row";
    const choice = make("label");
    const box = make("input");
    box.type = "checkbox";
    box.checked = remembered ? remembered.includes(symbol) : rows.size < CHOSEN_AT_FIRST;
    box.style.setProperty("--swatch", `var(${seriesVariable(symbol, market)})`);
    box.onchange = () => {
      chart.choose(chosen());
      memory.set("symbols", chosen().join());
    };
    choice.append(box, symbol);
    head.append(choice);
    const cell = make("td");
    const [price, arrow, change] = [make("span"), make("span", "arrow"), make("td", "change")];
    cell.append(price, arrow);
    line.append(head, cell, change);
    line.dataset.symbol = symbol;
    body.append(line);
    const row = { chosen: box, price, arrow, change };
    rows.set(symbol, row);
    return row;
  }

  /** Shows by an arrow and by a short change of colour whether a price went up or down. */
  function tick(row: Row, direction: "up" | "down") {
    row.arrow.textContent = direction === "up" ? "▲" : "▼";
    row.arrow.className = `arrow ${direction}`;
    row.arrow.setAttribute("role", "img");
    row.arrow.setAttribute("aria-label", texts()[direction]);
    if (wantsNoMotion.matches) return;
    const cell = row.price.parentElement;
    cell?.animate([{ backgroundColor: `var(--${direction}-soft)` }, { backgroundColor: "transparent" }], 700);
  }

  /** Shows the newest quote of a symbol. `before` is the price before it. */
  function showQuote(quote: Quote, before: number | undefined) {
    const row = rows.get(quote.symbol) ?? addRow(quote.symbol);
    const move = quote.price - (before ?? quote.price);
    row.price.textContent = quote.price.toFixed(2);
    row.change.textContent = `${quote.change < 0 ? "−" : "+"}${Math.abs(quote.change).toFixed(2)}`;
    row.change.dataset.direction = quote.change < 0 ? "down" : "up";
    if (move !== 0) tick(row, move > 0 ? "up" : "down");
  }

  const quotes: Quote[] = [];
  const last = new Map<string, number>();
  let tickIds = 0;

  /** Draws all quotes that have come together, such as a history or a tick, in one step. */
  function draw() {
    let newest = 0;
    const shown = new Map<string, { quote: Quote; before: number | undefined }>();
    for (const quote of quotes.splice(0)) {
      if (!market.add(quote)) continue;
      shown.set(quote.symbol, { quote, before: last.get(quote.symbol) });
      last.set(quote.symbol, quote.price);
      newest = Date.parse(quote.time);
    }
    const known = rows.size;
    for (const { quote, before } of shown.values()) showQuote(quote, before);
    if (rows.size > known) chart.choose(chosen());
    if (newest > 0) chart.update(newest);
  }

  function onEntry({ id, data }: Entry) {
    const quote = JSON.parse(data) as Quote;
    // In the simulated market, an id is the time of its tick in ms. In another market that could happen once by chance,
    // but hardly twice.
    if (id === String(Date.parse(quote.time))) tickIds += 1;
    label.hidden = tickIds < 2;
    if (quotes.push(quote) === 1) setTimeout(draw);
  }

  follow("stock", `/api/stock?history=${WINDOW_SECS}`, {
    badge: new Badge(panel),
    onEntry,
    onGap: () => {
      draw();
      market.breakLines();
    },
    onState: ({ name }) => chart.connected(name === "live"),
  });
  onThemeChange(() => chart.rebuild());
  inEveryLanguage(() => chart.rebuild());
}
