// Who the page asks as: the key typed in, kept in this tab, or nobody where none is needed.

const name = "execmon-key";

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail ?? `the server answered ${status}`);
    this.status = status;
  }
}

export const useKey = (key) => sessionStorage.setItem(name, key);
export const forgetKey = () => sessionStorage.removeItem(name);

export async function ask(path, options = {}) {
  const key = sessionStorage.getItem(name);
  const headers = {
    Accept: "application/json",
    ...(options.body ? { "Content-Type": "application/json" } : {}),
    ...(key ? { Authorization: `Bearer ${key}` } : {}),
  };
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(body, answer.status);
  return body;
}

export const ticket = async () => (await ask("/api/v1/tickets", { method: "POST" })).ticket;

export const order = (id, what) => `/api/v1/${what.replace("*", encodeURIComponent(id))}`;
