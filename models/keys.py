"""Stable names: 64-bit keys of items and events (xxHash3), and the bucket a user belongs to."""

import numpy as np
import xxhash

from models.compiled import compiled

_SEED = np.uint32(42)
_C1 = np.uint32(0xCC9E2D51)
_C2 = np.uint32(0x1B873593)
_ADD = np.uint32(0xE6546B64)
_FIVE = np.uint32(5)


def key_of(identifier: str) -> int:
    """Return the 64-bit key of an id; the same on every machine and in every version.

    >>> key_of("item-1") == key_of("item-1")
    True
    """
    return xxhash.xxh3_64_intdigest(identifier.encode())


def bucket_of(identifier: str, buckets: int) -> int:
    """Return the bucket of a user id: what Flink SQL computes as `HASH_CODE(id) mod buckets`.

    Parameters
    ----------
    identifier : str
    buckets : int
        A power of two, so that a negative hash needs no care.

    Source: `MurmurHashUtils.hashUnsafeBytes` of flink-table (MurmurHash3 x86 32, seed 42, each
    byte behind the last whole word mixed in by itself).
    """
    return int(java_hash(identifier.encode())) & (buckets - 1)


@compiled
def java_hash(data: bytes) -> np.uint32:
    """Return Java's `BinaryStringData.hashCode` of UTF-8 bytes, as an unsigned number."""
    size = len(data)
    whole = size - size % 4
    h = _SEED
    for at in range(0, whole, 4):
        word = np.uint32(data[at]) | np.uint32(data[at + 1]) << np.uint32(8)
        word |= np.uint32(data[at + 2]) << np.uint32(16)
        word |= np.uint32(data[at + 3]) << np.uint32(24)
        h = _mixed(h, np.uint32(word))
    for at in range(whole, size):
        h = _mixed(h, np.uint32(np.int8(data[at])))
    h = np.uint32(h ^ np.uint32(size))
    h = np.uint32((h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B))
    h = np.uint32((h ^ h >> np.uint32(13)) * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ h >> np.uint32(16))


@compiled
def _mixed(h: np.uint32, word: np.uint32) -> np.uint32:
    """Return the hash after one more word."""
    word = _rotated(np.uint32(word * _C1), np.uint32(15))
    h = np.uint32(h ^ np.uint32(word * _C2))
    return np.uint32(_rotated(h, np.uint32(13)) * _FIVE + _ADD)


@compiled
def _rotated(word: np.uint32, bits: np.uint32) -> np.uint32:
    """Return a word rotated to the left."""
    return np.uint32(word << bits | word >> (np.uint32(32) - bits))
