/* Shop window: behave as a user, and watch the list follow. */

import { about, at, get, health, learnAll, path, send, subscribe } from "./api.js";
import { button, el, empty, every, iconButton, kept, own, trouble, waiting } from "./dom.js";
import { categories, lookupUser, nameOf, tile, whyLine } from "./items.js";
import { actions, ago, duration, plural, verb } from "./words.js";

export const title = "Shop window";

const LIST = 10;
const usualBoards = ["trending", "popular", "latest"];
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const invented = () => `visitor-${crypto.getRandomValues(new Uint16Array(1))[0].toString(16).padStart(4, "0")}`;

export function mount(root, signal) {
  let user = kept.get("user", null);
  if (typeof user !== "string" || !user) user = invented();
  let types = actions(null);
  let told; // settled once it is known which types the job has

  const forYou = createForYou({ act, known: () => types });
  const shelf = createShelf(signal, (id) => act(id, "look"));
  const chooser = createChooser(choose);
  const jump = button("", () => forYou.focus(), { class: "jump" });
  forYou.onstatus = (text) => (jump.textContent = `For you: ${text} ↓`);

  root.append(
    chooser.element,
    el("div", { class: "columns" }, shelf.element, el("div", { class: "aside" }, forYou.element)),
    jump,
  );
  // On narrow pages the list is below the shelf: the button says what happens there until it is in sight.
  const sight = new IntersectionObserver(([entry]) => jump.classList.toggle("away", entry.isIntersecting));
  sight.observe(forYou.element);
  signal.addEventListener("abort", () => sight.disconnect());

  async function act(id, kind) {
    const who = user;
    await told;
    if (who !== user || signal.aborted) return;
    const type = types[kind];
    forYou.sent(id, type);
    try {
      await send({ user_id: who, item_id: id, event_type: type });
      shelf.mark(id);
    } catch (error) {
      if (who === user && !signal.aborted) forYou.refused(error, id, () => act(id, kind));
    }
  }

  let stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort());

  function choose(id) {
    stop.abort();
    stop = new AbortController();
    user = id;
    kept.set("user", user);
    kept.set("users", [user, ...kept.get("users", []).filter((other) => other !== user)].slice(0, 8));
    chooser.show(user);
    shelf.unmark();
    forYou.follow(user, stop.signal);
  }

  async function weights() {
    try {
      types = actions((await get(at("/info"), signal)).event_types);
      forYou.redraw();
    } catch { /* the buttons send views until it is known */ }
  }

  told = weights();
  choose(user);
  return {
    refresh() {
      told = weights();
      choose(user);
      shelf.load();
    },
  };
}

function createChooser(choose) {
  const field = el("input", {
    id: "user", name: "user", type: "text", list: "users", autocomplete: "off", spellcheck: "false", dir: "auto", required: true,
  });
  const recent = el("datalist", { id: "users" });
  const details = el("a", { class: "subtle" }, "Look up this user");
  const form = el(
    "form",
    { class: "chooser", "aria-label": "Who you are" },
    el("label", { for: "user" }, "You are"),
    field,
    el("button", { type: "submit" }, "Be this user"),
    button("New visitor", () => choose(invented()), { class: "quiet" }),
    details,
    recent,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value) choose(field.value);
  });
  return {
    element: form,
    show(user) {
      field.value = user;
      details.setAttribute("href", lookupUser(user));
      recent.replaceChildren(...kept.get("users", []).map((id) => el("option", { value: id })));
    },
  };
}

/** The items on offer: a board, or what a search finds. */
function createShelf(signal, onlook) {
  const page = matchMedia("(max-width: 899px)").matches ? 6 : 20;
  let wanted = page;
  let board = "trending";
  let asked = new AbortController();
  let timer;
  const marked = new Set();
  const cards = new Map();

  const field = el("input", { id: "search", type: "search", placeholder: "Search titles", autocomplete: "off", dir: "auto" });
  const tab = (name) => button(
    usualBoards.includes(name) ? name[0].toUpperCase() + name.slice(1) : own(name),
    () => ((board = name), (field.value = ""), load(page)),
    { "data-board": name },
  );
  const tabs = usualBoards.map(tab);
  const choice = el("div", { class: "choice", role: "group", "aria-label": "Board" }, tabs);
  get(at("/boards"), signal).then(({ boards }) => {
    const more = (boards ?? []).filter((name) => !usualBoards.includes(name)).map(tab);
    tabs.push(...more);
    choice.append(...more);
  }).catch(() => {}); // the usual ones are there
  const said = el("p", { class: "visually-hidden", role: "status" });
  const place = el("div");
  const more = button("Show more", () => load(wanted + page * 2), { class: "quiet more", hidden: true });
  const element = el(
    "section",
    { class: "shelf", "aria-labelledby": "shelf-title" },
    el("h2", { id: "shelf-title", class: "visually-hidden" }, "Items"),
    el(
      "div",
      { class: "tools", role: "search" },
      el("label", { for: "search", class: "visually-hidden" }, "Search titles"),
      field,
      choice,
    ),
    said,
    place,
    more,
  );
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => load(page), 250);
  });
  signal.addEventListener("abort", () => (clearTimeout(timer), asked.abort()));

  function card(entry) {
    const { item_id: id, item } = entry;
    const made = button(null, () => onlook(id), { class: "card", title: id });
    made.append(
      tile(id, item),
      el("span", { class: "name", dir: "auto" }, nameOf(id, item)),
      el("span", { class: "more-of-it", dir: "auto" }, categories(item)),
      el("span", { class: "seen" }, "✓ looked at"),
    );
    if (item?.available === false) made.append(el("span", { class: "chip" }, "not available"));
    made.classList.toggle("marked", marked.has(id));
    cards.set(id, made);
    return el("li", null, made);
  }

  async function load(count = wanted) {
    asked.abort();
    asked = new AbortController();
    wanted = count;
    const text = field.value.trim();
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(!text && tab.dataset.board === board));
    if (!cards.size) place.replaceChildren(waiting(page, "grid"));
    try {
      const mine = asked.signal;
      let entries = text ? [] : (await get(at(`/boards/${board}`, { n: wanted, include: "items" }), mine)).items ?? [];
      if (!entries.length) {
        // A young job has no boards yet, the catalogue may have items all the same.
        const found = await get(at("/items", { search: text, n: wanted }), mine);
        entries = found.items ?? [];
      }
      learnAll(entries);
      cards.clear();
      said.textContent = text ? `${plural(entries.length, "item")} found` : `${board}: ${plural(entries.length, "item")}`;
      more.hidden = entries.length < wanted || wanted >= 100;
      if (entries.length) place.replaceChildren(el("ul", { class: "grid" }, entries.map(card)));
      else if (text) place.replaceChildren(empty("No title has “", own(text), "” in it."));
      else place.replaceChildren(empty("There are no items yet. They come with the first events, or with a catalogue."));
    } catch (error) {
      if (error.name === "AbortError") return;
      cards.clear();
      more.hidden = true;
      place.replaceChildren(trouble(error, () => load()));
    }
  }

  load();
  return {
    element,
    load: () => load(),
    mark(id) {
      marked.add(id);
      cards.get(id)?.classList.add("marked");
    },
    unmark() {
      marked.clear();
      for (const made of cards.values()) made.classList.remove("marked");
    },
  };
}

/** The list of one user, which follows the stream. */
function createForYou({ act, known }) {
  let list = null;
  let received = 0;
  let heard = false; // whether the stream has said anything
  let clicked = null; // when the oldest click went out that no list has answered
  let user = null;
  let slow;
  let clicks = [];
  const rows = new Map();

  const dot = el("span", { class: "dot", "aria-hidden": "true" });
  const state = el("span", { class: "state" }, "connecting");
  const said = el("p", { class: "said", role: "status", "aria-live": "polite" });
  const notice = el("div");
  const place = el("div");
  const made = el("p", { class: "fine" });
  const heading = el("h2", { id: "for-you", tabindex: "-1" }, "For you");
  const history = el("ol", { class: "history" });
  const self = {
    element: el(
      "section",
      { class: "panel for-you", "aria-labelledby": "for-you" },
      el("header", null, heading, el("span", { class: "link" }, dot, state)),
      said,
      notice,
      place,
      made,
      el("h3", null, "Your own clicks"),
      history,
    ),
    onstatus: () => {},
    focus() {
      heading.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth", block: "start" });
      heading.focus({ preventScroll: true });
    },
    follow,
    sent,
    refused,
    redraw: () => list && (rows.clear(), draw(list)),
  };

  function say(text) {
    said.textContent = text;
    self.onstatus(text);
  }

  function follow(id, signal) {
    user = id;
    list = null;
    heard = false;
    clicked = null;
    clicks = [];
    clearTimeout(slow);
    rows.clear();
    place.replaceChildren(waiting(5, "bones"));
    notice.replaceChildren();
    made.textContent = "";
    say("");
    tell();
    load(signal);
    listen(signal);
    every(1000, signal, age);
    signal.addEventListener("abort", () => clearTimeout(slow));
  }

  async function load(signal) {
    const past = Promise.resolve().then(() => get(path`/users/${user}`, signal));
    try {
      const answer = await get(path`/users/${user}/recommendations` + `?n=${LIST}&include=items`, signal);
      if (!heard) take(answer); // else the stream has overtaken it
    } catch (error) {
      if (signal.aborted) return past.catch(() => {});
      if (!list) place.replaceChildren(trouble(error, () => load(signal)));
    }
    try {
      const { events } = await past;
      learnAll(events);
      const older = (events ?? []).map((event) => ({ id: event.item_id, type: event.event_type, at: event.timestamp }));
      clicks = [...clicks.filter((click) => click.here), ...older].slice(0, 8);
      tell();
    } catch { /* the history then begins with this visit */ }
  }

  function connection(name, text) {
    dot.className = `dot ${name}`;
    if (state.textContent !== text) state.textContent = text;
  }

  function listen(signal) {
    let stop = null;
    let timer;

    async function open() {
      clearTimeout(timer);
      stop = new AbortController();
      const ended = AbortSignal.any([signal, stop.signal]);
      const taken = (next) => {
        heard = true;
        take(next);
      };
      let pause = 2000;
      let why = "reconnecting";
      const opened = () => {
        pause = 2000;
        connection("on", "live");
      };
      while (!ended.aborted) {
        try {
          await subscribe(path`/users/${user}/stream`, { opened, taken }, ended);
        } catch (error) {
          if (ended.aborted) return;
          if (error.code === "id") {
            connection("off", "no live list"); // an id that no address can have
            return;
          }
          why = [401, 403].includes(error.status) ? "no access" : "reconnecting";
        }
        if (ended.aborted) return;
        health.dispatchEvent(new Event("trouble"));
        connection("off", why);
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, 30_000);
      }
    }

    function close() {
      clearTimeout(timer);
      stop?.abort();
      stop = null;
    }

    open();
    signal.addEventListener("abort", close);
    // Browsers open few connections to a server: pages nobody looks at leave theirs to others.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) timer = setTimeout(close, 30_000);
      else if (stop) clearTimeout(timer);
      else {
        load(signal);
        open();
      }
    }, { signal });
  }

  function sent(id, type) {
    const now = performance.now();
    clicked ??= now;
    clicks = [{ id, type, at: Date.now(), here: now }, ...clicks].slice(0, 8);
    notice.replaceChildren();
    say("Sent. Waiting for the next list…");
    tell();
    if (type === known().hate) rows.get(id)?.element.classList.add("going");
    clearTimeout(slow);
    slow = setTimeout(() => clicked !== null && say("No new list yet. The job may be busy, or stopped."), 10_000);
  }

  function refused(error, id, again) {
    clicked = null;
    clearTimeout(slow);
    clicks = clicks.filter((click) => click.id !== id || !click.here);
    tell();
    rows.get(id)?.element.classList.remove("going");
    say("Your click was not taken.");
    notice.replaceChildren(trouble(error, again));
  }

  function take(next) {
    const old = list;
    learnAll(next.items);
    list = next;
    received = Date.now() - (next.age_ms ?? 0);
    // A list that was made before the click does not answer it.
    const answers = clicked !== null && (next.age_ms ?? 0) <= performance.now() - clicked;
    const places = new Map((old?.items ?? []).map((entry, i) => [entry.item_id, i]));
    draw(next, old && places);
    if (next.rec_id === null) {
      if (old && old.rec_id !== null) say("Your own list was withdrawn.");
    } else if (next.rec_id !== old?.rec_id && (answers || (old && clicked === null))) {
      const fresh = next.items.filter((entry) => !places.has(entry.item_id)).length;
      const moved = next.items.filter((entry, i) => places.has(entry.item_id) && places.get(entry.item_id) !== i).length;
      const what = fresh || moved ? `List changed${answers ? ` ${duration(performance.now() - clicked)} after your click` : ""}` : "A new list, with the same items";
      say(fresh ? `${what}: ${fresh} new` : moved ? `${what}: ${moved} moved` : what);
      clicked = null;
      clearTimeout(slow);
    }
    age();
  }

  function age() {
    if (!list) return;
    const text = list.rec_id === null
      ? ""
      : [list.generated_at !== null && `Made ${ago(Date.now() - received)}`, list.model_version && `by ${list.model_version}`].filter(Boolean).join(" ");
    if (made.textContent !== text) made.textContent = text;
    for (const stamp of history.querySelectorAll("time")) {
      stamp.textContent = ago(Date.now() - Number(stamp.dataset.at));
    }
  }

  function row(entry) {
    const { item_id: id, item } = entry;
    const name = nameOf(id, item);
    const types = known();
    const rank = el("span", { class: "rank" });
    const reason = el("span");
    const element = el(
      "li",
      { class: "entry", "data-id": id },
      rank,
      tile(id, item),
      el("div", { class: "text" }, button(name, () => act(id, "look"), { class: "name", title: id, dir: "auto" }), reason),
      el(
        "div",
        { class: "acts" },
        iconButton("heart", `Like ${name}`, `Like (sends ${types.like})`, () => act(id, "like")),
        types.hate && iconButton("cross", `Not interested in ${name}`, `Not interested (sends ${types.hate})`, () => act(id, "hate")),
      ),
    );
    return {
      element,
      update(now, i) {
        rank.textContent = i + 1;
        element.classList.remove("going");
        reason.replaceChildren(whyLine(now));
      },
    };
  }

  function draw(next, places = null) {
    const stranger = next.rec_id === null;
    const items = (next.items ?? []).slice(0, LIST);
    if (!items.length) {
      rows.clear();
      place.replaceChildren(empty("The list is empty: nothing is known to recommend yet."));
      return;
    }
    let ol = place.querySelector("ol");
    if (!ol || !rows.size) {
      ol = el("ol", { class: "entries" });
      place.replaceChildren(ol);
    }
    let note = place.querySelector(".hint");
    if (stranger && !note) place.prepend(el("p", { class: "hint" }, "There is no list of your own: this is shown instead. Click on an item, and your own appears here."));
    if (!stranger) note?.remove();

    const before = new Map([...rows].map(([id, { element }]) => [id, element.getBoundingClientRect().top]));
    const held = ol.contains(document.activeElement) ? document.activeElement : null;
    const ids = new Set(items.map((entry) => entry.item_id));
    for (const [id, { element }] of rows) {
      if (ids.has(id)) continue;
      element.remove();
      rows.delete(id);
    }
    items.forEach((entry, i) => {
      const id = entry.item_id;
      if (!rows.has(id)) rows.set(id, row(entry));
      const { element, update } = rows.get(id);
      update(entry, i);
      if (ol.children[i] !== element) ol.insertBefore(element, ol.children[i] ?? null);
      if (!places) return;
      element.classList.toggle("fresh", !places.has(id));
    });
    if (held) (held.isConnected ? held : heading).focus({ preventScroll: true });
    if (places && !calm.matches) move(before);
  }

  /** Entries glide from where they were, new ones fade in. */
  function move(before) {
    for (const [id, { element }] of rows) {
      const top = element.getBoundingClientRect().top;
      const from = before.get(id);
      if (from === undefined) element.animate([{ opacity: 0, transform: "translateX(14px)" }, { opacity: 1, transform: "none" }], { duration: 420, easing: "ease-out" });
      else if (from !== top) element.animate([{ transform: `translateY(${from - top}px)` }, { transform: "none" }], { duration: 420, easing: "cubic-bezier(.2,.7,.2,1)" });
    }
  }

  function tell() {
    history.replaceChildren(
      ...clicks.map((click) =>
        el(
          "li",
          null,
          el("span", { class: "verb" }, verb(click.type)),
          own(nameOf(click.id, about(click.id)), { class: "mention", title: click.id }),
          el("time", { class: "fine", "data-at": String(click.at) }, ago(Date.now() - click.at)),
        ),
      ),
    );
    if (!clicks.length) history.append(el("li", { class: "fine" }, "None yet."));
  }

  return self;
}
