"""What is remembered of a user, as bytes: one sealed value a user (magic `US`).

Payload of version 6, little-endian:

============== ===== ============ ==========================================================
field          type  count        holds
============== ===== ============ ==========================================================
factors        u32   1            F, how many factors follow
history        u32   1            h, how many history items follow
excluded       u32   1            x, how many excluded items follow
recent         u32   1            r, how many recent events follow
past           u32   1            p, how many short keys follow
deep           u32   1            S, how many numbers of the deep model's state follow
until          u32   1            t, how many minutes follow: p, or 0 where all are for ever
variance       u32   1            W, how many variances follow: F + 1, or 0 in a model without
mood           u32   1            M, how many numbers of the mood follow: 3, or 0
rated          u32   1            l, how many rated items follow
gradient_sum   f32   1            AdaGrad sum of the factors
bias           f32   1            rating bias
floor          i64   1            event time before which events with a weight are late, ms; -1 none
idle_floor     i64   1            the same for events without weight
session_start  i64   1            event time of the session's first event, ms
session_last   i64   1            newest event time of the session, ms; -1 before the first
events         i64   1            accepted events ever
positives      i64   1            those of weight > 0
seen           i64   1            processing time of the last update, ms
last_positive  i64   1            event time of the newest positive event, ms; -1 before the first
deep_version   i64   1            root of the line of models that advanced its state; 0 none
session_events i32   1            accepted events in the session
…              f32   F            latent factors
…              u64   h            keys of the last positive items, oldest first
…              u64   x            keys of the last disliked or removed items, oldest first
…              u64   r            identities of the newest accepted events, by event time
…              u32   r            hash of what each said, 0 unknown
…              u32   r            hash of item and type; lowest bit: has a weight
…              u32   r            event time, s, none later than it arrived
…              u32   p            short keys of items not recommended again, oldest first
…              f32   S            state of the deep model
…              u8    h            octaves of seconds before each item of the history
…              u32   t            minute until which each short key is hidden
…              f32   W            variances of the factors, the last one of the bias
…              f64   M            mood of the session, its variance, time of the last rating, ms
…              u64   l            keys of the items rated last, oldest first
…              f32   l            what the biases had left of these ratings
============== ===== ============ ==========================================================

A value takes 136 + 4 (F + p + S + t + W) + 8 M + 9 h + 8 x + 20 r + 12 l bytes; the lists hold what
there is, not what may be. Version 5 had neither variances, nor mood, nor rated items: a model with
variances refuses it. Version 4 did not say how many events had been of weight > 0: all are taken
for such. Until version 3 there was one floor, at which an event was late, too, and recent events
had their time in ms (i64) and neither of the hashes. Version 2 had no t: all was hidden for ever.
Version 1 had neither past nor deep model: 80 + 4 F + 8 (h + x) + 16 r bytes. A user read from it
has the history for its past, gaps of 0, and no state of the deep model.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import Users
from models.initial import initial_factors
from models.keys import key_of
from models.params import UserParams
from models.users.past import FOREVER
from state.codec import (
    HEADER,
    Payloads,
    corrupt,
    incompatible_factors,
    incompatible_variances,
    open_all,
    seal_all,
)
from state.ragged import as_bytes, bounds_of, copy_ranges, rows_at

MAGIC = b"US"
VERSION = 6
READ_VERSIONS = (1, 2, 3, 4, 5, 6)

_SCALARS = (
    ("gradient_sum", "<f4"),
    ("bias", "<f4"),
    ("floor", "<i8"),
    ("session_start", "<i8"),
    ("session_last", "<i8"),
    ("events", "<i8"),
    ("seen", "<i8"),
    ("session_events", "<i4"),
)
_OLD_TIMES = "recent_time_ms"
"""Column of `recent_time` until version 3: ms, in the order of acceptance."""
_LISTS: dict[int, tuple[tuple[str, str, int], ...]] = {
    1: (
        ("factors", "factors", 4),
        ("history", "history", 8),
        ("excluded", "excluded", 8),
        ("recent", "recent", 8),
        (_OLD_TIMES, "recent", 8),
    )
}
"""By version: column of Users, name of its count, bytes of an element, as the payload has them."""
_LISTS[2] = (*_LISTS[1], ("past", "past", 4), ("deep", "deep", 4), ("history_gap", "history", 1))
_LISTS[3] = (*_LISTS[2], ("past_until", "until", 4))
_LISTS[4] = (
    *_LISTS[3][:4],
    ("recent_content", "recent", 4),
    ("recent_subject", "recent", 4),
    ("recent_time", "recent", 4),
    *_LISTS[3][5:],
)
_LISTS[5] = _LISTS[4]
_LISTS[6] = (
    *_LISTS[5],
    ("variance", "variance", 4),
    ("mood", "mood", 8),
    ("rated", "rated", 8),
    ("rated_residual", "rated", 4),
)
_COUNTS: dict[int, tuple[str, ...]] = {1: ("factors", "history", "excluded", "recent")}
_COUNTS[2] = (*_COUNTS[1], "past", "deep")
_COUNTS[3] = _COUNTS[4] = _COUNTS[5] = (*_COUNTS[2], "until")
_COUNTS[6] = (*_COUNTS[5], "variance", "mood", "rated")
_FIXED = {1: np.dtype([(name, "<u4") for name in _COUNTS[1]] + list(_SCALARS))}
_SCALARS_2 = (*_SCALARS[:-1], ("last_positive", "<i8"), ("deep_version", "<i8"), _SCALARS[-1])
_FIXED[2] = np.dtype([(name, "<u4") for name in _COUNTS[2]] + list(_SCALARS_2))
_FIXED[3] = np.dtype([(name, "<u4") for name in _COUNTS[3]] + list(_SCALARS_2))
_SCALARS_4 = (*_SCALARS_2[:3], ("idle_floor", "<i8"), *_SCALARS_2[3:])
_FIXED[4] = np.dtype([(name, "<u4") for name in _COUNTS[4]] + list(_SCALARS_4))
_SCALARS_5 = (*_SCALARS_4[:7], ("positives", "<i8"), *_SCALARS_4[7:])
_FIXED[5] = np.dtype([(name, "<u4") for name in _COUNTS[5]] + list(_SCALARS_5))
_FIXED[6] = np.dtype([(name, "<u4") for name in _COUNTS[6]] + list(_SCALARS_5))
_SCALARS_OF = {1: _SCALARS, 2: _SCALARS_2, 3: _SCALARS_2, 4: _SCALARS_4, 5: _SCALARS_5}
_SCALARS_OF[6] = _SCALARS_5
_COUNT_OF = {
    version: np.array([_COUNTS[version].index(count) for _, count, _ in lists], np.intp)
    for version, lists in _LISTS.items()
}
_WIDTHS = {
    version: np.array([width for *_, width in lists], np.int64) for version, lists in _LISTS.items()
}
"""By version, of every list: number of its count in the payload, and bytes of an element."""
_PREFIXES = ("factors", "deep", "variance", "mood")
"""Lists of a length of their own: they cannot be cut."""
_MOOD = 3
"""Numbers of the mood in a model that has variances."""

INITIAL_DEVIATION = 0.05
"""Standard deviation of the factors of a new user."""


class UserState:
    """Turns stored values into `Users` columns and back, a whole micro-batch at once.

    Parameters
    ----------
    params : UserParams
        Capacities of the lists. Stored lists that are longer are cut to their newest entries.
    factors : int
        F; a stored value with another number is refused.
    seed : int
        Of the factors of new users.
    variances : int
        W; a stored value with another number is refused.
    rated : int
        Rated items there is room for.
    """

    def __init__(
        self, params: UserParams, factors: int, seed: int, *, variances: int = 0, rated: int = 0
    ) -> None:
        self._params = params
        self._factors = factors
        self._seed = seed
        self._variances = variances
        self._rated = rated

    def decode(
        self, values: Sequence[bytes | None], ids: Sequence[str], more: int | None = None
    ) -> Users:
        """Return the columns of U users.

        Parameters
        ----------
        values : sequence of bytes or None, length U
            What `encode` returned; None for a new user.
        ids : sequence of str, length U
            Their keys seed the factors of new users, and name users in errors.
        more : int, optional
            Most events of one user that will be remembered: the lists of recent events are as long
            as that asks for, by default as long as they ever may be.

        Raises
        ------
        StateError
            If a value is damaged, of an unknown version or of another model.
        """
        users = self._empty(len(values), self._recent(values, more))
        users.key[:] = [key_of(name) for name in ids]
        known = np.array([value is not None for value in values], np.bool_)
        fresh = np.flatnonzero(~known)
        if len(fresh):
            users.factors[fresh] = initial_factors(
                users.key[fresh], self._seed, self._factors, INITIAL_DEVIATION
            )
        if len(fresh) < len(values):
            rows = np.flatnonzero(known)
            stored = [value for value in values if value is not None]
            self._read(users, rows, stored, lambda i: _name(ids[rows[i]]))
        return users

    def seen(self, values: Sequence[bytes], ids: Sequence[str]) -> NDArray[np.int64]:
        """Return when each user was last updated, without reading the rest of the records.

        Raises
        ------
        StateError
            If a value is damaged or of an unknown version.
        """
        payloads = open_all(values, MAGIC, READ_VERSIONS, lambda i: _name(ids[i]))
        found = np.empty(len(values), np.int64)
        for version in np.unique(payloads.version).tolist():
            chosen = np.flatnonzero(payloads.version == version)
            found[chosen] = rows_at(payloads.buffer, payloads.start[chosen], _FIXED[version])[
                "seen"
            ]
        return found

    def encode(self, users: Users) -> list[bytes]:
        """Return one sealed value a user."""
        layout = _FIXED[VERSION]
        fixed = np.empty(len(users), layout)
        fixed["factors"] = self._factors
        fixed["deep"] = np.where(users.deep_version > 0, users.deep.shape[1], 0)
        for name in ("variance", "mood"):
            fixed[name] = getattr(users, name).shape[1]
        for name in ("history", "excluded", "recent", "past", "rated"):
            fixed[name] = getattr(users, f"{name}_length")
        fixed["until"] = np.where(_timed(users), users.past_length, 0)
        for name, _ in _SCALARS_OF[VERSION]:
            fixed[name] = getattr(users, name)
        sizes = _stored(fixed, VERSION) * _WIDTHS[VERSION]
        bounds = bounds_of(layout.itemsize + sizes.sum(axis=1))
        buffer = np.empty(bounds[-1], np.uint8)
        row, each = np.arange(len(users)), np.full(len(users), layout.itemsize, np.int64)
        copy_ranges(as_bytes(fixed), row * layout.itemsize, buffer, bounds[:-1], each)
        at = _starts(bounds[:-1] + layout.itemsize, sizes)
        for n in np.flatnonzero(sizes.any(axis=0)).tolist():
            name, _, width = _LISTS[VERSION][n]
            column: NDArray[Any] = getattr(users, name)
            copy_ranges(
                as_bytes(column), row * (column.shape[1] * width), buffer, at[n], sizes[:, n]
            )
        return seal_all(MAGIC, VERSION, buffer, bounds)

    def _read(
        self,
        users: Users,
        rows: NDArray[np.intp],
        values: list[bytes],
        where: Callable[[int], str],
    ) -> None:
        """Fill the given rows from stored values."""
        payloads = open_all(values, MAGIC, READ_VERSIONS, where)
        for version in np.unique(payloads.version).tolist():
            chosen = np.flatnonzero(payloads.version == version)
            part = Payloads(
                payloads.buffer,
                payloads.start[chosen],
                payloads.length[chosen],
                payloads.version[chosen],
            )
            self._read_version(users, rows[chosen], part, version, _chosen(where, chosen))

    def _read_version(
        self,
        users: Users,
        rows: NDArray[np.intp],
        payloads: Payloads,
        version: int,
        where: Callable[[int], str],
    ) -> None:
        fixed = self._fixed(payloads, version, where)
        for name, _ in _SCALARS_OF[version]:
            getattr(users, name)[rows] = fixed[name]
        old_times = np.zeros(users.recent.shape if version < 4 else (len(users), 0), np.int64)
        stored = _stored(fixed, version)
        at = _starts(payloads.start + _FIXED[version].itemsize, stored * _WIDTHS[version])
        for n in np.flatnonzero(stored.any(axis=0)).tolist():
            name, count, width = _LISTS[version][n]
            column: NDArray[Any] = old_times if name == _OLD_TIMES else getattr(users, name)
            dropped = self._dropped(users, rows, name, count, column.shape[1], stored[:, n])
            kept = stored[:, n] - dropped
            target = rows * (column.shape[1] * width)
            copy_ranges(
                payloads.buffer, at[n] + dropped * width, as_bytes(column), target, kept * width
            )
            if name in ("recent_time", _OLD_TIMES) and dropped.any():
                self._raise_floors(users, rows, payloads.buffer, at[n], dropped, width)
            if name == count and name not in _PREFIXES:
                getattr(users, f"{name}_length")[rows] = kept
        if version == 1:
            self._migrate(users, rows)
        if version < 5:
            users.positives[rows] = users.events[rows]
        if version < 4:
            _migrate_recent(users, rows, old_times)

    def _dropped(  # one list
        self,
        users: Users,
        rows: NDArray[np.intp],
        name: str,
        count: str,
        capacity: int,
        stored: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return how many of the oldest entries of a list have no room."""
        if name == "deep":  # of another shape it is of no use
            users.deep_version[rows[stored != capacity]] = 0
            return np.where(stored == capacity, 0, stored)
        if count == "recent":  # its column has room for one more
            capacity = min(capacity, self._params.recent_events)
        return np.maximum(stored - capacity, 0)

    def _migrate(self, users: Users, rows: NDArray[np.intp]) -> None:
        """Give users of version 1 what version 2 added."""
        columns = min(users.past.shape[1], users.history.shape[1])
        for row in rows.tolist():
            held = int(users.history_length[row])
            kept = min(held, columns)
            short = (users.history[row, held - kept : held] & np.uint64(0xFFFFFFFE)).astype("<u4")
            users.past[row, :kept] = short
            users.past_length[row] = kept

    def _fixed(
        self, payloads: Payloads, version: int, where: Callable[[int], str]
    ) -> NDArray[np.void]:
        """Return the fixed fields of every value, once the counts are known to add up."""
        layout = _FIXED[version]
        for i in np.flatnonzero(payloads.length < layout.itemsize).tolist():
            raise corrupt(where(i), f"{layout.itemsize} bytes or more", payloads.length[i])
        fixed = rows_at(payloads.buffer, payloads.start, layout)
        size = layout.itemsize + _stored(fixed, version) @ _WIDTHS[version]
        for i in np.flatnonzero(size != payloads.length).tolist():
            raise corrupt(where(i), f"{size[i]} bytes by its counts", payloads.length[i])
        if version >= 3:
            partly = (fixed["until"] != 0) & (fixed["until"] != fixed["past"])
            for i in np.flatnonzero(partly).tolist():
                raise corrupt(where(i), f"0 or {fixed['past'][i]} minutes", fixed["until"][i])
        for i in np.flatnonzero(fixed["factors"] != self._factors).tolist():
            raise incompatible_factors(where(i), self._factors, int(fixed["factors"][i]))
        self._check_variances(fixed, version, where)
        return fixed

    def _check_variances(
        self, fixed: NDArray[np.void], version: int, where: Callable[[int], str]
    ) -> None:
        """Refuse what another model has learnt; versions before 6 were of models without."""
        if version < 6:
            if self._variances and len(fixed):
                raise incompatible_variances(where(0), self._variances, 0)
            return
        for i in np.flatnonzero(fixed["variance"] != self._variances).tolist():
            raise incompatible_variances(where(i), self._variances, int(fixed["variance"][i]))
        mood = _MOOD if self._variances else 0
        for i in np.flatnonzero(fixed["mood"] != mood).tolist():
            raise corrupt(where(i), f"{mood} numbers of the mood", fixed["mood"][i])

    def _recent(self, values: Sequence[bytes | None], more: int | None) -> int:
        """Return how long the lists of recent events have to be: a batch's seldom are as may be."""
        most = self._params.recent_events + 1  # the one that is about to leave
        if more is None:
            return most
        place = HEADER.size + _FIXED[VERSION].fields["recent"][1]  # type: ignore[index]
        held = [int.from_bytes(value[place : place + 4], "little") for value in values if value]
        return min(most, max(held, default=0) + more)

    def _raise_floors(
        self,
        users: Users,
        rows: NDArray[np.intp],
        buffer: NDArray[np.uint8],
        start: NDArray[np.int64],
        dropped: NDArray[np.int64],
        width: int,
    ) -> None:
        """Raise the floors to the newest time dropped, or a dropped event could pass as new."""
        some = np.flatnonzero(dropped)
        bounds = bounds_of(dropped[some])
        times = np.empty(bounds[-1], np.int64 if width == 8 else np.uint32)
        size = dropped[some] * width
        copy_ranges(buffer, start[some], as_bytes(times), bounds[:-1] * width, size)
        newest = np.maximum.reduceat(times.astype(np.int64), bounds[:-1])
        newest = newest if width == 8 else newest * 1000 + 1000
        for floor in (users.floor, users.idle_floor):
            floor[rows[some]] = np.maximum(floor[rows[some]], newest)

    def _empty(self, count: int, recent: int) -> Users:
        """Return columns as new users have them, the factors still zero."""
        params = self._params
        return Users.new(
            count,
            {
                "factors": self._factors,
                "history": params.history,
                "past": params.past,
                "past_until": params.past if params.timed else 0,
                "deep": params.deep_state,
                "excluded": params.exclusions,
                "recent": recent,
                "variance": self._variances,
                "mood": _MOOD if self._variances else 0,
                "rated": self._rated,
            },
        )


def _chosen(where: Callable[[int], str], chosen: NDArray[np.intp]) -> Callable[[int], str]:
    return lambda index: where(int(chosen[index]))


def _name(identifier: str) -> str:
    """Return how errors call a user: logs must not hold ids."""
    return f"state of the user with key {key_of(identifier):016x}"


def _stored(fixed: NDArray[np.void], version: int) -> NDArray[np.int64]:
    """Return (U, lists) how many entries each list has; counts are the first of the fields."""
    size = 4 * len(_COUNTS[version])
    whole = fixed.view(np.uint8).reshape(len(fixed), fixed.dtype.itemsize)
    counts = whole[:, :size].view("<u4")
    return counts[:, _COUNT_OF[version]].astype(np.int64)


def _starts(first: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (lists, U) where each list begins, the first ones at `first`."""
    starts = np.empty((sizes.shape[1], len(sizes)), np.int64)
    starts[0] = first
    np.cumsum(sizes.T[:-1], axis=0, out=starts[1:])
    starts[1:] += first
    return starts


def _timed(users: Users) -> NDArray[np.bool_]:
    """Return which users have an entry of the past that is not for ever."""
    held = np.arange(users.past_until.shape[1]) < users.past_length[:, None]
    timed: NDArray[np.bool_] = ((users.past_until != FOREVER) & held).any(axis=1)
    return timed


def _migrate_recent(users: Users, rows: NDArray[np.intp], times: NDArray[np.int64]) -> None:
    """Give users of version 3 and before what version 4 says of their recent events.

    What was at the floor was late then and is not now; of what is not known, nothing is held
    against an event.
    """
    for row in rows.tolist():
        held = int(users.recent_length[row])
        order = np.argsort(times[row, :held], kind="stable")
        users.recent[row, :held] = users.recent[row, :held][order]
        users.recent_time[row, :held] = np.clip(times[row, :held][order] // 1000, 0, 2**32 - 1)
        users.recent_subject[row, :held] = 1
        if users.floor[row] >= 0:
            users.floor[row] += 1
        users.idle_floor[row] = users.floor[row]
