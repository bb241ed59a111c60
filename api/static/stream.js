// Every order the caller may see, live: resumes where it left, and begins anew where it cannot.

import { Refused, ticket } from "./access.js";

const patience = 2.5; // heartbeats that may stay out before the connection counts as lost

export class Stream {
  path = "/api/v1/stream";

  constructor(on) {
    this.on = on; // { state(name, words), status(status), begin(), hello?(frame), beat(frame) }
    this.position = "";
    this.children = false;
    this.tries = 0;
    this.heard = 0;
    this.every = 5;
    setInterval(() => this.watch(), 1000);
  }

  async open() {
    this.close();
    const run = (this.run = Symbol());
    this.on.state("connecting", this.tries ? "connecting again" : "connecting");
    let shown;
    try {
      shown = await ticket();
    } catch (error) {
      if (this.run === run) this.failed(error);
      return;
    }
    if (this.run !== run) return;
    const query = this.query(new URLSearchParams({ ticket: shown }));
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}${this.path}?${query}`);
    this.socket = socket;
    socket.onmessage = ({ data }) => this.socket === socket && this.take(JSON.parse(data));
    socket.onclose = (event) => this.socket === socket && this.closed(event);
  }

  query(query) {
    if (this.position) query.set("position", this.position);
    if (!this.children) query.append("filter", "parent_order_id:");
    return query;
  }

  close() {
    const socket = this.socket;
    this.socket = this.run = null;
    clearTimeout(this.again);
    if (socket) socket.close();
  }

  restart() {
    this.position = "";
    this.tries = 0;
    this.open();
  }

  take(frame) {
    this.heard = Date.now();
    if (frame.kind === "hello") {
      this.tries = 0;
      this.every = frame.heartbeat_s;
      this.on.state("live", "live");
      this.on.hello?.(frame);
      if (!frame.resumed) this.on.begin();
    } else if (frame.kind === "heartbeat") {
      this.on.beat(frame);
    } else {
      this.told(frame);
    }
    if (frame.position && frame.kind !== "hello") this.position = frame.position;
  }

  told(frame) { this.on.status(frame.status); }

  closed(event) {
    this.socket = null;
    if (event.code >= 4400 && event.code < 4500) this.failed(new Refused({ detail: event.reason }, event.code - 4000));
    else this.failed(new Error(event.reason || "the connection was lost"));
  }

  failed(error) {
    if (error instanceof Refused && [401, 403].includes(error.status)) {
      this.on.state("lost", error.message, error.status);
      return;
    }
    this.on.state("lost", `not connected: ${error.message}`);
    const wait = Math.min(500 * 2 ** this.tries++, 10_000);
    this.again = setTimeout(() => this.open(), wait);
  }

  watch() {
    if (this.socket?.readyState === WebSocket.OPEN && Date.now() - this.heard > patience * this.every * 1000) {
      const socket = this.socket;
      this.closed({ code: 0, reason: "nothing was heard of the server" });
      socket.close();
    }
  }
}
