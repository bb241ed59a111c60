// The API's own description, as a page.

import { element } from "./format.js";

const place = document.getElementById("operations");

function typeOf(schema, all) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((s) => typeOf(s, all)).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items, all)}[]`;
  return [schema.type, schema.format].filter(Boolean).join(" ");
}

function parameters(operation, all) {
  if (!operation.parameters?.length) return [];
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const title of ["Parameter", "In", "Type", "What"]) {
    const cell = element("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const one of operation.parameters) {
    const row = body.insertRow();
    const texts = [one.name + (one.required ? " (needed)" : ""), one.in, typeOf(one.schema, all), one.description ?? one.schema?.description ?? ""];
    texts.forEach((text) => row.append(element("td", text)));
  }
  return [table];
}

function operationOf(method, path, operation, all) {
  const box = element("details");
  const summary = element("summary");
  summary.append(element("code", `${method.toUpperCase()} ${path}`), ` ${operation.summary}`);
  box.append(summary, element("p", operation.description ?? ""), ...parameters(operation, all));
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  if (body) box.append(element("p", `Body: ${typeOf(body, all)}`));
  const answers = Object.entries(operation.responses ?? {}).map(([status, answer]) => {
    const kinds = Object.entries(answer.content ?? {}).map(([type, { schema }]) => `${type} ${typeOf(schema, all)}`);
    return `${status}: ${kinds.join(", ") || answer.description}`;
  });
  const list = element("ul");
  answers.forEach((text) => list.append(element("li", text)));
  box.append(element("p", "Answers:"), list);
  return box;
}

const described = await (await fetch("/openapi.json")).json();
const found = [];
for (const [path, item] of Object.entries(described.paths)) {
  for (const [method, operation] of Object.entries(item)) found.push(operationOf(method, path, operation, described));
}
found.push(element("h2", "Shapes"));
for (const [name, schema] of Object.entries(described.components.schemas)) {
  const box = element("details");
  box.append(element("summary", name), element("p", schema.description ?? ""), element("pre", JSON.stringify(schema, null, 2)));
  found.push(box);
}
place.replaceChildren(...found);
