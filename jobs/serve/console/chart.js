/* Line charts of windows. The figures are in the table below them, too: a chart is a picture here. */

import { el, svg } from "./dom.js";
import { time } from "./words.js";

const TOP = 8, BOTTOM = 22, LEFT = 46, RIGHT = 10, HEIGHT = 190;

/** The next round number, so that the scale does not twitch at every window. */
function round(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) * power;
}

/** `series`: [{name, of: window => number | null, style?}], drawn in styles s1, s2, … of the style sheet. */
export function chart({ title, note, series, format }) {
  const style = (i) => `s${series[i].style ?? i + 1}`;
  const plot = el("div", { class: "plot" });
  const values = series.map(() => el("b"));
  const stamp = el("span", { class: "fine figure" });
  const element = el(
    "section",
    { class: "panel chart" },
    el("header", null, el("h2", null, title), stamp),
    note && el("p", { class: "fine" }, note),
    plot,
    el(
      "ul",
      { class: "legend" },
      series.map(({ name }, i) =>
        el("li", null, svg("svg", { "aria-hidden": "true" }, svg("path", { d: "M1 4H23", class: `series ${style(i)}` })), name, values[i]),
      ),
    ),
  );
  let windows = [];
  let pointed = null;
  let place = () => 0;
  const hair = svg("line", { class: "hair", y1: TOP, y2: HEIGHT - BOTTOM });

  const valid = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

  function read() {
    const i = pointed ?? windows.length - 1;
    const shown = windows[i];
    stamp.textContent = shown ? time(shown.window_start) : "";
    series.forEach(({ of }, s) => {
      // The newest window may not have been scored yet: then the last figure that there is.
      let value = shown ? valid(of(shown)) : null;
      for (let j = i; pointed === null && value === null && j >= 0; j--) value = valid(of(windows[j]));
      values[s].textContent = value === null ? "–" : format(value);
    });
    hair.setAttribute("visibility", pointed === null ? "hidden" : "visible");
    if (pointed !== null) {
      hair.setAttribute("x1", place(shown));
      hair.setAttribute("x2", place(shown));
    }
  }

  function draw() {
    const width = plot.clientWidth;
    if (!width) return;
    if (pointed !== null && pointed >= windows.length) pointed = null;
    const first = windows[0]?.window_start ?? 0;
    const last = windows.at(-1)?.window_start ?? 0;
    const most = round(Math.max(0, ...windows.flatMap((w) => series.map(({ of }) => valid(of(w)) ?? 0))));
    const base = HEIGHT - BOTTOM;
    place = (w) => (last > first ? LEFT + ((w.window_start - first) / (last - first)) * (width - LEFT - RIGHT) : width / 2);
    const up = (value) => base - (Math.max(0, value) / most) * (base - TOP);

    const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" });
    for (const part of [0, 0.5, 1]) {
      picture.append(
        svg("line", { class: "rule", x1: LEFT, x2: width - RIGHT, y1: up(most * part), y2: up(most * part) }),
        svg("text", { class: "axis", x: LEFT - 6, y: up(most * part) + 4, "text-anchor": "end" }, format(most * part)),
      );
    }
    if (last > first) {
      picture.append(
        svg("text", { class: "axis", x: LEFT, y: HEIGHT - 5 }, time(first)),
        svg("text", { class: "axis", x: width - RIGHT, y: HEIGHT - 5, "text-anchor": "end" }, time(last)),
      );
    }
    // A window without events is not told of: no line is drawn over several of them, as if they had values.
    const step = Math.min(...windows.slice(1).map((w, i) => w.window_start - windows[i].window_start));
    const apart = (i) => i > 0 && windows[i].window_start - windows[i - 1].window_start > 3 * step;
    series.forEach(({ of }, s) => {
      let d = "";
      let pen = false;
      windows.forEach((w, i) => {
        const value = valid(of(w));
        if (value === null || apart(i)) pen = false;
        if (value === null) return;
        const x = place(w).toFixed(1), y = up(value).toFixed(1);
        d += `${pen ? "L" : "M"}${x} ${y}`;
        const alone = !pen && (i + 1 === windows.length || apart(i + 1) || valid(of(windows[i + 1])) === null);
        if (alone) picture.append(svg("circle", { class: `point ${style(s)}`, cx: x, cy: y, r: 3 }));
        pen = true;
      });
      picture.append(svg("path", { class: `series ${style(s)}`, d }));
    });
    picture.append(hair);
    picture.addEventListener("pointermove", (event) => {
      const x = event.clientX - picture.getBoundingClientRect().left;
      let best = null;
      windows.forEach((w, i) => {
        if (best === null || Math.abs(place(w) - x) < Math.abs(place(windows[best]) - x)) best = i;
      });
      pointed = best;
      read();
    });
    picture.addEventListener("pointerleave", () => ((pointed = null), read()));
    plot.replaceChildren(picture);
    read();
  }

  const size = new ResizeObserver(draw);
  size.observe(plot);
  return {
    element,
    update(next) {
      windows = next;
      draw();
    },
    end: () => size.disconnect(),
  };
}
