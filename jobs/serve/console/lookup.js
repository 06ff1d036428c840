/* Look up: one user or one item, with raw ids and scores. */

import { get, learn, learnAll, path } from "./api.js";
import { button, el, empty, kept, own, trouble, waiting } from "./dom.js";
import { categories, lookupItem, lookupUser, nameOf, tile, whyLine } from "./items.js";
import { ago, count, score, sources, when } from "./words.js";

export const title = "Look up";

export function mount(root, signal, kind, id) {
  const user = finder("user", "A user, by id", lookupUser);
  const item = finder("item", "An item, by id", lookupItem);
  const said = el("p", { class: "visually-hidden", role: "status" });
  const result = el("div", { class: "result", tabindex: "-1" });
  root.append(el("div", { class: "finders" }, user.element, item.element), said, result);

  let stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort());
  let now = [];

  async function go(what, who) {
    now = [what, who];
    said.textContent = "";
    stop.abort();
    stop = new AbortController();
    // A link of the old result was followed: the focus goes to the new one instead of nowhere.
    if (result.contains(document.activeElement)) {
      scrollTo(0, 0);
      result.focus({ preventScroll: true });
    }
    const mine = stop.signal;
    if (!who || !["user", "item"].includes(what)) {
      result.replaceChildren(empty("Give the id of a user: what they did, and their list with its reasons. Or of an item: what goes with it."));
      if (!user.field.value) user.field.value = kept.get("user", "") || "";
      return;
    }
    (what === "user" ? user : item).field.value = who;
    result.replaceChildren(waiting(3, "bones"));
    try {
      const parts = await (what === "user" ? aboutUser : aboutItem)(who, mine);
      result.replaceChildren(...parts);
      said.textContent = `Found the ${what}. Details are below.`;
    } catch (error) {
      if (!mine.aborted) result.replaceChildren(trouble(error, () => go(what, who)));
    }
  }

  go(kind, id);
  return { go, refresh: () => go(...now) };
}

function finder(name, label, address) {
  const field = el("input", { id: `find-${name}`, type: "text", autocomplete: "off", spellcheck: "false", dir: "auto", required: true });
  const element = el(
    "form",
    { class: "panel finder" },
    el("label", { for: `find-${name}` }, label),
    field,
    el("button", { type: "submit", "aria-label": `Look up the ${name}` }, "Look up"),
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value) location.hash = address(field.value);
  });
  return { element, field };
}

const raw = (...answers) =>
  el("details", null, el("summary", null, "The answer as JSON"), answers.map((answer) => el("pre", { tabindex: "0", role: "group", "aria-label": "JSON" }, JSON.stringify(answer, null, 2))));

const facts = (...pairs) =>
  el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value))));

function named(id, item) {
  const name = nameOf(id, item);
  return [el("a", { href: lookupItem(id) }, own(name)), name !== id && own(id, { class: "id" })];
}

function table(caption, heads, rows) {
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      null,
      el("caption", { class: "visually-hidden" }, caption),
      el("thead", null, el("tr", null, heads.map((head) => el("th", { scope: "col", class: head === "Score" ? "num" : undefined }, head)))),
      el("tbody", null, rows),
    ),
  );
}

function entries(caption, head, items, reason) {
  return table(
    caption,
    ["Item", head, "Score"],
    items.map((entry) =>
      el(
        "tr",
        null,
        el("td", null, named(entry.item_id, entry.item)),
        el("td", null, reason(entry)),
        el("td", { class: "num" }, score(entry.score)),
      ),
    ),
  );
}

async function aboutUser(id, signal) {
  const found = await get(path`/users/${id}`, signal);
  // Without a list of their own a user is served something all the same: show that.
  const list = found.recommendations ?? (await get(path`/users/${id}/recommendations` + "?n=10&include=items", signal));
  const events = found.events ?? [];
  const items = list.items ?? [];
  learnAll(events);
  learnAll(items);
  const stranger = list.rec_id === null;
  const open = button("Be this user in the shop window", () => {
    kept.set("user", id);
    location.hash = "#/shop";
  }, { class: "quiet" });
  return [
    el("div", { class: "bar" }, el("h2", null, "User ", own(id)), open),
    el(
      "div",
      { class: "pair" },
      el(
        "section",
        { class: "panel" },
        el("h2", null, "The list"),
        stranger
          ? el("p", { class: "fine" }, "No list of their own yet: this is served instead.")
          : facts(["Made", list.generated_at && `${when(list.generated_at)} (${ago(list.age_ms ?? Date.now() - list.generated_at)})`], ["Model", list.model_version && own(list.model_version)], ["List id", list.rec_id && own(list.rec_id, { class: "id" })]),
        items.length ? entries("The list and its reasons", "Why", items, (entry) => whyLine(entry, { they: true })) : empty("It is empty."),
      ),
      el(
        "section",
        { class: "panel" },
        el("h2", null, "Last events"),
        events.length
          ? table("Last events, the newest first", ["Item", "Type", "Time"], events.map((event) => el("tr", null, el("td", null, named(event.item_id, event.item)), el("td", null, own(event.event_type)), el("td", { class: "nowrap figure" }, when(event.timestamp)))))
          : empty("The service has seen no event of this user."),
      ),
    ),
    raw(found, ...(found.recommendations ? [] : [list])),
  ];
}

/** A link that leaves the console, if it is one of the web. */
function outside(url) {
  try {
    const found = new URL(url);
    if (!["http:", "https:"].includes(found.protocol)) return null;
    return el("a", { href: found.href, target: "_blank", rel: "noopener noreferrer" }, "Page of the item");
  } catch {
    return null;
  }
}

/** Where an item of another item's list is from; it may have been filled up from a board. */
const origin = (entry) => [sources[entry.source] ?? entry.source, entry.reason].filter(Boolean).join(", ");

async function aboutItem(id, signal) {
  const lists = "?n=10&include=items";
  const [found, next, similar] = await Promise.all([
    get(path`/items/${id}`, signal),
    get(path`/items/${id}/next` + lists, signal),
    get(path`/items/${id}/similar` + lists, signal),
  ]);
  learn(id, found.item);
  learnAll(next.items);
  learnAll(similar.items);
  const name = nameOf(id, found.item);
  const part = (heading, items, nothing) =>
    el("section", { class: "panel" }, el("h2", null, heading), items?.length ? entries(heading, "Where from", items, origin) : empty(nothing));
  return [
    el(
      "section",
      { class: "panel about" },
      tile(id, found.item),
      el(
        "div",
        null,
        el("h2", { dir: "auto" }, name),
        name !== id && own(id, { class: "id" }),
        found.known === false && el("p", { class: "fine" }, "The job does not know this item: no event named it, or it was forgotten."),
        facts(["Categories", categories(found.item)], ["Events", count(found.events)], ["Link", found.item?.url && outside(found.item.url)]),
      ),
    ),
    el(
      "div",
      { class: "pair" },
      part("What goes with it", next.items, "Nothing is known to follow it yet."),
      part("Similar items", similar.items, "Nothing is known to be like it yet."),
    ),
    raw(found, next, similar),
  ];
}
