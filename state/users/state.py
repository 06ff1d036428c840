"""Stored values of users: turned into columns and back, a whole micro-batch at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.users import Block, Users
from models.keys import key_of
from models.numeric.initial import initial_factors
from models.params.users import UserParams
from models.users.past import FOREVER
from state.codec.ragged import bounds_of, rows_at
from state.codec.sealed import (
    HEADER,
    Payloads,
    corrupt,
    incompatible_factors,
    incompatible_variances,
    open_all,
    seal_all,
)
from state.users import rows as records
from state.users.layouts import (
    COLUMNS,
    LAYOUTS,
    LENGTHS,
    MAGIC,
    OLD_TIMES,
    READ_VERSIONS,
    VERSION,
    WHOLE,
    Layout,
)

__all__ = ["MAGIC", "READ_VERSIONS", "VERSION", "UserState"]

_MOOD = 3
"""Numbers of the mood in a model that has variances."""
_RECENT_AT, _PAST_AT = (
    HEADER.size + 4 * LAYOUTS[VERSION].counts.index(name) for name in ("recent", "past")
)

_NEW_TIMES = 4
"""Version since which times of recent events are seconds."""
_OLD, _CURRENT = bytes([_NEW_TIMES]), bytes([VERSION])
"""Low bytes of the versions before compare as less."""
_STEP = 64
"""Lengths of pasts differ by so much: each asks for columns of its own."""

INITIAL_DEVIATION = 0.05
"""Standard deviation of the factors of a new user."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Columns of users side by side."""

    users: Users
    data: NDArray[np.uint8]
    places: NDArray[np.int64]
    """Where each column begins; behind them, `old_times`."""
    old_times: NDArray[np.int64]
    """(U, R) `recent_time` of records until version 3; (U, 0) where there are none of these."""


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
        self._widths = {
            "factors": factors,
            "history": params.history,
            "deep": params.deep_state,
            "excluded": params.exclusions,
            "variance": variances,
            "mood": _MOOD if variances else 0,
            "rated": rated,
        }
        self._blocks: dict[tuple[int, int], Block] = {}
        self._rooms: dict[tuple[int, ...], NDArray[np.int64]] = {}

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
            Most events of one user that will be remembered: the lists of recent events and of the
            past are as long as that asks for, by default as long as they ever may be.

        Raises
        ------
        StateError
            If a value is damaged, of an unknown version or of another model.
        """
        old = any(value is not None and value[2:3] < _OLD for value in values)
        widths = self._recent(values, more), self._past(values, more)
        block = self._block(len(values), widths, old=old)
        users = block.users
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
            self._read(block, rows, stored, [ids[n] for n in rows.tolist()])
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
            start, fixed = payloads.start[chosen], LAYOUTS[version].fixed
            found[chosen] = rows_at(payloads.buffer, start, fixed)["seen"]
        return found

    def encode(self, users: Users) -> list[bytes]:
        """Return one sealed value a user."""
        layout = LAYOUTS[VERSION]
        counts = np.zeros((len(users), len(layout.counts)), np.uint32)
        for n, name in enumerate(layout.counts):
            counts[:, n] = self._count(users, name)
        columns = [getattr(users, name) for name in COLUMNS]
        buffer, bounds = records.write(
            counts,
            layout.fixed.itemsize,
            layout.scalar_table,
            layout.list_table,
            self._room(users, layout),
            np.frombuffer(bytearray().join(columns), np.uint8),
            bounds_of(np.array([column.nbytes for column in columns])),
        )
        return seal_all(MAGIC, VERSION, buffer, bounds)

    def _count(self, users: Users, name: str) -> Any:
        """Return how many entries of a list are written."""
        if name == "deep":
            return np.where(users.deep_version > 0, users.deep.shape[1], 0)
        if name == "until":
            return np.where(_timed(users), users.past_length, 0) if users.past_until.size else 0
        if name in LENGTHS:
            return getattr(users, f"{name}_length")
        return getattr(users, name).shape[1]

    def _room(self, users: Users, layout: Layout) -> NDArray[np.int64]:
        """Return `room` of `state.users.rows.read`."""
        widths = tuple([getattr(users, name).shape[1] for name in layout.columns])
        room = self._rooms.get(widths)
        if room is None:
            # the column has room for one more, that is about to leave
            most = self._params.recent_events
            rows = [
                (min(width, most) if count == "recent" else width, width, name in WHOLE)
                for (name, count, _), width in zip(layout.lists, widths, strict=True)
            ]
            room = self._rooms[widths] = np.array(rows, np.int64)
        return room

    def _read(
        self, block: _Block, rows: NDArray[np.int64], values: list[bytes], ids: list[str]
    ) -> None:
        """Fill the given rows from stored values."""
        payloads = open_all(values, MAGIC, READ_VERSIONS, lambda i: _name(ids[i]))
        if (payloads.version == VERSION).all():
            self._read_version(block, rows, payloads, VERSION, ids)
            return
        for version in np.unique(payloads.version).tolist():
            chosen = np.flatnonzero(payloads.version == version)
            part = Payloads(
                payloads.buffer,
                payloads.start[chosen],
                payloads.length[chosen],
                payloads.version[chosen],
            )
            names = [ids[n] for n in chosen.tolist()]
            self._read_version(block, rows[chosen], part, version, names)

    def _read_version(
        self,
        block: _Block,
        rows: NDArray[np.int64],
        payloads: Payloads,
        version: int,
        ids: list[str],
    ) -> None:
        layout, users = LAYOUTS[version], block.users
        self._check(payloads, layout, version, ids)
        dropped = np.empty((len(rows), len(layout.lists)), np.int64)
        lengths = np.empty((len(rows), len(LENGTHS)), np.int32)
        records.read(
            payloads.buffer,
            payloads.start,
            rows,
            layout.fixed.itemsize,
            layout.scalar_table,
            layout.list_table,
            self._room(users, layout),
            block.data,
            block.places,
            lengths,
            dropped,
        )
        for n, name in enumerate(LENGTHS):
            if name in layout.counts:
                getattr(users, f"{name}_length")[rows] = lengths[:, n]
        if dropped.any():
            self._drop(users, rows, payloads, layout, dropped)
        if version == 1:
            self._migrate(users, rows)
        if version < 5:
            users.positives[rows] = users.events[rows]
        if version < _NEW_TIMES:
            _migrate_recent(users, rows, block.old_times)

    def _drop(
        self,
        users: Users,
        rows: NDArray[np.int64],
        payloads: Payloads,
        layout: Layout,
        dropped: NDArray[np.int64],
    ) -> None:
        """Do what follows from entries that had no room."""
        for n, (name, _, width) in enumerate(layout.lists):
            some = np.flatnonzero(dropped[:, n])
            if name == "deep":  # of another shape it is of no use
                users.deep_version[rows[some]] = 0
            elif name in ("recent_time", OLD_TIMES):
                _raise_floors(users, rows[some], payloads, some, layout, n, dropped[some, n], width)

    def _check(self, payloads: Payloads, layout: Layout, version: int, ids: list[str]) -> None:
        """Refuse records whose counts do not add up, and those of another model."""
        variances, mood = self._variances, _MOOD if self._variances else 0
        expected = {"factors": self._factors, "variance": variances, "mood": mood}
        bad = records.first_unsound(
            payloads.buffer,
            payloads.start,
            payloads.length,
            layout.fixed.itemsize,
            layout.list_table,
            np.array([expected.get(name, -1) for name in layout.counts], np.int64),
            layout.counts.index("past") if version >= 3 else -1,
            layout.counts.index("until") if version >= 3 else -1,
        )
        if bad >= 0:
            _refuse(payloads, bad, layout, expected, _name(ids[bad]))
        if version < 6 and variances:  # these were of models without
            raise incompatible_variances(_name(ids[0]), variances, 0)

    def _migrate(self, users: Users, rows: NDArray[np.int64]) -> None:
        """Give users of version 1 what version 2 added."""
        columns = min(users.past.shape[1], users.history.shape[1])
        for row in rows.tolist():
            held = int(users.history_length[row])
            kept = min(held, columns)
            short = (users.history[row, held - kept : held] & np.uint64(0xFFFFFFFE)).astype("<u4")
            users.past[row, :kept] = short
            users.past_length[row] = kept

    def _recent(self, values: Sequence[bytes | None], more: int | None) -> int:
        """Return how long the lists of recent events have to be: a batch's seldom are as may be."""
        most = self._params.recent_events + 1  # the one that is about to leave
        if more is None:
            return most
        at = _RECENT_AT
        held = [int.from_bytes(value[at : at + 4], "little") for value in values if value]
        return min(most, max(held, default=0) + more)

    def _past(self, values: Sequence[bytes | None], more: int | None) -> int:
        """Return how long the pasts have to be: few are as long as may be, and zeros cost time."""
        most = self._params.past
        if more is None or any(value is not None and value[2:3] != _CURRENT for value in values):
            return most
        at = _PAST_AT
        held = [int.from_bytes(value[at : at + 4], "little") for value in values if value]
        wanted = max(held, default=0) + more
        return min(most, -(-wanted // _STEP) * _STEP)

    def _block(self, count: int, widths: tuple[int, int], *, old: bool) -> _Block:
        """Return columns as new users have them, the factors still zero."""
        recent, past = widths
        block = self._blocks.get(widths)
        if block is None:
            until = past if self._params.timed else 0
            made = {"recent": recent, "past": past, "past_until": until}
            block = self._blocks[widths] = Block.of({**self._widths, **made})
        places, old_times = block.places(count), (count, recent if old else 0)
        data = np.zeros(places[-1] + 8 * old_times[0] * old_times[1], np.uint8)
        return _Block(
            block.new(count, data),
            data,
            np.array(places, np.int64),
            data[places[-1] :].view(np.int64).reshape(old_times),
        )


def _refuse(
    payloads: Payloads, bad: int, layout: Layout, expected: dict[str, int], where: str
) -> None:
    """Say what is wrong with a record.

    Raises
    ------
    StateError
        In any case.
    """
    length, fixed_size = int(payloads.length[bad]), layout.fixed.itemsize
    if length < fixed_size:
        raise corrupt(where, f"{fixed_size} bytes or more", length)
    fixed = rows_at(payloads.buffer, payloads.start[bad : bad + 1], layout.fixed)[0]
    counts = {name: int(fixed[name]) for name in layout.counts}
    size = fixed_size + sum(width * counts[count] for _, count, width in layout.lists)
    if size != length:
        raise corrupt(where, f"{size} bytes by its counts", length)
    if counts.get("until", 0) not in (0, counts.get("past")):
        raise corrupt(where, f"0 or {counts['past']} minutes", counts["until"])
    if counts["factors"] != expected["factors"]:
        raise incompatible_factors(where, expected["factors"], counts["factors"])
    if counts["variance"] != expected["variance"]:
        raise incompatible_variances(where, expected["variance"], counts["variance"])
    raise corrupt(where, f"{expected['mood']} numbers of the mood", counts["mood"])


def _raise_floors(
    users: Users,
    rows: NDArray[np.int64],
    payloads: Payloads,
    some: NDArray[np.intp],
    layout: Layout,
    list_number: int,
    dropped: NDArray[np.int64],
    width: int,
) -> None:
    """Raise the floors to the newest time dropped, or a dropped event could pass as new."""
    for row, i, count in zip(rows.tolist(), some.tolist(), dropped.tolist(), strict=True):
        fixed = rows_at(payloads.buffer, payloads.start[i : i + 1], layout.fixed)[0]
        before = layout.lists[:list_number]
        at = int(payloads.start[i]) + layout.fixed.itemsize
        at += sum(size * int(fixed[name]) for _, name, size in before)
        times = payloads.buffer[at : at + count * width].view("<i8" if width == 8 else "<u4")
        newest = int(times.max())
        newest = newest if width == 8 else newest * 1000 + 1000
        for floor in (users.floor, users.idle_floor):
            floor[row] = max(floor[row], newest)


def _name(identifier: str) -> str:
    """Return how errors call a user: logs must not hold ids."""
    return f"state of the user with key {key_of(identifier):016x}"


def _timed(users: Users) -> NDArray[np.bool_]:
    """Return which users have an entry of the past that is not for ever."""
    held = np.arange(users.past_until.shape[1]) < users.past_length[:, None]
    timed: NDArray[np.bool_] = ((users.past_until != FOREVER) & held).any(axis=1)
    return timed


def _migrate_recent(users: Users, rows: NDArray[np.int64], times: NDArray[np.int64]) -> None:
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
