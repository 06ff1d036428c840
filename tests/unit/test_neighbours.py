"""Session neighbours against dictionaries of sequences."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.arrays.neighbours import GIVEN_UP, SPARE_CHUNKS, UNIT
from models.neighbours.table import Neighbours
from models.params.neighbours import NeighbourParams
from tests.kernels import fill_neighbours, find_neighbours, learn_place, slot_of, sources_of

ITEMS, KEYS = 9, 7
SMALL = NeighbourParams(occurrences=4, most_similar=2, sequences=4, length=4, recent=5, reach=2)
PARAMS = {
    "all bounds met": SMALL,
    "few sequences": replace(SMALL, occurrences=50, length=64, sequences=2),
    "one sequence": replace(SMALL, occurrences=50, length=64, sequences=1),
    "short rings of places": replace(SMALL, occurrences=1, length=64, sequences=50),
    "short sequences": replace(SMALL, occurrences=50, length=2, sequences=50),
    "many neighbours": replace(SMALL, occurrences=50, length=64, sequences=50, most_similar=50),
    "many ties": replace(SMALL, occurrences=50, length=64, sequences=50, decay=1.0, most_similar=3),
    "few items, chunks of 4": replace(SMALL, occurrences=50, sequences=50, kept=10),
    "few items, chunks of 32": replace(SMALL, occurrences=50, length=64, sequences=50, kept=128),
    "nothing before": replace(SMALL, occurrences=50, before=0.0),
    "as it comes": NeighbourParams(),
}
ROOMY = replace(SMALL, occurrences=500, length=512, sequences=50, most_similar=3, reach=4)


@dataclass(eq=False)
class Sequence:
    key: int
    items: dict[int, int] = field(default_factory=dict)
    until: int = 0
    chunks: int = 0


@dataclass
class Found:
    sequence: Sequence
    depth: int
    position: int
    similarity: int = 0


class Reference:
    """The same in dictionaries."""

    def __init__(self, params: NeighbourParams) -> None:
        self.params = params
        self.sequences: OrderedDict[int, Sequence] = OrderedDict()
        self.places: dict[int, deque[tuple[Sequence, int]]] = {}
        self.chunk = min(params.length, 32)

    def learn(self, key: int, item: int) -> None:
        if key not in self.sequences and len(self.sequences) == self.params.sequences:
            self.sequences.popitem(last=False)
        sequence = self.sequences.setdefault(key, Sequence(key))
        self.sequences.move_to_end(key)
        if sequence.until % self.chunk == 0 and sequence.until < self.params.length:
            self.take_chunk(sequence)
        sequence.items[sequence.until] = item
        ring = self.places.setdefault(item, deque(maxlen=self.params.occurrences))
        ring.append((sequence, sequence.until))
        sequence.items.pop(sequence.until - self.params.length, None)
        sequence.until += 1

    def take_chunk(self, sequence: Sequence) -> None:
        limit = -(-self.params.kept // self.chunk)
        if sum(one.chunks for one in self.sequences.values()) == limit:
            self.sequences.popitem(last=False)
        sequence.chunks += 1

    def living(self, item: int) -> list[tuple[Sequence, int]]:
        return [
            (sequence, position)
            for sequence, position in self.places.get(item, ())
            if self.sequences.get(sequence.key) is sequence and position in sequence.items
        ]

    def found(self, recent: list[int], key: int) -> list[Found]:
        every: dict[int, Found] = {}
        for depth, item in enumerate(recent[::-1][: self.params.recent]):
            for sequence, position in reversed(self.living(item)):
                if sequence.key != key:
                    one = every.setdefault(sequence.key, Found(sequence, depth, position))
                    one.similarity += round(self.params.decay**depth * UNIT)
        ordered = sorted(every.values(), key=lambda one: -one.similarity)
        return ordered[: self.params.most_similar]

    def words(self, recent: list[int], key: int) -> list[tuple[int, int, float]]:
        """Return item, depth and weight of everything that neighbours say."""
        said = []
        for one in self.found(recent, key):
            weight = one.similarity / UNIT * self.params.decay**one.depth
            for position, item in sorted(one.sequence.items.items()):
                offset = position - one.position
                if abs(offset) <= self.params.reach:
                    side = self.params.before if offset < 0 else 1.0
                    said.append((item, one.depth, weight * side / (1 + 0.5 * abs(offset))))
        return said

    def scores(self, recent: list[int], key: int) -> NDArray[np.float64]:
        shares = np.zeros(ITEMS)
        for item, _, weight in self.words(recent, key):
            shares[item] += weight
        return np.log1p(shares / (shares.sum() or 1) / self.params.smoothing)

    def given(self, recent: list[int], key: int, item: int) -> NDArray[np.float64]:
        """Return what each of the user's items gives one item, the newest first."""
        gifts = np.zeros(self.params.recent)
        for said, depth, weight in self.words(recent, key):
            gifts[depth] += weight * (said == item)
        return gifts

    def only_what_places_tell(self) -> None:
        for sequence in self.sequences.values():
            sequence.items = {
                position: item
                for position, item in sequence.items.items()
                if (sequence, position) in self.places[item]
            }

    def move(self, moved: list[int]) -> None:
        for sequence in self.sequences.values():
            sequence.items = {
                at: moved[item] for at, item in sequence.items.items() if moved[item] >= 0
            }
        self.places = {moved[x]: ring for x, ring in self.places.items() if moved[x] >= 0}


class Pair:
    """The arrays and the reference, taught the same."""

    def __init__(self, params: NeighbourParams, seed: int) -> None:
        self.arrays = Neighbours(params, ITEMS)
        self.reference = Reference(params)
        self.random = np.random.default_rng(seed)

    def learn(self, events: int, items: int = ITEMS) -> None:
        for _ in range(events):
            key, item = int(self.random.integers(KEYS)), int(self.random.integers(items))
            self.arrays.make_room(1)
            learn_place(self.arrays.arrays, np.uint64(key), item)
            self.reference.learn(key, item)

    def query(self) -> tuple[list[int], int]:
        """Return a user with up to 7 last items; its own sequence may be one of those known."""
        recent = self.random.integers(0, ITEMS, int(self.random.integers(0, 8))).tolist()
        return recent, int(self.random.integers(KEYS + 1))

    def agree(self) -> None:
        recent, key = self.query()
        scores = scored(self.arrays, recent, key, self.reference.params.smoothing)
        np.testing.assert_allclose(scores, self.reference.scores(recent, key), 1e-5, 1e-5)


def scored(
    neighbours: Neighbours, recent: list[int], key: int, smoothing: float = 1e-3
) -> NDArray[np.float32]:
    part = np.full(ITEMS, np.nan, np.float32)
    find_neighbours(neighbours.arrays, np.array(recent, np.int32), np.uint64(key))
    assert not neighbours.arrays.found.any(), "scratch memory is clean"
    fill_neighbours(neighbours.arrays, ITEMS, part, smoothing)
    return part


def exchanged(source: Neighbours, target: Neighbours) -> None:
    rows = np.arange(ITEMS, dtype=np.int32)
    target.replace(rows, *source.export(rows))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_scores_are_those_of_the_reference(params: NeighbourParams, seed: int) -> None:
    pair = Pair(params, seed)
    for _ in range(200):
        pair.learn(1)
        pair.agree()
    assert pair.arrays.sequences == len(pair.reference.sequences)


def test_shares_add_up_to_one() -> None:
    pair = Pair(ROOMY, 3)
    pair.learn(200)
    scores = scored(pair.arrays, [1, 2, 3], KEYS).astype(np.float64)
    assert np.expm1(scores).sum() * 1e-3 == pytest.approx(1.0, rel=1e-4)


def test_nothing_is_said_without_a_neighbour() -> None:
    pair = Pair(SMALL, 4)
    assert not scored(pair.arrays, [1, 2], 0).any()
    for item in (1, 2, 3):
        learn_place(pair.arrays.arrays, np.uint64(5), item)
    assert not scored(pair.arrays, [], 0).any()
    assert not scored(pair.arrays, [1, 2], 5).any(), "one's own sequence does not count"
    assert scored(pair.arrays, [1, 2], 0).any()


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_the_source_is_what_gave_most(params: NeighbourParams) -> None:
    pair, named = Pair(params, 5), 0
    for _ in range(120):
        pair.learn(3)
        recent, key = pair.query()
        rows = np.array(recent, np.int32)
        find_neighbours(pair.arrays.arrays, rows, np.uint64(key))
        wanted = np.arange(ITEMS) % 3 != 1
        listed, sources = np.zeros(ITEMS, np.float32), np.full(ITEMS, -7, np.int32)
        room = np.full((ITEMS, 64), np.nan, np.float32)
        items = np.arange(ITEMS, dtype=np.int32)
        sources_of(pair.arrays.arrays, rows, items, wanted, listed, room, sources)
        assert not listed.any()
        assert (sources[~wanted] == -7).all()
        for item in items[wanted].tolist():
            given = pair.reference.given(recent, key, item)
            source = sources[item]
            named += source >= 0
            if given.any():
                likely = np.flatnonzero(given >= given.max() * (1 - 1e-5))
                assert source in [recent[::-1][depth] for depth in likely]
            else:
                assert source == -1
    assert named > 20


@pytest.mark.parametrize("seed", range(5))
def test_rebuilt_from_an_export_the_scores_are_the_same(seed: int) -> None:
    pair, other = Pair(ROOMY, seed), Neighbours(ROOMY, ITEMS)
    pair.learn(400)
    exchanged(pair.arrays, other)
    for _ in range(50):
        recent, key = pair.query()
        expected = scored(pair.arrays, recent, key)
        np.testing.assert_array_equal(scored(other, recent, key), expected)
    # and both go on alike
    pair.arrays, first = other, pair.arrays
    pair.learn(50)
    for _ in range(50):
        pair.agree()
    assert first.sequences == other.sequences


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_rebuilt_as_far_as_places_tell(params: NeighbourParams, seed: int) -> None:
    pair, other = Pair(params, seed), Neighbours(params, ITEMS)
    for key in range(100, 103):  # what was known before, of sequences that nobody names again
        learn_place(other.arrays, np.uint64(key), key % ITEMS)
    pair.learn(300)
    exchanged(pair.arrays, other)
    pair.arrays = other
    pair.reference.only_what_places_tell()
    for _ in range(50):
        pair.agree()


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_an_own_export_changes_nothing(params: NeighbourParams) -> None:
    pair = Pair(params, 6)
    pair.learn(300)
    exchanged(pair.arrays, pair.arrays)
    for _ in range(50):
        pair.agree()


def test_an_export_names_living_places_oldest_first() -> None:
    neighbours = Neighbours(replace(SMALL, occurrences=3, sequences=2), ITEMS)
    for key, item in [(8, 1), (8, 0), (8, 0), (9, 0), (9, 1)]:
        learn_place(neighbours.arrays, np.uint64(key), item)
    start, keys, positions = neighbours.export(np.array([0, 5, 1], np.int32))
    assert start.tolist() == [0, 3, 3, 5]
    assert keys.tolist() == [8, 8, 9, 8, 9]
    assert positions.tolist() == [1, 2, 0, 0, 1]
    newest = neighbours.export(np.array([0], np.int32), limit=2)
    assert [column.tolist() for column in newest] == [[0, 2], [8, 9], [2, 0]]
    learn_place(neighbours.arrays, np.uint64(10), 0)  # 8 is given up
    start, keys, positions = neighbours.export(np.array([0], np.int32))
    assert (keys.tolist(), positions.tolist()) == ([9, 10], [0, 0])


def test_positions_go_on_in_a_slot_but_are_told_from_the_beginning() -> None:
    neighbours = Neighbours(replace(SMALL, sequences=1), ITEMS)
    for key in range(50):
        for item in (3, 4):
            learn_place(neighbours.arrays, np.uint64(key), item)
    _, keys, positions = neighbours.export(np.array([3, 4], np.int32))
    assert (keys.tolist(), positions.tolist()) == ([49, 49], [0, 1])
    assert neighbours.arrays.counters[GIVEN_UP] == 49


def test_positions_that_cannot_be_are_left_out() -> None:
    neighbours = Neighbours(SMALL, ITEMS)
    start, keys = np.array([0, 4], np.int32), np.full(4, 3, np.uint64)
    positions = np.array([-1, 2**31 - 1, 2**31 - 2, 5], np.int32)
    neighbours.replace(np.array([0], np.int32), start, keys, positions)
    _, keys, positions = neighbours.export(np.array([0], np.int32))
    assert positions.tolist() == [2**31 - 1, 2**31 - 2]
    learn_place(neighbours.arrays, np.uint64(3), 0)
    assert neighbours.export(np.array([0], np.int32))[2].tolist() == [2**31 - 1, 2**31 - 2]


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_rows_move(params: NeighbourParams) -> None:
    pair = Pair(params, 7)
    for moved in ([0, -1, 1, 2, -1, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]):
        pair.learn(150, items=len(moved))
        pair.arrays.move(np.array(moved, np.int32))
        pair.reference.move(moved)
        for _ in range(50):
            pair.agree()
            pair.learn(1, items=7)
            pair.agree()


def test_items_and_sequences_grow() -> None:
    neighbours = Neighbours(NeighbourParams(), 1)
    reference = Reference(NeighbourParams())
    random = np.random.default_rng(8)
    neighbours.grow(ITEMS)
    for _ in range(6000):
        key, item = int(random.integers(3000)), int(random.integers(ITEMS))
        neighbours.make_room(1)
        learn_place(neighbours.arrays, np.uint64(key), item)
        reference.learn(key, item)
    assert neighbours.sequences == len(reference.sequences) > 2048
    for key in range(3000):
        assert (slot_of(neighbours.arrays, np.uint64(key)) > 0) == (key in reference.sequences)
    scores = scored(neighbours, [1, 2, 3], 17)
    np.testing.assert_allclose(scores, reference.scores([1, 2, 3], 17), 1e-5, 1e-5)


def test_memory_is_bounded() -> None:
    params = replace(SMALL, sequences=1500)
    neighbours = Neighbours(params, ITEMS)
    for key in range(5000):
        neighbours.make_room(100)
        learn_place(neighbours.arrays, np.uint64(key * 2**40 + 1), key % ITEMS)
    assert neighbours.sequences == len(neighbours.arrays.keys) - 1 == 1500
    assert neighbours.arrays.counters[GIVEN_UP] == 3500
    held = [a.nbytes for a in neighbours.arrays if isinstance(a, np.ndarray)]
    assert (
        sum(held) < 1501 * (4 * params.length + 80) + ITEMS * (8 * params.occurrences + 40) + 2000
    )


def test_memory_goes_to_those_who_need_it() -> None:
    """One long sequence and many short ones: chunks go round, none is lost."""
    params = replace(ROOMY, occurrences=4, length=256, sequences=200, kept=20 * 32)
    neighbours, reference = Neighbours(params, ITEMS), Reference(params)
    random = np.random.default_rng(10)
    neighbours.make_room(10_000)
    for event in range(6000):
        key, item = int(random.integers(event // 1000 * 30 + 1)), int(random.integers(ITEMS))
        key = 0 if event % 3 else key
        learn_place(neighbours.arrays, np.uint64(key), item)
        reference.learn(key, item)
    assert {key for key in range(300) if slot_of(neighbours.arrays, np.uint64(key))} == set(
        reference.sequences
    )
    n = neighbours.arrays
    assert len(n.items) == 21
    in_use = n.chunks[n.chunks > 0].tolist()
    spare = n.spare_chunks[: n.counters[SPARE_CHUNKS]].tolist()
    assert sorted(in_use + spare) == list(range(1, 21))
    scores = scored(neighbours, [1, 2, 3], 299)
    np.testing.assert_allclose(scores, reference.scores([1, 2, 3], 299), 1e-5, 1e-5)


def test_what_is_cleared_is_as_new() -> None:
    pair = Pair(SMALL, 9)
    pair.learn(100)
    pair.arrays.clear()
    pair.reference = Reference(SMALL)
    for _ in range(50):
        pair.agree()
        pair.learn(3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("occurrences", 0),
        ("most_similar", 0),
        ("sequences", 0),
        ("length", 0),
        ("kept", 0),
        ("decay", 1.1),
    ],
)
def test_params_that_leave_no_room_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"NeighbourParams.{name}"):
        NeighbourParams(**{name: value})
