"""Layouts of a user record: one sealed value a user (magic `US`).

Payload of version 8, little-endian:

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
last_positive  i64   1            event time of the newest positive one that counts, ms; -1 for none
deep_version   i64   1            root of the line of models that advanced its state; 0 none
session_events i32   1            accepted events in the session
said           f32   1            how many new items the user named to others lately, at said_at
said_at        u32   1            when, as of arrival, seconds since 1970
repeated       u64   1            bits of the known items that were named in its window
…              f32   F            latent factors
…              u64   h            keys of the last positive items, oldest first
…              u64   x            keys of the last disliked or removed items, oldest first
…              u64   r            identities of the newest accepted events, by event time
…              u32   r            hash of what each said, 0 unknown
…              u32   r            24 bits of the item, 6 of the type; negative; has a weight
…              u32   r            event time, s, none later than it arrived
…              u32   p            short keys of items not recommended again, oldest first
…              f32   S            state of the deep model
…              u8    h            octaves of seconds before each item of the history; highest bit:
                                  it is that of the last event that counted
…              u32   t            minute until which each short key is hidden
…              f32   W            variances of the factors, the last one of the bias
…              f64   M            mood of the session, its variance, time of the last rating, ms
…              u64   l            keys of the items rated last, oldest first
…              f32   l            what the biases had left of these ratings
============== ===== ============ ==========================================================

A value takes 152 + 4 (F + p + S + t + W) + 8 M + 9 h + 8 x + 20 r + 12 l bytes; the lists hold what
there is, not what may be. Until version 7 nothing bounded what a user said by arrival, and the bits
of item and type were mixed: what was counted before counts once more. Until version 6 the highest
bit of gaps was clear, and a release of then would take it for a part of the gap. Version 5 had
neither variances, nor mood, nor rated items: a model with variances refuses it. Version 4 did not
say how many events had been of weight > 0: all are taken for such. Until version 3 there was one
floor, at which an event was late, too, and recent events had their time in ms (i64) and neither of
the hashes. Version 2 had no t: all was hidden for ever. Version 1 had neither past nor deep model:
80 + 4 F + 8 (h + x) + 16 r bytes. A user read from it has the history for its past, gaps of 0, and
no state of the deep model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.users import Users

MAGIC = b"US"
VERSION = 8

COLUMNS = tuple(one.name for one in fields(Users))
"""Columns that fields and lists are read into."""
OLD_TIMES = "recent_time_ms"
"""Column of `recent_time` until version 3: ms, in the order of acceptance."""
LENGTHS = ("history", "excluded", "recent", "past", "rated")
"""Lists whose column says elsewhere how many entries it holds."""
WHOLE = ("factors", "deep", "variance", "mood")
"""Lists of a length of their own: they cannot be cut."""

_NUMBERS = {name: n for n, name in enumerate((*COLUMNS, OLD_TIMES))}

Scalars = tuple[tuple[str, str], ...]
"""Column and type of each field."""
Lists = tuple[tuple[str, str, int], ...]
"""Column, name of the count, and bytes of an element of each list."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Offsets of fields and lists in a record; as tables, for compiled functions."""

    counts: tuple[str, ...]
    """Names of the counts, u32, that a record begins with."""
    lists: Lists
    columns: tuple[str, ...]
    """Columns as wide as each list's."""
    fixed: "np.dtype[np.void]"
    """Counts and fields."""
    scalar_table: NDArray[np.int64]
    """(K, 3) of each field: its offset, number of its column, bytes."""
    list_table: NDArray[np.int64]
    """(L, 4) of each list: number of its count, number of its column, bytes of an element, place in
    LENGTHS or -1."""

    @classmethod
    def of(cls, counts: tuple[str, ...], scalars: Scalars, lists: Lists) -> "Layout":
        """Return a layout: counts, then fields, then lists."""
        fixed = np.dtype([*((name, "<u4") for name in counts), *scalars])
        places: Mapping[str, Any] = fixed.fields or {}
        return cls(
            counts,
            lists,
            tuple("recent" if name == OLD_TIMES else name for name, *_ in lists),
            fixed,
            np.array([(places[n][1], _NUMBERS[n], int(kind[2:])) for n, kind in scalars], np.int64),
            np.array(
                [(counts.index(count), _NUMBERS[n], width, _place(n)) for n, count, width in lists],
                np.int64,
            ),
        )


def _place(name: str) -> int:
    return LENGTHS.index(name) if name in LENGTHS else -1


_COUNTS = ("factors", "history", "excluded", "recent")
_COUNTS_2 = (*_COUNTS, "past", "deep")
_COUNTS_3 = (*_COUNTS_2, "until")
_COUNTS_6 = (*_COUNTS_3, "variance", "mood", "rated")

_SCALARS: Scalars = (
    ("gradient_sum", "<f4"),
    ("bias", "<f4"),
    ("floor", "<i8"),
    ("session_start", "<i8"),
    ("session_last", "<i8"),
    ("events", "<i8"),
    ("seen", "<i8"),
    ("session_events", "<i4"),
)
_SCALARS_2 = (*_SCALARS[:-1], ("last_positive", "<i8"), ("deep_version", "<i8"), _SCALARS[-1])
_SCALARS_4 = (*_SCALARS_2[:3], ("idle_floor", "<i8"), *_SCALARS_2[3:])
_SCALARS_5 = (*_SCALARS_4[:7], ("positives", "<i8"), *_SCALARS_4[7:])
_SCALARS_8 = (*_SCALARS_5, ("said", "<f4"), ("said_at", "<u4"), ("repeated", "<u8"))

_LISTS: Lists = (
    ("factors", "factors", 4),
    ("history", "history", 8),
    ("excluded", "excluded", 8),
    ("recent", "recent", 8),
    (OLD_TIMES, "recent", 8),
)
_LISTS_2 = (*_LISTS, ("past", "past", 4), ("deep", "deep", 4), ("history_gap", "history", 1))
_LISTS_3 = (*_LISTS_2, ("past_until", "until", 4))
_LISTS_4 = (
    *_LISTS_3[:4],
    ("recent_content", "recent", 4),
    ("recent_subject", "recent", 4),
    ("recent_time", "recent", 4),
    *_LISTS_3[5:],
)
_LISTS_6 = (
    *_LISTS_4,
    ("variance", "variance", 4),
    ("mood", "mood", 8),
    ("rated", "rated", 8),
    ("rated_residual", "rated", 4),
)

LAYOUTS = {
    1: Layout.of(_COUNTS, _SCALARS, _LISTS),
    2: Layout.of(_COUNTS_2, _SCALARS_2, _LISTS_2),
    3: Layout.of(_COUNTS_3, _SCALARS_2, _LISTS_3),
    4: Layout.of(_COUNTS_3, _SCALARS_4, _LISTS_4),
    5: Layout.of(_COUNTS_3, _SCALARS_5, _LISTS_4),
    6: Layout.of(_COUNTS_6, _SCALARS_5, _LISTS_6),
    7: Layout.of(_COUNTS_6, _SCALARS_5, _LISTS_6),
    8: Layout.of(_COUNTS_6, _SCALARS_8, _LISTS_6),
}
"""By version."""
READ_VERSIONS = tuple(LAYOUTS)
