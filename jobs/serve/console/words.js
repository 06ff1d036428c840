/* What figures and codes mean, in plain English. */

const number = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

const finite = (value) => typeof value === "number" && Number.isFinite(value);

export const count = (value) => (finite(value) ? number.format(value) : "–");
export const plural = (value, one, many = `${one}s`) => `${number.format(value)} ${value === 1 ? one : many}`;
export const share = (value) => (finite(value) ? value.toFixed(3) : "–");
export const score = (value) => (finite(value) ? value.toFixed(3) : "–");

function dated(format, ms) {
  // A Date has a range; time stamps of events have none.
  return finite(ms) && Math.abs(ms) < 8.64e15 ? format.format(ms) : "–";
}
export const time = (ms) => dated(clock, ms);
export const when = (ms) => dated(day, ms);

export function duration(ms) {
  if (!finite(ms)) return "–";
  if (ms < 100) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.round(ms / 3_600_000)} h`;
  return plural(Math.round(ms / 86_400_000), "day");
}

export const ago = (ms) => (ms < 1000 ? "just now" : `${duration(ms)} ago`);

/**
 * Why an item is in a list: words before and after the item it comes from, if any.
 * `they`: it is not the user who reads it.
 */
export function why(entry, { they = false } = {}) {
  const who = they ? "they" : "you";
  const from = entry.from ?? null;
  switch (entry.reason) {
    case "transition":
      return from === null ? [`often the next after what ${who} looked at`] : [`because ${who} looked at `, from];
    case "neighbours":
      return from === null ? ["people with the same items went on to it"] : ["people who also had ", from, " went on to it"];
    case "factors":
      return [they ? "fits their taste" : "fits your taste"];
    case "deep":
      return ["the deep model expects it next"];
    case "popular":
      return ["popular with everybody"];
    case "new":
      return ["new here"];
    case "trending":
      return ["trending just now"];
    case "explored":
      return ["drawn, to find out who likes it"];
  }
  switch (entry.source) {
    case "next":
      return from === null ? ["often comes next"] : ["often comes after ", from];
    case "similar":
      return from === null ? [`similar to what ${who} looked at`] : ["similar to ", from];
    case "board":
      return ["from the board of popular items"];
    case "trending":
      return ["trending just now"];
    case "list":
      return ["on your list"];
  }
  return [entry.reason ? String(entry.reason) : ""];
}

export const sources = {
  list: "the user's own list",
  next: "what comes next",
  similar: "similar items",
  board: "a board",
  trending: "the trending board",
};

const verbs = {
  view: "looked at",
  click: "clicked",
  like: "liked",
  favorite: "marked as favourite",
  add_to_cart: "put in the cart",
  purchase: "bought",
  dislike: "not interested in",
};

export const verb = (type) => verbs[type] ?? String(type);

/* Beginnings and ends of words in names of event types, the most telling first. */
const looks = ["view", "look", "click", "select", "open", "watch", "play", "read", "visit"];
const likes = ["like", "favo", "love", "wishlist", "bookmark", "save", "cart", "basket", "purchase", "buy", "order", "transaction"];
const hates = ["dislike", "hide", "skip", "remove"];
const rating = /^(rat(e|ed|ings?)|review(s|ed)?|stars?)$/;

/** Words of `Product Viewed`, `view_item` or `pageView`, in lower case. */
const wordsOf = (type) => type.replace(/([\p{Ll}\d])(\p{Lu})/gu, "$1 $2").toLowerCase().split(/[^\p{L}\p{N}]+/u);

/** The first of the names that has one of the words; a name that is the word goes before others. */
function usual(names, words) {
  for (const word of words) {
    if (names.includes(word)) return word;
    const found = names.find((name) => wordsOf(name).some((part) => part.startsWith(word) || part.endsWith(word)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Event types for the buttons, from the weights that the job learns with, whatever types are called.
 * A rating needs a value, so it is never sent by a button.
 */
export function actions(weights) {
  const types = Object.entries(weights ?? {})
    .filter(([name, weight]) => finite(weight) && !wordsOf(name).some((word) => rating.test(word)))
    .sort((a, b) => a[1] - b[1]);
  const negative = types.filter(([, weight]) => weight < 0).map(([name]) => name);
  const positive = types.filter(([, weight]) => weight > 0).map(([name]) => name);
  const heaviest = positive.toReversed();
  const look = usual(positive, looks) ?? positive[0] ?? "view";
  const like = usual(heaviest, likes) ?? heaviest[0] ?? look;
  return { look, like, hate: usual(negative, hates) ?? negative[0] ?? null };
}

/** Code of a dead letter: what to mend. */
export const mend = {
  tombstone: "The record has no value. Behaviour is never deleted by a tombstone: send none to this topic.",
  oversize: "The record is larger than events.max_bytes. Send less with each event, or raise the limit.",
  empty: "The value is empty or only white space. Look for a producer that flushes without a body.",
  invalid_utf8: "The bytes are not UTF-8. Encode the JSON as UTF-8 before producing it.",
  invalid_json: "This is not JSON (NaN and two documents in one record are not, either). Use a JSON serialiser.",
  truncated: "The JSON stops before its end. Look for a limit on the way that cuts values.",
  not_object: "The JSON is a list or a bare value. Send one object for each record.",
  too_many_lines: "The record lists more items than events.lines. Split it, or raise the limit.",
  missing_field: "The user, item, type or time is missing. Add it, or tell the job where it is (events.fields).",
  wrong_type: "A field has another type than needed: \"5\" is no integer. Mend it where the event is made.",
  invalid_id: "An id is empty, over 512 bytes or has control characters. Mend it where it is made.",
  sentinel_id: "The id stands for nobody, such as \"null\". Do not send the event before the id is known.",
  unknown_event_type: "This event type has no weight. Add it to events.weights, or to events.ignore.",
  value_range: "The rating has no value, or one out of range. Send a value within the scale.",
  timestamp_negative: "The time is before 1970. Mend the clock or the unit of the producer.",
  timestamp_past: "The time is too old, often seconds for milliseconds. Set events.time to the unit that is sent.",
  timestamp_future: "The time is ahead of the clock. Set the producer's clock, or check the unit.",
  key_mismatch: "The record key is not the user's id. Produce with the user's id as key, or set events.keyed.",
  ambiguous_user: "There is no key and the object names two users. Produce with the user's id as key.",
  id_conflict: "This event id was used before for something else. Give each event an id of its own.",
  late: "The event is older than what is remembered of this user. Send events in order, and sooner.",
};
export const mendUnknown = "The message says what was expected.";
