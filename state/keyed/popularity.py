"""Sums of a user bucket for the weights of popularity (magic `PW`).

Payload, little-endian: histories (u16), sums (u16), then float64[histories, sums], see
`models.weights.popularity`. Version 1 has no sums of the largest weight: they are read as those of
the one before. Sums of another shape belong to other weights: they are read as none.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from models.arrays.weights import CHOICES, GAINS, HISTORIES
from models.weights.popularity import no_sums
from state.codec.sealed import corrupt, open_sealed, seal

MAGIC = b"PW"
VERSION = 2
READ_VERSIONS = (1, 2)
_WHERE = "weights of popularity"
_SHAPE = struct.Struct("<HH")


def encode(sums: NDArray[np.float64]) -> bytes:
    """Return the value of sums, float64[HISTORIES, GAINS]."""
    payload = _SHAPE.pack(*sums.shape) + sums.astype("<f8").tobytes()
    return seal(MAGIC, VERSION, payload)


def decode(value: bytes | None) -> NDArray[np.float64]:
    """Return sums, float64[HISTORIES, GAINS]; of no value those over nothing.

    Raises
    ------
    StateError
        The value is damaged or of an unknown version.
    """
    if value is None:
        return no_sums()
    version, payload = open_sealed(value, MAGIC, READ_VERSIONS, _WHERE)
    if len(payload) < _SHAPE.size:
        raise corrupt(_WHERE, "a shape", f"{len(payload)} bytes")
    histories, sums = _SHAPE.unpack_from(payload)
    if len(payload) != _SHAPE.size + 8 * histories * sums:
        expected = f"{histories} x {sums} numbers"
        raise corrupt(_WHERE, expected, f"{len(payload) - _SHAPE.size} bytes")
    found = np.frombuffer(payload, "<f8", offset=_SHAPE.size).reshape(histories, sums)
    if version == 1 and sums == GAINS - 2:
        found = np.insert(found, (CHOICES, sums), found[:, (CHOICES - 1, sums - 1)], axis=1)
    if found.shape != (HISTORIES, GAINS):
        return no_sums()
    return found.copy() if np.isfinite(found).all() else no_sums()
