"""Fates of records: the fates of their events taken together.

A record has one fate, the best of its events'. Events of another one, lines of an order that say
something else than before or are late, are not taken either: they have dead letters of their own,
and are counted apart from records.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.columns.events import ACCEPTED, CONFLICT, DUPLICATE, LATE
from operators.learn_users.stages.decode import Decoded
from state.events.codes import Code, Rejected

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
    """Why the events of late and of conflicting records are not taken, and why single lines of
    records of another fate are not."""
    lines: dict[str, int]
    """Such lines by code."""

    @classmethod
    def of(cls, decoded: Decoded, fate: NDArray[np.uint8], records: int) -> "Fates":
        """Return what became of records whose events have these fates."""
        if not fate.any() and decoded.single:  # as most micro-batches are
            nothing = decoded.record[:0]
            return cls(decoded.record, nothing, nothing, 0, [], {})
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
        lines = [] if decoded.single else _line_letters(decoded, fate, order)
        counted: dict[str, int] = {}
        for letter in lines:
            counted[letter.code] = counted.get(letter.code, 0) + len(letter.lines)
        return cls(
            by_fate[ACCEPTED],
            by_fate[DUPLICATE],
            by_fate[LATE],
            len(by_fate[CONFLICT]),
            [*letters, *lines],
            counted,
        )


def _line_letters(
    decoded: Decoded, fate: NDArray[np.uint8], order: NDArray[np.uint8]
) -> list[Rejected]:
    """Return why lines are not taken that no letter of their record speaks of."""
    other = _BEST[fate] != order[decoded.record]
    found = []
    for kind, (code, field, message) in _MESSAGES.items():
        lines: dict[int, list[int]] = {}
        for n in np.flatnonzero(other & (fate == kind)).tolist():
            line = n if decoded.line is None else int(decoded.line[n])
            lines.setdefault(int(decoded.record[n]), []).append(line)
        # one letter for all lines of a record: each holds the record as a whole
        found += [
            Rejected(at, code.value, field, message, tuple(them)) for at, them in lines.items()
        ]
    return found
