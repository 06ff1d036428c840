"""A guest becomes a user: two records of one person are made one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.users import Users
from models.users.history import NEWEST

_WEAK = np.uint32(0xFFFFFFFE)
"""Bits of an entry of the past without that of a strong event."""
_SECOND_MS = 1_000


def merge(pair: Users, *, session_gap_ms: int, recompute: bool) -> Users:
    """Return the record of a person who has two.

    Lists hold what either held, that of the newer session last, each thing once, and lose their
    oldest where they are full. Factors are the mean by positive events; with variances, those of
    whoever has more events. Sessions that touch become one.

    Parameters
    ----------
    pair : Users
        Two rows: the user, who keeps the key, and the guest.
    session_gap_ms : int
    recompute : bool
        Whether a deep model makes its state of a user anew from the history.
    """
    out = pair.take(np.array([0], np.int32))
    newer = int(pair.session_last[1] > pair.session_last[0])
    order = (1 - newer, newer)
    more = int(pair.events[1] > pair.events[0])
    _merge_lists(out, pair, order)
    _merge_recent(out, pair, order)
    _merge_factors(out, pair, more)
    out.mood[0] = pair.mood[newer]
    out.deep[0], out.deep_version[0] = pair.deep[more], pair.deep_version[more]
    if recompute:
        out.deep_version[0] = 0
    for name in ("last_positive", "floor", "idle_floor", "said_at", "seen"):
        column = getattr(pair, name)
        getattr(out, name)[0] = max(getattr(out, name)[0], column[0], column[1])
    for name in ("events", "positives", "said"):
        getattr(out, name)[0] = getattr(pair, name).sum()
    out.repeated[0] = pair.repeated[0] | pair.repeated[1]
    _merge_sessions(out, pair, order, session_gap_ms)
    return out


def _merge_lists(out: Users, pair: Users, order: tuple[int, int]) -> None:
    older, newer = order
    gaps = pair.history_gap.copy()
    if pair.history_length[newer]:  # one item only is that of the last event that counted
        gaps[older] &= ~NEWEST
    _join(out, pair, order, "history", ("history", "history_gap"), {"history_gap": gaps})
    _join(out, pair, order, "excluded", ("excluded",), {})
    _join(out, pair, order, "rated", ("rated", "rated_residual"), {})
    timed = ("past", "past_until") if pair.past_until.shape[1] else ("past",)
    kept = {name: getattr(pair, name).copy() for name in timed}
    held = kept["past"][older, : pair.past_length[older]]
    for at in range(pair.past_length[newer]):
        same = np.flatnonzero((held & _WEAK) == (kept["past"][newer, at] & _WEAK))
        for n in same.tolist():
            either = held[n] | kept["past"][newer, at]
            held[n] = kept["past"][newer, at] = either
            if len(timed) > 1:
                until = kept["past_until"]
                until[newer, at] = max(until[newer, at], until[older, n])
    _join(out, pair, order, "past", timed, kept)


def _join(  # columns of one list
    out: Users,
    pair: Users,
    order: tuple[int, int],
    name: str,
    columns: tuple[str, ...],
    changed: dict[str, NDArray[Any]],
) -> None:
    """Put two lists one after the other: what both hold stands where the newer has it."""
    lengths = getattr(pair, f"{name}_length")
    read = {column: changed.get(column, getattr(pair, column)) for column in columns}
    older, newer = ({c: v[u, : lengths[u]] for c, v in read.items()} for u in order)
    alone = ~np.isin(older[columns[0]], newer[columns[0]])
    room = getattr(out, columns[0]).shape[1]
    for column in columns:
        joined = np.concatenate((older[column][alone], newer[column]))[-room:] if room else ()
        kept = getattr(out, column)
        kept[0] = 0
        kept[0, : len(joined)] = joined
    total = int(alone.sum()) + int(lengths[order[1]])
    getattr(out, f"{name}_length")[0] = min(room, total)


def _merge_recent(out: Users, pair: Users, order: tuple[int, int]) -> None:
    """Keep the newest events of both; what is lost is late from now on."""
    names = ("recent", "recent_content", "recent_subject", "recent_time")
    held = {n: [getattr(pair, n)[u, : pair.recent_length[u]] for u in order] for n in names}
    both = {name: np.concatenate(parts) for name, parts in held.items()}
    first = ~np.isin(held["recent"][0], held["recent"][1])
    alone = np.append(first, np.ones(len(held["recent"][1]), np.bool_))
    at = np.flatnonzero(alone)
    at = at[np.argsort(both["recent_time"][at], kind="stable")]
    room = out.recent.shape[1] - 1  # the last column is for one that is about to leave
    lost, kept = at[: max(0, len(at) - room)], at[max(0, len(at) - room) :]
    for name in names:
        column = getattr(out, name)
        column[0] = 0
        column[0, : len(kept)] = both[name][kept]
    out.recent_length[0] = len(kept)
    if len(lost):
        until = (int(both["recent_time"][lost].max()) + 1) * _SECOND_MS
        out.floor[0] = max(out.floor[0], until)
        out.idle_floor[0] = max(out.idle_floor[0], until)


def _merge_factors(out: Users, pair: Users, more: int) -> None:
    names = ("factors", "gradient_sum", "bias", "variance")
    total = int(pair.positives.sum())
    if pair.variance.shape[1] or not total or not pair.positives.all():
        most = more if pair.variance.shape[1] else int(pair.positives[1] > pair.positives[0])
        for name in names:
            getattr(out, name)[0] = getattr(pair, name)[most]
        return
    share = (pair.positives / total).astype(np.float32)
    out.factors[0] = share @ pair.factors
    out.bias[0] = share @ pair.bias
    out.gradient_sum[0] = pair.gradient_sum.sum()


def _merge_sessions(out: Users, pair: Users, order: tuple[int, int], gap_ms: int) -> None:
    older, newer = order
    start, last, events = (
        getattr(pair, name) for name in ("session_start", "session_last", "session_events")
    )
    out.session_start[0], out.session_last[0] = start[newer], last[newer]
    out.session_events[0] = events[newer]
    if last[older] >= 0 and start[newer] - last[older] <= gap_ms:
        out.session_start[0] = min(start[older], start[newer])
        out.session_events[0] = events.sum()
