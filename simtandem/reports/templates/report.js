// Local times, buttons that copy a command, and tables of the rows that stand in the page as JSON: sorted, filtered,
// paged. What is shown is set as text, never as markup.
"use strict";
document.documentElement.classList.add("js");

const PAGE = 100;
const MARKS = { in_sync: "✓", changed_by_others: "⇄", failed: "✕", unknown: "?", refused: "⊘", invalid: "⊘", skipped: "–" };
const ORDER = ["paying_but_off", "sim_without_endpoint", "on_but_dead", "failed", "unknown", "changed_by_others", "skipped", "refused", "invalid", "in_sync"];
const NUMBER = new Intl.NumberFormat("en");

const spoken = (word) => word.replaceAll("_", " ");
// A status, and behind it whose the SIM is, where that was asked.
const told = (state) => state.split(", ").map((part) => (part.includes("=") ? part : spoken(part)));

class Rows {
  constructor(data) {
    this.size = data.size;
    this.attention = data.attention;
    this.plain = data.plain;
    this.coded = data.coded;
    this.own = data.own ?? [];
    this.haystack = null;
  }

  get(name, i) {
    if (name in this.plain) return this.plain[name][i] ?? "";
    const [words, codes] = this.coded[name];
    return words[codes[i]];
  }

  finding(i) {
    return this.get("split", i) || this.get("verdict", i);
  }

  steps(i) {
    return [["SIM", "sim_outcome"], ["endpoint", "endpoint_outcome"]]
      .filter(([, name]) => this.get(name, i))
      .map(([half, name]) => `${half} ${this.get(name, i)}`);
  }

  why(i) {
    const [reason, error] = [this.get("reason", i), this.get("error", i)];
    return [reason, reason.includes(error) ? "" : error, this.answer(i)].filter(Boolean);
  }

  answer(i) {
    const [status, attempts] = [this.get("http_status", i), this.get("attempts", i)];
    return [status && `HTTP ${status}`, attempts > 1 && `${attempts} attempts`].filter(Boolean).join(", ");
  }

  // The operator's own columns that have something in this row: each with its name.
  owned(i) {
    return this.own.map(([name, words, codes]) => [name, words[codes[i]]]).filter(([, word]) => word)
      .map(([name, word]) => `${name}: ${word}`);
  }

  // Made at the first search: most reports are read without one.
  text(i) {
    this.haystack ??= Array.from({ length: this.size }, (_, row) =>
      [...Object.keys(this.plain), ...Object.keys(this.coded)]
        .map((name) => spoken(String(this.get(name, row)))).concat(this.owned(row)).join(" ").toLowerCase());
    return this.haystack[i];
  }

  key(column, i) {
    if (column === "row") return this.plain.row[i];
    if (column === "verdict") return ORDER.indexOf(this.finding(i));
    if (column === "steps") return this.steps(i).join(" ");
    if (column === "own") return this.owned(i).join(" ");
    if (column === "why") return this.why(i).join(" ");
    return this.get(column, i);
  }

  // Ids are text and may have more digits than a number holds: the shorter is the smaller.
  sort(indices, column, direction) {
    const keys = new Map(indices.map((i) => [i, this.key(column, i)]));
    const digits = column.endsWith("_id");
    return indices.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      if (x === y) return a - b;
      if (x === "" || y === "") return x === "" ? 1 : -1;
      if (digits && x.length !== y.length) return direction * (x.length - y.length);
      return x < y ? -direction : direction;
    });
  }
}

class Grid {
  constructor(root, rows) {
    this.root = root;
    this.rows = rows;
    this.size = root.dataset.grid === "attention" ? rows.attention : rows.size;
    this.column = "";
    this.direction = 0;
    this.page = 0;
    this.body = root.querySelector("tbody");
    this.search = root.querySelector("input");
    this.select = root.querySelector("select");
    this.listen();
    this.update();
  }

  listen() {
    let timer = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.update(), 120);
    });
    this.select.addEventListener("change", () => this.update());
    for (const header of this.root.querySelectorAll("th")) {
      header.firstElementChild.addEventListener("click", () => this.order(header));
    }
    this.root.querySelector(".pager").addEventListener("click", (event) => this.go(event.target.dataset.go));
  }

  // Ascending, descending, and back to the order of urgency.
  order(header) {
    const next = { ascending: "descending", descending: "none", none: "ascending" }[header.getAttribute("aria-sort")];
    for (const other of this.root.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", next);
    this.column = header.dataset.column;
    this.direction = { ascending: 1, descending: -1, none: 0 }[next];
    this.update();
  }

  update() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const finding = this.select.value;
    const found = [];
    for (let i = 0; i < this.size; i += 1) {
      if (finding && this.rows.finding(i) !== finding) continue;
      if (words.length && !words.every((word) => this.rows.text(i).includes(word))) continue;
      found.push(i);
    }
    this.found = this.direction ? this.rows.sort(found, this.column, this.direction) : found;
    this.page = 0;
    this.draw();
  }

  get pages() {
    return Math.max(1, Math.ceil(this.found.length / PAGE));
  }

  go(where) {
    if (!where) return;
    this.page = { first: 0, previous: this.page - 1, next: this.page + 1, last: this.pages - 1 }[where];
    this.draw();
    this.root.scrollIntoView({ block: "start" });
  }

  draw() {
    const from = this.page * PAGE;
    const shown = this.found.slice(from, from + PAGE);
    this.body.replaceChildren(...shown.map((i) => this.line(i)));
    const all = NUMBER.format(this.found.length);
    const range = this.pages > 1 ? `${NUMBER.format(from + 1)}–${NUMBER.format(from + shown.length)} of ${all}` : all;
    this.root.querySelector(".shown").textContent = shown.length ? `${range} row${this.found.length === 1 ? "" : "s"}` : "No row matches.";
    const pager = this.root.querySelector(".pager");
    pager.hidden = this.pages === 1;
    pager.querySelector("span").textContent = `Page ${NUMBER.format(this.page + 1)} of ${NUMBER.format(this.pages)}`;
    for (const button of pager.querySelectorAll("button")) {
      button.disabled = ["first", "previous"].includes(button.dataset.go) ? this.page === 0 : this.page === this.pages - 1;
    }
  }

  line(i) {
    const { rows } = this;
    const verdict = rows.get("verdict", i);
    const line = element("tr", "", `v-${verdict}`);
    line.setAttribute("role", "row");
    line.append(
      cell("Row", String(rows.get("row", i))),
      cell("SIM", rows.get("sim_id", i), rows.get("iccid", i)),
      cell("Endpoint", rows.get("endpoint_id", i)),
      cell("Asked", ...told(rows.get("desired", i))),
      cell("Before", ...rows.get("before", i).split(", ")),
      cell("After", ...rows.get("after", i).split(", ")),
      cell("Steps", ...rows.steps(i)),
      cell("Verdict", spoken(verdict), spoken(rows.get("split", i))),
      cell("Why", ...rows.why(i)),
    );
    if (rows.own.length) line.append(cell("Own columns", ...rows.owned(i)));
    const mark = element("span", MARKS[verdict], "mark");
    mark.setAttribute("aria-hidden", "true");
    line.querySelector('[data-label="Verdict"] > :first-child').prepend(mark, "\u00a0");
    return line;
  }
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function cell(label, first = "", ...more) {
  const lines = more.filter(Boolean);
  const made = element("td", "", first || lines.length ? "" : "empty");
  made.setAttribute("role", "cell");
  made.dataset.label = label;
  const head = element("span", "");
  // A pair of states may break after its plus sign, and nowhere else.
  head.append(...(first || "–").split("+").flatMap((part, n) => (n ? ["+", element("wbr", ""), part] : [part])));
  made.append(head, ...lines.map((text) => element("small", text)));
  return made;
}

// Beside each time in UTC the same in the zone of whoever reads the page; nothing where that is UTC.
const LOCAL = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" }); // 2026-03-01 09:15:02
const ZONE = new Intl.DateTimeFormat("en", { timeZoneName: "short" });

function addLocalTime(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime()) || at.getTimezoneOffset() === 0) return;
  const zone = ZONE.formatToParts(at).find((part) => part.type === "timeZoneName").value;
  time.after(element("small", `${LOCAL.format(at)} ${zone}`, "local"));
}

// A page from a disk may have no clipboard; the older way needs the text selected.
async function copy(button) {
  const text = button.dataset.copy;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    copied = document.execCommand("copy");
  }
  button.textContent = copied ? "Copied" : "Press Ctrl-C";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// Paper shows every list of devices; on the screen they close again as they were.
function openAll() {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.printed = "";
  }
}

function closeAgain() {
  for (const details of document.querySelectorAll("details[data-printed]")) {
    details.open = false;
    delete details.dataset.printed;
  }
}

addEventListener("beforeprint", openAll);
addEventListener("afterprint", closeAgain);

document.addEventListener("DOMContentLoaded", () => {
  for (const time of document.querySelectorAll("time")) addLocalTime(time);
  for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));
  const data = document.getElementById("data");
  if (!data) return;
  const rows = new Rows(JSON.parse(data.textContent));
  for (const root of document.querySelectorAll(".grid")) new Grid(root, rows);
});
