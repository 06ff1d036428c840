"""What every objective keeps to, whichever it is: the contract of `models.objective`.

The objectives are those that the job makes, with each of their models; a new one is in all of these
tests by itself. They learn through `Learn`, the job's stage, which says what is fresh.
"""

import pickle
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.columns.accepted import AcceptedBatch
from models.columns.events import Events
from models.columns.items import ItemRows
from models.columns.learnt import Learnt
from models.columns.lists import Recommended
from models.columns.users import Users
from models.example import Row, events_of
from models.items.differences import vectors
from models.items.table import Items
from models.keys import key_of
from models.params.ranking import MODELS
from operators.learn_users.stages.learn import Learn
from operators.learning import OBJECTIVES, empty_items
from operators.params import LearningParams
from state.keyed import popularity
from state.keyed.item_state import ItemState
from state.topics import accepted, chunks
from state.users import layouts
from state.users.state import UserState
from tests.builders import TOLD, fixed, learning

NAMES = ["ann", "ben", "cat", "dan", "eve", "fay"]
ITEMS = [f"item-{n}" for n in range(60)]
START = 1_700_000_000
"""Seconds since 1970 at which everything begins."""
NONE = DeepArrays.none()


def objectives() -> dict[str, LearningParams]:
    """Every objective that the job makes, small, with each model that it can have."""
    made = {}
    for name in OBJECTIVES:
        match name:
            case "ranking":
                models = {
                    model: replace(params, factors=8, negatives=min(params.negatives, 4))
                    for model, params in MODELS.items()
                }
            case "rating":
                kinds = get_args(get_type_hints(LearningParams)["rating"])
                models = {kind.__name__: _small(kind) for kind in kinds}
            case _:
                models = {}
        for model, params in models.items():
            made[f"{name}-{model}"] = learning(**TOLD | {"objective": name, name: params})
        if not models:
            made[name] = learning(**TOLD | {"objective": name})
    return made


def _small(kind: Any) -> Any:
    names = {one.name for one in fields(kind)}
    return kind(**dict.fromkeys(names & {"factors", "history"}, 8))


CASES = objectives()


@pytest.fixture(params=CASES, ids=str)
def params(request: pytest.FixtureRequest) -> LearningParams:
    """One objective after the other, without knobs: they move between micro-batches."""
    return fixed(CASES[request.param])


class Worker:
    """A worker's stage of learning, and the columns of everybody."""

    def __init__(self, params: LearningParams) -> None:
        self.params = params
        self.stage = Learn(params)
        self.state = UserState(
            params.users,
            params.factors,
            params.seed,
            variances=params.variances,
            rated=params.rated,
        )
        self.users = self.state.decode([None] * len(NAMES), NAMES)
        self.learnt: list[Learnt] = []
        self.told: list[AcceptedBatch] = []
        self.next = 0

    def learn(self, rows: Sequence[Row], **columns: Any) -> "Worker":
        """Learn rows as one micro-batch; columns of the events may be said instead."""
        user = np.array([NAMES.index(row[0]) for row in rows], np.int32)
        self._learn(events_of(rows, user, first=self.next), [row[1] for row in rows], columns)
        self.next += len(rows)
        return self

    def _learn(self, events: Events, ids: list[str], columns: dict[str, Any]) -> None:
        scored = np.full(len(events), columns.pop("scored", True))
        events = replace(events, **columns)
        taught = self.stage(0, self.users, events, ids, scored)
        np.maximum.at(self.users.session_last, events.user, events.time)
        self.learnt.append(taught.learnt)
        if taught.message is not None:
            self.told.append(accepted.decode(accepted.encode(taught.message)))

    def receive(self, *messages: AcceptedBatch) -> "Worker":
        for message in messages:
            self.stage.apply(message)
        return self

    @property
    def items(self) -> Items:
        return self.stage.items

    def lists(self, k: int = 5) -> Recommended:
        return self.stage.objective.recommend(self.items, self.users, k, NONE)

    def known(self) -> dict[str, Any]:
        """All that is remembered, as bytes: of users, and of items."""
        return self.known_users() | self.known_items()

    def known_users(self) -> dict[str, Any]:
        return {one.name: getattr(self.users, one.name).tobytes() for one in fields(Users)}

    def known_items(self) -> dict[str, Any]:
        rows = all_of(self.items)
        columns = {name: getattr(rows, name) for name in ItemRows.__slots__ if name != "ids"}
        told = {f"item_{name}": column.tobytes() for name, column in columns.items()}
        totals = self.items.events, float(self.items.arrays.value_total[0]), self.items.skipped
        return told | {"ids": rows.ids, "totals": totals}


def all_of(items: Items) -> ItemRows:
    return items.export(np.arange(items.size, dtype=np.int32))


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Name what differs: bytes say nothing to a reader."""
    assert [name for name in expected if found[name] != expected[name]] == []
    assert found.keys() == expected.keys()


def stream(n: int, seed: int = 1) -> list[Row]:
    """Views, ratings and dislikes of a few users, in whole seconds."""
    random, rows = np.random.default_rng(seed), list[Row]()
    at = START
    for _ in range(n):
        at += int(random.integers(1, 3_000))
        user, item = NAMES[random.integers(5)], ITEMS[random.integers(len(ITEMS))]
        kind: str | float = float(random.integers(1, 11)) / 2
        if random.random() < 0.4:
            kind = ["view", "purchase", "favorite", "dislike", "impression"][random.integers(5)]
        rows.append((user, item, kind, at))
    return rows


LOG = stream(240)


def of_each_once(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut rows so that no user occurs twice in a micro-batch."""
    batch = list[Row]()
    for row in rows:
        if row[0] in {one[0] for one in batch}:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def ratings_of(user: str, *items: str) -> list[Row]:
    """Ratings that differ, a minute apart, after everything else: every objective learns them."""
    end = LOG[-1][3]
    return [(user, item, 1.5 + n, end + 60 * n) for n, item in enumerate(items, 1)]


def test_what_the_job_can_run_is_in_this_suite() -> None:
    assert {case.split("-")[0] for case in CASES} == OBJECTIVES.keys()
    assert {"ranking-light", "ranking-full"} <= CASES.keys()
    models = {type(Worker(params).stage.objective).__name__ for params in CASES.values()}
    assert models == {"Ranking", "Rating", "FilteredRating"}


def test_a_users_events_are_learnt_in_the_order_given(params: LearningParams) -> None:
    rows = ratings_of("ann", "item-1", "item-2", "item-3")
    items, times = [row[1:3] for row in rows], [row[3] for row in rows]
    turned = [("ann", *one, at) for one, at in zip(items[::-1], times, strict=True)]
    found = [Worker(params).learn(LOG).learn(these) for these in (rows, rows, turned)]
    assert_same(found[1].known(), found[0].known())
    forth, back = (worker.users.factors[0] for worker in found[1:])
    assert not np.array_equal(forth, back)
    newest = [worker.users.history_length[0] - 1 for worker in found]
    assert found[0].users.history[0, newest[0]] == key_of("item-3")
    assert found[2].users.history[0, newest[2]] == key_of("item-1")


def test_another_users_events_change_nothing_of_a_user(params: LearningParams) -> None:
    worker = Worker(params).learn(LOG)
    before = worker.users.take(np.arange(1, len(NAMES), dtype=np.int32))
    worker.learn(ratings_of("ann", "item-1", "item-2"))
    for one in fields(Users):
        expected = getattr(before, one.name)
        assert np.array_equal(getattr(worker.users, one.name)[1:], expected), one.name


def test_an_event_that_does_not_count_teaches_nothing_about_its_item(
    params: LearningParams,
) -> None:
    worker = Worker(params).learn(LOG).learn(ratings_of("ann", "item-1", "item-2"))
    before, told = worker.known_items(), len(worker.told)
    factors, bias = worker.users.factors.copy(), worker.users.bias.copy()
    events = int(worker.users.events[0])
    nothing = np.zeros(1, np.bool_)
    worker.learn(ratings_of("ann", "item-1"), counts=nothing, moves=nothing)
    assert_same(worker.known_items(), before)
    assert np.array_equal(worker.users.factors, factors)
    assert np.array_equal(worker.users.bias, bias)
    assert worker.users.events[0] == events + 1
    assert worker.users.history[0, worker.users.history_length[0] - 1] == key_of("item-1")
    received = Worker(params).receive(*worker.told[:told])
    known = received.known_items()
    assert_same(received.receive(*worker.told[told:]).known_items(), known)


def test_events_that_come_again_teach_the_user_and_no_item(params: LearningParams) -> None:
    """As after a failure: users are those of before, and the items have learnt it already."""
    worker = Worker(params).learn(LOG)
    stored, rows = worker.state.encode(worker.users), ratings_of("ann", "item-1", "item-2")
    worker.learn(rows)
    items, learnt = worker.known_items(), worker.users.factors[0].copy()
    worker.users = worker.state.decode(stored, NAMES)
    before = worker.users.factors[0].copy()
    worker.next -= len(rows)
    worker.learn(rows)
    assert_same(worker.known_items(), items)
    assert not np.array_equal(learnt, before)
    assert not np.array_equal(worker.users.factors[0], before)
    again = worker.learnt[-1]
    assert np.isnan(again.error).all(), "it would be no test of what is known by now"
    assert (again.rank < -1).all()


def test_what_was_received_is_not_applied_twice(params: LearningParams) -> None:
    worker = Worker(params)
    for at in range(0, len(LOG), 20):
        worker.learn(LOG[at : at + 20])
    other = Worker(params).receive(*worker.told)
    items = other.known_items()
    assert other.items.events > 50
    assert_same(other.receive(*worker.told, worker.told[0]).known_items(), items)
    mine = worker.known_items()
    assert_same(worker.receive(*worker.told).known_items(), mine)


def test_what_was_received_is_not_learnt_again_by_whom_the_user_comes_to(
    params: LearningParams,
) -> None:
    first = Worker(params).learn(LOG)
    second = Worker(params).receive(*first.told)
    items = second.known_items()
    second.learn(LOG, scored=False)
    assert_same(second.known_items(), items)
    assert np.array_equal(second.users.events, first.users.events)
    assert np.array_equal(second.users.history, first.users.history)


def of_a_chunk(worker: Worker) -> Worker:
    """A worker that has received a chunk with all that another one knows of items."""
    other = Worker(worker.params)
    marks = worker.stage._applied.highest
    rows, about = chunks.decode_all(chunks.encode(all_of(worker.items), chunks.About(marks=marks)))
    other.stage.receive(b"items/0", rows, about)
    return other


def test_messages_that_a_chunk_contains_are_not_applied_again(params: LearningParams) -> None:
    worker = Worker(params)
    for at in range(0, len(LOG), 20):
        worker.learn(LOG[at : at + 20])
    other = of_a_chunk(worker)
    items = other.known_items()
    assert_same(other.receive(*worker.told).known_items(), items)


def test_events_that_a_chunk_contains_teach_the_user_and_no_item(params: LearningParams) -> None:
    worker = Worker(params).learn(LOG)
    other = of_a_chunk(worker)
    items = other.known_items()
    other.learn(LOG, scored=False)
    assert_same(other.known_items(), items)
    assert np.array_equal(other.users.events, worker.users.events)


def test_an_event_teaches_the_same_whether_it_is_ranked_or_not(params: LearningParams) -> None:
    ranked, silent = Worker(params).learn(LOG), Worker(params).learn(LOG, scored=False)
    assert_same(silent.known(), ranked.known())
    rating = params.objective == "rating"
    assert rating == bool(np.isfinite(ranked.learnt[0].error).any())
    assert np.isnan(silent.learnt[0].error).all()


WHOLE: dict[str, dict[str, Any]] = {}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=12)
@given(sizes=st.lists(st.integers(1, 60), max_size=30))
def test_the_cut_into_micro_batches_changes_nothing(case: str, sizes: list[int]) -> None:
    params = fixed(CASES[case])
    if case not in WHOLE:
        WHOLE[case] = Worker(params).learn(LOG).known()
        assert_cut(params, [1] * len(LOG), WHOLE[case])
    assert_cut(params, sizes, WHOLE[case])


def assert_cut(params: LearningParams, sizes: Sequence[int], expected: dict[str, Any]) -> None:
    worker, begin = Worker(params), 0
    for size in [*sizes, len(LOG)]:
        if begin < len(LOG):
            worker.learn(LOG[begin : begin + size])
        begin += size
    assert_same(worker.known(), expected)


EXTREMES: dict[str, dict[str, Any]] = {
    "ratings at both ends": {"value": [0.5, 5.0]},
    "ratings out of the range": {"value": [-1e30, 1e30, 0.4999, 5.001]},
    "ratings that are no numbers": {"value": [np.nan, np.inf, -np.inf, 3.0]},
    "the heaviest events": {"weight": [1e30, 1e-45, 3.0]},
    "gaps of more than a century": {"time": [0, 4_102_444_800_000]},
    "time that stands still": {"time": [1_700_000_000_000]},
    "time backwards": {"time": range(4_102_444_800_000, 0, -31_536_000_000)},
}


@pytest.mark.parametrize("poison", EXTREMES)
def test_everything_stays_finite(params: LearningParams, poison: str) -> None:
    worker = Worker(params)
    for at in range(0, len(LOG), 45):
        rows = LOG[at : at + 45]
        types = {"value": np.float32, "weight": np.float32, "time": np.int64}
        columns = {
            name: np.resize(np.array(list(values), types[name]), len(rows))
            for name, values in EXTREMES[poison].items()
        }
        worker.learn(rows, **columns)
    assert_finite(worker)
    assert_finite(Worker(params).receive(*worker.told))


@pytest.mark.parametrize("ratings", [[5.0], [0.5], [0.5, 5.0]])
def test_a_thousand_repeats_of_an_item_stay_finite(
    params: LearningParams, ratings: list[float]
) -> None:
    worker = Worker(params).learn(LOG)
    for at in range(0, 1_000, 250):
        rows = [("ann", "item-1", ratings[n % len(ratings)], START + at + n) for n in range(250)]
        worker.learn(rows)
    assert worker.items.count.max() >= 1_000
    assert_finite(worker)
    assert_finite(Worker(params).receive(*worker.told))


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 60_000.0, -60_000.0, 6e-8])
def test_a_poisoned_message_leaves_everything_finite(params: LearningParams, poison: float) -> None:
    worker, other = Worker(params).learn(LOG), Worker(params)
    (message,) = worker.told
    if not (message.gradients.size or message.value.size or np.isfinite(poison)):
        pytest.skip("it has differences only, and those are refused where the message is read")
    message.gradients[::2] = poison
    message.factors[::2] *= np.float32(1e3)
    message.value[::3] = poison
    if np.isfinite(poison):  # others are refused where the message is read
        message.differences[::2] = poison
        message.differences[1::3, ::2] = poison
    other.receive(message)
    assert_finite(other)
    other.next = len(LOG)
    other.learn(stream(60, seed=2))
    assert_finite(other)


def assert_finite(worker: Worker) -> None:
    """Nothing is remembered, told or recommended that is no number, nor out of the ball."""
    for columns in (worker.users, all_of(worker.items), *worker.told):
        for name in columns.__slots__:
            column = getattr(columns, name)
            if isinstance(column, np.ndarray) and column.dtype.kind == "f" and name != "value":
                assert np.isfinite(column).all(), name
    params = worker.params
    radius = (params.ranking if params.objective == "ranking" else params.rating).radius * 1.001
    for factors in (worker.users.factors, worker.items.arrays.factors, worker.items.arrays.context):
        assert np.linalg.norm(factors, axis=1).max(initial=0) <= radius
    if params.variances:
        assert (all_of(worker.items).variance > 0).all()
        assert (worker.users.variance >= 0).all()
    for learnt in worker.learnt:
        assert not np.isinf(learnt.error).any()
        assert np.isfinite(learnt.loss).all()
    lists = worker.lists()
    assert np.isfinite(lists.scores).all()
    if worker.items.events:
        assert (lists.rows >= 0).any()
    chunks.decode(chunks.encode(all_of(worker.items)))  # refuses what no event leads to


def test_who_hears_of_events_knows_what_was_learnt_of_them(params: LearningParams) -> None:
    """Users occur once in a micro-batch: what travels as gradients is along their factors then."""
    first, second = Worker(params), Worker(params)
    last: dict[int, NDArray[np.float64]] = {}
    for batch in of_each_once(LOG):
        told = len(first.told)
        first.learn(batch)
        for message in first.told[told:]:
            second.receive(message)
            keys = message.keys[message.moved].tolist()
            last |= zip(keys, np.abs(message.differences.astype(np.float64)), strict=True)
    rows = first.items.rows(second.items.keys, register=False)
    assert (rows >= 0).all()
    known, received = first.items.export(rows), all_of(second.items)
    exact = ("ids", "count", "last_time", "value_sum", "place_start", "place_keys")
    for name in (*exact, "place_positions"):
        assert np.array_equal(getattr(received, name), getattr(known, name)), name
    # the kernels that count may each multiply and add in one rounding, or in two
    assert received.popularity == pytest.approx(known.popularity, rel=1e-12)
    assert successors(received) == successors(known)
    if params.differences:  # half precision: 11 bits of what was told last, the rest is still to be
        there = vectors(first.items.arrays, rows)
        found = vectors(second.items.arrays, np.arange(len(rows), dtype=np.int32))
        none = np.zeros(there.shape[1])
        most = np.array([last.get(key, none) for key in received.keys.tolist()])
        assert (np.abs(found - there) <= most * 2.0**-10 + 2e-5 * (1 + np.abs(there))).all()
    else:
        for name in ("factors", "bias", "gradient_sum", "bias_gradient_sum"):
            expected = pytest.approx(getattr(known, name), rel=1e-5, abs=1e-6)
            assert getattr(received, name) == expected, name
    moved = np.abs(received.factors - all_of(untaught(params, received.keys)).factors)
    assert moved.max() > 0.01, "nothing was learnt"


def untaught(params: LearningParams, keys: NDArray[np.uint64]) -> Items:
    items = empty_items(params)
    items.rows(keys)
    return items


def successors(rows: ItemRows) -> list[Any]:
    """Successors of every item and how much they followed."""
    found = []
    for n in range(len(rows)):
        part = slice(rows.successor_start[n], rows.successor_start[n + 1])
        pairs = zip(rows.successors[part].tolist(), rows.weights[part].tolist(), strict=True)
        found.append({key: pytest.approx(weight, rel=1e-5) for key, weight in pairs})
    return found


def stored(worker: Worker) -> dict[str, list[bytes]]:
    """Everything that is stored and published: users, items, chunks, weights of popularity."""
    rows, params = all_of(worker.items), worker.params
    items = ItemState(params.factors, worker.items.context_seed, params.variances)
    return {
        "users": worker.state.encode(worker.users),
        "items": items.encode(rows),
        "chunks": chunks.encode_within(rows, 8_000),
        "popularity": [popularity.encode(worker.stage.popularity.of(0).bucket)],
    }


def restored(worker: Worker, way: str) -> Worker:
    """A worker that knows what another one has stored, and items from their state or chunks."""
    values, found, params = stored(worker), Worker(worker.params), worker.params
    found.users = found.state.decode(values["users"], NAMES)
    found.stage.popularity.restore(0, popularity.decode(values["popularity"][0]))
    if way == "items":
        state = ItemState(params.factors, found.items.context_seed, params.variances)
        found.items.replace(state.decode(values["items"]), only_newer=False)
    else:
        for value in values["chunks"]:
            found.items.replace(chunks.decode(value), only_newer=False)
    found.next = worker.next
    return found


@pytest.mark.parametrize("way", ["items", "chunks"])
def test_what_is_stored_recommends_and_predicts_the_same(params: LearningParams, way: str) -> None:
    worker = Worker(params).learn(LOG)
    again = restored(worker, way)
    found, expected = again.lists(), worker.lists()
    assert (expected.rows[:5] >= 0).all()
    of = again.items.rows(worker.items.keys, register=False)
    for there, here in ((expected.rows, found.rows), (expected.sources, found.sources)):
        assert np.array_equal(np.where(there < 0, there, of[there]), here)
    assert np.array_equal(found.reasons, expected.reasons)
    assert found.scores == pytest.approx(expected.scores, rel=1e-6, abs=1e-6)
    later = [(name, item, 4.0, START + 10**6) for name, item in zip(NAMES, ITEMS, strict=False)]
    after = [one.learn(later).learnt[-1] for one in (worker, again)]
    assert after[1].error == pytest.approx(after[0].error, rel=1e-6, nan_ok=True)
    assert np.array_equal(after[1].rank, after[0].rank)
    assert np.isfinite(after[0].error).any() or (after[0].rank >= 0).any()


def test_what_is_read_is_stored_as_the_same_bytes(params: LearningParams) -> None:
    values = stored(Worker(params).learn(LOG))
    again = stored(restored(Worker(params).learn(LOG), "items"))
    for name in ("users", "popularity"):
        assert again[name] == values[name], name
    state = ItemState(params.factors, empty_items(params).context_seed, params.variances)
    for value in values["items"]:
        assert state.encode(state.decode([value])) == [value]
    for value in values["chunks"]:
        rows, about = chunks.decode_all(value)
        assert chunks.encode(rows, about) == value


HEADER = re.compile(rb"\x80[\x02-\x05](\x95|[\]}()cX])", re.DOTALL)
"""The first opcodes of a pickle: its protocol, and a frame or a container."""


def test_no_stored_byte_is_a_pickles(params: LearningParams) -> None:
    worker = Worker(params).learn(LOG)
    assert HEADER.match(pickle.dumps([1])), "this would find none"
    assert HEADER.match(pickle.dumps({"a": 1}, protocol=2))
    told = [accepted.encode(one) for one in worker.told]
    for values in (*stored(worker).values(), told):
        assert values
        for value in values:
            assert not HEADER.search(value)
            with pytest.raises(Exception, match=r".*"):
                pickle.loads(value)
    assert all(value.startswith(layouts.MAGIC) for value in stored(worker)["users"])


def test_to_recommend_changes_nothing(params: LearningParams) -> None:
    worker = Worker(params).learn(LOG)
    before = worker.known()
    first = worker.lists()
    worker.users = worker.users.take(np.arange(len(NAMES), dtype=np.int32)[::-1])
    second = worker.lists()
    worker.users = worker.users.take(np.arange(len(NAMES), dtype=np.int32)[::-1])
    assert_same(worker.known(), before)
    assert np.array_equal(second.rows[::-1], first.rows)
    assert np.array_equal(second.scores[::-1], first.scores)


def test_a_list_has_known_items_once_the_best_first_and_none_of_the_users_own(
    params: LearningParams,
) -> None:
    worker = Worker(params).learn(LOG[:60])
    lists = worker.lists(k=len(ITEMS))
    for u, name in enumerate(NAMES):
        rows, scores = lists.rows[u], lists.scores[u]
        listed = [worker.items.id_of(row) for row in rows[rows >= 0].tolist()]
        own = {row[1] for row in LOG[:60] if row[0] == name and row[2] != "impression"}
        assert len(set(listed)) == len(listed) > 0
        assert not own & set(listed)
        few = worker.items.count[rows[rows >= 0]] < 20
        assert few.all(), "items with little support come last, whatever is predicted"
        assert (np.diff(scores[rows >= 0]) <= 0).all()
