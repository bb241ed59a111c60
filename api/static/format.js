// Numbers, times and costs as people read them.

export const missing = "–";

export function number(value, digits = 2) {
  if (value === null || value === undefined) return missing;
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export const whole = (value) =>
  value === null || value === undefined ? missing : value.toLocaleString("en-GB", { maximumFractionDigits: 0 });

export const percent = (value, digits = 0) =>
  value === null || value === undefined ? missing : `${number(100 * value, digits)} %`;

export function words(text) {
  return text ? text.toLowerCase().replaceAll("_", " ") : missing;
}

export function clock(text) {
  return text ? text.slice(11, 23).replace("Z", "") : missing;
}

export function seconds(ms) {
  if (ms === null || ms === undefined) return missing;
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : ms < 600_000 ? `${Math.round(ms / 1000)} s`
    : `${Math.round(ms / 60_000)} min`;
}

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// A cost is positive when it is bad for us, for purchases and sales alike; the word says so too.
export function cost(cell, value, reason, digits = 2) {
  cell.textContent = missing;
  cell.className = "number";
  cell.title = "";
  if (value === null || value === undefined) {
    if (reason) cell.title = words(reason);
    return;
  }
  const sign = value > 0 ? "+" : value < 0 ? "−" : "";
  const what = value > 0 ? "cost" : value < 0 ? "gain" : "even";
  cell.textContent = `${sign}${number(Math.abs(value), digits)} ${what}`;
  if (value) cell.classList.add(what);
}

export function progress(cell, filled, expected) {
  if (!cell.firstChild) {
    const bar = element("span", null, "bar");
    bar.append(element("i"), element("b"));
    cell.append(bar, element("span", null, "share"));
  }
  const [bar, share] = cell.children;
  const has = filled !== null && filled !== undefined;
  const due = expected !== null && expected !== undefined;
  bar.firstChild.style.width = `${100 * Math.min(Math.max(filled ?? 0, 0), 1)}%`;
  bar.lastChild.style.left = `${100 * Math.min(Math.max(expected ?? 0, 0), 1)}%`;
  bar.lastChild.hidden = !due;
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `${percent(filled)} filled${due ? `, ${percent(expected)} expected` : ""}`);
  bar.title = bar.getAttribute("aria-label");
  share.textContent = has ? percent(filled) : missing;
}
