"""A stream as columns of numbers, and what every baseline does alike with an event of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.parameters import event_policy
from conf.schema import JobConfig
from models.params.events import EventPolicy
from scripts.tools.data.behaviour import Blocks
from scripts.tools.evaluate.stream.records import positive


class Stream(NamedTuple):
    """Positive events in order; users and items are numbered from 0."""

    number: NDArray[np.int64]
    """(n,) place of the event in its source."""
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    previous: NDArray[np.int64]
    """(n,) the user's event before, -1 before the first."""
    past: int
    """Last events of a user whose items are not recommended again, as in the job."""
    more: NDArray[np.bool_]
    """(n,) events that are ranked wherever they are."""

    @classmethod
    def of(cls, source: Blocks, more: NDArray[np.bool_] | None = None) -> "Stream":
        """Return the events of a source that have a positive weight in the job.

        Parameters
        ----------
        more
            Of every event of the source, see there.
        """
        config = JobConfig()
        policy = event_policy(config)
        users, items = dict[str, int](), dict[str, int]()
        found: list[tuple[int, int, int]] = []
        number = 0
        for block in map(positive, source.blocks()):
            columns = (block.types, block.values, block.users, block.items)
            for kind, value, user, item in zip(*columns, strict=True):
                if _teaches(policy, kind, value):
                    row = items.setdefault(item, len(items))
                    found.append((number, users.setdefault(user, len(users)), row))
                number += 1
        numbers, user_rows, item_rows = np.array(found, np.int64).reshape(-1, 3).T
        stream = cls.of_rows(numbers, user_rows, item_rows, past=config.users.past)
        return stream if more is None else stream._replace(more=more[numbers])

    @classmethod
    def of_rows(
        cls,
        number: NDArray[np.int64],
        user: NDArray[np.int64],
        item: NDArray[np.int64],
        *,
        past: int = 2048,
    ) -> "Stream":
        """Return a stream of numbered users and items."""
        return cls(
            np.ascontiguousarray(number),
            user.astype(np.int32),
            item.astype(np.int32),
            previous_of(user),
            past,
            np.zeros(len(user), np.bool_),
        )

    def followed_by(self, end: int, users: NDArray[np.int32]) -> "Stream":
        """Return the first `end` events and one more of each of some users, to be scored at.

        Its item means nothing.
        """
        events = self._replace(user=np.append(self.user[:end], users).astype(np.int32))
        return events._replace(
            number=np.arange(len(events.user)),
            item=np.append(self.item[:end], np.zeros(len(users), np.int32)).astype(np.int32),
            previous=previous_of(events.user.astype(np.int64)),
            more=np.zeros(len(events.user), np.bool_),
        )

    @property
    def users(self) -> int:
        """Number of users."""
        return int(self.user.max(initial=-1)) + 1

    @property
    def items(self) -> int:
        """Number of items."""
        return int(self.item.max(initial=-1)) + 1


def _teaches(policy: EventPolicy, kind: str, value: float | None) -> bool:
    """Return whether the job learns an event as liking."""
    if policy.weights.get(kind, 0) <= 0:
        return False
    if kind != policy.rating_type:
        return True
    if value is None or not policy.lowest_rating <= value <= policy.highest_rating:
        return False
    return policy.rating_centre is None or value > policy.rating_centre


def previous_of(user: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of the same user's row before each, -1 before the first.

    >>> previous_of(np.array([5, 7, 5, 5])).tolist()
    [-1, -1, 0, 2]
    """
    order = np.argsort(user, kind="stable")
    previous = np.full(len(user), -1, np.int64)
    same = user[order[1:]] == user[order[:-1]]
    previous[order[1:][same]] = order[:-1][same]
    return previous
