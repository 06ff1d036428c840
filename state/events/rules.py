"""Rules for the fields of an event: one table, for columns and for explanations.

Each rule looks at a whole column and says which events keep it. The first rule that an event
breaks gives the code of its dead letter, and the same rule says what was expected and what was
found. A column that keeps a rule as a whole costs no more than one look.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.keys import bucket_of
from models.params.events import EventPolicy
from state.events.codes import Code
from state.events.fields import Event

Kept: TypeAlias = NDArray[np.bool_] | None
"""(n,) which events keep a rule; None for all."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_KNOWN = 200_000
"""Ids that are known to be good are remembered up to about so many."""


@dataclass(slots=True)
class Columns:
    """The fields of n events, as they were sent, and where they came from."""

    events: list[Event]
    user_ids: list[str]
    users: dict[str, None]
    """Distinct users, in order of first appearance."""
    item_ids: list[str]
    item_keys: list[int | None]
    """Keys of items that are known to be good, None for others."""
    event_ids: list[str | None]
    new_items: set[str]
    """Items that are not known to be good."""
    code: NDArray[np.intp]
    """(n,) number of the event type in the policy, -1 for one it does not know."""
    time: NDArray[np.int64]
    """(n,) ms; what 64 bits do not hold is as far as they do."""
    amount: NDArray[np.float64]
    """(n,) NaN where there is no value."""
    keys: list[bytes | None]
    """Record keys; None where the record has none or keys are not asked for."""
    bucket: int
    latest: int
    """Newest event time that is taken, ms."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation."""

    code: Code
    field: str
    kept: Callable[["Rules", Columns], Kept]
    expected: Callable[["Rules"], str]
    got: Callable[[Columns, int], str]


class Rules:
    """The table below for one policy.

    Parameters
    ----------
    policy : EventPolicy
    """

    def __init__(self, policy: EventPolicy) -> None:
        self.policy = policy
        self.types = list(policy.weights)
        rating = np.array([name == policy.rating_type for name in self.types])
        self.is_rating = np.append(rating, False)  # the last one: code -1
        patterns = "|".join(f"(?:{pattern})" for pattern in policy.sentinel_patterns)
        self.new_users: Collection[str] = ()
        self._sentinel = re.compile(patterns or "(?!)").fullmatch
        self._known_users: set[str] = set()
        bucket_of("", policy.buckets)  # compiled now

    def broken(self, columns: Columns) -> dict[int, Rule]:
        """Return the first rule that each event breaks, by its number; nothing for good ones."""
        found: dict[int, Rule] = {}
        self.new_users = columns.users.keys() - self._known_users
        for rule in RULES:
            kept = rule.kept(self, columns)
            if kept is not None:
                for n in np.flatnonzero(~kept).tolist():
                    found.setdefault(n, rule)
        if not found and self.new_users:
            if len(self._known_users) > _KNOWN:
                self._known_users.clear()
            self._known_users |= self.new_users
        return found

    def message(self, rule: Rule, columns: Columns, n: int) -> str:
        """Return what a rule expected of event n, and what it got; never a piece of the payload."""
        return f"{rule.expected(self)}, got {rule.got(columns, n)}"[:200]

    def are_ids(self, ids: Sequence[str | None]) -> Kept:
        """Return which ids are good in themselves; None is no id and nothing to object to."""
        given = ids if None not in ids else [one for one in ids if one is not None]
        if self._fine(given):  # type: ignore[arg-type]
            return None
        return np.array([one is None or self._fine([one]) for one in ids], np.bool_)

    def are_names(self, ids: list[str], new: Collection[str]) -> Kept:
        """Return which user or item ids are good in themselves; those that are not new are."""
        return None if self._fine(list(new)) else self.are_ids(ids)

    def are_somebody(self, ids: list[str], new: Collection[str]) -> Kept:
        """Return which user or item ids stand for somebody; those that are not new do."""
        sentinels = {name for name in new if self._is_sentinel(name)}
        return np.array([name not in sentinels for name in ids], np.bool_) if sentinels else None

    def _is_sentinel(self, name: str) -> bool:
        return name.lower() in self.policy.sentinel_ids or bool(self._sentinel(name))

    def _fine(self, ids: list[str]) -> bool:
        """Return whether all ids are good: what is true of each character is true of the text."""
        if not ids:
            return True
        longest, text = self.policy.max_id_bytes, "".join(ids)
        lengths = list(map(len, ids))
        if text.isascii():
            long = max(lengths) > longest
        else:
            long = max(len(name.encode()) for name in ids) > longest
        if long or min(lengths) == 0:
            return False
        if self.policy.ids == "ascii":
            return text.isascii() and text.isprintable() and " " not in text
        if text.isascii() and text.isprintable():  # most are, and this is fast
            return True
        return _CONTROL.search(text) is None


def _all(kept: NDArray[np.bool_]) -> Kept:
    return None if kept.all() else kept


def _values(rules: Rules, columns: Columns) -> Kept:
    """Check the values of ratings; nobody needs any other."""
    rating = rules.is_rating[columns.code]
    if not rating.any():
        return None
    policy, amount = rules.policy, columns.amount
    inside = (policy.lowest_rating <= amount) & (amount <= policy.highest_rating)
    return _all(inside | ~rating)


def _keys(_: Rules, columns: Columns) -> Kept:
    """Check that a record went to where its user's other records go."""
    keys = columns.keys
    if keys == [user.encode() for user in columns.user_ids]:
        return None
    pairs = zip(keys, columns.user_ids, strict=True)
    return _all(np.array([key is None or key == user.encode() for key, user in pairs], np.bool_))


def _buckets(rules: Rules, columns: Columns) -> Kept:
    """Check the same where there is no key: the bucket was found by another parser."""
    if None not in columns.keys:
        return None
    pairs = zip(columns.keys, columns.user_ids, strict=True)
    strangers = dict.fromkeys(user for key, user in pairs if key is None)
    buckets = rules.policy.buckets
    wrong = {user for user in strangers if bucket_of(user, buckets) != columns.bucket}
    if not wrong:
        return None
    pairs = zip(columns.keys, columns.user_ids, strict=True)
    return np.array([key is not None or user not in wrong for key, user in pairs], np.bool_)


def _id_expected(rules: Rules) -> str:
    kind = "visible ASCII" if rules.policy.ids == "ascii" else "UTF-8 without control characters"
    return f"expected 1 to {rules.policy.max_id_bytes} bytes of {kind}"


def _other(_: Columns, __: int) -> str:
    return "something else"


def _type_expected(rules: Rules) -> str:
    return f"expected one of {', '.join(rules.types)}"[:180]


def _value_expected(rules: Rules) -> str:
    policy = rules.policy
    return f"expected a number from {policy.lowest_rating:g} to {policy.highest_rating:g}"


RULES = (
    Rule(
        Code.INVALID_ID,
        "event_id",
        lambda r, c: r.are_ids(c.event_ids),
        _id_expected,
        _other,
    ),
    Rule(
        Code.INVALID_ID,
        "user_id",
        lambda r, c: r.are_names(c.user_ids, r.new_users),
        _id_expected,
        _other,
    ),
    Rule(
        Code.INVALID_ID,
        "item_id",
        lambda r, c: r.are_names(c.item_ids, c.new_items),
        _id_expected,
        _other,
    ),
    Rule(
        Code.SENTINEL_ID,
        "user_id",
        lambda r, c: r.are_somebody(c.user_ids, r.new_users),
        lambda _: "expected a real id",
        lambda _, __: "one that means nobody",
    ),
    Rule(
        Code.SENTINEL_ID,
        "item_id",
        lambda r, c: r.are_somebody(c.item_ids, c.new_items),
        lambda _: "expected a real id",
        lambda _, __: "one that means nothing",
    ),
    Rule(
        Code.UNKNOWN_EVENT_TYPE,
        "event_type",
        lambda _, c: _all(c.code >= 0),
        _type_expected,
        lambda _, __: "another",
    ),
    Rule(
        Code.VALUE_RANGE,
        "value",
        _values,
        _value_expected,
        lambda c, n: "none" if np.isnan(c.amount[n]) else "one outside",
    ),
    Rule(
        Code.TIMESTAMP_NEGATIVE,
        "timestamp",
        lambda _, c: _all(c.time >= 0),
        lambda _: "expected ms since 1970",
        lambda _, __: "less",
    ),
    Rule(
        Code.TIMESTAMP_PAST,
        "timestamp",
        lambda r, c: _all(c.time >= r.policy.earliest_ms),
        lambda r: f"expected ms since 1970, {r.policy.earliest_ms} (events.earliest) or later",
        lambda _, __: "less: are these seconds, or old data?",
    ),
    Rule(
        Code.TIMESTAMP_FUTURE,
        "timestamp",
        lambda _, c: _all(c.time <= c.latest),
        lambda r: f"expected up to {r.policy.max_future_ms} ms ahead of now",
        lambda _, __: "more",
    ),
    Rule(
        Code.KEY_MISMATCH,
        "user_id",
        _keys,
        lambda _: "expected the record's key",
        lambda _, __: "another id",
    ),
    Rule(
        Code.AMBIGUOUS_USER,
        "user_id",
        _buckets,
        lambda _: "expected the user_id that the record was sent by",
        lambda _, __: "another: one field twice, or a key that is not its JSON",
    ),
)
"""In the order of `state.events.codes`."""
