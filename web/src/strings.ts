/** Every word of the page, in each of its languages. A translation that is missing is a type error. */

const en = {
  tagline: "Server-Sent Events without a server",
  skip: "Skip to the chart",
  language: "中文",
  languageLabel: "Switch to Chinese",
  theme: "Theme",
  themeNames: { auto: "Auto", light: "Light", dark: "Dark" },
  sections: "Sections",

  stock: "Stock",
  simulated: "simulated market",
  simulatedTitle: "These prices are computed from the time. They belong to no company.",
  chart: "The chosen symbols over the last three minutes: one by its price, several by how many per cent they moved",
  quotes: "Quotes",
  symbol: "Symbol",
  price: "Price",
  change: "Change",
  up: "up",
  down: "down",
  outage: "connection down",

  chat: "Chat",
  room: "Room",
  go: "Go",
  messages: "Messages of the room",
  name: "Your name",
  message: "Message",
  send: "Send",
  sending: "on its way",
  retry: "Try again",
  discard: "Discard",
  noMessages: "Nobody has said anything here yet.",
  badRoom: "A room's name is 1 to 64 small letters a–z, digits, `_` and `-`, and begins with a letter or digit.",
  unreachable: "The server cannot be reached. Nothing was lost: try again.",
  refused: (status: number) => `The server refused this (${status}).`,
  said: (user: string, text: string) => `${user}: ${text}`,

  events: "Events",
  topics: "Topics",
  topicsHint: "all, or a,b",
  apply: "Filter",
  showTicks: "Ticks",
  eventList: "Ticks and notifications",
  publish: "Publish a notification",
  topic: "Topic",
  eventName: "Event name (optional)",
  data: "Data (JSON)",
  token: "Token",
  publishButton: "Publish",
  published: (id: string) => `Published as ${id}.`,
  badJson: "This is not JSON.",

  wire: "The wire",
  wireHint: "Line by line as it arrives, on a connection of its own: EventSource keeps comments and retry to itself.",
  feed: "Feed",
  lines: "Raw lines of the stream",
  cut: "Cut for 5 s",
  hold: "Hold",
  resume: "Go on",
  cursor: "Cursor",
  reconnects: "Reconnects",
  delay: "POST → arrival",
  delayHint: "send a chat message",
  found: "Found by the last resume",
  foundCount: (count: number) => (count === 1 ? "1 entry" : `${count} entries`),
  connections: "Connections of this tab",
  connectionCount: (count: number) => `${count} of 6`,
  roles: {
    leader: "This tab holds the connection; other tabs share it.",
    follower: "Another tab holds the connection.",
    alone: "A connection of its own.",
  },
  wireElsewhere: "Another tab reads the wire, on the one connection that is spent on it.",
  wireHere: "Read it here",
  wireEnded: "the stream ended",

  states: {
    connecting: "connecting",
    live: "live",
    reconnecting: "reconnecting",
    paused: "paused in the background",
    closed: "ended: the token has expired",
  },
  reconnectingIn: (seconds: number) => `reconnecting in ${seconds} s`,
  gaps: {
    expired: "A gap: some entries are no longer kept, and the feed goes on after them.",
    unknown: "A gap: the server does not know the cursor, and the feed goes on live.",
  },
  clock: (time: Date) => time.toLocaleTimeString("en-GB"),
};

export type Texts = typeof en;

const zh: Texts = {
  tagline: "无需服务器的服务器推送事件（SSE）",
  skip: "跳到图表",
  language: "English",
  languageLabel: "切换到英文",
  theme: "主题",
  themeNames: { auto: "自动", light: "浅色", dark: "深色" },
  sections: "栏目",

  stock: "行情",
  simulated: "模拟市场",
  simulatedTitle: "这些价格由时间计算得出，不属于任何公司。",
  chart: "所选代码最近三分钟的走势：单个显示价格，多个显示涨跌百分比",
  quotes: "报价",
  symbol: "代码",
  price: "价格",
  change: "涨跌",
  up: "上涨",
  down: "下跌",
  outage: "连接中断",

  chat: "聊天",
  room: "房间",
  go: "进入",
  messages: "房间里的消息",
  name: "你的名字",
  message: "消息",
  send: "发送",
  sending: "发送中",
  retry: "重试",
  discard: "丢弃",
  noMessages: "这里还没有人说话。",
  badRoom: "房间名为 1 到 64 个小写字母 a–z、数字、`_` 或 `-`，以字母或数字开头。",
  unreachable: "无法连接服务器。内容没有丢失，请重试。",
  refused: (status) => `服务器拒绝了请求（${status}）。`,
  said: (user, text) => `${user}：${text}`,

  events: "事件",
  topics: "主题",
  topicsHint: "全部，或 a,b",
  apply: "筛选",
  showTicks: "心跳",
  eventList: "心跳与通知",
  publish: "发布通知",
  topic: "主题",
  eventName: "事件名（可选）",
  data: "数据（JSON）",
  token: "令牌",
  publishButton: "发布",
  published: (id) => `已发布，编号 ${id}。`,
  badJson: "这不是合法的 JSON。",

  wire: "线路",
  wireHint: "逐行显示到达的原始内容，占用一条单独的连接：EventSource 不会交出注释和 retry。",
  feed: "数据流",
  lines: "数据流的原始行",
  cut: "断开 5 秒",
  hold: "暂停显示",
  resume: "继续",
  cursor: "游标",
  reconnects: "重连次数",
  delay: "POST → 到达",
  delayHint: "发一条聊天消息试试",
  found: "上次续传补回",
  foundCount: (count) => `${count} 条`,
  connections: "本标签页的连接",
  connectionCount: (count) => `${count} / 6`,
  roles: {
    leader: "本标签页持有连接，其他标签页共用。",
    follower: "连接由另一个标签页持有。",
    alone: "独立的连接。",
  },
  wireElsewhere: "另一个标签页正在读取线路；整个浏览器只为此占用一条连接。",
  wireHere: "在这里读取",
  wireEnded: "数据流结束",

  states: {
    connecting: "连接中",
    live: "实时",
    reconnecting: "重新连接中",
    paused: "后台暂停",
    closed: "已结束：令牌过期",
  },
  reconnectingIn: (seconds) => `${seconds} 秒后重连`,
  gaps: {
    expired: "有缺口：部分内容已不再保留，从其后继续。",
    unknown: "有缺口：服务器不认识该游标，从现在继续。",
  },
  clock: (time) => time.toLocaleTimeString("zh-CN", { hour12: false }),
};

const LANGUAGES = { en, zh } as const;
export type Language = keyof typeof LANGUAGES;

let current: Language = "en";
const listeners: (() => void)[] = [];

/** The words in the language of now. */
export const texts = (): Texts => LANGUAGES[current];
export const language = (): Language => current;

/** Called now, and after every change of language. */
export function inEveryLanguage(render: () => void) {
  listeners.push(render);
  render();
}

export function setLanguage(language: Language) {
  current = language;
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  translate(document);
  for (const render of listeners) render();
}

/** The words of the document: `data-t` names the text of an element, `data-t-<attribute>` one of its attributes. */
function translate(root: ParentNode) {
  for (const element of root.querySelectorAll<HTMLElement>("[data-t]")) {
    element.textContent = word(element.dataset.t);
  }
  for (const [key, attribute] of [["tLabel", "aria-label"], ["tPlaceholder", "placeholder"], ["tTitle", "title"]] as const) {
    for (const element of root.querySelectorAll<HTMLElement>(`[data-t-${attribute.replace("aria-", "")}]`)) {
      element.setAttribute(attribute, word(element.dataset[key]));
    }
  }
}

function word(key = ""): string {
  const found = (texts() as Record<string, unknown>)[key];
  if (typeof found !== "string") throw new Error(`there is no text ${key}`);
  return found;
}
