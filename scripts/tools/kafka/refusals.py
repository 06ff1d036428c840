"""Input that was mostly refused: which codes, and what the job expected instead."""

from collections.abc import Iterable, Mapping
from itertools import islice

from confluent_kafka import Message

from conf.schema import JobConfig
from scripts.tools.kafka.accounting import Totals
from scripts.tools.kafka.client import KafkaAddress, read_all

SHOWN = 3
"""Codes that are explained, the most frequent ones."""
MOST_READ = 200_000
"""Dead letters looked through for examples."""
ADVICE = {
    "timestamp_past": "replay with --times shift, or set events.earliest",
    "timestamp_future": "replay with --times shift, or set events.time",
    "unknown_event_type": "give the type a weight in events.weights, or name it in events.ignore"
    " where it is no item event",
    "value_range": "set events.rating_min and events.rating_max",
    "key_mismatch": "set events.keyed=false where keys are no user ids, =json where they are in"
    " quotes",
    "missing_field": "set events.fields, or events.plan",
    "wrong_type": "set events.fields, events.time or events.plan to what the events have",
    "late": "send each user's events in the order of their times, or set users.lateness and"
    " users.recent_events",
}
_WITH_PLAN = {
    "missing_field": "these are no events of the plan {plan}, or set events.fields beside it",
    "wrong_type": "these are no events of the plan {plan}, or set events.fields and events.time"
    " beside it",
}
"""Where `events.plan` is set."""
_MANY = 1000
"""Records of which at least one is expected to be an item event."""


def mostly_refused(totals: Totals) -> bool:
    """Return whether more than half of what was meant for the job became dead letters.

    Late events do as well; records that are ignored were not meant for it.
    """
    return 2 * (totals.rejected + totals.late) > totals.consumed - totals.ignored


def refusals(totals: Totals, address: KafkaAddress, config: JobConfig) -> list[str]:
    """Return which records were refused and why, with an example; [] where not most were."""
    if totals.ignored == totals.consumed >= _MANY:
        return [_all_ignored(totals, config)]
    if not mostly_refused(totals):
        return []
    letters = read_all(address, config.kafka.topics.dead_letter)
    return told(totals, examples(letters, _most_frequent(totals)), config)


def told(totals: Totals, found: Mapping[str, str], config: JobConfig) -> list[str]:
    """Return the lines: what happened, then each of the most frequent codes with its example."""
    topics = config.kafka.topics
    meant, refused = totals.consumed - totals.ignored, totals.rejected + totals.late
    first = (
        f"{topics.user_behavior}: expected most records to be events the job takes, got"
        f" {refused:,} of {meant:,} refused; see {topics.dead_letter}"
        " (scripts/dead-letters list)"
    )
    codes = _codes(totals)
    return [first, *(_line(code, codes[code], found, config) for code in _most_frequent(totals))]


def _all_ignored(totals: Totals, config: JobConfig) -> str:
    kinds = ", ".join(sorted(totals.by_type, key=lambda kind: -totals.by_type[kind])[:SHOWN])
    return (
        f"{config.kafka.topics.user_behavior}: expected item events among {totals.consumed:,}"
        f" records, got only types that are ignored ({kinds}); give those that name items a weight"
        " in events.weights"
    )


def _line(code: str, count: int, found: Mapping[str, str], config: JobConfig) -> str:
    line = f"  {code} {count:,} times: {found.get(code, 'no example among the dead letters')}"
    plan = config.events.plan
    advice = ADVICE | (_WITH_PLAN if plan else {})
    return f"{line}; {advice[code].format(plan=plan)}" if code in advice else line


def _codes(totals: Totals) -> dict[str, int]:
    return {**totals.by_code, **({"late": totals.late} if totals.late else {})}


def _most_frequent(totals: Totals) -> list[str]:
    codes = _codes(totals)
    return sorted(codes, key=lambda code: (-codes[code], code))[:SHOWN]


def examples(letters: Iterable[Message], codes: Iterable[str]) -> dict[str, str]:
    """Return the message of a dead letter for each code, as far as there is one."""
    missing, found = set(codes), dict[str, str]()
    for letter in islice(letters, MOST_READ):
        if not missing:
            break
        headers = dict(letter.headers() or ())
        code = _text(headers, "err.code")
        if code in missing:
            missing.discard(code)
            found[code] = ": ".join(filter(None, (_text(headers, "err.field"),
                                                  _text(headers, "err.msg"))))  # fmt: skip
    return found


def _text(headers: Mapping[str, str | bytes | None], name: str) -> str:
    value = headers.get(name) or b""
    return value.decode(errors="replace") if isinstance(value, bytes) else value
