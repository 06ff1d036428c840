"""The stages' view of keyed state."""

from typing import Protocol


class Memory(Protocol):
    """Entries of a bucket: name -> bytes."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes of an entry."""

    def put(self, key: str, value: bytes) -> None:
        """Replace the bytes of an entry."""

    def remove(self, key: str) -> None:
        """Forget an entry that is there."""
