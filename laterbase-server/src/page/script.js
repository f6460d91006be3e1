// What the pages do beyond HTML: times in the reader's zone, handles, live events, and forms that
// are sent to the public routes. What others wrote gets into a page as text only.
"use strict";

const base = document.documentElement.dataset.base;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// As the server shows it: characters that hide, or turn others around, by their numbers.
const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

function visible(text, most = 200) {
  const shown = element("bdi");
  const characters = [...text];
  for (const character of characters.slice(0, most)) {
    if (ODD.test(character)) {
      const number = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      shown.append(element("span", { class: "odd" }, `U+${number}`));
    } else {
      shown.append(character);
    }
  }
  shown.normalize();
  if (characters.length > most) shown.append("…");
  return shown;
}

const kept = {
  get(name) {
    try { return localStorage.getItem(`laterbase${base}.${name}`); } catch { return null; }
  },
  set(name, value) {
    // A browser may keep nothing; the page works all the same.
    try {
      if (value) localStorage.setItem(`laterbase${base}.${name}`, value);
      else localStorage.removeItem(`laterbase${base}.${name}`);
    } catch { /* nothing is kept */ }
  },
};

// --- Times

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function told(text) {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? text : clock.format(moment);
}

function showTimes(within = document) {
  for (const time of all("time", within)) {
    time.title = time.dateTime;
    time.textContent = told(time.dateTime);
  }
}

// --- A root: which of its aggregates changed today, and which columns are kept

function showRoot() {
  for (const link of all("a[data-today]")) {
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    const url = new URL(link.href);
    url.searchParams.set(link.dataset.today, midnight.toISOString());
    link.href = url.href;
  }
  const chooser = one("form[data-columns]");
  if (!chooser) return;
  const name = `columns.${chooser.dataset.columns}`;
  chooser.addEventListener("submit", () => {
    const columns = new FormData(chooser).getAll("columns");
    kept.set(name, columns.length ? JSON.stringify(columns) : "");
  });
  const url = new URL(location.href);
  const stored = kept.get(name);
  if (!stored || url.searchParams.has("columns")) return;
  for (const column of JSON.parse(stored)) url.searchParams.append("columns", column);
  location.replace(url);
}

// --- An aggregate: the handles of its two times

function showHandles() {
  const form = one("form.point");
  const handles = all("input.handle");
  if (!form || !handles.length) return;
  form.classList.add("handles");
  for (const handle of handles) {
    handle.hidden = false;
    const stops = JSON.parse(handle.dataset.stops);
    const field = form.elements[handle.dataset.field];
    const nearest = () => {
      const place = Number(handle.value);
      const distance = (index) => Math.abs(stops[index][1] - place);
      return stops.reduce((best, _, index) => (distance(index) < distance(best) ? index : best), 0);
    };
    const tell = (time) => handle.setAttribute("aria-valuetext", time ? told(time) : "no bound");
    const go = (index) => {
      const [time, place] = stops[Math.min(Math.max(index, 0), stops.length - 1)];
      handle.value = place;
      if (field.value === time) return;
      field.value = time;
      tell(time);
      showPoint(form);
    };
    tell(field.value);
    handle.addEventListener("input", () => go(nearest()));
    handle.addEventListener("keydown", (event) => {
      const step = {
        ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -10, PageDown: 10,
        Home: -stops.length, End: stops.length,
      }[event.key];
      if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      go(nearest() + step);
    });
  }
  const take = one("[data-take-other]", form);
  take.hidden = false;
  take.addEventListener("click", () => {
    for (const name of ["occurred_until", "known_at"]) {
      form.elements[`other_${name}`].value = form.elements[name].value;
    }
    showPoint(form);
  });
}

let asking = null;

// The same page at another point, of which the parts that differ are taken.
async function showPoint(form) {
  const url = new URL(form.action);
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.append(name, value);
  asking?.abort();
  asking = new AbortController();
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { signal: asking.signal, headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) throw new Error(one("h1", page)?.textContent ?? answer.statusText);
    for (const part of ["plot", "here", "there", "events"]) {
      one(`#${part}`).replaceWith(document.adoptNode(one(`#${part}`, page)));
    }
    history.replaceState(null, "", url);
    showTimes();
  } catch (error) {
    if (error.name === "AbortError") return;
    one("#here").replaceChildren(element("p", { class: "problem" }, String(error.message)));
  }
  form.removeAttribute("aria-busy");
}

// --- What is sent to the routes

// Posts JSON, and gives the answer or the problem as it was said.
async function post(url, body) {
  let answer;
  try {
    const headers = { "content-type": "application/json", accept: "application/json" };
    answer = await fetch(url, { method: "POST", headers, body });
  } catch {
    return { problem: { title: "The server cannot be reached" } };
  }
  const document = await answer.json().catch(() => ({ title: answer.statusText }));
  return answer.ok ? { document } : { problem: document };
}

function showProblem(place, problem) {
  const text = [problem.title, problem.field, problem.detail].filter(Boolean).join(": ");
  place.replaceChildren(element("span", { class: "problem" }, visible(text, 1000)));
}

const outcomeOf = (node) => node.parentElement.querySelector(":scope > .outcome");

function showDecisions() {
  for (const button of all("button[data-post]")) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      const { problem } = await post(button.dataset.post, button.dataset.body);
      if (!problem) return location.reload();
      button.disabled = false;
      showProblem(outcomeOf(button), problem);
    });
  }
}

function keepFields() {
  for (const input of all("input[data-kept]")) {
    input.value = kept.get(input.dataset.kept) ?? "";
    input.addEventListener("change", () => kept.set(input.dataset.kept, input.value));
  }
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function said(form, names) {
  const filled = names.map((name) => [name, form.elements[name].value.trim()]);
  return Object.fromEntries(filled.filter(([, value]) => value));
}

function showVoids() {
  for (const form of all("form[data-void]")) {
    const key = newKey();
    form.addEventListener("submit", async (submitted) => {
      submitted.preventDefault();
      const outcome = outcomeOf(form);
      const id = form.dataset.event ?? form.elements.event.value.trim();
      let [target, aggregate] = [form.dataset.void, form.dataset.aggregate];
      if (aggregate === undefined) {
        const answer = await fetch(form.dataset.events + encodeURIComponent(id)).catch(() => null);
        const event = await answer?.json().catch(() => null);
        if (!answer?.ok) {
          return showProblem(outcome, event ?? { title: "The server cannot be reached" });
        }
        aggregate = event.aggregate_id;
        target += encodeURIComponent(event.root);
      }
      const event = { aggregate_id: aggregate, type: "Voided", data: {}, voids: [id] };
      const metadata = said(form, ["actor", "reason"]);
      const body = JSON.stringify({ ...event, metadata, idempotency_key: `${key}-${id}`.slice(0, 255) });
      const { problem } = await post(target, body);
      if (problem) return showProblem(outcome, problem);
      location.assign(`${base}/ui/e/${encodeURIComponent(id)}`);
    });
  }
}

// --- Recording

// Follows a reference into the same file.
function resolve(schema, file, depth = 0) {
  const path = schema?.$ref;
  if (typeof path !== "string" || !path.startsWith("#/") || depth > 8) return schema ?? {};
  const names = path.slice(2).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  return resolve(names.reduce((at, name) => at?.[name], file), file, depth + 1);
}

// An input for a schema, and how its value becomes JSON text.
function control(schema, name, required) {
  const attributes = { name, required, "data-value": "" };
  const types = [schema.type].flat();
  if (Array.isArray(schema.enum)) {
    const options = schema.enum.map((value) => {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return element("option", { value: JSON.stringify(value) }, text);
    });
    return [element("select", attributes, element("option", { value: "" }, "–"), ...options), (text) => text];
  }
  if (types.includes("boolean")) {
    const options = ["true", "false"].map((value) => element("option", { value }, value));
    return [element("select", attributes, element("option", { value: "" }, "–"), ...options), (text) => text];
  }
  if (types.includes("number") || types.includes("integer")) {
    const step = types.includes("integer") ? "1" : "any";
    const { minimum: min, maximum: max } = schema;
    return [element("input", { ...attributes, type: "number", step, min, max }), (text) => text];
  }
  if (types.includes("string")) {
    const { maxLength: maxlength, minLength: minlength } = schema;
    return [element("input", { ...attributes, type: "text", maxlength, minlength }), (text) => JSON.stringify(text)];
  }
  return [element("textarea", { ...attributes, placeholder: "JSON" }), json];
}

function json(text) {
  JSON.parse(text);
  return text;
}

// What somebody writes freely is JSON where it can be, and else a text.
function free(text) {
  try { return json(text); } catch { return JSON.stringify(text); }
}

class RecordForm {
  constructor(form) {
    this.form = form;
    this.files = JSON.parse(form.dataset.schemas);
    this.fields = one("#fields", form);
    this.key = newKey();
    this.raw = false;
    const now = new Date();
    now.setMinutes(now.getMinutes() - now.getTimezoneOffset(), now.getSeconds(), 0);
    form.elements.occurred.value = now.toISOString().slice(0, 19);
    for (const name of ["root", "type"]) {
      form.elements[name].addEventListener("change", () => this.draw());
    }
    one("#add-field", form).addEventListener("click", () => this.add().focus());
    one("#as-json", form).addEventListener("click", (event) => {
      this.raw = !this.raw;
      event.target.setAttribute("aria-pressed", String(this.raw));
      this.draw();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.draw();
  }

  draw() {
    const file = this.files[this.form.elements.root.value.trim().split("@")[0]] ?? {};
    one("#types").replaceChildren(
      ...Object.keys(file.events ?? {}).map((value) => element("option", { value })),
    );
    const schema = resolve(file.events?.[this.form.elements.type.value.trim()], file);
    this.fields.replaceChildren(one("legend", this.fields));
    this.parts = [];
    one("#add-field", this.form).hidden = this.raw;
    if (this.raw) {
      const text = element("textarea", { name: "data", "aria-label": "Data as JSON", required: true }, "{}");
      this.fields.append(text);
      this.parts = null;
      return;
    }
    for (const [name, part] of Object.entries(schema.properties ?? {})) {
      const known = resolve(part, file);
      const required = (schema.required ?? []).includes(name);
      const [input, read] = control(known, name, required);
      const label = element("label", {}, visible(known.title ?? name), required ? " (needed)" : "", input);
      this.fields.append(label);
      this.parts.push(() => (input.value === "" ? [] : [[name, read(input.value)]]));
    }
    if (!this.parts.length) this.add();
  }

  add() {
    const name = element("input", { type: "text", "aria-label": "Name of the field", placeholder: "name" });
    const value = element("input", { type: "text", "aria-label": "Value of the field", placeholder: "value" });
    this.fields.append(element("div", { class: "together" }, name, value));
    this.parts.push(() => (name.value.trim() ? [[name.value.trim(), free(value.value)]] : []));
    return name;
  }

  // Numbers go as they were written.
  data() {
    if (!this.parts) return json(one("textarea[name=data]", this.fields).value);
    const members = this.parts.flatMap((part) => part());
    return `{${members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
  }

  async send() {
    const outcome = one("#recorded");
    let data;
    try { data = this.data(); } catch (error) {
      return showProblem(outcome, { title: "The data is no JSON", detail: String(error.message) });
    }
    const event = said(this.form, ["aggregate_id", "type"]);
    const when = new Date(this.form.elements.occurred.value);
    if (!Number.isNaN(when.getTime())) event.occurred_at = withOffset(when);
    event.metadata = said(this.form, ["actor"]);
    event.idempotency_key = this.key;
    const body = `${JSON.stringify(event).slice(0, -1)},"data":${data}}`;
    const root = this.form.elements.root.value.trim();
    const { document, problem } = await post(this.form.dataset.target + encodeURIComponent(root), body);
    // What was refused is not under the key, and another event gets another one.
    if (problem) return showProblem(outcome, problem);
    this.key = newKey();
    const [id] = document.ids;
    const to = `${base}/ui/r/${encodeURIComponent(root)}/a/${encodeURIComponent(event.aggregate_id)}`;
    outcome.replaceChildren(
      "Recorded: ", element("a", { href: `${base}/ui/e/${encodeURIComponent(id)}` }, "the event"),
      ", ", element("a", { href: to }, "its aggregate"), ".",
    );
  }
}

// RFC 3339 with the offset of this device's clock, which is part of what the writer says.
function withOffset(moment) {
  const minutes = -moment.getTimezoneOffset();
  const two = (number) => String(Math.trunc(Math.abs(number))).padStart(2, "0");
  const local = new Date(moment.getTime() + minutes * 60_000).toISOString().slice(0, 19);
  return `${local}${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

// --- Live

const ROWS_MAX = 500;

class Live {
  constructor(body) {
    this.body = body;
    this.after = body.dataset.after;
    this.wait = 500;
    this.told = one("#following");
    this.button = one("#pause");
    this.button.hidden = false;
    this.button.addEventListener("click", () => (this.source ? this.pause() : this.follow()));
    addEventListener("pagehide", () => this.source?.close());
    this.follow();
  }

  follow() {
    clearTimeout(this.timer);
    this.button.textContent = "Pause";
    this.told.textContent = "Connecting …";
    const source = new EventSource(`${this.body.dataset.stream}after=${encodeURIComponent(this.after)}`);
    this.source = source;
    source.onopen = () => {
      this.wait = 500;
      this.told.textContent = "Following";
    };
    source.onmessage = (message) => {
      this.after = message.lastEventId || this.after;
      this.add(JSON.parse(message.data));
    };
    // Whatever cut it off, it goes on from the cursor: by a new stream, as a browser gives one up
    // that was answered by anything but events.
    source.onerror = () => {
      source.close();
      this.told.textContent = "The server cannot be reached; trying again.";
      this.timer = setTimeout(() => this.again(), this.wait);
      this.wait = Math.min(this.wait * 2, 15_000);
    };
  }

  // A cursor of another log leads nowhere any more.
  async again() {
    const url = `${this.body.dataset.stream}limit=1&after=${encodeURIComponent(this.after)}`;
    const answer = await fetch(url, { headers: { accept: "application/json" } }).catch(() => null);
    if (answer?.status === 410) {
      this.source = null;
      this.button.hidden = true;
      this.told.textContent = "The server's log was written anew: load the page anew.";
    } else if (this.source) {
      this.follow();
    }
  }

  pause() {
    clearTimeout(this.timer);
    this.source.close();
    this.source = null;
    this.button.textContent = "Go on";
    this.told.textContent = "Paused";
  }

  add(event) {
    const data = event.data_base64 === undefined ? JSON.stringify(event.data) : "bytes";
    const link = (path, text) => element("a", { href: `${base}/ui${path}` }, visible(text, 80));
    const root = encodeURIComponent(event.root);
    const what = element("td", {}, link(`/e/${encodeURIComponent(event.id)}`, event.type));
    if (event.voids) what.append(" ", element("span", { class: "badge" }, `takes back ${event.voids.length}`));
    const time = (text) => {
      const shown = element("time", { datetime: text }, told(text));
      shown.title = text;
      return element("td", {}, shown);
    };
    const row = element(
      "tr", { class: event.voided_by ? "new voided" : "new" },
      time(new Date().toISOString()),
      element("td", {}, event.root),
      element("td", {}, link(`/r/${root}/a/${encodeURIComponent(event.aggregate_id)}`, event.aggregate_id)),
      what,
      element("td", {}, visible(event.metadata?.actor ?? "", 80)),
      time(event.occurred_at),
      element("td", { class: "data" }, visible(data ?? "", 160)),
    );
    this.body.prepend(row);
    while (this.body.rows.length > ROWS_MAX) this.body.rows[ROWS_MAX].remove();
  }
}

showTimes();
showRoot();
showHandles();
showDecisions();
keepFields();
showVoids();
if (one("#record")) new RecordForm(one("#record"));
if (one("#live")) new Live(one("#live"));
