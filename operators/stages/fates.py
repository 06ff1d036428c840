"""What became of each record: the fates of its events taken together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.columns import ACCEPTED, CONFLICT, DUPLICATE, LATE
from operators.events.codes import Code, Rejected
from operators.stages.decode import Decoded

_NONE = 255
_BEST = np.array([0, 3, 2, 1], np.uint8)
"""By fate: a record is accepted if one of its events is, a duplicate only if all of them are."""
_MESSAGES = {
    CONFLICT: (
        Code.ID_CONFLICT,
        "event_id",
        "expected what the event of this id said before, got another item, type or value; see"
        " events.identity",
    ),
    LATE: (
        Code.LATE,
        "timestamp",
        "expected an event that is newer than those forgotten of this user, got an older one,"
        " which may be a repeat; see users.recent_events and users.lateness",
    ),
}


@dataclass(frozen=True, slots=True)
class Fates:
    """Records of a micro-batch by their fate, as indices; those that were not decoded are none."""

    accepted: NDArray[np.intp]
    duplicate: NDArray[np.intp]
    late: NDArray[np.intp]
    conflicts: int
    letters: list[Rejected]
    """Why the events of late and of conflicting records are not taken."""

    @classmethod
    def of(cls, decoded: Decoded, fate: NDArray[np.uint8], records: int) -> "Fates":
        """Return what became of records whose events have these fates."""
        if not fate.any() and decoded.single:  # as most micro-batches are
            nothing = decoded.record[:0]
            return cls(decoded.record, nothing, nothing, 0, [])
        order = np.full(records, _NONE, np.uint8)
        if decoded.single:
            order[decoded.record] = _BEST[fate]
        else:
            np.minimum.at(order, decoded.record, _BEST[fate])
        by_fate = {
            kind: np.flatnonzero(order == _BEST[kind])
            for kind in (ACCEPTED, DUPLICATE, LATE, CONFLICT)
        }
        letters = [
            Rejected(position, code.value, field, message)
            for kind, (code, field, message) in _MESSAGES.items()
            for position in by_fate[kind].tolist()
        ]
        return cls(
            by_fate[ACCEPTED], by_fate[DUPLICATE], by_fate[LATE], len(by_fate[CONFLICT]), letters
        )
