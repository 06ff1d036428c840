"""The last events of users and the boards, as far as the service has seen events come by."""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xxhash

from jobs.serve.replica.boards import Board
from models.keys import key_of
from models.params.events import EventPolicy
from models.users.past import ALWAYS
from state.events.check import Check
from state.events.identity import identities
from state.events.rules import Columns

_EVENTS, _USERS, _IDENTITIES = 30, 100_000, 100_000
"""Events kept of a user, users (those whose last event is longest ago are left out), and newest
events whose repeats are known for such."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One event."""

    item: str
    kind: str
    time: int
    """ms since 1970."""


class Behaviour:
    """Last events by user, and boards.

    Parameters
    ----------
    policy
        Of the job.
    boards
        By name.
    """

    def __init__(self, policy: EventPolicy, boards: Mapping[str, Board]) -> None:
        self._check = Check(policy, {})
        self._weights, self._hide = policy.weights, policy.hide
        self._identity, self._boards = policy.identity, tuple(boards.values())
        self._users: OrderedDict[str, deque[Seen]] = OrderedDict()
        self._identities: dict[int, None] = {}

    def take(self, values: list[bytes | None], now_ms: int) -> None:
        """Take the records that keep the job's rules; the others are the job's to report."""
        columns = self._check(values, [None] * len(values), 0, now_ms).columns
        for event, user, time, identity in zip(
            columns.events, columns.user_ids, columns.time.tolist(), self._known_by(columns),
            strict=True,
        ):  # fmt: skip
            kind = event.event_type
            tells = self._weights.get(kind, 0) != 0  # what was only shown pushes out nothing
            if not tells and not any(board.counts(kind) for board in self._boards):
                continue
            if self._is_repeated(identity):
                continue
            for board in self._boards:
                board.take(event.item_id, kind, time, now_ms)
            if not tells:
                continue
            mine = self._users.setdefault(user, deque(maxlen=_EVENTS))
            self._users.move_to_end(user)
            mine.appendleft(Seen(event.item_id, event.event_type, time))
        while len(self._users) > _USERS:
            self._users.popitem(last=False)

    def _known_by(self, columns: Columns) -> list[int]:
        """Return what each event is known by: the same event of the same user is the same."""
        items = np.array([key_of(item) for item in columns.item_ids], np.uint64)
        code = columns.code.astype(np.uint64)
        _, found = identities(columns.events, columns.event_ids, self._identity, items, code)
        users = [xxhash.xxh3_64_intdigest(user.encode(), 1) for user in columns.user_ids]
        own: list[int] = (found ^ np.array(users, np.uint64)).tolist()
        return own

    def _is_repeated(self, identity: int) -> bool:
        if identity in self._identities:
            return True
        self._identities[identity] = None
        if len(self._identities) > _IDENTITIES:
            del self._identities[next(iter(self._identities))]
        return False

    def of(self, user: str) -> list[Seen]:
        """Return a user's last events, newest first."""
        return list(self._users.get(user, ()))

    def hidden(self, user: str, now_ms: int) -> set[str]:
        """Return the items that are not shown to a user: by `recommend.repeats`, and disliked."""
        return {one.item for one in self.of(user) if self._hides(one.kind, now_ms - one.time)}

    def repeats(self) -> bool:
        """Return whether the job may recommend an item again at once, whatever was done with it."""
        return all(ms == 0 for ms in self._hide.values()) and bool(self._hide)

    def _hides(self, kind: str, age_ms: int) -> bool:
        weight = self._weights.get(kind, 0)
        if weight <= 0:
            return weight < 0
        after = self._hide.get(kind, ALWAYS)
        return after == ALWAYS or age_ms < after

    def context(self, user: str) -> list[str]:
        """Return the items of a user's last positive events, newest first, each once."""
        liked = [one.item for one in self.of(user) if self._weights.get(one.kind, 0) > 0]
        return list(dict.fromkeys(liked))
