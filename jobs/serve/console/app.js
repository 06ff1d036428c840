/* Which view is shown, and a banner while the service is away or catches up. */

import { ApiError, at, get, health, job, jobs, key } from "./api.js";
import { el } from "./dom.js";
import * as letters from "./letters.js";
import * as live from "./live.js";
import * as lookup from "./lookup.js";
import * as shop from "./shop.js";
import { count } from "./words.js";

const views = { shop, lookup, live, letters };
const main = document.getElementById("main");
const banner = document.getElementById("banner");
let shown = null;

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand, with a bare %
  }
}

function route(first) {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const key = Object.hasOwn(views, name) ? name : "shop";
  if (shown?.key === key && shown.view.go) {
    shown.view.go(...rest);
    return;
  }
  shown?.stop.abort();
  const stop = new AbortController();
  const heading = el("h1", { tabindex: "-1" }, views[key].title);
  const root = el("div", { class: `view ${key}` });
  main.replaceChildren(heading, root);
  document.title = `${views[key].title} · streamrec`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${key}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown = { key, stop, view: views[key].mount(root, stop.signal, ...rest) };
  if (first) return;
  scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}

/* The banner. It is filled in place, so that a screen reader hears its sentence once. */
const sentence = el("p", { role: "status" });
const topics = el("ul", { class: "topics" });
banner.append(sentence, topics);

function bar(name, { read, end }) {
  const done = end > 0 ? Math.min(1, read / end) : 1;
  return el(
    "li",
    null,
    el("span", { dir: "auto" }, name),
    el("progress", { max: "1", value: String(done), "aria-label": `Read of ${name}` }),
    el("span", { class: "figure" }, `${count(read)} of ${count(end)}`),
  );
}

function away(text, found) {
  if (sentence.textContent !== text) sentence.textContent = text;
  topics.replaceChildren(...Object.entries(found ?? {}).map(([name, place]) => bar(name, place ?? {})));
  banner.hidden = false;
  document.body.classList.add("waiting"); // errors below the banner repeat what it says
}

let checking = false;

async function check() {
  if (checking) return;
  checking = true;
  for (;;) {
    const wasAway = !banner.hidden;
    try {
      await get(at("/ready"));
      banner.hidden = true;
      document.body.classList.remove("waiting");
      if (wasAway) {
        facts();
        shown?.view.refresh?.();
      }
      break;
    } catch (error) {
      if (!(error instanceof ApiError) || ![0, 503].includes(error.status)) break; // no such page: nothing to wait for
      if (error.status === 0) away("The service does not answer. Trying again every two seconds.");
      else if (error.body?.topics) away("The service is catching up with its topics. Answers follow when it has read them.", error.body.topics);
      else away(`The service is not ready: ${error.message}`);
      await new Promise((resolve) => setTimeout(resolve, error.status ? 1000 : 2000));
    }
  }
  checking = false;
}

async function facts() {
  const line = document.getElementById("facts");
  try {
    const info = await get(at("/info"));
    line.textContent = [
      info.job && `Job ${info.job}`,
      typeof info.users === "number" && `${count(info.users)} users`,
      typeof info.items === "number" && `${count(info.items)} items`,
      info.catalog > 0 && `${count(info.catalog)} in the catalogue`,
    ].filter(Boolean).join(" · ");
  } catch {
    line.textContent = ""; // the banner says why
  }
}

/* A service that asks for keys. The page begins anew with one. */
function unlock() {
  if (document.getElementById("lock")) return;
  const field = el("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const form = el(
    "form",
    { id: "lock", class: "banner", onsubmit: (event) => {
      event.preventDefault();
      key.set(field.value.trim());
      location.reload();
    } },
    el("label", { for: "key" }, key.get() ? "This key is none of the service's. Another one:" : "The service asks for a key:"),
    field,
    el("button", { type: "submit" }, "Use"),
  );
  banner.after(form);
  document.body.classList.add("waiting");
  field.focus();
}

/* Several jobs in one service: which one is looked at. */
async function choice() {
  const names = await jobs().catch(() => []);
  if (names.length < 2) return;
  const options = names.map((name) => el("option", { value: name, selected: name === (job ?? names[0]) }, name));
  const select = el("select", { "aria-label": "Job", class: "quiet", onchange: () => {
    location.search = new URLSearchParams({ job: select.value }).toString();
  } }, options);
  document.getElementById("theme").before(select);
}

document.getElementById("skip").addEventListener("click", () => main.focus());
health.addEventListener("trouble", check);
health.addEventListener("locked", unlock);
addEventListener("hashchange", () => route(false));
setInterval(() => document.hidden || check(), 15_000);
route(true);
check();
facts();
choice();
