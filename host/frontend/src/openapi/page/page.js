// The page at /docs: asks for the document as whom a person says, shows one command at a time, and calls it. Everything
// the document says is put in as text, never as HTML: of Markdown, this page makes the elements itself. What a person types stays in this page and its requests.
"use strict";

const at = (id) => document.getElementById(id);
let described = null;
let authorization = null;
let curlCredential = "";

/** Makes an element; attributes that are null or false are left out. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** One line's worth of Markdown: code, strong, emphasis, and links to the web. Everything else of it is text, HTML too. */
function prose(text) {
  const parts = /(`[^`\n]+`|\*\*[^*\n]+\*\*|\*[^*\s][^*\n]*\*|\b_[^_\s][^_\n]*_\b|\[[^\]\n]+\]\([^()\s]+\)|<https?:\/\/[^<>\s]+>)/;
  return text.split(parts).map((part, index) => {
    if (index % 2 === 0) return part;
    if (part.startsWith("`")) return make("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return make("strong", {}, part.slice(2, -2));
    if (/^[*_]/.test(part)) return make("em", {}, part.slice(1, -1));
    const [, words, address] = part.startsWith("<") ? [part, part.slice(1, -1), part.slice(1, -1)] : part.match(/^\[(.+)\]\((.+)\)$/);
    // Nothing but the web: an address of another kind could run something.
    return /^https?:\/\//i.test(address) ? make("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, words) : part;
  });
}

/** A text of several lines of Markdown: paragraphs, headings, lists and code, below the headings of the page. */
function blocks(text) {
  const found = [];
  let paragraph = [];
  let items = null;
  const end = () => {
    if (paragraph.length > 0) found.push(make("p", {}, ...prose(paragraph.join("\n"))));
    paragraph = [];
    items = null;
  };
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    const fence = line.match(/^\s{0,3}(```+|~~~+)/);
    const heading = line.match(/^(#{1,6})\s+(.*?)\s*#*$/);
    const item = line.match(/^\s{0,3}(?:[-*+]|([0-9]{1,9})[.)])\s+(.*)$/);
    if (fence) {
      end();
      const code = [];
      for (at += 1; at < lines.length && !lines[at].trim().startsWith(fence[1]); at += 1) code.push(lines[at]);
      found.push(make("pre", { tabindex: "0" }, make("code", {}, code.join("\n"))));
    } else if (line.trim() === "") {
      end();
    } else if (heading) {
      end();
      found.push(make("h3", {}, ...prose(heading[2])));
    } else if (item) {
      const name = item[1] === undefined ? "ul" : "ol";
      if (items?.list.localName !== name) {
        end();
        const start = item[1] === undefined || item[1] === "1" ? null : item[1];
        items = { list: make(name, { start }), last: null };
        found.push(items.list);
      }
      items.last = make("li", {}, ...prose(item[2]));
      items.list.append(items.last);
    } else if (items) {
      // A line that goes on with the item before it.
      items.last.append(" ", ...prose(line.trim()));
    } else {
      paragraph.push(line);
    }
  }
  end();
  return found;
}

function tell(text, bad = false) {
  at("state").textContent = text;
  at("state").className = bad ? "bad" : "";
}

function base64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

/** Says to the shell what would otherwise mean something to it. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Reads JSON, and keeps integers as they are written where a number would change them (not in browsers before 2025). */
function parse(text) {
  return JSON.parse(text, (key, value, context) => {
    const changed = typeof value === "number" && JSON.rawJSON && /^-?[0-9]+$/.test(context?.source) && String(value) !== context.source;
    return changed ? JSON.rawJSON(context.source) : value;
  });
}

/** The parts of a JSON text: texts, marks, and everything between them. Nothing is read, so nothing changes. */
function tokens(text) {
  return text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
}

/** Writes JSON with a line for each member. */
function spread(text) {
  const parts = tokens(text);
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return parts.map((part, index) => {
    const isEmpty = /^[{[]$/.test(parts[index - 1]);
    if (/^[}\]]$/.test(part)) {
      depth -= 1;
      return isEmpty ? part : line() + part;
    }
    if (/^[{[]$/.test(part)) {
      depth += 1;
      return /^[}\]]$/.test(parts[index + 1]) ? part : part + line();
    }
    return part === "," ? part + line() : part === ":" ? ": " : part;
  }).join("");
}

async function ask(path, options = {}) {
  const headers = { ...(authorization ? { authorization } : {}), ...(options.headers ?? {}) };
  const rest = { credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer" };
  return fetch(path, { ...options, ...rest, headers });
}

// Who calls.

function chooseScheme() {
  for (const kind of ["basic", "bearer"]) {
    for (const part of document.querySelectorAll(`.${kind}`)) part.hidden = at("scheme").value !== kind;
  }
}

async function load() {
  const scheme = at("scheme").value;
  const account = at("account").value.trim();
  if (scheme === "basic") {
    authorization = `Basic ${base64(`${account}:${at("password").value}`)}`;
    curlCredential = `-u ${quoted(account)}`;
  } else if (scheme === "bearer") {
    authorization = `Bearer ${at("token").value.trim()}`;
    curlCredential = '-H "Authorization: Bearer $TOKEN"';
  } else {
    authorization = null;
    curlCredential = "";
  }
  tell("Loading …");
  try {
    const answer = await ask("/openapi.json");
    const body = parse(await answer.text());
    if (!answer.ok) {
      described = null;
      tell(`${body.title}: ${body.detail}`, true);
    } else {
      described = body;
      const count = commands().size;
      tell(count === 1 ? "You may call one command." : `You may call ${count} commands.`);
    }
  } catch (error) {
    described = null;
    tell(`The host does not respond: ${error.message}`, true);
  }
  list();
  show();
}

// What may be called.

/** The commands: by name, the addresses of their forms, the latest first. */
function commands() {
  const found = new Map();
  for (const [path, item] of Object.entries(described?.paths ?? {})) {
    const parts = path.match(/^\/api\/([a-z0-9_]+)(?:\/v([0-9]+))?$/);
    if (!parts) continue;
    const entry = found.get(parts[1]) ?? { name: parts[1], forms: [] };
    entry.forms.push({ path, version: parts[2] ?? null, operation: item.post });
    found.set(parts[1], entry);
  }
  return found;
}

function list() {
  const wanted = at("search").value.trim().toLowerCase();
  const groups = new Map();
  for (const entry of commands().values()) {
    const operation = entry.forms[0].operation;
    const text = [entry.name, operation.summary, ...operation.tags].join(" ").toLowerCase();
    if (!text.includes(wanted)) continue;
    const tag = operation.tags[0] ?? "other";
    groups.set(tag, [...(groups.get(tag) ?? []), entry]);
  }
  const chosen = choice().name;
  const link = (entry) => {
    const operation = entry.forms[0].operation;
    const attributes = { href: `#${entry.name}`, title: operation.summary, "aria-current": entry.name === chosen ? "page" : null };
    return make("li", {}, make("a", attributes, entry.name));
  };
  const parts = [...groups.keys()].sort().flatMap((tag) => {
    return [make("h2", {}, tag), make("ul", {}, ...groups.get(tag).map(link))];
  });
  if (parts.length === 0) parts.push(make("p", { class: "quiet" }, "Nothing matches."));
  at("list").replaceChildren(...parts);
}

/** The command and version the address of this page names. */
function choice() {
  const [name, version] = location.hash.slice(1).split("/v");
  return { name, version: version ?? null };
}

// Schemas.

function follow(schema, depth = 0) {
  if (schema === true || schema === undefined) return {};
  if (typeof schema?.$ref !== "string" || depth > 8) return schema;
  const parts = decodeURIComponent(schema.$ref).split("/").slice(1);
  let target = described;
  for (const part of parts) target = target?.[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  const { $ref, ...own } = schema;
  return { ...follow(target, depth + 1), ...own };
}

/** What a value must be, without the case that it is null. A long integer that may come as a text too is an integer. */
function plain(schema) {
  const found = follow(schema);
  for (const keyword of ["anyOf", "oneOf"]) {
    const branches = (found[keyword] ?? []).map((branch) => follow(branch)).filter((branch) => branch.type !== "null");
    const [one, other] = branches;
    if (branches.length === 1 || (branches.length === 2 && one.type === "integer" && other.type === "string" && other.pattern)) {
      const { [keyword]: _, ...own } = found;
      return { ...one, ...own };
    }
  }
  if (Array.isArray(found.type)) {
    const types = found.type.filter((type) => type !== "null");
    if (types.length === 1) return { ...found, type: types[0] };
  }
  return found;
}

/** The values to choose from, each as JSON with what is said of it; nothing where others are possible too. */
function choices(schema) {
  const one = (value, about = "") => ({ json: JSON.stringify(value), about });
  if (schema.const !== undefined) return [one(schema.const)];
  if (schema.enum) return schema.enum.filter((value) => value !== null).map((value) => one(value));
  const branches = (schema.oneOf ?? schema.anyOf ?? []).map((branch) => follow(branch)).filter((branch) => branch.type !== "null");
  if (branches.length === 0 || !branches.every((branch) => branch.const !== undefined || branch.enum)) return null;
  return branches.flatMap((branch) => (branch.enum ?? [branch.const]).map((value) => one(value, branch.description ?? branch.title)));
}

function inWords(schema, depth = 0) {
  const found = plain(schema);
  const values = choices(found)?.map(({ json }) => json);
  if (values) return values.length === 1 ? values[0] : `one of ${values.join(", ")}`;
  const bounds = [];
  const range = (least, most, unit) => {
    const [from, to] = [least, most].map((bound) => JSON.stringify(bound));
    if (from !== undefined && to !== undefined) bounds.push(`${from} to ${to}${unit}`);
    else if (from !== undefined) bounds.push(`at least ${from}${unit}`);
    else if (to !== undefined) bounds.push(`at most ${to}${unit}`);
  };
  range(found.minimum, found.maximum, "");
  range(found.minLength, found.maxLength, " characters");
  range(found.minItems, found.maxItems, " items");
  if (found.pattern !== undefined) bounds.push(`of the form ${found.pattern}`);
  if (found.format !== undefined && !/^u?int/.test(found.format)) bounds.push(found.format);
  const behind = bounds.length > 0 ? `, ${bounds.join(", ")}` : "";
  if (found.type === "array" && depth < 3) return `list of ${inWords(found.items, depth + 1)}${behind}`;
  const type = Array.isArray(found.type) ? found.type.join(" or ") : found.type;
  return `${{ string: "text", object: "JSON object", integer: "whole number" }[type] ?? type ?? "any JSON"}${behind}`;
}

function isSecret(schema) {
  return schema.writeOnly === true || schema.format === "password";
}

// One command.

let fields = [];
/** What was typed last, and into the form of which address. */
let typed = { path: null, texts: [] };
let shownPath = null;

function show() {
  const { name, version } = choice();
  if (fields.length > 0) typed = { path: shownPath, texts: fields.map((one) => [one.name, one.input.value]) };
  const entry = commands().get(name);
  at("hint").hidden = entry !== undefined;
  at("command").hidden = entry === undefined;
  at("command").replaceChildren();
  fields = [];
  for (const link of at("list").querySelectorAll("a")) {
    if (link.textContent === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!entry) return;
  const form = entry.forms.find((one) => one.version === version) ?? entry.forms[0];
  shownPath = form.path;
  const operation = form.operation;
  const about = operation["x-muster"];
  const marks = [`version ${about.version}`, about.origin, `audience: ${about.audience}`, ...operation.tags.map((tag) => `#${tag}`)];
  const effects = about.effects.map((effect) => effect.replaceAll("_", " "));
  const items = [
    ...marks.map((mark) => make("li", {}, mark)),
    ...effects.map((effect) => make("li", { class: effect === "destructive" ? "bad" : null }, effect)),
    operation.deprecated ? make("li", { class: "bad" }, "deprecated") : null,
  ].filter((item) => item !== null);
  const versions = make("select", {
    id: "version",
    onchange: (event) => { location.hash = event.target.value === "" ? name : `${name}/v${event.target.value}`; },
  }, ...entry.forms.map((one) => make("option", { value: one.version ?? "", selected: one === form },
    one.version === null ? "the latest" : `v${one.version}`)));
  at("command").append(
    make("h2", { id: "name" }, name),
    make("p", { class: "summary" }, operation.summary),
    make("ul", { class: "marks", "aria-label": "About it" }, ...items),
    operation.description ? make("div", { class: "text" }, ...blocks(operation.description)) : "",
    make("p", {}, make("label", { for: "version" }, "Version"), versions),
    call(form),
    result(operation),
  );
}

/** The form that calls the command. */
function call(form) {
  const media = form.operation.requestBody.content["application/json"];
  const schema = follow(media.schema);
  const required = schema.required ?? [];
  const body = make("div", {});
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const one = field(name, property, required.includes(name), fields.length);
    fields.push(one);
    body.append(one.element);
  }
  // The same form again, as when a user logs in after filling it in.
  for (const [name, text] of typed.path === form.path ? typed.texts : []) {
    const one = fields.find((one) => one.name === name);
    if (one) one.input.value = text;
  }
  if (fields.length === 0) body.append(make("p", { class: "quiet" }, "This command has no arguments."));
  const examples = Object.values(media.examples ?? {});
  const fill = make("select", { id: "example" }, make("option", { value: "" }, "none"),
    ...examples.map((example, index) => make("option", { value: String(index) }, example.summary)));
  fill.addEventListener("change", () => {
    const value = fill.value === "" ? {} : examples[Number(fill.value)].value;
    for (const one of fields) one.set(value[one.name]);
    preview();
  });
  const button = make("button", {}, "Call it");
  const curl = make("pre", { id: "curl", tabindex: "0", "aria-label": "Command line with curl" });
  const answer = make("div", { id: "answer", "aria-live": "polite" });
  const preview = () => { curl.textContent = curlLine(form, read(false).shown); };
  const element = make("form", { id: "call", novalidate: true, "aria-label": `Call ${form.path}`, oninput: preview },
    make("h3", {}, "Arguments"),
    examples.length > 0 ? make("p", {}, make("label", { for: "example" }, "Fill in an example"), fill) : "",
    body,
    make("div", { class: "buttons" }, button), answer,
    make("h3", {}, "Command line with curl"), curl);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { value, wrong } = read(true);
    if (wrong) { wrong.focus(); return; }
    const destructive = form.operation["x-muster"].effects.includes("destructive");
    if (destructive && !confirm(`${form.path} removes data that cannot be restored. Call it?`)) return;
    button.disabled = true;
    await send(form, value, answer);
    button.disabled = false;
  });
  preview();
  return element;
}

/** An argument as something to fill in. */
function field(name, property, required, index) {
  const schema = plain(property);
  const id = `argument-${index}`;
  const values = schema.type === "boolean" ? ["true", "false"].map((json) => ({ json, about: "" })) : choices(schema);
  const common = { id, "aria-describedby": `${id}-about ${id}-error`, "aria-required": required ? "true" : null };
  let input;
  if (values) {
    const none = make("option", { value: "" }, required ? "choose" : "not given");
    const bare = (json) => (json.startsWith('"') ? JSON.parse(json) : json);
    input = make("select", common, none, ...values.map(({ json, about }) =>
      make("option", { value: json }, bare(json), about ? ` — ${about}` : "")));
  } else if (["string", "integer", "number"].includes(schema.type)) {
    const type = isSecret(schema) ? "password" : "text";
    const mode = schema.type === "string" ? null : schema.type === "integer" ? "numeric" : "decimal";
    input = make("input", { ...common, type, inputmode: mode, autocomplete: "off", spellcheck: "false" });
  } else {
    input = make("textarea", { ...common, spellcheck: "false" });
  }
  const error = make("p", { id: `${id}-error`, class: "bad" });
  const file = schema.contentEncoding === "base64" && input.tagName === "INPUT" ? fileInto(input, id, name) : "";
  const words = `${inWords(property)}${schema.default === undefined ? "" : `; ${JSON.stringify(schema.default)} by default`}`;
  const element = make("div", { class: "field" },
    make("label", { for: id }, name, required ? " (needed)" : ""), input, file,
    make("p", { id: `${id}-about`, class: "quiet" }, words, ...prose(schema.description ? ` — ${schema.description}` : "")),
    error);
  return {
    name, element, input, secret: isSecret(schema),
    set(value) {
      if (value === undefined) input.value = "";
      else input.value = typeof value === "string" && input.tagName === "INPUT" ? value : JSON.stringify(value, null, input.tagName === "TEXTAREA" ? 2 : 0);
    },
    mark(text) {
      error.textContent = text;
      if (text === "") input.removeAttribute("aria-invalid");
      else input.setAttribute("aria-invalid", "true");
    },
    /** The value as JSON, with every digit as it was typed; nothing where it is left out. Throws what is wrong with it. */
    get() {
      const text = input.value;
      if (text === "" && (!required || values || schema.type !== "string")) return undefined;
      if (values) return text;
      if (schema.type === "string") return JSON.stringify(text);
      if (schema.type === "integer") {
        if (!/^-?(0|[1-9][0-9]*)$/.test(text.trim())) throw new Error("this is not a whole number");
        return text.trim();
      }
      try {
        JSON.parse(text);
      } catch {
        throw new Error(input.tagName === "TEXTAREA" ? "this is not JSON" : "this is not a number");
      }
      return tokens(text).join("");
    },
  };
}

/** Something to choose a file with, whose bytes go into the input as base64. */
function fileInto(input, id, name) {
  const chooser = make("input", { id: `${id}-file`, type: "file" });
  chooser.addEventListener("change", async () => {
    const [chosen] = chooser.files;
    if (!chosen) return;
    const bytes = new Uint8Array(await chosen.arrayBuffer());
    const parts = [];
    // In pieces: a call takes only so many arguments.
    for (let at = 0; at < bytes.length; at += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
    input.value = btoa(parts.join(""));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return make("p", {}, make("label", { for: chooser.id }, `${name} from a file`), chooser);
}

/** The arguments as they are filled in, and as they can be shown, both as JSON; the first field that is wrong. */
function read(mark) {
  const value = [];
  const shown = [];
  let wrong = null;
  for (const one of fields) {
    let text = "";
    try {
      const found = one.get();
      if (found !== undefined) {
        value.push(`${JSON.stringify(one.name)}:${found}`);
        shown.push(`${JSON.stringify(one.name)}:${one.secret ? '"…"' : found}`);
      }
    } catch (error) {
      text = error.message;
      wrong ??= one.input;
    }
    if (mark) one.mark(text);
  }
  return { value: `{${value.join(",")}}`, shown: `{${shown.join(",")}}`, wrong };
}

function curlLine(form, value) {
  const parts = ["curl", curlCredential, `-H 'Content-Type: application/json' -d ${quoted(value)}`,
    quoted(`${location.origin}${form.path}`)];
  return parts.filter((part) => part !== "").join(" ");
}

/** Calls the command and shows what came of it. */
async function send(form, value, into) {
  const started = performance.now();
  const leaving = new AbortController();
  const seconds = make("span", {}, "0");
  const clock = setInterval(() => { seconds.textContent = String(Math.round((performance.now() - started) / 1000)); }, 1000);
  // What is read aloud is that it runs, not every second of it.
  into.replaceChildren(make("p", { id: "working" }, make("progress", { "aria-label": "The call runs" }), " The call runs: ",
    make("span", { "aria-hidden": "true" }, seconds, " s "),
    make("button", { type: "button", onclick: () => leaving.abort() }, "Cancel")));
  let answer;
  let text;
  try {
    answer = await ask(form.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: value,
      signal: leaving.signal,
    });
    text = await answer.text();
  } catch (error) {
    const why = leaving.signal.aborted ? "You canceled the call. Changes that it made before are kept." : error.message;
    into.replaceChildren(make("h3", {}, "No result"), make("p", { class: "bad" }, why));
    return;
  } finally {
    clearInterval(clock);
  }
  const duration = Math.round(performance.now() - started);
  let body = null;
  let shown = text;
  try {
    body = JSON.parse(text);
    shown = spread(text);
  } catch { /* It is shown as it came. */ }
  for (const problem of body?.errors ?? []) {
    const [, first, ...inside] = (problem.pointer ?? "").split("/");
    const name = first?.replaceAll("~1", "/").replaceAll("~0", "~");
    const place = inside.length > 0 ? `/${inside.join("/")}: ` : "";
    fields.find((one) => one.name === name)?.mark(`${place}${problem.detail}`);
  }
  const headers = ["x-request-id", "x-command-version", "ratelimit", "retry-after"].filter((name) => answer.headers.has(name));
  into.replaceChildren(
    make("h3", {}, "Answer"),
    make("p", { id: "status", class: answer.ok ? "good" : "bad" }, `${answer.status} ${answer.ok ? "done" : body?.title ?? ""} (${duration} ms)`),
    make("pre", { tabindex: "0", "aria-label": "Body of the response" }, shown),
    make("p", { class: "quiet" }, headers.map((name) => `${name}: ${answer.headers.get(name)}`).join(" · ")),
  );
}

/** What the command gives, and how it fails. */
function result(operation) {
  const responses = Object.entries(operation.responses).map(([status, response]) => {
    const about = typeof response.$ref === "string" ? follow(response).description : response.description;
    return make("tr", {}, make("th", { scope: "row" }, status), make("td", {}, about));
  });
  const schema = operation.responses["200"].content["application/json"].schema;
  const detail = (title, value) =>
    make("details", {}, make("summary", {}, title), make("pre", { tabindex: "0", "aria-label": title }, JSON.stringify(value, null, 2)));
  return make("section", { "aria-label": "Reference" },
    make("h3", {}, "Answers"),
    make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Status"), make("th", { scope: "col" }, "When"))),
      make("tbody", {}, ...responses)),
    make("h3", {}, "Schemas"),
    detail("Arguments", follow(operation.requestBody.content["application/json"].schema)),
    detail("Result", follow(schema)));
}

at("scheme").addEventListener("change", chooseScheme);
at("login").addEventListener("submit", (event) => { event.preventDefault(); load(); });
at("search").addEventListener("input", list);
// The address names the command that is shown, so the link must not change it.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("main").focus();
});
addEventListener("hashchange", () => {
  show();
  at("main").focus({ preventScroll: true });
  // On a narrow screen the command is below the list.
  const isBelow = at("main").getBoundingClientRect().left < document.querySelector("nav").getBoundingClientRect().right - 1;
  if (isBelow) at("main").scrollIntoView({ block: "start" });
  else scrollTo(0, 0);
});
chooseScheme();
load();
