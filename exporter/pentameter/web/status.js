// The status page: asks for two documents and writes them down. All that comes from outside becomes text, never markup.
"use strict";

const POLL_MS = 2000;
const STALE_SECONDS = 15;
const DASH = "–";
const SVG = "http://www.w3.org/2000/svg";
const ORDER = ["Computation", "Time", "Memory", "Energy and carbon", "Economics"];
const FIRST = ["attainment", "dollars_per_hour", "dollars_per_million", "generated", "ttft_p95"];

/** How a figure is known, in words for people. */
const HOW = {
  requests: "from each request", histogram: "from vLLM's histograms", model: "counted from the model",
  vllm: "as vLLM estimates it", facility: "with host and building", it: "with its host", gpu: "GPUs only",
  lower: "lower bound", exact: "from each request", estimate: "estimated", rolling: "against the last days", baseline: "against the pinned baseline",
};
const OBJECTIVES = { ttft: "TTFT", tpot: "TPOT", inter_token: "inter-token", e2e: "end to end" };

let now = null;
let past = new Map();
let step = 10;
let heard = 0;
let etag = "";
let chosen = "";

const at = (id) => document.getElementById(id);
const tiles = new Map();
const groupKey = (group) => JSON.stringify([group.server, group.model_name]);
const nameOf = (group) => [group.server, group.model_name].filter((one) => one).join(" · ") || "server";

/** Make an element with text and children. */
function make(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== "" && child !== null));
  return made;
}

function draw(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Write a number with three digits and the prefix that suits it, before a unit or a word. */
function scaled(value, unit, prefixes, between = "") {
  const size = Math.abs(value);
  const [factor, prefix] = size === 0 ? [1, ""] : prefixes.find(([least]) => size >= least) || prefixes[prefixes.length - 1];
  const tail = prefix + between + unit;
  return digits(value / factor) + (tail && !tail.startsWith(" ") ? "\u202f" : "") + tail;
}

function digits(value) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-6)) return value.toExponential(1);
  return value.toLocaleString("en", size >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
}

const BIG = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const SMALL = [[1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
const SECONDS = [[1, ""], [1e-3, "m"], [1e-6, "µ"]];

/** Write a value in a unit of the catalogue. */
function write(value, unit) {
  switch (unit) {
    case "ratio": return `${digits(value * 100)}\u202f%`;
    case "factor": return `×${digits(value)}`;
    case "number": return digits(value);
    case "seconds": return scaled(value, "s", SECONDS);
    case "watts": return scaled(value, "W", SMALL);
    case "joules": return scaled(value, "J", SMALL);
    case "grams": return scaled(value, "g", SMALL);
    case "dollars": return `$${money(value)}`;
    case "tokens_per_second": return scaled(value, "tokens/s", BIG, " ");
    case "requests_per_second": return scaled(value, "requests/s", BIG, " ");
    default: return scaled(value, "", BIG);
  }
}

function money(value) {
  const size = Math.abs(value);
  if (size >= 1000) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  if (size >= 1 || size === 0) return value.toFixed(2);
  return value.toLocaleString("en", { maximumSignificantDigits: 2, minimumSignificantDigits: 2 });
}

function duration(seconds) {
  return seconds >= 3600 ? "1 h" : seconds >= 90 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
}

/** Return the parts of a line that are not interrupted, as lists of [x, y] in a box of 100 by 40. */
function segments(values, top) {
  const parts = [];
  let part = null;
  const wide = Math.max(values.length - 1, 1);
  values.forEach((value, index) => {
    if (value === null) { part = null; return; }
    if (!part) parts.push(part = []);
    part.push([(100 * index) / wide, 39 - (37 * value) / top]);
  });
  return parts;
}

/** Draw the last hour of a figure; without two points there is nothing to draw. */
function chart(figure, values, aim) {
  const known = values.filter((value) => value !== null);
  if (values.length < 2 || !known.length) return [];
  const most = Math.max(...known);
  const top = Math.max(most, aim || 0) || 1;
  const span = duration((values.length - 1) * step);
  const picture = draw("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img" });
  picture.setAttribute("aria-label",
    `${figure.title}, last ${span}: between ${write(Math.min(...known), figure.unit)} and ${write(most, figure.unit)}`);
  picture.append(draw("line", { class: "base", x1: 0, x2: 100, y1: 39, y2: 39 }));
  if (aim) {
    const y = 39 - (37 * aim) / top;
    picture.append(draw("line", { class: "aim", x1: 0, x2: 100, y1: y, y2: y }));
  }
  for (const part of segments(values, top)) {
    const points = part.length > 1 ? part : [part[0], part[0]];
    picture.append(draw("polyline", { class: "line", points: points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ") }));
  }
  const axis = make("p", "axis", make("span", "", `last ${span}`), make("span", "", `max ${write(most, figure.unit)}`));
  axis.setAttribute("aria-hidden", "true");
  return [picture, axis];
}

/** Return what a value is called when several are shown side by side. */
function titleOf(figure, entry, engines) {
  const engine = engines > 1 && entry.engine ? `, engine ${entry.engine}` : "";
  return figure.title + (entry.slo ? `: ${entry.slo}` : "") + engine;
}

/** Say how a value is known and, of an attainment, whether it keeps its target; colour the value accordingly. */
function notesOn(group, figure, entry, value) {
  const notes = [];
  const slo = group.slos.find((one) => one.slo === entry.slo);
  if (figure.key === "attainment" && slo && slo.target !== null) {
    const kept = entry.value >= slo.target;
    const target = write(slo.target, "ratio");
    // A lower bound below the target says neither.
    const told = kept || entry.how !== "lower";
    if (told) value.classList.add(kept ? "good" : "bad");
    notes.push(!told ? `the target is ${target}` : kept ? `✓ keeps the target of ${target}` : `✗ misses the target of ${target}`);
    notes.push(...Object.entries(slo.thresholds).map(([name, limit]) => `${OBJECTIVES[name] || name} ≤ ${write(limit, "seconds")}`));
  }
  if (entry.how) notes.push(HOW[entry.how] || entry.how);
  return notes.join(" · ");
}

/** Return what a tile shows below its title. */
function bodyOf(group, figure, entry) {
  const values = past.get(seriesKey(group, figure.key, entry)) || latestOf(group, figure.key, entry);
  // The line ends with what is said above it, which is younger than its last point.
  const picture = values ? chart(figure, [...values, entry.why === undefined ? entry.value : null], figure.key === "attainment" ? targetOf(group, entry) : null) : [];
  if (entry.why !== undefined) {
    const dash = make("p", "value none", make("span", "", DASH), make("span", "unseen", "unknown"));
    dash.firstChild.setAttribute("aria-hidden", "true");
    return [dash, make("p", "small", entry.why), ...picture];
  }
  const [number, ...words] = ((entry.how === "lower" ? "≥\u00a0" : "") + write(entry.value, figure.unit)).split(" ");
  const value = make("p", "value", number, words.length ? make("small", "", ` ${words.join(" ")}`) : "");
  return [value, make("p", "small", notesOn(group, figure, entry, value)), ...picture];
}

/** Return the tile of an entry: the same element each time, so that what a reader has opened stays open. */
function tile(group, figure, entry, engines) {
  const key = JSON.stringify([groupKey(group), figure.key, entry.slo, entry.engine || ""]);
  let made = tiles.get(key);
  if (!made) {
    const help = make("p", "small", figure.help, " ", make("code", "", figure.metric));
    made = make("article", "tile", make("details", "", make("summary", "", make("h3", "", "")), help), make("div", "body"));
    tiles.set(key, made);
  }
  made.querySelector("h3").textContent = titleOf(figure, entry, engines);
  made.querySelector(".body").replaceChildren(...bodyOf(group, figure, entry));
  return made;
}

function targetOf(group, entry) {
  const slo = group.slos.find((one) => one.slo === entry.slo);
  return slo ? slo.target : null;
}

function seriesKey(group, figure, entry) {
  return JSON.stringify([group.server, group.model_name, entry.engine || "", figure, entry.slo, entry.how || ""]);
}

/** What is missing now has no basis: show the hour of whichever it had. */
function latestOf(group, figure, entry) {
  if (entry.why === undefined) return null;
  for (const [key, values] of past) {
    const [server, model, , name, slo] = JSON.parse(key);
    if (server === group.server && model === group.model_name && name === figure && slo === entry.slo) return values;
  }
  return null;
}

/** Return every entry of a figure, known or missing. */
function entriesOf(group, key) {
  const missing = group.missing.filter((one) => one.figure === key);
  return [...group.values.filter((one) => one.figure === key), ...missing];
}

function tilesOf(group, figures) {
  const engines = new Set(group.values.map((one) => one.engine).filter((one) => one)).size;
  return figures.flatMap((figure) => entriesOf(group, figure.key).map((entry) => tile(group, figure, entry, engines)));
}

/** Show a group; sections are made anew only when other tiles are in them. */
function board(group) {
  const parts = [[nameOf(group), now.figures.filter((one) => FIRST.includes(one.key))]];
  parts[0][1].sort((one, other) => FIRST.indexOf(one.key) - FIRST.indexOf(other.key));
  for (const dimension of ORDER) parts.push([dimension, now.figures.filter((one) => one.dimension === dimension && !FIRST.includes(one.key))]);
  const filled = parts.map(([title, figures]) => [title, tilesOf(group, figures)]);
  const shown = [...at("board").querySelectorAll("article")];
  const wanted = filled.flatMap(([, made]) => made);
  if (shown.length === wanted.length && shown.every((one, index) => one === wanted[index])) return;
  at("board").replaceChildren(...filled.map(([title, made]) => make("section", "", make("h2", "", title), make("div", "tiles", ...made))));
  for (const [key, made] of tiles) if (!wanted.includes(made)) tiles.delete(key);
}

/** Return a figure of a group as a cell of the table of all servers. */
function cell(group, key) {
  const figure = now.figures.find((one) => one.key === key);
  const entries = group.values.filter((one) => one.figure === key);
  const text = entries.map((one) => {
    const who = one.slo || (entries.length > 1 && one.engine ? `engine ${one.engine}` : "");
    return (who ? `${who} ` : "") + (one.how === "lower" ? "≥ " : "") + write(one.value, figure.unit);
  }).join(", ");
  return make("td", "", text || DASH);
}

function fleet() {
  at("fleet").hidden = now.servers.length < 2;
  const focused = document.activeElement && document.activeElement.dataset.group;
  at("fleet-rows").replaceChildren(...now.servers.map((group) => {
    const button = make("button", "", nameOf(group));
    button.type = "button";
    button.dataset.group = groupKey(group);
    button.addEventListener("click", () => choose(groupKey(group)));
    const row = make("tr", "", make("td", "", button), ...["attainment", "requests", "ttft_p95", "dollars_per_hour"].map((key) => cell(group, key)));
    if (groupKey(group) === chosen) row.setAttribute("aria-current", "true");
    return row;
  }));
  if (focused) for (const button of at("fleet-rows").querySelectorAll("button")) if (button.dataset.group === focused) button.focus();
}

function sources() {
  const rank = (one) => (one.up ? 1 : one.absent ? 2 : 0);
  const sorted = [...now.sources].sort((one, other) => rank(one) - rank(other));
  at("sources").replaceChildren(...sorted.map((one) => {
    const [mark, word] = one.up ? ["good", "● up"] : one.absent ? ["absent", "○ not here"] : ["bad", "✗ down"];
    const name = [one.source, one.server].filter((part) => part).join(" · ");
    const why = one.up ? "" : [one.reason.replaceAll("_", " "), one.message].filter((part) => part).join(": ");
    const last = one.up || !one.last_success ? "" : `last read ${new Date(one.last_success * 1000).toLocaleTimeString()}`;
    return make("li", "", make("span", mark, word), " ", make("strong", "", name), make("p", "small", [why, last].filter((part) => part).join(" · ")));
  }));
}

function alerts() {
  const lines = [];
  const silent = now ? (now.age || 0) + (Date.now() - heard) / 1000 : 0;
  if (!now) lines.push("The exporter does not answer yet.");
  else if (silent > Math.max(STALE_SECONDS, 1.5 * step)) lines.push(`These figures are ${duration(silent)} old: the exporter does not answer or is stuck.`);
  if (now) for (const one of now.sources) if (!one.up && !one.absent && one.reason !== "starting") lines.push(`${[one.source, one.server].filter((part) => part).join(" ")} is down: ${one.message || one.reason}`);
  const said = JSON.stringify(lines);
  // Written anew only when it changes: a screen reader says it each time.
  if (at("alerts").dataset.said !== said) {
    at("alerts").dataset.said = said;
    at("alerts").replaceChildren(...lines.map((line) => make("p", "alert", line)));
  }
}

function show() {
  alerts();
  if (!now) return;
  at("version").textContent = now.version;
  const about = now.window ? `rates and quantiles over the last ${now.window} · charts of the last hour` : "no figures yet";
  at("state").textContent = `${new Date(now.time * 1000).toLocaleTimeString()} · ${about}`;
  const group = now.servers.find((one) => groupKey(one) === chosen) || now.servers[0];
  fleet();
  if (group) board(group);
  else at("board").replaceChildren(make("p", "note", "No server has been seen yet."));
  sources();
}

function choose(key) {
  chosen = key;
  past = new Map();
  etag = "";
  show();
  askHistory();
}

async function ask(path, headers) {
  const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (answer.status === 304) return null;
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  etag = answer.headers.get("ETag") || etag;
  return answer.json();
}

async function askStatus() {
  if (document.hidden) return;
  try {
    now = await ask("api/v1/status", {});
    heard = Date.now();
    if (now.servers.length && !now.servers.some((one) => groupKey(one) === chosen)) choose(groupKey(now.servers[0]));
    document.title = "Pentameter" + (now.sources.some((one) => !one.up && !one.absent) ? " (!)" : "");
  } catch (error) {
    console.warn(error.message);
  }
  show();
}

async function askHistory() {
  if (document.hidden || !chosen) return;
  const mine = chosen;
  const [server, model] = JSON.parse(mine);
  try {
    const told = await ask(`api/v1/history?${new URLSearchParams({ server, model_name: model })}`, etag ? { "If-None-Match": etag } : {});
    if (!told || mine !== chosen) return;
    step = told.step;
    past = new Map(told.series.map((one) => [JSON.stringify([one.server, one.model_name, one.engine, one.figure, one.slo, one.how]), one.values]));
  } catch (error) {
    console.warn(error.message);
  }
}

document.addEventListener("visibilitychange", () => { askStatus(); askHistory(); });
setInterval(askStatus, POLL_MS);
setInterval(askHistory, 5 * POLL_MS);
askStatus();
