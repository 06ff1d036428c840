/* Feedback: click-through rate by arm over time, and by position, reason and model version. */

import { at, get } from "./api.js";
import { chart } from "./chart.js";
import { el, own } from "./dom.js";
import { count, share } from "./words.js";

const WINDOWS = 60;
const MOST_ARMS = 5; // styles of lines
const parts = [["positions", "Position"], ["reasons", "Reason"], ["models", "Model version"]];

const named = (arm) => arm || "all users";

/** `element`: the part of the page; hidden while no impression is decided. */
export function feedback(signal) {
  const line = el("div");
  const arms = el("section", { class: "panel" }, el("h2", null, "Arms since the job began"), el("div"));
  const tables = el("div");
  const details = el("details", { class: "panel wide" }, el("summary", null, "Click-through rate (CTR) by position, reason and model version"), tables);
  const element = el("section", { class: "wide", hidden: true, "aria-label": "Feedback" }, el("div", { class: "charts" }, line, arms), details);
  let drawn = null;
  let before = "";
  signal.addEventListener("abort", () => drawn?.end());

  /* Lines are fixed in a chart: other arms, another chart. */
  let lines = "";
  function lined(names) {
    if (drawn && lines === JSON.stringify(names)) return drawn;
    drawn?.end();
    lines = JSON.stringify(names);
    drawn = chart({
      title: "Click-through rate by arm",
      note: "Of the impressions decided in each window: a click decides at once, none when feedback.window ends.",
      format: share,
      series: names.map((arm) => ({ name: named(arm), of: (w) => w.arms[arm]?.click_through })),
    });
    line.replaceChildren(drawn.element);
    return drawn;
  }

  function show(found) {
    element.hidden = !found.total?.impressions;
    const text = JSON.stringify(found);
    if (element.hidden || text === before) return;
    before = text;
    lined(Object.keys(found.arms).sort().slice(0, MOST_ARMS)).update(found.windows);
    arms.lastChild.replaceWith(table("Arm", found.arms));
    tables.replaceChildren(...parts.map(([part, name]) => table(name, found[part])));
  }

  return {
    element,
    /** Ask, show, and return the answer; null where there is none. */
    async load() {
      try {
        const found = await get(at("/feedback", { n: WINDOWS }), signal);
        show(found);
        return found;
      } catch {
        return null; // where the service is gone, the banner says so
      }
    },
  };
}

const byName = ([one], [other]) => one.localeCompare(other, "en", { numeric: true });

function table(name, cells) {
  const columns = ["Impressions", "Acted on", "CTR"];
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `CTR by ${name.toLowerCase()}` },
    el(
      "table",
      null,
      el("thead", null, el("tr", null, el("th", { scope: "col" }, name), columns.map((one) => el("th", { scope: "col", class: "num" }, one)))),
      el("tbody", null, Object.entries(cells).sort(byName).map(([key, cell]) =>
        el(
          "tr",
          null,
          el("th", { scope: "row" }, own(named(key))),
          el("td", { class: "num" }, count(cell.impressions)),
          el("td", { class: "num" }, count(cell.acted)),
          el("td", { class: "num" }, share(cell.click_through)),
        ),
      )),
    ),
  );
}
