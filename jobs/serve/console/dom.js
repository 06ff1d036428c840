/* Elements. Text goes in as text nodes only: ids and titles are whatever somebody sent. */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const el = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** Text of unknown direction, kept from turning its surroundings. */
export const own = (text, props) => el("bdi", { dir: "auto", ...props }, String(text));

export const button = (label, onclick, props) => el("button", { type: "button", onclick, ...props }, label);

const icons = {
  heart: "M12 20S4 15 4 9.2A4.2 4.2 0 0 1 12 7a4.2 4.2 0 0 1 8 2.2C20 15 12 20 12 20Z",
  cross: "M6 6l12 12M18 6 6 18",
};

/** A button with a drawing; its words are its label and its hint. */
export const iconButton = (icon, label, hint, onclick) =>
  el(
    "button",
    { type: "button", onclick, "aria-label": label, title: hint, class: `icon ${icon}` },
    svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: icons[icon] })),
  );

/** A paragraph about an error, with a way out. */
export function trouble(error, retry) {
  return el(
    "div",
    { class: "empty bad", role: "alert" },
    el("p", { dir: "auto" }, error.message),
    retry && error.code !== "id" && button("Try again", retry), // such an id will not get better
  );
}

export const empty = (...text) => el("p", { class: "empty" }, ...text);

/** Placeholders of the size of what comes. */
export const waiting = (count, kind) =>
  el("div", { class: kind, "aria-hidden": "true" }, Array.from({ length: count }, () => el("div", { class: "bone" })));

/** localStorage, which may be full or forbidden. */
export const kept = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`streamrec.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`streamrec.${name}`, JSON.stringify(value));
    } catch { /* not remembered */ }
  },
};

/** Call `work` every `ms` while the page is seen and the signal is not aborted. */
export function every(ms, signal, work) {
  const timer = setInterval(() => document.hidden || work(), ms);
  signal.addEventListener("abort", () => clearInterval(timer));
}
