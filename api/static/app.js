// The first page: live orders on the left, the chosen one on the right.

import { forgetKey, useKey } from "./access.js";
import { AlertsPanel } from "./alerts.js";
import { Detail } from "./detail.js";
import { seconds } from "./format.js";
import { Stream } from "./stream.js";
import { OrdersTable } from "./table.js";

const $ = (id) => document.getElementById(id);
let age = { ms: null, at: Date.now(), isStale: false, open: 0 };
let state = "connecting";

const detail = new Detail($("detail"), closeOrder);
const orders = new OrdersTable($("orders"), $("count"), openOrder);
const alerts = new AlertsPanel($("alerts"), openOrder);
const stream = new Stream({
  state(name, words, status) {
    state = name;
    $("connection").dataset.state = name;
    $("connection").textContent = words;
    $("key-form").hidden = status !== 401;
    if (status === 401) { forgetKey(); $("key").focus(); }
    showAge();
  },
  begin() { orders.clear(); },
  status(status) {
    age = { ...age, ms: 0, at: Date.now(), isStale: false };
    orders.take(status);
    detail.touch(status.order_id);
  },
  beat(frame) {
    age = { ms: frame.data_age_ms, at: Date.now(), isStale: frame.is_stale, open: frame.open_orders };
    if (!frame.store_is_up) $("connection").textContent = "live, but the status store is down";
    else if (state === "live") $("connection").textContent = frame.is_stale ? "connected" : "live";
    showAge();
  },
});

function showAge() {
  const ms = age.ms === null ? null : age.ms + Date.now() - age.at;
  $("age").textContent = ms === null ? "" : `newest data ${seconds(ms)} old`;
  const stopped = state === "live" && age.isStale;
  const open = age.open === 1 ? "1 order is" : `${age.open} orders are`;
  const words = stopped ? `The pipeline has stopped: ${open} open and nothing was heard for ${seconds(ms)}.`
    : state === "lost" ? "Not connected: what is shown does not change." : "";
  // A green dot beside old numbers would contradict the alarm.
  $("connection").dataset.state = stopped ? "stopped" : state;
  const alarm = $("alarm");
  // It is read out: say it at once, then count on every five seconds only.
  const isDue = alarm.hidden || !stopped || Date.now() % 5000 < 1000;
  alarm.hidden = !words;
  if (alarm.textContent !== words && (!words || isDue)) alarm.textContent = words;
}

function openOrder(id) {
  orders.chosen = id;
  history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  detail.open(id);
  orders.draw();
}

function closeOrder() {
  const id = orders.chosen;
  orders.chosen = null;
  history.replaceState(null, "", location.pathname);
  detail.close();
  orders.draw();
  orders.focus(id);
}

$("find").oninput = (event) => { orders.find = event.target.value; orders.draw(); };
$("children").onchange = (event) => { stream.children = event.target.checked; stream.restart(); };
$("key-form").onsubmit = (event) => {
  event.preventDefault();
  useKey($("key").value.trim());
  $("key").value = "";
  stream.restart();
  alerts.stream.restart();
};
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && orders.chosen) closeOrder(); });
setInterval(showAge, 1000);
stream.open();
alerts.stream.open();
if (location.hash.length > 1) openOrder(decodeURIComponent(location.hash.slice(1)));
