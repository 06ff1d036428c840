"""Input that was mostly refused: which codes, and what the job expected instead."""

from collections.abc import Iterable, Mapping
from itertools import islice

from confluent_kafka import Message

from conf.schema import Topics
from scripts.tools.kafka.accounting import Totals
from scripts.tools.kafka.client import KafkaAddress, read_all

SHOWN = 3
"""Codes that are explained, the most frequent ones."""
MOST_READ = 200_000
"""Dead letters looked through for examples."""
ADVICE = {
    "timestamp_past": "replay with --times shift, or set events.earliest",
    "timestamp_future": "replay with --times shift, or set events.time",
    "unknown_event_type": "give the type a weight in events.weights",
    "value_range": "set events.rating_min and events.rating_max",
    "key_mismatch": "set events.keyed=false where keys are no user ids",
    "missing_field": "set events.fields, or events.plan",
}


def mostly_refused(totals: Totals) -> bool:
    """Return whether more than half of the records were rejected."""
    return 2 * totals.rejected > totals.consumed


def refusals(totals: Totals, address: KafkaAddress, topics: Topics) -> list[str]:
    """Return which records were refused and why, with an example; [] where not most were."""
    if not mostly_refused(totals):
        return []
    letters = read_all(address, topics.dead_letter)
    return told(totals, examples(letters, _most_frequent(totals)), topics)


def told(totals: Totals, found: Mapping[str, str], topics: Topics) -> list[str]:
    """Return the lines: what happened, then each of the most frequent codes with its example."""
    first = (
        f"{topics.user_behavior}: expected most records to be events the job takes, got"
        f" {totals.rejected:,} of {totals.consumed:,} refused; see {topics.dead_letter}"
    )
    return [first, *(_line(code, totals.by_code[code], found) for code in _most_frequent(totals))]


def _line(code: str, count: int, found: Mapping[str, str]) -> str:
    line = f"  {code} {count:,} times: {found.get(code, 'no example among the dead letters')}"
    return f"{line}; {ADVICE[code]}" if code in ADVICE else line


def _most_frequent(totals: Totals) -> list[str]:
    return sorted(totals.by_code, key=lambda code: (-totals.by_code[code], code))[:SHOWN]


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
    return value.decode() if isinstance(value, bytes) else value
