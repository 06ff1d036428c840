"""Joins impressions and actions of one user.

An action counts once: for the newest impression of its item before it that has come, within the
window.
Of several actions an impression keeps the one with the greatest reward. It is decided as soon as
nothing better can come, else when the window is over.
"""

from typing import NamedTuple

import msgspec

from models.keys import key_of
from models.params.feedback import FeedbackParams
from operators.learn_users.feedback.deadlines import Ends
from state.keyed.feedback_counts import Fate
from state.users.feedback import (
    Action,
    Ignored,
    Pending,
    Served,
    UserFeedback,
    decode_all,
    decode_pending,
    decode_served,
    encode_pending,
    encode_served,
    has_key,
    key_bytes,
    may_be_of,
)

_MOST_PENDING = 512
"""Impressions of a user that wait; beyond, the oldest are decided early."""
_MOST_IGNORED = 64
"""Items of a user that are remembered as ignored."""
_MOST_ACTIONS = 32
"""Actions of a user that are remembered for impressions that come late."""


class Shown(NamedTuple):
    """An impression as it comes."""

    key: int
    """Of the list, see `state.users.feedback.Served`."""
    item: int
    item_id: str
    position: int | None
    """From 1; None: that of the item in the list."""
    at: int
    """Event time, ms."""
    received_at: int
    """Processing time, ms."""
    partition: int


class Join:
    """Impressions and actions of one user, for one micro-batch.

    Parameters
    ----------
    params : FeedbackParams
    user : str
    kept : UserFeedback
        Of the user; changed in place.
    """

    __slots__ = (
        "_changed",
        "_new",
        "_params",
        "_read",
        "_shown_of",
        "best",
        "kept",
        "newest",
        "user_key",
    )

    def __init__(self, params: FeedbackParams, user: str, kept: UserFeedback) -> None:
        self._params = params
        self.kept = kept
        self.user_key = key_of(user)
        self.newest: dict[int, int] = {}
        """Newest event time of the user by partition, ms."""
        self.best = False
        """Whether an impression has the greatest reward: nothing better can come."""
        self._changed = False
        self._read: dict[int, tuple[int, Served]] = {}
        self._shown_of: dict[int, Served] = {}
        self._new: list[bytes] = []

    def serve(self, served: Served) -> None:
        """Remember a list that the user is recommended."""
        kept, begin = self.kept.served, key_bytes(served.key)
        for at in [n for n, value in enumerate(kept) if has_key(value, begin)]:
            # made once more: what was shown of it must not count again
            before = self._shown_of.get(at) or decode_served(kept[at])
            shown = {before.items[place] for place in before.shown}
            served.shown = [n for n, item in enumerate(served.items) if item in shown]
        self._new.append(encode_served(served))
        self._changed = True

    def show(self, shown: Shown) -> Fate:
        """Take an impression; return its fate."""
        found = self._read.get(shown.key) or self._find(shown.key)
        if found is None:
            return Fate.EXPIRED
        at, served = found
        key, item, item_id, position, time, received_at, partition = shown
        if item not in served.items:
            return Fate.UNLISTED
        place = served.items.index(item)
        if place in served.shown:
            return Fate.REPEATED
        served.shown.append(place)
        self._shown_of[at] = served
        position = place + 1 if position is None else position
        chance = served.propensities[place] if served.propensities else 1.0
        pending = Pending(  # a row
            key, item, item_id, position, served.reasons[place], served.model, served.arm, chance,
            time, received_at, partition,
        )  # fmt: skip
        for action in self.kept.actions:  # it may have come before its impression
            if action.item == item and not action.counted:
                action.counted = self._credit(pending, action)
        self.kept.pending.append(encode_pending(pending))
        self._changed = True
        return Fate.JOINED

    def act(self, item: int, kind: str, time: int, reward: float, value: float) -> None:
        """Take an action on an item at an event time, ms."""
        kept = self.kept
        action = Action(item, kind, time, reward, value, False)  # a row
        shown = self._shown_before(item, time)
        if shown:
            newest = max(shown.values(), key=lambda pending: pending.shown_at)
            action.counted = self._credit(newest, action)
            for at, pending in shown.items():
                pending.elsewhere = pending is not newest
                kept.pending[at] = encode_pending(pending)
        kept.actions.append(action)
        if kept.ignored:
            kept.ignored = [one for one in kept.ignored if one.item != item]
        self._changed = True

    @property
    def ripe(self) -> bool:
        """Whether an outcome is decided though its window is not over."""
        return self.best or len(self.kept.pending) > _MOST_PENDING

    def decided(self, ends: Ends) -> tuple[list[Pending], list[Pending]]:
        """Take out the impressions whose outcome is decided; return them, and those that wait."""
        pending, greatest, quiet = self.kept.pending, self._params.greatest, ends.quiet
        early = len(pending) - _MOST_PENDING
        found, rest, kept = list[Pending](), list[Pending](), list[msgspec.Raw]()
        for n, (value, one) in enumerate(zip(pending, decode_all(pending), strict=True)):
            over = one.shown_at < ends[one.partition] or one.received_at < quiet or n < early
            if over or (one.action is not None and one.reward >= greatest):
                found.append(one)
            else:
                rest.append(one)
                kept.append(value)
        if found:
            self.kept.pending = kept
            self._changed = True
        if self._params.notes_ignored:
            for one in found:
                if one.action is None and not one.elsewhere:
                    self._ignore(one)
        return found, rest

    def settle(self) -> bool:
        """Bring what is kept within its bounds; return whether it is to be stored anew."""
        kept = self.kept
        if not self._changed:
            return False
        if len(kept.actions) > 1:
            since = max([one.time for one in kept.actions]) - self._params.lateness_ms
            recent = [one for one in kept.actions if one.time >= since]
            recent.sort(key=lambda one: one.time)
            kept.actions = recent[-_MOST_ACTIONS:]
        for at, served in self._shown_of.items():
            kept.served[at] = encode_served(served)
        if self._new:
            kept.served = [*kept.served, *self._new][-self._params.lists :]
        return True

    def ignored(self, at: int) -> dict[int, float]:
        """Return how often each item was ignored, as it counts at an event time, ms."""
        return {one.item: self._faded(one, at) for one in self.kept.ignored}

    def _find(self, key: int) -> tuple[int, Served] | None:
        """Read the newest list of a key; return its place and its content."""
        kept, begin = self.kept.served, key_bytes(key)
        found = [at for at, value in enumerate(kept) if has_key(value, begin)]
        if not found:
            return None
        self._read[key] = found[-1], decode_served(kept[found[-1]])
        return self._read[key]

    def _shown_before(self, item: int, time: int) -> dict[int, Pending]:
        """Return the impressions that an action on an item may count for, by their places."""
        pending, written = self.kept.pending, key_bytes(item)
        if not may_be_of(pending, written):
            return {}
        read = {
            at: decode_pending(value) for at, value in enumerate(pending) if written in bytes(value)
        }
        return {at: p for at, p in read.items() if p.item == item and self._within(p, time)}

    def _ignore(self, shown: Pending) -> None:
        before = [one for one in self.kept.ignored if one.item == shown.item]
        at = max(shown.shown_at, *(one.time for one in before), 0)
        count = 1 + sum(self._faded(one, at) for one in before)
        others = [one for one in self.kept.ignored if one.item != shown.item]
        self.kept.ignored = [*others, Ignored(shown.item, count, at)][-_MOST_IGNORED:]

    def _faded(self, one: Ignored, at: int) -> float:
        halvings = max(0, at - one.time) / self._params.ignored_half_life_ms
        return float(one.count * 2.0**-halvings)

    def _within(self, pending: Pending, time: int) -> bool:
        return 0 <= time - pending.shown_at <= self._params.window_ms

    def _credit(self, pending: Pending, action: Action) -> bool:
        """Count an action for an impression if it is of its window; return whether it is."""
        if not self._within(pending, action.time):
            return False
        delay = action.time - pending.shown_at
        better = action.reward > pending.reward or pending.action is None
        sooner = action.reward == pending.reward and delay < (pending.delay_ms or 0)
        if better or sooner:
            pending.action, pending.reward = action.kind, action.reward
            pending.value, pending.delay_ms = action.value, delay
            self.best |= pending.reward >= self._params.greatest
        return True
