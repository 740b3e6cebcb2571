/** The chart, drawn by uPlot and scrolled by the clock. */
import uPlot from "uplot";
import { WINDOW_SECS, type Market } from "./market.js";
import { texts } from "./strings.js";

/** A time without a connection, in unix seconds. While it lasts, it has no end. */
interface Outage {
  readonly from: number;
  to?: number;
}

/** How often the chart scrolls. Each step is less than a pixel. */
const STEP_MS = 100;
/** How often it scrolls for visitors who want no motion. While quotes come, each one moves it anyway. */
const STILL_STEP_MS = 1_000;
/** The distance between the newest quote and the right edge, so that the end of the line can be seen. */
const LEAD_SECS = 2;
const LABEL_PX = 46;
/** Steps of the vertical axis: 0.01, 0.02, 0.05, 0.1, and so on. Two decimals are enough for each. */
const STEPS = Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** (power - 2))).flat();

export class Chart {
  readonly #host: HTMLElement;
  readonly #market: Market;
  readonly #outages: Outage[] = [];
  readonly #wantsNoMotion = matchMedia("(prefers-reduced-motion: reduce)");
  #chosen: string[] = [];
  #plot: uPlot | undefined;
  /**
   * How many ms the local clock is ahead of the server's: the least that was seen, since quotes take time to arrive.
   */
  #offset = Infinity;

  constructor(host: HTMLElement, market: Market) {
    this.#host = host;
    this.#market = market;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(host);
    let steps = 0;
    setInterval(() => {
      steps += 1;
      const isDue = !this.#wantsNoMotion.matches || (this.#isDown && (steps * STEP_MS) % STILL_STEP_MS === 0);
      if (isDue && document.visibilityState === "visible") this.#scroll();
    }, STEP_MS);
  }

  /** Shows these symbols: one symbol by its price, several by how many per cent they moved. */
  choose(symbols: string[]) {
    this.#chosen = symbols;
    this.rebuild();
  }

  /** Draws everything anew, for example in other colours or another language. */
  rebuild() {
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data(), this.#host);
    this.#scroll();
  }

  /** Draws the quotes that have come. `newest` is the time of the last one, in unix ms. */
  update(newest: number) {
    this.#offset = Math.min(this.#offset, Date.now() - newest);
    this.#plot?.setData(this.#data(), false);
    this.#scroll();
  }

  /** Whether there is a connection now. */
  connected(isLive: boolean) {
    const last = this.#outages.at(-1);
    const from = this.#market.times.at(-1);
    if (!isLive && !this.#isDown && from !== undefined) this.#outages.push({ from });
    if (isLive && last && this.#isDown) last.to = this.#now();
    if (this.#outages.length > 20) this.#outages.shift();
    this.#scroll();
  }

  get #isDown() {
    const last = this.#outages.at(-1);
    return last !== undefined && last.to === undefined;
  }

  #now() {
    return (Date.now() - (Number.isFinite(this.#offset) ? this.#offset : 0)) / 1000;
  }

  #scroll() {
    const max = this.#now() + LEAD_SECS;
    this.#plot?.setScale("x", { min: max - WINDOW_SECS, max });
  }

  #size() {
    return { width: Math.max(200, this.#host.clientWidth), height: Math.max(150, this.#host.clientHeight) };
  }

  #data(): uPlot.AlignedData {
    const columns = this.#chosen.map((symbol) => this.#market.columns.get(symbol) ?? []);
    if (columns.length === 1) return [this.#market.times, ...columns] as uPlot.AlignedData;
    const moves = columns.map((column) => {
      const first = column.find((price) => typeof price === "number") ?? 1;
      return column.map((price) => (typeof price === "number" ? (price / first - 1) * 100 : price));
    });
    return [this.#market.times, ...moves] as uPlot.AlignedData;
  }

  #options(): uPlot.Options {
    const [ink, grid] = [colour("--quiet"), colour("--grid")];
    const axis = { stroke: ink, font: "11px system-ui, sans-serif", grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const isPrice = this.#chosen.length === 1;
    const [lasting, resumed] = [colour("--outage"), colour("--resumed")];
    return {
      ...this.#size(),
      padding: [10, LABEL_PX, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: true, auto: false },
        y: { range: (_plot, low, high) => padded(low, high) },
      },
      axes: [
        { ...axis, space: 90, size: 30, values: (_plot, splits) => splits.map((at) => texts().clock(new Date(at * 1000))) },
        { ...axis, size: 60, incrs: STEPS, values: (_plot, splits) => splits.map((value) => (isPrice ? value.toFixed(2) : `${signed(value)} %`)) },
      ],
      series: [
        {},
        ...this.#chosen.map((symbol) => ({
          label: symbol,
          stroke: seriesColour(symbol, this.#market),
          width: 1.75,
          points: { show: false },
        })),
      ],
      hooks: {
        drawClear: [(plot) => this.#drawOutages(plot, lasting, resumed)],
        draw: [(plot) => drawEnds(plot), (plot) => this.#drawOutageLabel(plot)],
      },
    };
  }

  #drawOutages(plot: uPlot, lasting: string, resumed: string) {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const { from, to } of this.#outages) {
      const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
      const right = Math.min(bbox.left + bbox.width, plot.valToPos(to ?? this.#now() + LEAD_SECS, "x", true));
      if (right <= left) continue;
      ctx.fillStyle = to === undefined ? lasting : resumed;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  }

  /** Says that there is no connection. The text has its own background, since it may be wider than the outage. */
  #drawOutageLabel({ ctx, bbox }: uPlot) {
    if (!this.#isDown) return;
    const [size, space] = [11 * devicePixelRatio, 4 * devicePixelRatio];
    const right = bbox.left + bbox.width;
    ctx.save();
    ctx.font = `${size}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "top";
    const width = ctx.measureText(texts().outage).width + 2 * space;
    ctx.fillStyle = colour("--outage");
    ctx.fillRect(right - width, bbox.top, width, size + 2 * space);
    ctx.fillStyle = colour("--bad");
    ctx.fillText(texts().outage, right - space, bbox.top + space);
    ctx.restore();
  }
}

/** The range of the vertical axis: that of the values, and some space above and below. */
function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [-1, 1];
  const room = Math.max((high - low) * 0.12, Math.abs(high) * 0.0005, 0.02);
  return [low - room, high + room];
}

const signed = (value: number) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;

/** Draws a dot and the symbol at the end of each line. Symbols that would overlap are moved apart. */
function drawEnds(plot: uPlot) {
  const { ctx, bbox } = plot;
  const ends = plot.series.slice(1).flatMap((series, index) => {
    const values = plot.data[index + 1] ?? [];
    const at = values.findLastIndex((value) => typeof value === "number");
    const [value, time] = [values[at], plot.data[0]?.[at]];
    if (typeof value !== "number" || time === undefined) return [];
    const [x, y] = [plot.valToPos(time, "x", true), plot.valToPos(value, "y", true)];
    return x < bbox.left ? [] : [{ x, y, label: String(series.label), colour: (series.stroke as () => string)() }];
  });
  ends.sort((a, b) => a.y - b.y);
  ctx.save();
  ctx.font = `600 ${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  let lowest = -Infinity;
  for (const { x, y, label, colour } of ends) {
    ctx.fillStyle = colour;
    ctx.beginPath();
    ctx.arc(x, y, 3 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
    lowest = Math.max(y, lowest + 13 * devicePixelRatio);
    ctx.fillText(label, bbox.left + bbox.width + 4 * devicePixelRatio, lowest);
  }
  ctx.restore();
}

/** The variable with the colour of a symbol, on the chart and in the table. The order of the symbols decides it. */
export const seriesVariable = (symbol: string, market: Market) =>
  `--series-${([...market.columns.keys()].indexOf(symbol) % 8) + 1}`;

const seriesColour = (symbol: string, market: Market) => colour(seriesVariable(symbol, market));

const probe = document.createElement("span");
probe.hidden = true;

/** A colour of the style sheet, in the current theme. */
function colour(variable: string): string {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(${variable})`;
  return getComputedStyle(probe).color;
}
