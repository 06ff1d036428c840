"""Training events as blocks: a bounded ring, a reservoir of what left it, and copies on disk."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.deep.mixing import mixed
from state.keyed import ring
from state.keyed.ring import Block
from state.keyed.tuner_state import TunerState

BLOCK_EVENTS = 16_384
_OLD, _NEW = "a", "b"
_COLUMNS: tuple[str, ...] = ("users", "items", "times")
"""What a round reads, a file a block and column."""
_OLD_SHARE = 5
"""The reservoir holds at most one in so many events of the ring's bound."""


class Memory(Protocol):
    """Keyed state: name -> bytes."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes under a name."""

    def put(self, key: str, value: bytes) -> None:
        """Replace the bytes under a name."""

    def remove(self, key: str) -> None:
        """Forget a name."""


class Blocks:
    """Events in state, and copies of them as files for the rounds.

    A file may be gone at any time: it is written again from the state.

    The ring holds the newest events. What leaves it stays in the reservoir for a share of the
    users, chosen by hash, which is halved whenever the reservoir is full: their whole sequences are
    there for replay, however long ago they were.

    Parameters
    ----------
    state : TunerState
        Its `blocks`, `next_block` and `old_share` are kept up to date.
    memory : Memory
    limit : int
        Events of the ring.
    values : bool
        Whether their ratings are files, too.
    """

    def __init__(
        self, state: TunerState, memory: Memory, limit: int, *, values: bool = False
    ) -> None:
        self._state, self._memory, self._limit = state, memory, limit
        self._columns = ("users", "items", "times", "values") if values else _COLUMNS
        self._folder = Path()
        self._written: set[str] = set()

    @property
    def events(self) -> int:
        """Events in ring and reservoir."""
        return sum(self._state.blocks.values())

    def append(self, block: Block) -> None:
        """Add events; the oldest leave where there are too many."""
        for at in range(0, len(block), BLOCK_EVENTS):
            self._append(block.take(slice(at, at + BLOCK_EVENTS)))
        while self._count(_NEW) > self._limit:
            oldest = min(name for name in self._state.blocks if name.startswith(_NEW))
            self._retire(oldest)

    def forget(self, user: int) -> int:
        """Forget the events of a user, by its key; return how many there were.

        The state's count of new events, which are the last ones, goes down by those among them.
        """
        gone, begin, new_from = 0, 0, self.events - self._state.new_events
        for name in sorted(self._state.blocks):
            block = self._read(name)
            theirs = block.user == np.uint64(user)
            new = int(np.count_nonzero(theirs[max(0, new_from - begin) :]))
            begin += len(block)
            if theirs.any():
                gone += int(np.count_nonzero(theirs))
                self._state.new_events = max(0, self._state.new_events - new)
                rest = block.take(~theirs)
                self._put(name, rest) if len(rest) else self._drop(name)
        return gone

    def write(self, folder: Path, seconds: float) -> bool:
        """Write blocks that have no file yet, for no longer than told; return whether all have one.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        if folder != self._folder:
            self._folder, self._written = folder, set()
        end = time.monotonic() + seconds
        for name in sorted(self._state.blocks.keys() - self._written):
            if time.monotonic() >= end:
                return False
            self._write(name)
        return True

    def lay_out(self, folder: Path) -> None:
        """Link the files of all blocks, the oldest events first, into a round's folder.

        Raises
        ------
        OSError
            If a file cannot be written or linked.
        """
        for name in sorted(self._state.blocks):
            if name not in self._written:
                self._write(name)
            try:
                self._link(name, folder)
            except FileNotFoundError:  # somebody tidied up
                self._write(name)
                self._link(name, folder)

    def _append(self, block: Block, kind: str = _NEW) -> None:
        names = [name for name in self._state.blocks if name.startswith(kind)]
        tail = max(names) if names else None
        if tail is not None and self._state.blocks[tail] + len(block) <= BLOCK_EVENTS:
            self._put(tail, Block.joined(self._read(tail), block))
            return
        self._state.next_block += 1
        self._put(f"{kind}{self._state.next_block:010}", block)

    def _retire(self, name: str) -> None:
        """Take a block out of the ring; events of the reservoir's users stay."""
        state, block = self._state, self._read(name)
        self._drop(name)
        kept = block.take(of_share(block, state.old_share))
        if len(kept):
            self._append(kept, _OLD)
        while self._count(_OLD) > max(BLOCK_EVENTS, self._limit // _OLD_SHARE):
            state.old_share /= 2
            for old in [name for name in sorted(state.blocks) if name.startswith(_OLD)]:
                held = self._read(old)
                left = held.take(of_share(held, state.old_share))
                self._put(old, left) if len(left) else self._drop(old)

    def _count(self, kind: str) -> int:
        return sum(n for name, n in self._state.blocks.items() if name.startswith(kind))

    def _read(self, name: str) -> Block:
        stored = self._memory.get(f"block/{name}")
        return ring.decode(stored or b"")

    def _put(self, name: str, block: Block) -> None:
        self._memory.put(f"block/{name}", ring.encode(block))
        self._state.blocks[name] = len(block)
        if name in self._written:
            self._written.discard(name)
            self._unlink(name)

    def _drop(self, name: str) -> None:
        self._memory.remove(f"block/{name}")
        del self._state.blocks[name]
        self._written.discard(name)
        self._unlink(name)

    def _unlink(self, name: str) -> None:
        for column in self._columns:
            with contextlib.suppress(OSError):
                (self._folder / f"{column}-{name}.npy").unlink()

    def _link(self, name: str, folder: Path) -> None:
        for column in self._columns:
            target = folder / f"{column}-{name}.npy"
            target.unlink(missing_ok=True)
            os.link(self._folder / target.name, target)

    def _write(self, name: str) -> None:
        block = self._read(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        columns: dict[str, NDArray[Any]] = {
            "users": block.user, "items": block.item, "times": block.time, "values": block.values
        }  # fmt: skip
        for column in self._columns:
            part = self._folder / f"{column}.part"
            with part.open("wb") as stream:
                np.save(stream, columns[column], allow_pickle=False)
            # a round that began keeps the file it linked
            part.replace(self._folder / f"{column}-{name}.npy")
        self._written.add(name)


def of_share(block: Block, share: float) -> NDArray[np.bool_]:
    """Return which events are of users that belong to a share of all, always the same ones."""
    limit = np.uint64(min(share, 1.0) * (2**64 - 1025))
    chosen: NDArray[np.bool_] = mixed(block.user) < limit
    return chosen
