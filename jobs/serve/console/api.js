/* The service's API: one place for addresses, errors and what is known of items. */

const root = document.documentElement.dataset.api;

/** Name of the job that is looked at; null for the first one. */
export const job = new URLSearchParams(location.search).get("job") || null;

const baseOf = (name) => (name === null ? root : `${root}/${encodeURIComponent(name)}`);
const base = baseOf(job);

/* With any other character `fetch` throws, as if the service were away; long headers are refused. */
const KEY = /^[\x21-\x7e]{1,1000}$/;

/** The key that the service asks for; forgotten with the window. */
export const key = {
  fits: (text) => KEY.test(text),
  get() {
    try {
      const text = sessionStorage.getItem("streamrec.key");
      return text !== null && key.fits(text) ? text : null;
    } catch {
      return null; // forbidden: then no key can be used
    }
  },
  /** Keep it; returns whether the browser allows that. */
  set(text) {
    try {
      sessionStorage.setItem("streamrec.key", text);
      return true;
    } catch {
      return false;
    }
  },
};

const authorization = () => (key.get() ? { authorization: `Bearer ${key.get()}` } : {});

export class ApiError extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** "trouble": a call found the service away or not ready; "locked": it asks for a key. */
export const health = new EventTarget();

function encode(id) {
  // Browsers take a segment of dots, escaped or not, for a step up: no such id can be asked for.
  if (id === "" || id === "." || id === "..") throw new ApiError(`The id "${id}" cannot be part of an address.`, "id", 0);
  return encodeURIComponent(id.toWellFormed ? id.toWellFormed() : id);
}

/** Address with ids in it: path`/users/${id}/stream`. */
export const path = (parts, ...ids) => base + parts.reduce((made, part, i) => made + encode(String(ids[i - 1])) + part);

export const query = (values) => `?${new URLSearchParams(values)}`;

async function call(address, options, signal) {
  const limits = [AbortSignal.timeout(15_000), signal].filter(Boolean);
  let answer;
  try {
    answer = await fetch(address, { ...options, signal: AbortSignal.any(limits), headers: { accept: "application/json", ...authorization(), ...options?.headers } });
  } catch (error) {
    if (signal?.aborted) throw error;
    health.dispatchEvent(new Event("trouble"));
    const late = error.name === "TimeoutError";
    throw new ApiError(late ? "The service took more than 15 s to answer." : "The service does not answer.", "unreachable", 0);
  }
  const body = await answer.json().catch(() => null);
  if (signal?.aborted) throw signal.reason;
  if (answer.ok && body !== null) return body;
  throw failure(answer, body);
}

function failure(answer, body) {
  if (answer.status === 401) health.dispatchEvent(new Event("locked"));
  if (answer.status === 503) health.dispatchEvent(new Event("trouble"));
  const { message, code } = body?.error ?? {};
  const error = new ApiError(message ? String(message) : `The service answered with status ${answer.status}.`, code, answer.status);
  error.body = body;
  return error;
}

/** Follow server-sent events until the connection ends (`EventSource` could send no key). */
export async function subscribe(address, { opened, taken }, signal) {
  const headers = { accept: "text/event-stream", ...authorization() };
  const answer = await fetch(address, { headers, cache: "no-store", signal });
  if (!answer.ok) throw failure(answer, await answer.json().catch(() => null));
  opened();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) taken(JSON.parse(line.slice(6)));
  }
}

/** Names of all jobs that the key is for. */
export const jobs = async () => (await get(`${root}/jobs`)).jobs ?? [];

/** What the service says of a job (null: of the first one), and with which status. */
export async function look(name) {
  try {
    const info = await get(`${baseOf(name)}/info`);
    // A name such as "users" makes the address of another route, which has no job in its answer.
    const right = typeof info.job === "string" && (name === null || info.job === name);
    return right ? { name, status: 200, info } : { name, status: 404 };
  } catch (error) {
    const missing = error.status === 403 && name !== null && !(await lives(name));
    return { name, status: missing ? 404 : error.status };
  }
}

/* What is forbidden may not be there at all: a service of one job has no address with its name. */
const lives = (name) => get(`${baseOf(name)}/health`).then(() => true, () => false);

export const get = (address, signal) => call(address, { cache: "no-store" }, signal);

export const at = (name, values) => base + name + (values ? query(values) : "");

/** Send one event, flat whatever the job's own form is; resolves when the service has taken it, throws with its words when not. */
export async function send(event) {
  const body = JSON.stringify(event);
  const answer = await call(at("/events", { form: "plain" }), { method: "POST", body, headers: { "content-type": "application/json" } });
  const fate = answer.events?.[0];
  if (fate && fate.accepted === false) throw new ApiError(fate.message ?? "The event was not taken.", fate.code, 422);
}

/** Send a command to the job; resolves to its answer, throws with its words when it refuses. */
export async function command(name, fields) {
  const body = JSON.stringify({ command: name, ...fields });
  const answer = await call(`${base}/control`, { method: "POST", body, headers: { "content-type": "application/json" } });
  if (!answer.ok) throw new ApiError(answer.message || "The job refused.", "refused", 422);
  return answer;
}

/* What is known of items, for names of items that are only mentioned by id. */
const seen = new Map();
const LIMIT = 4000;

export function learn(id, item) {
  if (!item || seen.get(id)?.title) return;
  if (seen.size >= LIMIT) seen.delete(seen.keys().next().value);
  seen.set(id, item);
}

export function learnAll(entries) {
  for (const entry of entries ?? []) learn(entry.item_id, entry.item ?? (entry.title ? entry : null));
}

export const about = (id) => seen.get(id);

const asked = new Map();

/** Ask once for an item that is only mentioned; null where there is nothing to know. */
export function ask(id) {
  if (seen.has(id)) return Promise.resolve(seen.get(id));
  if (!asked.has(id)) {
    if (asked.size >= LIMIT) asked.clear();
    asked.set(id, Promise.resolve().then(() => get(path`/items/${id}`)).then(
      (found) => (learn(id, found.item), found.item ?? null),
      () => (asked.delete(id), null),
    ));
  }
  return asked.get(id);
}
