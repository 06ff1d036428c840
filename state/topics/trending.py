"""Trending items: records of `model_updates` with the key `trending` (JSON, version 1).

The newest one holds. It is written by SQL (`written_by`), in which ids are quoted as JSON wants it:
whatever they are, they stay what they are.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.keys import key_of
from state.codec import json_codec
from state.codec.json_codec import Count
from state.codec.sealed import SKIP, CorruptError

KEY = b"trending"
VERSION = 1


class Trending(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of items in a window."""

    version: int = VERSION
    origin: str = ""
    """Whose it is, see `models.keys.origin_of`, in hexadecimal."""
    window_end: Count
    """Event time, ms since 1970."""
    seen: dict[str, Count]
    """Item ids and how many sightings were counted."""

    def keys(self) -> NDArray[np.uint64]:
        """Return the keys of the items, most seen first; equals in the order of their ids."""
        ranked = sorted(self.seen.items(), key=lambda entry: (-entry[1], entry[0]))
        return np.array([key_of(item) for item, _ in ranked], np.uint64)


def written_by(item: str, seen: str, window_end: str, origin: int) -> str:
    """Return the SQL aggregate that writes a record.

    Parameters
    ----------
    item, seen, window_end : str
        SQL expressions: of an id and its count in each row, and of a number of ms.
    origin : int
    """
    head = f'{{"version":{VERSION},"origin":"{origin:016x}","window_end":'
    listed = f"LISTAGG(JSON_QUOTE({item}) || ':' || CAST({seen} AS STRING))"
    return f"""'{head}' || CAST({window_end} AS STRING) || ',"seen":{{' || {listed} || '}}}}'"""


def decode(value: bytes) -> Trending:
    """Read a record.

    Raises
    ------
    StateError
        With what was expected.
    """
    listed = json_codec.decode(value, Trending, "trending", remedy=SKIP)
    if listed.version != VERSION:
        raise CorruptError(f"trending: expected version {VERSION}, got {listed.version}; {SKIP}")
    return listed
