// The table of open orders: sorted, narrowed, and redrawn a few times a second at most.

import { clock, cost, element, missing, number, percent, progress, seconds, whole, words } from "./format.js";

const most = 300;
const closed = new Set(["FILLED", "CANCELLED", "REJECTED", "EXPIRED"]);
const old = 15_000;

const text = (name) => ({ value: (o) => o[name] ?? "", draw: (cell, o) => { cell.textContent = o[name] ?? missing; } });
const columns = [
  { title: "Order", ...text("order_id"), isName: true },
  { title: "Desk", ...text("desk") },
  { title: "Symbol", ...text("symbol") },
  { title: "Side", value: (o) => o.side ?? "", draw: (c, o) => { c.textContent = words(o.side); } },
  { title: "Algorithm", ...text("algo") },
  { title: "State", value: (o) => o.state ?? "",
    draw: (c, o) => { c.textContent = words(o.state) + (o.provisional ? " *" : ""); c.title = o.provisional ? "provisional" : ""; } },
  { title: "Alerts", value: (o) => o.alerts?.length ?? 0,
    draw: (c, o) => {
      const [first, ...more] = (o.alerts ?? []).map(words);
      c.textContent = first ? first + (more.length ? ` +${more.length}` : "") : "";
      c.title = more.length ? [first, ...more].join(", ") : "";
      c.className = "cost";
    } },
  { title: "Progress", value: (o) => o.execution_progress ?? -1, draw: (c, o) => progress(c, o.execution_progress, o.expected_progress) },
  { title: "Slippage, bps", number: true, value: (o) => o.slippage_bps ?? -Infinity,
    draw: (c, o) => cost(c, o.slippage_bps, o.reasons?.slippage_bps) },
  { title: "Filled", number: true, value: (o) => o.cum_qty ?? -1, draw: (c, o) => { c.textContent = whole(o.cum_qty); } },
  { title: "Of", number: true, value: (o) => o.order_qty ?? -1, draw: (c, o) => { c.textContent = whole(o.order_qty); } },
  { title: "Average price", number: true, value: (o) => o.avg_px ?? -1, draw: (c, o) => { c.textContent = number(o.avg_px, 4); } },
  { title: "Participation", number: true, value: (o) => o.participation_rate ?? -1,
    draw: (c, o) => { c.textContent = percent(o.participation_rate, 1); } },
  { title: "Age", number: true, value: (o) => -Date.parse(o.last_updated ?? 0),
    draw: (c, o) => {
      const ms = o.last_updated ? Math.max(0, Date.now() - Date.parse(o.last_updated)) : null;
      c.textContent = seconds(ms);
      c.title = `as of ${clock(o.last_updated)} UTC`;
      c.className = ms > old ? "number old" : "number";
    } },
];

// What deserves attention: what is left to trade at its expected cost, and the cost so far.
function attention(o) {
  const price = o.bid && o.ask ? (o.bid + o.ask) / 2 : o.avg_px ?? o.arrival_mid ?? o.limit_px ?? 0;
  return (o.leaves_qty ?? 0) * price * (o.expected_cost_bps ?? 0) * 1e-4 + (o.slippage_ccy ?? 0);
}

export class OrdersTable {
  constructor(table, count, onChoose) {
    this.body = table.tBodies[0];
    this.count = count;
    this.onChoose = onChoose;
    this.orders = new Map();
    this.rows = new Map();
    this.sort = null;
    this.find = "";
    this.chosen = null;
    this.heads = columns.map((column, i) => {
      const head = element("th", null, column.number ? "number" : "");
      const button = element("button", column.title);
      button.type = "button";
      button.onclick = () => this.sortBy(i);
      head.scope = "col";
      head.append(button);
      return head;
    });
    table.tHead.rows[0].append(...this.heads);
    setInterval(() => this.draw(), 1000);
  }

  clear() { this.orders.clear(); this.later(); }

  take(status) {
    if (closed.has(status.state)) this.orders.delete(status.order_id);
    else this.orders.set(status.order_id, status);
    this.later();
  }

  later() {
    if (!this.timer) this.timer = setTimeout(() => { this.timer = 0; requestAnimationFrame(() => this.draw()); }, 250);
  }

  sortBy(i) {
    this.sort = this.sort?.i !== i ? { i, down: Boolean(columns[i].number) }
      : this.sort.down === Boolean(columns[i].number) ? { i, down: !this.sort.down } : null;
    this.heads.forEach((head, at) => {
      if (this.sort?.i === at) head.setAttribute("aria-sort", this.sort.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.draw();
  }

  wanted() {
    const needle = this.find.trim().toLowerCase();
    const all = [...this.orders.values()];
    const found = !needle ? all : all.filter((o) =>
      [o.order_id, o.symbol, o.desk, o.algo, o.trader, o.client].some((t) => t?.toLowerCase().includes(needle)));
    const value = this.sort ? columns[this.sort.i].value : attention;
    const sign = this.sort && !this.sort.down ? 1 : -1;
    const keyed = found.map((o) => [value(o), o]);
    keyed.sort(([a, x], [b, y]) => sign * (a < b ? -1 : a > b ? 1 : 0) || (x.order_id < y.order_id ? -1 : 1));
    return keyed.map(([, o]) => o);
  }

  draw() {
    const wanted = this.wanted();
    const shown = wanted.slice(0, most);
    const kept = new Set(shown.map((o) => o.order_id));
    for (const [id, row] of this.rows) if (!kept.has(id)) { row.remove(); this.rows.delete(id); }
    shown.forEach((o, i) => {
      const row = this.rows.get(o.order_id) ?? this.add(o.order_id);
      if (this.body.rows[i] !== row) this.body.insertBefore(row, this.body.rows[i] ?? null);
      row.setAttribute("aria-current", String(this.chosen === o.order_id));
      columns.forEach((column, at) => { if (!column.isName) column.draw(row.cells[at], o); });
    });
    const order = this.sort ? "" : ", those that need attention first";
    const words = !wanted.length ? "none" : wanted.length > most ? `the first ${most} of ${wanted.length}` : `${wanted.length}`;
    if (this.count.textContent !== words + order) this.count.textContent = words + order;
  }

  add(id) {
    const row = element("tr");
    for (const column of columns) {
      const cell = element("td", null, column.number ? "number" : "");
      if (column.isName) {
        const button = element("button", id);
        button.type = "button";
        button.onclick = () => this.onChoose(id);
        cell.append(button);
      }
      row.append(cell);
    }
    row.onclick = (event) => { if (event.target.tagName !== "BUTTON") this.onChoose(id); };
    this.rows.set(id, row);
    return row;
  }

  focus(id) { this.rows.get(id)?.querySelector("button").focus(); }
}
