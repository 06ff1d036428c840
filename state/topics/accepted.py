"""Accepted events of one micro-batch, as bytes: what travels to every worker (magic `AC`).

Payload of version 5, little-endian; columns stand in order of falling width, so that each one is
aligned and can be used where it lies:

================ ===== ============ ========================================================
field            type  count        holds
================ ===== ============ ========================================================
time             i64   1            newest event time, ms
origin           u64   1            job and input topic that these are events of
bucket           u32   1            user bucket
events           u32   1            n
keys             u32   1            D, distinct items
users            u32   1            U
factors          u32   1            F
negatives        u32   1            m
context          u32   1            C
named            u32   1            how many of the keys have an id
text             u32   1            T, bytes of the ids
moved            u32   1            M, rows that were moved
width            u32   1            K, numbers of what is learnt of a row
gradients        u32   1            g, numbers an event
flags            u32   1            1: sequences; 2: values; 4: wide, indices are i32;
                              8: ages are u8; 16: ages are u32
zero             u32   1            0
keys             u64   D            item keys
user_keys        u64   U or 0       keys of the users, where their sequences are learnt
coordinate       i64   n            partition and offset of each event
weight           f32   n
value            f32   n or 0       NaN for none
factors          f32   U * F        user factors before their events; of ratings by SGD every
                                    rating is a user of its own here
gradients        f32   n * g
position         i32   n or 0       place of each event in the sequence of its user
user             u16   n            index of its user
item             u16   n            index of its item
context_length   u16   U            context items of each user
context          u16   C            their indices
negatives        u16   n * m        indices of items, the largest number for none
moved            u16   M            indices of keys, each once
differences      f16   M * K        what was learnt of them since it was last told
age              u8    n or 0       seconds from each event to the newest; u32 where one is 256 or
                                    more, none where all are 0
ids              u8    T            UTF-8 ids of the first keys, joined by a line feed
================ ===== ============ ========================================================

A value takes 12 + 72 + 8 D + (16 + 4 g + 2 m) n + 2 U + 2 C + 4 U F + (2 + 2 K) M + T bytes, 8 U +
4 n more with sequences, 4 n more with values and n or 4 n more with ages; where D or U is 65,535
or more, indices are twice as wide. Until version 4 there were no ages: all events had the newest
time. Until version 3 indices always were i32, there were as many gradients as negatives and one
more, and contexts had bounds (i32, U + 1) in place of lengths. Version 2 had no rows that were
moved, and version 1 no origin.
"""

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.accepted import AcceptedBatch
from models.columns.events import OFFSET_BITS
from models.compiled import compiled
from models.items.halves import halves
from state.codec.sealed import SKIP, corrupt, open_sealed, seal

MAGIC = b"AC"
VERSION = 5
READ_VERSIONS = (1, 2, 3, 4, 5)

_COUNTS = (
    "bucket",
    "events",
    "keys",
    "users",
    "factors",
    "negatives",
    "context",
    "named",
    "text",
    "moved",
)
"""Until version 3, the last was a zero."""
_HEADS = {
    1: ("time", *_COUNTS),
    2: ("time", "origin", *_COUNTS),
    3: ("time", "origin", *_COUNTS, "width", "sequences"),
    4: ("time", "origin", *_COUNTS, "width", "gradients", "flags", "zero"),
    5: ("time", "origin", *_COUNTS, "width", "gradients", "flags", "zero"),
}
_FORMATS = {
    version: struct.Struct("<" + "".join({"time": "q", "origin": "Q"}.get(n, "I") for n in names))
    for version, names in _HEADS.items()
}
_HEAD = _FORMATS[VERSION]
_SEQUENCES, _VALUES, _WIDE, _AGES, _OLD_AGES = 1, 2, 4, 8, 16
_NARROW = 65_535
"""Keys and users from which on indices are wide."""
_OLD = 256
"""Seconds from which on ages are."""
_MOST_BUCKETS, _MOST_COORDINATE, _MOST_POSITIONS = 1 << 15, 1 << 15 + OFFSET_BITS, 1 << 31
"""More than there can be: what is beyond would ask for memory that nobody has."""
_TYPES = {
    "keys": "<u8",
    "user_keys": "<u8",
    "coordinate": "<i8",
    "weight": "<f4",
    "value": "<f4",
    "factors": "<f4",
    "gradients": "<f4",
    "position": "<i4",
    "user": "<u2",
    "item": "<u2",
    "context_length": "<u2",
    "context": "<u2",
    "negatives": "<u2",
    "moved": "<u2",
    "differences": "<f2",
    "age": "<u1",
}
"""In version 4 without the last."""
_OLD_TYPES = {
    "keys": "<u8",
    "user_keys": "<u8",
    "coordinate": "<i8",
    "user": "<i4",
    "item": "<i4",
    "weight": "<f4",
    "value": "<f4",
    "context": "<i4",
    "context_start": "<i4",
    "factors": "<f4",
    "negatives": "<i4",
    "gradients": "<f4",
    "position": "<i4",
    "moved": "<i4",
    "differences": "<f2",
}
"""Until version 3."""
_WHERE = "accepted events"


def encode_within(batch: AcceptedBatch, limit: int, window: int) -> list[bytes]:
    """Return the sealed bytes of a batch in as many messages as a limit asks for.

    Parameters
    ----------
    limit : int
        Most bytes of a message; one event always fits (`conf.rules`).
    window : int
        See `models.items.halves.halves`.
    """
    data = encode(batch)
    if len(data) <= limit or len(batch) == 1:
        return [data]
    first, second = halves(batch, window)
    return encode_within(first, limit, window) + encode_within(second, limit, window)


def encode(batch: AcceptedBatch) -> bytes:
    """Return the sealed bytes of a batch.

    Raises
    ------
    ValueError
        If an id contains a line feed.
    """
    text = "\n".join(batch.ids).encode()
    if text.count(b"\n") != max(len(batch.ids) - 1, 0):
        raise ValueError(f"{_WHERE}: expected ids without line feeds, got one; refuse such ids")
    users, factors = batch.factors.shape
    wide = max(len(batch.keys), users) >= _NARROW
    flags = _SEQUENCES * bool(len(batch.user_keys)) | _VALUES * bool(len(batch.value))
    flags |= _WIDE * wide
    if len(batch.age):
        flags |= _AGES if batch.age.max() < _OLD else _OLD_AGES
    head = _HEAD.pack(
        batch.time,
        batch.origin,
        batch.bucket,
        len(batch.user),
        len(batch.keys),
        users,
        factors,
        batch.negatives.shape[1],
        len(batch.context),
        len(batch.ids),
        len(text),
        len(batch.moved),
        batch.differences.shape[1],
        batch.gradients.shape[1],
        flags,
        0,
    )
    context_length = np.diff(batch.context_start)
    columns: list[Any] = [
        np.ascontiguousarray(context_length if n == "context_length" else getattr(batch, n), kind)
        for n, kind in _typed(flags).items()
    ]
    return seal(MAGIC, VERSION, b"".join([head, *columns, text]))


def _typed(flags: int) -> dict[str, str]:
    """Return the types of the columns, in their order."""
    index = "<i4" if flags & _WIDE else "<u2"
    types = {name: index if kind == "<u2" else kind for name, kind in _TYPES.items()}
    return types | {"age": "<u4" if flags & _OLD_AGES else "<u1"}


def decode(data: bytes) -> AcceptedBatch:
    """Return the batch in sealed bytes; its arrays are writable and the caller's own.

    Raises
    ------
    StateError
        If the bytes are damaged, of an unknown version, or speak of things that are not in them.
    """
    version, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE, SKIP)
    layout = _FORMATS[version]
    buffer = bytearray(payload)
    if len(buffer) < layout.size:
        raise corrupt(_WHERE, f"{layout.size} bytes or more", len(buffer), SKIP)
    head = dict(zip(_HEADS[version], layout.unpack_from(buffer), strict=True))
    types, shapes = _shapes(head, version)
    columns, at = _columns(buffer, layout.size, types, shapes, head["text"])
    if version > 3:
        _widen(columns)
    if version > 4:
        columns["age"] = columns["age"].astype(np.uint32)
    batch = AcceptedBatch(
        origin=head.get("origin", 0),
        bucket=head["bucket"],
        time=head["time"],
        ids=_ids(bytes(buffer[at:]), head["named"], head["keys"]),
        **columns,
    )
    _check(batch)
    return batch


def _shapes(
    head: Mapping[str, int], version: int
) -> tuple[Mapping[str, str], dict[str, tuple[int, ...]]]:
    """Return types and shapes of the columns, in their order."""
    n, m, users = head["events"], head["negatives"], head["users"]
    flags = head.get("flags", head.get("sequences", 0) | _VALUES)
    known = 7 if version < 5 else 31
    if flags & ~known or (flags & _AGES and flags & _OLD_AGES):
        raise corrupt(_WHERE, f"flags up to {known}, ages of one kind", flags, SKIP)
    types = dict(_OLD_TYPES)
    if version > 3:
        types = _typed(flags)
    if version == 4:
        del types["age"]
    sequences = bool(flags & _SEQUENCES)
    moved = head["moved"] if version > 2 else 0
    shapes: dict[str, tuple[int, ...]] = {
        "keys": (head["keys"],),
        "user_keys": (users * sequences,),
        "coordinate": (n,),
        "weight": (n,),
        "value": (n * bool(flags & _VALUES),),
        "factors": (users, head["factors"]),
        "gradients": (n, head.get("gradients", 1 + m)),
        "position": (n * sequences,),
        "user": (n,),
        "item": (n,),
        "context_length": (users,),
        "context_start": (users + 1,),
        "context": (head["context"],),
        "negatives": (n, m),
        "moved": (moved,),
        "differences": (moved, head.get("width", 0)),
        "age": (n * bool(flags & (_AGES | _OLD_AGES)),),
    }
    return types, {name: shapes[name] for name in types}


def _widen(columns: dict[str, NDArray[Any]]) -> None:
    """Give indices the type they are used in, and contexts their bounds."""
    start = np.zeros(len(columns["context_length"]) + 1, np.int32)
    np.cumsum(columns.pop("context_length"), out=start[1:])
    columns["context_start"] = start
    if columns["user"].dtype == np.uint16:
        none = columns["negatives"] == _NARROW if columns["negatives"].size else None
        for name in ("user", "item", "context", "negatives", "moved"):
            columns[name] = columns[name].astype(np.int32)
        if none is not None:
            columns["negatives"][none] = -1


def _check(batch: AcceptedBatch) -> None:
    """Refuse indices that point nowhere: compiled loops do not look where they step."""
    starts, coordinate = batch.context_start, batch.coordinate
    if starts[0] != 0 or starts[-1] != len(batch.context) or (np.diff(starts) < 0).any():
        raise corrupt(_WHERE, "bounds of contexts in order", "others", SKIP)
    if batch.bucket >= _MOST_BUCKETS:
        raise corrupt(_WHERE, f"a bucket below {_MOST_BUCKETS}", batch.bucket, SKIP)
    if len(coordinate) and not 0 <= coordinate.min() <= coordinate.max() < _MOST_COORDINATE:
        raise corrupt(_WHERE, "coordinates of records", "one outside", SKIP)
    if len(batch.age) and int(batch.age.max()) > max(batch.time, 0) // 1000:
        raise corrupt(_WHERE, "events after 1970", "an older one", SKIP)
    keys = len(batch.keys)
    limits = (
        ("user", 0, len(batch.factors)),
        ("item", 0, len(batch.ids)),
        ("position", 0, _MOST_POSITIONS),
        ("context", 0, keys),
        ("negatives", -1, keys),
        ("moved", 0, keys),
    )
    columns = tuple(getattr(batch, name).reshape(-1) for name, *_ in limits)
    outside = _first_outside(columns, np.array([limit for _, *limit in limits], np.int64))
    if outside >= 0:
        name, least, most = limits[outside]
        raise corrupt(_WHERE, f"{name} from {least} to below {most}", "one outside", SKIP)
    if len(batch.moved):
        once = len(np.unique(batch.moved)) == len(batch.moved)
        if not once or not np.isfinite(batch.differences).all():
            raise corrupt(_WHERE, "finite differences, one a row", "others", SKIP)


@compiled
def _first_outside(columns: tuple[NDArray[np.int32], ...], limits: NDArray[np.int64]) -> int:
    """Return the first column with a number outside of [least, most), -1 for none."""
    for c in range(len(columns)):
        column = columns[c]
        for n in range(len(column)):
            if column[n] < limits[c, 0] or column[n] >= limits[c, 1]:
                return c
    return -1


def _columns(
    buffer: bytearray,
    at: int,
    types: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    text: int,
) -> tuple[dict[str, NDArray[Any]], int]:
    """Return the columns behind the head and where the text begins."""
    sizes = {name: math.prod(shape) * int(types[name][2:]) for name, shape in shapes.items()}
    total = at + sum(sizes.values()) + text
    if total != len(buffer):
        raise corrupt(_WHERE, f"{total} bytes by its counts", len(buffer), SKIP)
    columns: dict[str, NDArray[Any]] = {}
    for name, shape in shapes.items():
        columns[name] = np.ndarray(shape, types[name], buffer, at)
        at += sizes[name]
    return columns, at


def _ids(text: bytes, named: int, keys: int) -> list[str]:
    """Return the ids, which must be as many as the head says and no more than the keys."""
    try:
        ids = text.decode().split("\n") if named else []
    except UnicodeDecodeError as error:
        raise corrupt(_WHERE, "ids in UTF-8", f"another byte at {error.start}", SKIP) from None
    if len(ids) != named or named > keys or (text and not named):
        raise corrupt(_WHERE, f"{named} ids of {keys} keys", len(ids), SKIP)
    return ids
