/* Dead letters: what was refused, why, and what to mend. */

import { at, get } from "./api.js";
import { button, el, empty, every, own, trouble, waiting } from "./dom.js";
import { lookupUser } from "./items.js";
import { count, mend, mendUnknown, plural, when } from "./words.js";

export const title = "Dead letters";

const LETTERS = 50;

export function mount(root, signal) {
  const said = el("p", { class: "fine", role: "status" });
  const again = button("Refresh", () => load(), { class: "quiet" });
  const codes = el("ul", { class: "codes" });
  const place = el("div");
  let found = null;
  let only = null;

  root.append(el("div", { class: "bar" }, said, again), codes, place);
  place.replaceChildren(waiting(3, "bones"));

  const total = (answer) => Object.values(answer.by_code ?? {}).reduce((sum, n) => sum + n, 0);

  async function load() {
    try {
      found = await get(at("/dead-letters", { n: LETTERS }), signal);
      again.textContent = "Refresh";
      draw();
    } catch (error) {
      if (signal.aborted) return;
      codes.replaceChildren();
      place.replaceChildren(trouble(error, load));
    }
  }

  /* New letters are announced and not slipped in: somebody may be reading. */
  async function look() {
    if (!found) return;
    try {
      const more = total(await get(at("/dead-letters", { n: 1 }), signal)) - total(found);
      again.textContent = more > 0 ? `Show ${count(more)} new` : "Refresh";
    } catch { /* the next look tells */ }
  }

  function draw() {
    const counts = Object.entries(found.by_code ?? {}).sort((a, b) => b[1] - a[1]);
    const letters = (found.letters ?? []).filter((letter) => only === null || letter.code === only);
    const most = Math.max(1, ...counts.map(([, n]) => n));
    codes.replaceChildren(
      ...counts.map(([code, n]) => {
        const chosen = only === code;
        const made = button(null, () => ((only = chosen ? null : code), draw(), focusOn(code)), { "aria-pressed": String(chosen), "data-code": code });
        made.append(
          el("span", { class: "code", dir: "auto" }, code),
          el("span", { class: "figure" }, count(n)),
          el("progress", { max: String(most), value: String(n), "aria-hidden": "true" }),
        );
        return el("li", null, made);
      }),
    );
    const all = total(found);
    said.textContent = all
      ? `${plural(all, "record")} refused. ${only === null ? `The newest ${count(letters.length)} are below.` : `${plural(letters.length, "letter")} of this code among the newest.`}`
      : "";
    if (letters.length) place.replaceChildren(el("ul", { class: "letters-list" }, letters.map(card)));
    else place.replaceChildren(only === null ? empty("Nothing was refused: every record was an event that could be learnt, or was ignored on purpose.") : empty("None of this code is among the newest letters."));
  }

  function focusOn(code) {
    for (const made of codes.querySelectorAll("button")) if (made.dataset.code === code) made.focus();
  }

  function card(letter) {
    const code = String(letter.code ?? "?");
    return el(
      "li",
      { class: "panel letter-card" },
      el(
        "header",
        null,
        own(code, { class: "code" }),
        letter.field && el("span", { class: "fine" }, "field ", own(letter.field, { class: "id" })),
        letter.user && el("a", { href: lookupUser(String(letter.user)), class: "id who", title: String(letter.user) }, own(letter.user)),
        el("time", { class: "fine figure" }, when(letter.timestamp)),
      ),
      letter.message && el("p", { dir: "auto" }, String(letter.message)),
      el("p", { class: "mend" }, Object.hasOwn(mend, code) ? mend[code] : mendUnknown),
      typeof letter.value === "string"
        ? el("pre", { dir: "auto", tabindex: "0", role: "group", "aria-label": "The value that was refused" }, letter.value)
        : typeof letter.encrypted === "string"
          ? el("p", { class: "fine" }, "Key and value are encrypted with the key ", own(letter.encrypted, { class: "id" }), ": scripts/dead-letters show reads them.")
          : el("p", { class: "fine" }, "The value was not kept."),
    );
  }

  load();
  every(5000, signal, look);
  return { refresh: load };
}
