// Open alerts, the most severe first: what they are about, what to do, and the answers to them.

import { ask } from "./access.js";
import { element, missing, seconds, words } from "./format.js";
import { Stream } from "./stream.js";

const severities = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
const over = new Set(["RESOLVED", "CLOSED", "EXPIRED"]);
const ofOrders = new Set(["SLOW_EXECUTION", "HIGH_COST", "MARKET_IMPACT"]);
const reasons = ["TRUE_ACTED", "TRUE_NO_ACTION", "FALSE_MARKET", "FALSE_DATA", "DUPLICATE"];
const most = 100;

class AlertStream extends Stream {
  path = "/api/v1/alerts/stream";

  query(query) { return query; }

  told(frame) {
    if (frame.kind === "resync") this.on.begin();
    else if (frame.alert) this.on.alert(frame.alert);
  }
}

export class AlertsPanel {
  constructor(panel, openOrder) {
    this.panel = panel;
    this.body = panel.querySelector("tbody");
    this.count = panel.querySelector("#alerts-count");
    this.openOrder = openOrder;
    this.alerts = new Map();
    this.rows = new Map();
    this.mayOperate = false;
    this.stream = new AlertStream({
      state: () => {},
      begin: () => { this.alerts.clear(); this.later(); },
      hello: (frame) => { this.mayOperate = frame.may_operate; },
      beat: () => {},
      alert: (alert) => this.take(alert),
    });
    setInterval(() => this.draw(), 1000);
  }

  take(alert) {
    if (over.has(alert.state)) this.alerts.delete(alert.alert_id);
    else this.alerts.set(alert.alert_id, alert);
    this.later();
  }

  later() {
    if (!this.timer) this.timer = setTimeout(() => { this.timer = 0; requestAnimationFrame(() => this.draw()); }, 100);
  }

  draw() {
    const rank = (a) => severities.indexOf(a.severity);
    const all = [...this.alerts.values()].sort((a, b) =>
      rank(b) - rank(a) || (a.started_at < b.started_at ? 1 : -1));
    const shown = all.slice(0, most);
    const kept = new Set(shown.map((a) => a.alert_id));
    for (const [id, row] of this.rows) if (!kept.has(id)) { row.remove(); this.rows.delete(id); }
    shown.forEach((alert, i) => {
      const row = this.rows.get(alert.alert_id) ?? this.add(alert);
      // A row that is moved loses the focus: only where it must.
      if (this.body.rows[i] !== row) this.body.insertBefore(row, this.body.rows[i] ?? null);
      this.fill(row, alert);
    });
    this.panel.hidden = !all.length;
    const text = all.length > most ? `the first ${most} of ${all.length}` : `${all.length} open`;
    if (this.count.textContent !== text) this.count.textContent = text;
  }

  add(alert) {
    const row = element("tr");
    for (let i = 0; i < 6; i++) row.append(element("td"));
    const about = element(ofOrders.has(alert.type) ? "button" : "span", alert.scope);
    if (about.tagName === "BUTTON") { about.type = "button"; about.onclick = () => this.openOrder(alert.scope); }
    row.cells[2].append(about);
    row.cells[3].className = "number";
    row.cells[4].className = "wide";
    row.cells[5].append(...this.answers(alert, row));
    this.rows.set(alert.alert_id, row);
    return row;
  }

  answers(alert, row) {
    const of = `${words(alert.type)} of ${alert.scope}`;
    const ack = element("button", "Acknowledge", "answer");
    ack.type = "button";
    ack.setAttribute("aria-label", `Acknowledge ${of}`);
    ack.onclick = () => this.act(alert.alert_id, row, "ack", {});
    const close = element("select", null, "answer");
    close.setAttribute("aria-label", `Close ${of} as`);
    close.append(element("option", "Close as…"));
    close.append(...reasons.map((reason) => Object.assign(element("option", words(reason)), { value: reason })));
    close.onchange = () => { if (close.selectedIndex) this.act(alert.alert_id, row, "close", { reason: close.value }); };
    return [ack, close];
  }

  fill(row, alert) {
    const [severity, type, , age, what, answers] = row.cells;
    severity.textContent = alert.severity.toLowerCase();
    severity.className = `severity ${alert.severity.toLowerCase()}`;
    type.textContent = words(alert.type) + (alert.state === "OPEN" ? "" : `, ${words(alert.state)}`);
    type.title = alert.acked_by ? `acknowledged by ${alert.acked_by}` : "";
    age.textContent = seconds(Math.max(0, Date.now() - Date.parse(alert.started_at)));
    what.textContent = row.failed ?? (alert.recommendation || missing);
    const [ack, close] = answers.children;
    ack.hidden = !this.mayOperate || alert.state === "ACKED";
    close.hidden = !this.mayOperate;
  }

  async act(id, row, action, body) {
    const controls = [...row.cells[5].children];
    controls.forEach((one) => { one.disabled = true; });
    row.failed = null;
    try {
      const { transitions, ...alert } = await ask(`/api/v1/alerts/${encodeURIComponent(id)}/${action}`,
        { method: "POST", body: JSON.stringify(body) });
      this.take(alert);
    } catch (error) {
      row.failed = error.message;
      controls[1].selectedIndex = 0;
    }
    controls.forEach((one) => { one.disabled = false; });
    this.draw();
  }
}
