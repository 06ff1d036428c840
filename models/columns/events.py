"""Decoded events of one micro-batch, one row an event.

n events stand in processing order; those of one user are in (partition, offset) order.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

ACCEPTED, DUPLICATE, LATE, CONFLICT = 0, 1, 2, 3
"""Fates of an event that was decoded; a record that was not decoded is rejected. A conflict has the
identity of an accepted event and another content."""

OFFSET_BITS = 48
"""A coordinate is `partition << OFFSET_BITS | offset` of the record in its source topic.
That of a command, from the topic `control`, is -1 less as much: it is negative."""


@dataclass(slots=True)
class Events:
    """Decoded events of one micro-batch, one row an event, all arrays of length n."""

    user: NDArray[np.int32]
    """Index into the micro-batch's list of distinct users."""
    item: NDArray[np.uint64]
    """64-bit key of the item id (`models.keys.key_of`)."""
    identity: NDArray[np.uint64]
    """64-bit key of the event id, or of the event's content where it has none."""
    content: NDArray[np.uint32]
    """Hash of what the event says, never 0: a repeat says the same."""
    subject: NDArray[np.uint32]
    """Hashes of item (24 bits) and event type (6 bits), see `state.events.identity`: for one
    user they are told apart by it; two more say whether it has a weight, and one below 0."""
    weight: NDArray[np.float32]
    """Strength of the event type: > 0 is learnt, 0 only counted, < 0 hides the item."""
    value: NDArray[np.float32]
    """The rating an event gives; NaN for every event that is no rating."""
    time: NDArray[np.int64]
    """Event time, ms since 1970."""
    published: NDArray[np.int64]
    """Time of the record in the source topic, ms since 1970."""
    coordinate: NDArray[np.int64]
    """Partition and offset of the record, see OFFSET_BITS."""
    hide: NDArray[np.int64]
    """How long the user is not recommended the item again, ms from the event time; see
    `models.users.past`."""
    counts: NDArray[np.bool_]
    """Whether the event teaches about its item: one user's say is bounded, see
    `operators.learn_users.stages.deduplicate`."""
    moves: NDArray[np.bool_]
    """Whether it moves the factors of its user, as another type of event on an item may that does
    not count."""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Events":
        """Return the given rows, in their order."""
        return Events(*(getattr(self, one.name)[rows] for one in fields(self)))
