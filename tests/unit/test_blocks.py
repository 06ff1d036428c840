"""Training events as blocks: bounded, in order, the same on disk as in state."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.fine_tune import blocks
from operators.fine_tune.blocks import BLOCK_EVENTS, Blocks, of_share
from state.codec.sealed import StateError
from state.keyed import ring
from state.keyed.ring import Block
from state.keyed.tuner_state import TunerState

LIMIT = 4 * BLOCK_EVENTS
SMALL = 64
"""Events of a block where a test needs many blocks."""


class Entries(dict[str, bytes]):
    """Keyed state as a dictionary."""

    put = dict.__setitem__
    remove = dict.__delitem__


def made(first: int, events: int, *, users: int = 1_000) -> Block:
    """Events whose times are consecutive numbers, so that order and loss are seen."""
    time = np.arange(first, first + events)
    user = (time.astype(np.uint64) * np.uint64(2654435761)) % np.uint64(users)
    return Block(user, time.astype(np.uint64) + np.uint64(7), time)


def held(entries: Entries, state: TunerState, kind: str = "") -> Block:
    """All events in state, the reservoir's first."""
    names = [name for name in sorted(state.blocks) if name.startswith(kind)]
    return Block.joined(made(0, 0), *(ring.decode(entries[f"block/{name}"]) for name in names))


def laid_out(one: Blocks, folder: Path, files: str = "blocks") -> Block:
    """What a trainer reads from a round's folder."""
    folder.mkdir(parents=True)
    assert one.write(folder.parent / files, 60)
    one.lay_out(folder)
    columns = [
        np.concatenate([np.load(file) for file in sorted(folder.glob(f"{name}-*.npy"))])
        for name in ("users", "items", "times")
    ]
    return Block(*columns)


def assert_same(found: Block, expected: Block) -> None:
    for name in ("user", "item", "time"):
        a, b = getattr(found, name), getattr(expected, name)
        assert a.dtype == b.dtype
        assert np.array_equal(a, b), name


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks small."""
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", SMALL)


def test_the_ring_is_bounded_and_the_oldest_leave(tmp_path: Path) -> None:
    state, entries = TunerState(), Entries()
    one = Blocks(state, entries, LIMIT)
    sizes = [1, 5_000, 16_384, 16_385, 40_000, 100, 30_000, 16_384, 3]
    first = 0
    for size in sizes:
        one.append(made(first, size))
        first += size
        newest = held(entries, state, "b").time
        assert len(newest) <= LIMIT
        assert newest.tolist() == list(range(first - len(newest), first))
        if first > LIMIT:
            assert len(newest) > LIMIT - BLOCK_EVENTS
    assert one.events == sum(state.blocks.values()) == len(held(entries, state))
    assert {f"block/{name}" for name in state.blocks} == set(entries)


def test_no_block_is_larger_than_it_may_be_and_tails_are_filled(tmp_path: Path) -> None:
    state = TunerState()
    one = Blocks(state, Entries(), LIMIT)
    for first in range(0, 8_000, 8):
        one.append(made(first, 8))
    assert list(state.blocks.values()) == [8_000]
    one.append(made(8_000, 3 * BLOCK_EVENTS))
    assert max(state.blocks.values()) == BLOCK_EVENTS


def test_a_block_without_events_adds_nothing(tmp_path: Path) -> None:
    state, entries = TunerState(), Entries()
    Blocks(state, entries, LIMIT).append(made(0, 0))
    assert (state.blocks, entries) == ({}, {})


@pytest.mark.usefixtures("small")
@settings(max_examples=30)
@given(sizes=st.lists(st.integers(0, 200), max_size=25), limit=st.integers(SMALL, 500))
def test_events_keep_their_order_and_none_comes_twice(sizes: list[int], limit: int) -> None:
    state, entries, first = TunerState(), Entries(), 0
    one = Blocks(state, entries, limit)
    for size in sizes:
        one.append(made(first, size))
        first += size
        time = held(entries, state).time
        assert (np.diff(time) > 0).all()
        assert len(held(entries, state, "b")) <= limit
        assert len(held(entries, state, "a")) <= max(SMALL, limit // 5)


@pytest.mark.usefixtures("small")
def test_the_reservoir_keeps_whole_users_and_is_halved_where_it_is_full(tmp_path: Path) -> None:
    state, entries = TunerState(), Entries()
    one = Blocks(state, entries, 1_000)
    everything, shares = made(0, 0), []
    for first in range(0, 20_000, 50):
        block = made(first, 50)
        everything = Block.joined(everything, block)
        one.append(block)
        shares.append(state.old_share)
        old = held(entries, state, "a")
        assert len(old) <= 200
        # everything that ever left the ring and is of the users that stay
        left = everything.take(everything.time < held(entries, state, "b").time[0])
        assert_same(old, left.take(of_share(left, state.old_share)))
    assert shares[0] == 1
    assert all(b in (a, a / 2, a / 4) for a, b in pairwise(shares))
    assert 1 / 512 < shares[-1] < 1 / 16
    assert len(np.unique(held(entries, state, "a").user)) > 1


def test_users_of_a_share_belong_to_every_larger_share() -> None:
    block = made(0, 20_000, users=10_000)
    before = np.ones(len(block), np.bool_)
    assert of_share(block, 1.0).all()
    assert of_share(block, 7.0).all()
    for share in (0.5, 0.25, 0.125):
        chosen = of_share(block, share)
        assert chosen.mean() == pytest.approx(share, abs=0.03)
        assert not (chosen & ~before).any()
        before = chosen
    assert not of_share(block, 0.0).any()


@pytest.mark.usefixtures("small")
def test_files_hold_exactly_the_events_in_their_order(tmp_path: Path) -> None:
    state, entries = TunerState(), Entries()
    one = Blocks(state, entries, 300)
    for n, first in enumerate(range(0, 3_000, 150)):
        one.append(made(first, 150))
        assert_same(laid_out(one, tmp_path / f"round-{n}"), held(entries, state))
    files = {path.name for path in (tmp_path / "blocks").iterdir()}
    assert files == {f"{c}-{n}.npy" for n in state.blocks for c in ("users", "items", "times")}


@pytest.mark.usefixtures("small")
def test_a_restored_one_lays_out_the_same_in_another_folder(tmp_path: Path) -> None:
    state, entries = TunerState(), Entries()
    before = Blocks(state, entries, 300)
    for first in range(0, 1_500, 150):
        before.append(made(first, 150))
    expected = laid_out(before, tmp_path / "round-before", "before")
    after = Blocks(state, entries, 300)
    assert_same(laid_out(after, tmp_path / "round-after", "after"), expected)
    after.append(made(1_500, 10))
    assert_same(laid_out(after, tmp_path / "round-later", "after"), held(entries, state))


@pytest.mark.usefixtures("small")
def test_what_comes_later_does_not_change_the_files_of_a_round(tmp_path: Path) -> None:
    state, entries = TunerState(), Entries()
    one = Blocks(state, entries, 300)
    one.append(made(0, 310))
    laid_out(one, tmp_path / "round")
    before = {path.name: path.read_bytes() for path in (tmp_path / "round").iterdir()}
    for first in range(310, 3_000, 30):  # fills the tail, retires blocks, halves the reservoir
        one.append(made(first, 30))
    assert {path.name: path.read_bytes() for path in (tmp_path / "round").iterdir()} == before


def test_a_block_that_is_gone_from_state_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    state, entries = TunerState(), Entries()
    one = Blocks(state, entries, LIMIT)
    one.append(made(0, 10))
    entries.clear()
    with pytest.raises(StateError, match=r"block of training events: expected .*; restore"):
        one.write(tmp_path / "blocks", 60)


@pytest.mark.usefixtures("small")
def test_files_are_written_by_and_by(tmp_path: Path) -> None:
    state = TunerState()
    one = Blocks(state, Entries(), 10_000)
    one.append(made(0, 3_000))
    assert not one.write(tmp_path / "blocks", 0.0)
    calls = 1
    while not one.write(tmp_path / "blocks", 1e-4):
        calls += 1
    assert calls > 1
    assert len(list((tmp_path / "blocks").iterdir())) == 3 * len(state.blocks)
