/* Live: what became of the events, how good the lists are, how fresh, and what users click. */

import { at, get } from "./api.js";
import { chart } from "./chart.js";
import { commands } from "./commands.js";
import { button, el, empty, every, own, trouble } from "./dom.js";
import { feedback } from "./feedback.js";
import { ago, count, duration, share, time } from "./words.js";

export const title = "Live";

const WINDOWS = 60;
const fates = ["accepted", "duplicate", "late", "rejected", "ignored"];
const rates = [
  ["hr_at_10", "served"],
  ["online_hr_at_10", "online alone"],
  ["deep_hr_at_10", "deep alone"],
  ["popularity_hr_at_10", "popularity"],
];
const ages = [["p50_ms", "half within (p50)"], ["p99_ms", "99 % within (p99)"]];

const known = (value) => typeof value === "number" && Number.isFinite(value);
const brief = (value) => (value >= 10_000 ? `${+(value / 1000).toFixed(1)}k` : count(Math.round(value * 10) / 10));

const tile = (name, value, small) => el("div", { class: "panel" }, el("dt", null, name), el("dd", null, value, el("small", null, small)));

export function mount(root, signal) {
  const charts = [
    chart({ title: "Events accepted", note: "In each window.", format: brief, series: [{ name: "accepted", of: (w) => w.accepted }] }),
    // Apart, as they would be a line along the axis beside the accepted ones.
    chart({ title: "Events of another fate", note: "In each window: repeated, too old, refused, or not meant to be learnt.", format: brief, series: fates.slice(1).map((name, i) => ({ name, style: i + 2, of: (w) => w[name] })) }),
    chart({ title: "Hit rate", note: "How often the next item was in the list of ten, over the same events.", format: share, series: rates.map(([key, name]) => ({ name, of: (w) => w[key] })) }),
    chart({ title: "Freshness", note: "From the event to the list that knows it.", format: duration, series: ages.map(([key, name]) => ({ name, of: (w) => w[key] })) }),
  ];
  signal.addEventListener("abort", () => charts.forEach((one) => one.end()));

  const message = el("div");
  const tiles = el("dl", { class: "tiles" });
  // Tiles by who tells them: the windows, the broker, and feedback.
  let totalled = [];
  let followed = [];
  let clicked = [];
  const tiled = () => tiles.replaceChildren(...totalled, ...clicked, ...followed);
  const clicks = feedback(signal);
  const tune = el("section", { class: "panel tune wide" });
  const rows = el("tbody");
  const table = el(
    "details",
    { class: "panel wide" },
    el("summary", null, "The figures as a table"),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of windows" },
      el(
        "table",
        null,
        el("caption", null, "Windows, the newest first"),
        el(
          "thead",
          null,
          el("tr", null, el("th", { scope: "col" }, "Window"), [...fates, ...rates.map(([, name]) => `hit rate, ${name}`), "p50", "p99"].map((name) => el("th", { scope: "col", class: "num" }, name))),
        ),
        rows,
      ),
    ),
  );
  const content = el("div", { hidden: true }, tiles, el("div", { class: "charts" }, charts.map((one) => one.element)), clicks.element, tune, commands(), table);
  let paused = false;
  const pause = button("Pause", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    said.textContent = paused ? "Paused." : "Asked every two seconds.";
    if (!paused) load();
  }, { class: "quiet" });
  const said = el("p", { class: "fine" }, "Asked every two seconds.");
  root.append(el("div", { class: "bar" }, said, pause), message, content);

  let busy = false;
  let before = "";

  /* The job's place in its input, apart: a broker that answers slowly must not hold up the rest. */
  let following = false;
  let again = 0;

  async function follow() {
    if (following || Date.now() < again) return;
    following = true;
    try {
      followed = progress(await get(at("/progress"), signal));
    } catch {
      followed = []; // where the broker is gone, the banner says so
      again = Date.now() + 15_000; // one that refuses the question is not asked all the time
    } finally {
      following = false;
    }
    tiled();
  }

  async function react() {
    const total = (await clicks.load())?.total;
    if (!total?.impressions) return;
    clicked = [tile("Click-through rate", share(total.click_through), `of ${count(total.impressions)} impressions`)];
    tiled();
  }

  async function load() {
    follow();
    react();
    if (busy) return;
    busy = true;
    try {
      show(await get(at("/windows", { n: WINDOWS }), signal));
    } catch (error) {
      if (signal.aborted) return;
      before = "";
      // What was drawn stays: old figures tell more than none.
      if (!message.childNodes.length) message.replaceChildren(trouble(error, load));
    } finally {
      busy = false;
    }
  }

  function show(found) {
    message.replaceChildren();
    const windows = (found.windows ?? []).filter((w) => known(w.window_start)).sort((a, b) => a.window_start - b.window_start);
    if (!windows.length && !found.fine_tune) {
      content.hidden = true;
      message.replaceChildren(empty("No window has ended yet. The first figures come some seconds after the first events."));
      return;
    }
    content.hidden = false;
    tuning(found.fine_tune);
    const text = JSON.stringify(windows);
    if (text === before) return; // the same windows: nothing moves
    before = text;
    for (const one of charts) one.update(windows);
    totals(windows);
    rows.replaceChildren(...windows.toReversed().map(row));
  }

  function totals(windows) {
    const last = (key) => windows.findLast((w) => known(w[key]))?.[key];
    const total = (key) => windows.reduce((sum, w) => sum + (known(w[key]) ? w[key] : 0), 0);
    const all = fates.reduce((sum, name) => sum + total(name), 0);
    const minutes = (windows.at(-1).window_start - windows[0].window_start) / 60_000;
    const served = last("hr_at_10");
    const popular = last("popularity_hr_at_10");
    const times = served > 0 && popular > 0 ? `${(served / popular).toFixed(1)} times popularity` : "of the next items";
    totalled = [
      tile("Accepted", count(total("accepted")), minutes >= 1 ? `in the last ${Math.round(minutes)} min` : "so far"),
      tile("Not accepted", count(all - total("accepted")), `${count(total("rejected"))} of them rejected`),
      tile("Hit rate", share(served), times),
      tile("Freshness", duration(last("p50_ms")), `99 % within ${duration(last("p99_ms"))}`),
    ];
    tiled();
  }

  /** Nothing for a job that commits no offsets: there is nothing to tell its place by. */
  function progress({ lag, checkpoint_age_ms: age, partitions }) {
    if (!known(lag)) return [];
    const unknown = partitions.filter((one) => one.end > 0 && !known(one.lag)).length;
    const where = unknown ? ` in ${partitions.length - unknown} of ${partitions.length} partitions` : "";
    return [
      tile("Lag", count(lag), `after the last checkpoint${where}`),
      tile("Last checkpoint", known(age) ? ago(age) : "–", known(age) ? (lag ? "by committed offsets" : "nothing new since") : "none seen yet"),
    ];
  }

  function row(w) {
    return el(
      "tr",
      null,
      el("th", { scope: "row", class: "figure" }, time(w.window_start)),
      fates.map((name) => el("td", { class: "num" }, count(w[name]))),
      rates.map(([key]) => el("td", { class: "num" }, share(w[key]))),
      ages.map(([key]) => el("td", { class: "num" }, duration(w[key]))),
    );
  }

  function tuning(state) {
    const parts = [el("h2", null, "Deep model")];
    if (!state) parts.push(el("p", { class: "fine" }, "No fine-tuning is going on, and none has been reported."));
    else {
      const running = known(state.step) && state.steps > 0;
      if (running) parts.push(el("progress", { max: "1", value: String(Math.min(1, state.step / state.steps)), "aria-label": "Fine-tuning, this round" }));
      const facts = [
        ["Round", known(state.round) && count(state.round)],
        ["Step", known(state.step) && (running ? `${count(state.step)} of ${count(state.steps)}` : count(state.step))],
        ["Loss", known(state.loss) && state.loss.toFixed(4)],
        ["Serving", state.model && own(state.model)],
        ["Weight in the list", known(state.weight) && state.weight.toFixed(2)],
      ].filter(([, value]) => value);
      parts.push(el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value)))));
      if (state.verdict) parts.push(el("h3", null, "Verdict of the acceptance test"), el("p", { dir: "auto" }, String(state.verdict)));
    }
    tune.replaceChildren(...parts);
  }

  load();
  every(2000, signal, () => paused || load());
  return { refresh: load };
}
