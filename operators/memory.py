"""What the stages see of keyed state."""

from typing import Protocol


class Memory(Protocol):
    """What is remembered of a bucket: entry -> bytes."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes of an entry."""

    def put(self, key: str, value: bytes) -> None:
        """Replace the bytes of an entry."""
