"""The last events of users, as far as the service has seen them come by."""

from collections import OrderedDict, deque
from dataclasses import dataclass

from models.params.events import EventPolicy
from models.users.past import ALWAYS
from state.events.check import Check

_EVENTS, _USERS = 30, 100_000
"""Events kept of a user, and users: those whose last event is longest ago are left out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One event."""

    item: str
    kind: str
    time: int
    """ms since 1970."""


class Behaviour:
    """Last events by user.

    Parameters
    ----------
    policy
        Of the job.
    """

    def __init__(self, policy: EventPolicy) -> None:
        self._check = Check(policy, {})
        self._weights, self._hide = policy.weights, policy.hide
        self._users: OrderedDict[str, deque[Seen]] = OrderedDict()

    def take(self, values: list[bytes | None], now_ms: int) -> None:
        """Take the records that keep the job's rules; the others are the job's to report."""
        columns = self._check(values, [None] * len(values), 0, now_ms).columns
        for event, user, time in zip(
            columns.events, columns.user_ids, columns.time.tolist(), strict=True
        ):
            mine = self._users.setdefault(user, deque(maxlen=_EVENTS))
            self._users.move_to_end(user)
            mine.appendleft(Seen(event.item_id, event.event_type, time))
        while len(self._users) > _USERS:
            self._users.popitem(last=False)

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
