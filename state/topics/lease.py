"""Who writes the output topics: records of `model_updates` with the key `lease` (JSON, version 1).

A job renews its lease once a checkpoint. The newest epoch holds: a job that learns of a newer one
must not write any more, and one that is to start asks first whether somebody still renews.
"""

import msgspec

from state.codec import json_codec
from state.codec.json_codec import Count
from state.codec.sealed import SKIP, CorruptError

KEY = b"lease"
VERSION = 1


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A job's right to write."""

    version: int = VERSION
    run: str
    """Of one submission: a job that Flink restarts has the same."""
    job: str
    """Its name, for people."""
    epoch: Count
    """When it was submitted, ms since 1970."""
    at: Count
    """When this was written, ms since 1970."""

    def yields_to(self, other: "Lease") -> bool:
        """Return whether another lease holds in place of this one."""
        return other.run != self.run and (other.epoch, other.run) > (self.epoch, self.run)


class TakenOverError(Exception):
    """Another job writes the same topics; operator action: cancel this one, or give each its own.

    The job fails by it and Flink restarts it in vain: two writers would repeat each other.
    """


def encode(lease: Lease) -> bytes:
    """Return the value of a record."""
    return msgspec.json.encode(lease)


def decode(value: bytes) -> Lease:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If it is no lease, or one of another version.
    """
    lease = json_codec.decode(value, Lease, "lease", remedy=SKIP)
    if lease.version != VERSION:
        raise CorruptError(f"lease: expected version {VERSION}, got {lease.version}; {SKIP}")
    return lease
