/* How items look: name, tile, the line that says why. Used by several views. */

import { about, ask } from "./api.js";
import { el, own, svg } from "./dom.js";
import { why } from "./words.js";

export const nameOf = (id, item) => String(item?.title || about(id)?.title || id);

export const lookupItem = (id) => `#/lookup/item/${encodeURIComponent(id.toWellFormed ? id.toWellFormed() : id)}`;
export const lookupUser = (id) => `#/lookup/user/${encodeURIComponent(id.toWellFormed ? id.toWellFormed() : id)}`;

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  h = Math.imul(h ^ (h >>> 15), 2246822519);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Address of a picture, if this server has it: the console asks no other machine. */
function local(image) {
  try {
    const found = new URL(image, document.baseURI);
    return found.origin === location.origin ? found.href : null;
  } catch {
    return null;
  }
}

/** A picture of the item, or a tile that is always the same for its id. */
export function tile(id, item) {
  const bits = hash(id);
  const letter = [...nameOf(id, item).matchAll(/[\p{L}\p{N}]/gu)][0]?.[0] ?? "·";
  const drawn = svg(
    "svg",
    { viewBox: "0 0 120 90", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true", focusable: "false" },
    svg("circle", { cx: 15 + (bits % 90), cy: (bits >>> 7) % 90, r: 26 + ((bits >>> 12) % 26), class: "shape" }),
    svg("rect", {
      x: (bits >>> 9) % 80, y: 20 + ((bits >>> 16) % 50), width: 70, height: 70, rx: (bits >>> 20) % 36, class: "shape",
      transform: `rotate(${(bits >>> 5) % 90} 60 45)`,
    }),
    svg("text", { x: 60, y: 48, class: "letter" }, letter.toUpperCase()),
  );
  const box = el("span", { class: "tile" }, drawn);
  box.style.setProperty("--hue", bits % 360);
  const address = item?.image && local(item.image);
  if (address) {
    const picture = el("img", { src: address, alt: "", loading: "lazy", decoding: "async" });
    picture.addEventListener("error", () => picture.remove());
    box.append(picture);
  }
  return box;
}

/** Name of an item that may become known later. */
export function mention(id) {
  const named = own(nameOf(id), { class: "mention", title: id });
  if (!about(id)) ask(id).then(() => (named.textContent = nameOf(id)));
  return named;
}

export function whyLine(entry, reader) {
  const [before, from, after] = why(entry, reader);
  return el("span", { class: "why" }, before, from !== undefined && mention(String(from)), after);
}

export const categories = (item) =>
  (Array.isArray(item?.categories) ? item.categories : []).slice(0, 3).map(String).join(" · ");
