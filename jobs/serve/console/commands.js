/* Commands to the job: buttons for those about all, a form for those about a user, an item or a setting. */

import { command } from "./api.js";
import { button, el } from "./dom.js";

/* What each command of the form asks for, and what to ask before it is sent. */
const forms = {
  block_item: { label: "Block an item", fields: { item: "Item id" } },
  unblock_item: { label: "Unblock an item", fields: { item: "Item id" } },
  block_user: { label: "Learn nothing from a user", fields: { user: "User id" } },
  unblock_user: { label: "Learn from a user again", fields: { user: "User id" } },
  merge_user: { label: "A guest is a user", fields: { from: "Guest id", to: "User id" }, question: "Give the user all that is kept of the guest? It cannot be undone." },
  forget_user: { label: "Forget a user", fields: { user: "User id" }, question: "Forget all that is kept of the user? It cannot be undone." },
  readmit_user: { label: "Take events of a user again", fields: { user: "User id" } },
  set: { label: "Set a key", fields: { key: "recommend.…", value: "JSON; empty for what the file says" } },
};

/** A section that sends commands and shows their answers. */
export function commands() {
  const answered = el("p", { class: "fine", role: "status" });
  const send = async (name, fields, question) => {
    if (question && !window.confirm(question)) return;
    answered.textContent = "Asking the job …";
    try {
      answered.textContent = (await command(name, fields)).message || "Done.";
    } catch (error) {
      answered.textContent = error.message;
    }
  };
  const ask = (label, name, question) => button(label, () => send(name, {}, question), { class: "quiet" });

  const choice = el("select", { class: "quiet", "aria-label": "Command" }, Object.entries(forms).map(([name, form]) => el("option", { value: name }, form.label)));
  const inputs = el("span", { class: "commands" });
  const show = () => inputs.replaceChildren(...Object.entries(forms[choice.value].fields).map(([name, hint]) =>
    el("input", { name, "aria-label": hint, placeholder: hint, autocomplete: "off", spellcheck: "false", required: name !== "value", dir: "auto" })));
  choice.addEventListener("change", show);
  show();
  const form = el("form", { class: "commands" }, choice, inputs, el("button", { type: "submit", class: "quiet" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    try {
      if ("value" in fields) fields.value = fields.value.trim() ? JSON.parse(fields.value) : null;
    } catch {
      answered.textContent = "The value is no JSON, such as 0.1 or [\"category=Sale\"].";
      return;
    }
    send(choice.value, fields, forms[choice.value].question);
  });

  return el(
    "section",
    { class: "panel wide", "aria-label": "Commands to the job" },
    el(
      "div",
      { class: "commands" },
      ask("Fine-tune now", "fine_tune_now"),
      ask("Roll back", "rollback_model", "Serve the version of the deep model before this one?"),
      ask("Pause learning", "pause_learning", "Let events teach nobody until learning is resumed?"),
      ask("Resume learning", "resume"),
    ),
    form,
    answered,
  );
}
