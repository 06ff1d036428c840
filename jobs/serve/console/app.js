/* Which view is shown, and a banner while the service is away or catches up. */

import { ApiError, at, get, health, job, jobs, key, look } from "./api.js";
import { button, el } from "./dom.js";
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
        orient();
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

function facts(info) {
  // Without an answer nothing is said: the banner, or the view, says why.
  document.getElementById("facts").textContent = !info ? "" : [
    info.job && `Job ${info.job}`,
    typeof info.users === "number" && `${count(info.users)} users`,
    typeof info.items === "number" && `${count(info.items)} items`,
    info.catalog > 0 && `${count(info.catalog)} in the catalogue`,
  ].filter(Boolean).join(" · ");
}

/* A service that asks for keys. The page begins anew with one. */
const otherKey = button(null, () => unlock("Another key:", true), { class: "quiet", id: "other-key" });
otherKey.append(el("span", null, "Use another "), "key"); // narrow pages show the last word only

function unlock(text, optional = false) {
  const fault = el("p", { id: "key-fault", role: "alert" });
  const field = el("input", { type: "password", id: "key", autocomplete: "off", required: true, "aria-describedby": "key-fault" });
  const use = (event) => {
    event.preventDefault();
    fault.textContent = keep(field.value.trim());
    field.setAttribute("aria-invalid", String(fault.textContent !== ""));
    if (fault.textContent) field.focus();
    else location.reload();
  };
  const form = el(
    "form",
    { id: "lock", class: "banner", onsubmit: use },
    el("label", { for: "key" }, text),
    field,
    el("button", { type: "submit" }, "Use"),
    optional && button("Cancel", () => (form.remove(), (otherKey.hidden = false), otherKey.focus()), { class: "quiet" }),
    fault,
  );
  document.getElementById("lock")?.remove();
  banner.after(form);
  otherKey.hidden = true;
  field.focus();
}

/** Keep a key; returns what is wrong, or nothing. */
function keep(text) {
  if (!key.fits(text)) return "This cannot be a key: keys have 1 to 1,000 printable ASCII characters and no blanks.";
  return key.set(text) ? "" : "The browser does not let this page keep a key. Allow it to store data.";
}

let locked = false;

function lock() {
  if (locked) return; // somebody may be typing
  locked = true;
  document.body.classList.add("locked"); // errors below the form repeat what it says
  unlock(key.get() ? "This key is none of the service's. Another one:" : "The service asks for a key:");
}

/* Several jobs in one service: which one is looked at, and which ones the key is for. */
async function orient() {
  const [here, names] = await Promise.all([look(job), jobs().catch(() => [])]);
  facts(here.info);
  const better = [403, 404].includes(here.status) ? await instead(here, names) : undefined;
  if (better === undefined) choice(names, here.info?.job ?? job);
  else location.replace(addressOf(better));
}

/** Name of a job that answers where the one that is looked at does not; undefined if there is none. */
async function instead(here, names) {
  // Where a key may not even ask for this, its own jobs are still the ones to show.
  const worth = ({ name, status }) => (status === 200 ? 3 : status === 403 ? 1 + names.includes(name) : 0);
  const found = await Promise.all([null, ...names].map(look));
  const best = found.reduce((one, other) => (worth(other) > worth(one) ? other : one), here);
  return best === here ? undefined : best.name;
}

function addressOf(name) {
  const address = new URL(location.href);
  if (name === null) address.searchParams.delete("job");
  else address.searchParams.set("job", name);
  return address.href;
}

function choice(names, current) {
  document.getElementById("job")?.remove();
  const among = names.includes(current);
  if (names.length < (among ? 2 : 1)) return;
  const options = names.map((name) => el("option", { value: name, selected: name === current }, name));
  // A choice that is shown as made could not be made.
  if (!among) options.unshift(el("option", { value: "", selected: true, disabled: true }, "Choose a job"));
  const select = el("select", { id: "job", "aria-label": "Job", class: "quiet", onchange: () => location.assign(addressOf(select.value)) }, options);
  document.getElementById("theme").before(select);
}

if (key.get()) document.getElementById("theme").before(otherKey);
document.getElementById("skip").addEventListener("click", () => main.focus());
health.addEventListener("trouble", check);
health.addEventListener("locked", lock);
addEventListener("hashchange", () => route(false));
setInterval(() => document.hidden || check(), 15_000);
route(true);
check();
orient();
