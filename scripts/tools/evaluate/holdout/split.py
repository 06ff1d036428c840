"""A file cut in two at a time: what is learnt, and what is wanted of the lists made then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Recorded
from scripts.tools.evaluate.baselines.stream import Stream

Pairs = NDArray[np.int64]
"""(m,) user * items + item."""


@dataclass(frozen=True)
class Split:
    """A stream, and where it is cut.

    Parameters
    ----------
    learnt
        The rows before the cut.
    stream
        All events that teach something, users and items numbered; the first `end` are learnt.
    user : int32[n]
        Who is asked: users with events before the cut and something wanted after it.
    ids
        Their ids.
    items
        Ids of the numbered items.
    wanted : int64[m]
        Pairs of the users that are asked, sorted: items after the cut that they had nothing to do
        with before.
    told
        What was counted on the way, by name.
    """

    learnt: Recorded
    stream: Stream
    end: int
    user: NDArray[np.int32]
    ids: Sequence[str]
    items: Sequence[str]
    wanted: Pairs
    told: dict[str, int | str]

    @classmethod
    def of(cls, data: Recorded, share: float, *, users: int | None, seed: int) -> "Split":
        """Cut a file before the time that a share of its rows precedes.

        Parameters
        ----------
        data
        share
            Of the rows; all of one time are on the same side.
        users
            Ask that many, drawn at random; None: all.
        seed
            Of that draw.

        Raises
        ------
        ToolError
            Where no row is before the cut, or nobody of before wants anything after it.
        """
        cut = data.times[int(share * len(data.times))]
        rows = int(np.searchsorted(data.times, cut))
        stream = Stream.of(data)
        end = int(np.searchsorted(stream.number, rows))
        if not end:
            message = f"{data.where}: expected events before {_instant(cut)}, got none"
            raise ToolError(f"{message}; choose a larger --split, or a file of more times")
        before = _had(data, stream, rows)
        after = np.unique(_pairs(stream, slice(end, None)))
        known, later = np.unique(stream.user[:end]), np.unique(stream.user[end:])
        theirs = after[np.isin(after // stream.items, known)]
        wanted = np.setdiff1d(theirs, before, assume_unique=True)
        asked = np.unique(wanted // stream.items).astype(np.int32)
        if not len(asked):
            message = f"{data.where}: expected users with events before {_instant(cut)} and new"
            raise ToolError(f"{message} items after it, got none; choose another --split")
        if users is not None and users < len(asked):
            drawn = np.random.default_rng(seed).choice(asked, users, replace=False)
            asked = np.sort(drawn)
            wanted = wanted[np.isin(wanted // stream.items, asked)]
        item_ids = _names(data, stream, of_users=False)
        user_ids = _names(data, stream, of_users=True)
        never = ~np.isin(wanted % stream.items, np.unique(stream.item[:end]))
        told: dict[str, int | str] = {
            "cut": _instant(cut),
            "learnt": end,
            "later": len(stream.user) - end,
            "asked": len(asked),
            "new_users": len(np.setdiff1d(later, known)),
            "wanted": len(wanted),
            "wanted_never_seen": int(never.sum()),
            "own_again": int(np.isin(theirs, before).sum()),
        }
        learnt = data.chosen(np.arange(len(data.times)) < rows)
        ids = [user_ids[u] for u in asked.tolist()]
        return cls(learnt, stream, end, asked, ids, item_ids, wanted, told)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n,) wanted items of each user that is asked."""
        return np.bincount(np.searchsorted(self.user, self.wanted // self.stream.items))

    def hits(self, lists: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which items (n, k) of lists are wanted; -1 is none."""
        pairs = self.user[:, None].astype(np.int64) * self.stream.items + lists
        return (lists >= 0) & np.isin(pairs, self.wanted)


def _pairs(stream: Stream, events: slice) -> Pairs:
    return stream.user[events].astype(np.int64) * stream.items + stream.item[events]


def _had(data: Recorded, stream: Stream, rows: int) -> Pairs:
    """Return the pairs of the first rows, also of events that teach nothing, such as dislikes."""
    user = np.full(len(data.users.distinct), -1, np.int64)
    item = np.full(len(data.items.distinct), -1, np.int64)
    user[data.users.codes[stream.number]] = stream.user
    item[data.items.codes[stream.number]] = stream.item
    users, items = user[data.users.codes[:rows]], item[data.items.codes[:rows]]
    known = (users >= 0) & (items >= 0)
    found: Pairs = np.unique(users[known] * stream.items + items[known])
    return found


def _names(data: Recorded, stream: Stream, *, of_users: bool) -> list[str]:
    """Return the ids of the stream's numbers."""
    numbers = stream.user if of_users else stream.item
    names = data.users if of_users else data.items
    first = np.unique(numbers, return_index=True)[1]
    return [names.distinct[code] for code in names.codes[stream.number[first]].tolist()]


def _instant(time: int) -> str:
    return datetime.fromtimestamp(int(time) / 1000, UTC).isoformat(timespec="seconds")
