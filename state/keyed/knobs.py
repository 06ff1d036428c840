"""Sums of a user bucket for the knobs of scores (magic `KN`).

Payload of version 1, little-endian: knobs (u16), sums (u16), float64[knobs] where they started,
then float64[sums], see `models.weights.knobs`. Sums of other knobs, or of other starts, are read as
none: they count from there.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from models.arrays.weights import KNOBS, TUNINGS
from models.weights.knobs import no_sums
from state.codec.sealed import corrupt, open_sealed, seal

MAGIC = b"KN"
VERSION = 1
_WHERE = "knobs of scores"
_SHAPE = struct.Struct("<HH")


def encode(start: NDArray[np.float64], sums: NDArray[np.float64]) -> bytes:
    """Return the value of sums, float64[TUNINGS], of knobs with these starts, float64[KNOBS]."""
    payload = _SHAPE.pack(len(start), len(sums))
    payload += start.astype("<f8").tobytes() + sums.astype("<f8").tobytes()
    return seal(MAGIC, VERSION, payload)


def decode(value: bytes | None, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums, float64[TUNINGS]; of no value those over nothing.

    Raises
    ------
    StateError
        The value is damaged or of an unknown version.
    """
    if value is None:
        return no_sums()
    _, payload = open_sealed(value, MAGIC, (VERSION,), _WHERE)
    if len(payload) < _SHAPE.size:
        raise corrupt(_WHERE, "a shape", f"{len(payload)} bytes")
    knobs, sums = _SHAPE.unpack_from(payload)
    if len(payload) != _SHAPE.size + 8 * (knobs + sums):
        expected = f"{knobs} + {sums} numbers"
        raise corrupt(_WHERE, expected, f"{len(payload) - _SHAPE.size} bytes")
    numbers = np.frombuffer(payload, "<f8", offset=_SHAPE.size)
    same = (knobs, sums) == (KNOBS, TUNINGS) and np.array_equal(numbers[:knobs], start)
    return numbers[knobs:].copy() if same and np.isfinite(numbers).all() else no_sums()
