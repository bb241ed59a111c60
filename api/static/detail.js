// One order: its state, benchmarks, executions and timeline, each from its own endpoint.

import { ask, order } from "./access.js";
import { clock, cost, element, missing, number, percent, seconds, whole, words } from "./format.js";

const facts = [
  ["State", (o) => words(o.state) + (o.provisional ? ", provisional" : "")], ["As of", (o) => `${clock(o.as_of)} UTC`],
  ["Side", (o) => words(o.side)], ["Symbol", (o) => o.symbol ?? missing],
  ["Filled", (o) => `${whole(o.cum_qty)} of ${whole(o.order_qty)}`], ["Average", (o) => `${number(o.avg_px, 4)} ${o.currency ?? ""}`],
  ["Progress", (o) => percent(o.execution_progress, 1)], ["Expected", (o) => percent(o.expected_progress, 1)],
  ["Desk", (o) => o.desk ?? missing], ["Trader", (o) => o.trader ?? missing],
  ["Anomalies", (o) => o.anomalies?.length ? o.anomalies.map(words).join(", ") : "none"], ["Quote age", (o) => o.quote_age_ms == null ? missing : seconds(o.quote_age_ms)],
  ["Algorithm", (o) => o.algo ?? missing], ["Broker", (o) => o.broker ?? missing],
];

const parts = [
  { title: "State and metrics", path: "monitoring/*/status", draw: drawStatus },
  { title: "Benchmarks", path: "monitoring/*/analytics", draw: drawBenchmarks },
  { title: "Executions", path: "orders/*/fills?limit=100", draw: drawFills },
  { title: "Timeline", path: "orders/*/timeline?limit=200", draw: drawTimeline },
];

export class Detail {
  constructor(panel, onClose) {
    this.panel = panel;
    this.title = panel.querySelector("h2");
    this.body = panel.querySelector("#parts");
    panel.querySelector("#close").onclick = onClose;
    this.id = null;
    this.drawnAt = 0;
  }

  open(id) {
    this.id = id;
    this.title.textContent = id;
    this.panel.hidden = false;
    this.sections = parts.map((part) => {
      const section = element("section", null, "part");
      const content = element("div", "…", "muted");
      section.append(element("h3", part.title), content);
      return content;
    });
    this.body.replaceChildren(...this.sections.map((content) => content.parentNode));
    this.panel.focus();
    this.load();
  }

  close() { this.id = null; this.panel.hidden = true; }

  // Called at each update of the order; reads again every two seconds at most.
  touch(id) {
    if (id !== this.id || this.timer) return;
    this.timer = setTimeout(() => { this.timer = 0; if (this.id === id) this.load(); },
      Math.max(0, this.drawnAt + 2000 - Date.now()));
  }

  load() {
    const { id, sections } = this;
    this.drawnAt = Date.now();
    parts.forEach(async (part, i) => {
      let drawn;
      try {
        drawn = part.draw(await ask(order(id, part.path)));
      } catch (error) {
        drawn = [element("p", error.message, "muted")];
      }
      if (this.id === id && this.sections === sections) {
        sections[i].className = "";
        sections[i].replaceChildren(...drawn);
      }
    });
  }
}

function drawStatus(status) {
  const list = element("dl");
  for (const [name, value] of facts) list.append(element("dt", name), element("dd", value(status)));
  const metrics = Object.entries(status.current_metrics).map(([name, value]) => {
    const reason = status.metric_reasons[name];
    const isCost = name === "SLIPPAGE" || name === "MARKET_IMPACT";
    const cell = element("td", null, "number");
    if (isCost) cost(cell, value, reason, 4);
    else cell.textContent = number(value, 4);
    return [words(name) + (isCost ? ", bps" : ""), cell, reason ? words(reason) : ""];
  });
  return [list, table(["Metric", "#Value", "Why not"], metrics)];
}

function drawBenchmarks({ benchmark_comparison: { benchmarks } }) {
  const rows = benchmarks.map((one) => {
    const [bps, ccy] = [element("td"), element("td")];
    cost(bps, one.slippage_bps, one.reason);
    cost(ccy, one.slippage_ccy, one.reason);
    return [words(one.benchmark), number(one.price, 4), bps, ccy, one.reason ? words(one.reason) : ""];
  });
  return [table(["Against", "#Price", "#bps", "#Currency", "Why not"], rows)];
}

function drawFills({ items, next }) {
  const rows = items.map((one) => [
    clock(one.ts_event ?? one.ts), one.venue ?? missing, whole(one.last_qty), number(one.last_px, 4), number(one.mid, 4), words(one.liquidity),
    one.status === "COUNTED" ? "" : words(one.status),
  ]);
  return [table(["Time", "Venue", "#Quantity", "#Price", "#Mid", "Liquidity", ""], rows), ...more(next)];
}

function drawTimeline({ items, next }) {
  const rows = items.map((one) => [
    clock(one.ts), words(one.type), one.venue ?? "", one.since_previous_ms === null ? "" : `+${seconds(one.since_previous_ms)}`,
    one.last_qty ? `${whole(one.last_qty)} at ${number(one.last_px, 4)}` : one.reject_reason ? words(one.reject_reason) : "",
  ]);
  return [table(["Time", "What", "Venue", "#After", ""], rows), ...more(next)];
}

const more = (next) => (next ? [element("p", "There are more; the API has them all.", "muted")] : []);

// A column whose title begins with # holds numbers.
function table(titles, rows) {
  if (!rows.length) return element("p", "none", "muted");
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const title of titles) {
    const cell = element("th", title.replace("#", ""), title.startsWith("#") ? "number" : "");
    cell.scope = "col";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const values of rows) {
    const row = body.insertRow();
    values.forEach((value, i) => {
      row.append(value instanceof Node ? value : element("td", value, titles[i].startsWith("#") ? "number" : ""));
    });
  }
  return made;
}
