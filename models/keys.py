"""Stable names: 64-bit keys of items and events (xxHash3), and the bucket a user belongs to."""

from functools import lru_cache
from itertools import count

import numpy as np
import xxhash

from models.compiled import compiled

MIXER = 2_654_435_769
"""2**32 divided by the golden ratio."""
MIXER_SHIFT = 26


def key_of(identifier: str) -> int:
    """Return the 64-bit key of an id; the same on every machine and in every version.

    >>> key_of("item-1") == key_of("item-1")
    True
    """
    return xxhash.xxh3_64_intdigest(identifier.encode())


def origin_of(job: str, topic: str) -> int:
    """Return the number that a job's records on the loop carry: of its name and input topic."""
    return key_of(f"{job}\n{topic}") or 1


def bucket_of(identifier: str, buckets: int) -> int:
    """Return the bucket that Flink's SQL puts a user id into (`jobs.tables.user_bucket`).

    Java's hash spreads running numbers badly (the busiest of 8 subtasks would get 1.75 times its
    share), so it is mixed by Fibonacci hashing: Knuth, The Art of Computer Programming 3, 6.4.

    Parameters
    ----------
    identifier : str
    buckets : int
        A power of two.
    """
    hashed = int(hash_code(identifier.encode("utf-16-le")))
    return hashed * MIXER // (1 << MIXER_SHIFT) % buckets


@lru_cache(1 << 16)
def id_in(bucket: int, buckets: int) -> str:
    """Return an id that belongs to a bucket: the first number that does."""
    numbers = map(str, count())
    return next(number for number in numbers if bucket_of(number, buckets) == bucket)


@compiled
def hash_code(units: bytes) -> np.int32:
    """Return Flink SQL's `HASH_CODE` of a string: Java's `String.hashCode` without its sign.

    Parameters
    ----------
    units : bytes
        The string in UTF-16, little-endian.
    """
    h = np.uint32(0)
    for at in range(0, len(units), 2):
        unit = np.uint32(units[at]) | np.uint32(units[at + 1]) << np.uint32(8)
        h = np.uint32(np.uint32(31) * h + unit)
    return np.int32(abs(np.int32(h)))
