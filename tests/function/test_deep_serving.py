"""A deep model in learn-users: served, swapped, refused, and there again after a restore."""

import hashlib
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from models.columns.users import Users
from models.deep.ncf import Ncf
from models.deep.placed import NETWORKS
from models.deep.shape import Shape
from models.keys import key_of
from operators.params import LearnUsersParams
from state.store.model_store import WEIGHTS, Manifest, ModelStore
from state.topics import model_pointer, worker
from state.topics.lease import Lease
from state.topics.model_pointer import ModelPointer
from state.topics.worker import Serving
from state.users.state import UserState
from tests.builders import (
    MINUTE,
    NOW,
    USERS,
    Record,
    behaviour,
    cut,
    event,
    fixed,
    in_order,
    learn_users,
    learning,
)
from tests.harness import Clock, Savepoint, UsersSubtask

LOG = behaviour(300, users=12, items=60)
SHAPE = Shape(dim=8, width=8)


def weights(seed: int, shape: Shape = SHAPE) -> bytes:
    """Random weights of half the items of the log."""
    random = np.random.default_rng(seed)
    keys = np.array([key_of(f"item-{n}") for n in range(0, 60, 2)], np.uint64)
    network, columns = NETWORKS[shape.network], {"keys": keys}
    if network is Ncf:
        columns["user_keys"] = np.array([key_of(f"user-{n}") for n in range(0, 12, 2)], np.uint64)
    tensors = {
        name: random.normal(size=size).astype(np.float32)
        for name, size in network.shapes(shape, *map(len, columns.values())).items()
    }
    return save({**columns, **tensors})


class Store:
    """A model store, and the pointers to what is in it."""

    def __init__(self, folder: Path, shape: Shape = SHAPE) -> None:
        self.folder, self.shape = folder, shape
        self._sequence = 0

    def put(self, version: int, root: int, *, deep: float = 2.0) -> ModelPointer:
        """Store random weights; return a pointer that is newer than all before."""
        manifest = Manifest(
            version=version, parent=0, root=root, shape=self.shape.to_dict(), created_at=1,
            events=1, items=30, steps=1, seconds=1.0,
        )  # fmt: skip
        store = ModelStore(str(self.folder))
        shutil.rmtree(self.folder / f"{version:08}", ignore_errors=True)
        stored = store.put(manifest, {WEIGHTS: weights(version, self.shape)})
        self._sequence += 1
        return ModelPointer(
            sequence=self._sequence, model=version, root=root, store=str(self.folder),
            sha256=stored.files[WEIGHTS].sha256, shape=self.shape.to_dict(), online=0.2, deep=deep,
        )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def served(restored: Savepoint | None = None, shape: Shape = SHAPE) -> UsersSubtask:
    users = replace(USERS, deep_state=shape.state)
    params = learn_users(learning=fixed(learning(users=users, deep=shape)), k=20)
    return UsersSubtask(params, Clock(), restored)


def receive(users: UsersSubtask, *pointers: ModelPointer) -> None:
    users.receive(*(model_pointer.encode(pointer) for pointer in pointers))


def versions(users: UsersSubtask, log: Sequence[Record]) -> set[str]:
    return {found["model_version"] for found in users.take(log).recommendations.values()}


def states(users: UsersSubtask, shape: Shape = SHAPE) -> dict[str, Users]:
    """Every user as stored."""
    codec = UserState(replace(USERS, deep_state=shape.state), 8, 1)
    return {
        user: codec.decode([value], [user])
        for user, value in users.remembered().items()
        if user[0] != " "
    }


def deep(users: UsersSubtask) -> dict[str, list[float]]:
    return {user: found.deep[0].tolist() for user, found in states(users).items()}


def test_a_model_that_was_announced_is_served(store: Store) -> None:
    users = served()
    assert versions(users, LOG[:100]) == {"online-ranking-1"}
    receive(users, store.put(3, 3))
    learned = users.take(LOG[100:300])
    found = learned.recommendations.values()
    assert {one["model_version"] for one in found} == {"online-ranking-1+recurrent-3"}
    reasons = [item["reason"] for one in found for item in one["items"]]
    assert "deep" in reasons
    assert learned.metrics["deep_scored"] > 50


def test_a_network_of_users_speaks_only_to_those_it_knows(tmp_path: Path) -> None:
    shape = Shape(network="ncf", dim=8, width=8)
    users, without = served(shape=shape), served(shape=shape)
    receive(users, Store(tmp_path, shape).put(3, 3))
    found, expected = users.take(LOG), without.take(LOG)
    assert found.recommendations.keys() == expected.recommendations.keys()
    reasons: dict[bool, set[str]] = {True: set(), False: set()}
    for user, one in found.recommendations.items():
        known = int(user.removeprefix("user-")) % 2 == 0
        reasons[known] |= {item["reason"] for item in one["items"]}
        assert one["model_version"] == "online-ranking-1+ncf-3"
        if not known:
            assert one["items"] == expected.recommendations[user]["items"]
    assert "deep" in reasons[True]
    assert "deep" not in reasons[False]
    assert 50 < found.metrics["deep_scored"] < found.metrics["scored"]


def test_with_a_weight_of_nothing_the_lists_are_those_of_the_online_model(store: Store) -> None:
    with_model, without = served(), served()
    receive(with_model, store.put(3, 3, deep=0.0))
    for records in cut(LOG, [100, 100]):
        found, expected = with_model.take(records), without.take(records)
        for user, one in expected.recommendations.items():
            mine = [item["item_id"] for item in found.recommendations[user]["items"]]
            assert mine == [item["item_id"] for item in one["items"]]
        assert found.accepted == expected.accepted


def test_the_state_is_in_the_users_record_and_goes_on(store: Store) -> None:
    users = served()
    receive(users, store.put(3, 3))
    users.take(LOG[:150])
    before = deep(users)
    assert all(any(state) for state in before.values())
    assert {int(found.deep_version[0]) for found in states(users).values()} == {3}
    users.take(LOG[150:])
    # all but those who met only items that the model does not know
    assert sum(state != before.get(user) for user, state in deep(users).items()) >= 10


def test_the_state_is_carried_over_to_a_version_of_the_same_line(store: Store) -> None:
    users, fresh = served(), served()
    receive(users, store.put(3, 3))
    for one in (users, fresh):
        one.take(LOG[:150])
    successor = store.put(4, 3)
    for one in (users, fresh):
        receive(one, successor)
        one.take(LOG[150:])
    assert versions(users, in_order(behaviour(20, seed=2, users=12, items=60), first=400)) == {
        "online-ranking-1+recurrent-4"
    }
    carried, anew = deep(users), deep(fresh)
    assert sum(carried[user] != anew[user] for user in carried) > len(carried) / 2


@pytest.mark.parametrize(
    ("before", "after"), [((3, 3), (5, 5)), ((5, 5), (3, 3)), ((4, 2), (5, 3))]
)
def test_the_state_is_made_anew_for_another_line(
    store: Store, before: tuple[int, int], after: tuple[int, int]
) -> None:
    users, fresh = served(), served()
    receive(users, store.put(*before))
    for one in (users, fresh):
        one.take(LOG[:150])
    other = store.put(*after)
    for one in (users, fresh):
        receive(one, other)
        one.take(LOG[150:])
    touched = {(record.key or b"").decode() for record in LOG[150:]}
    carried, anew = deep(users), deep(fresh)
    assert {user: carried[user] for user in touched} == {user: anew[user] for user in touched}


SHAPES = {"small": SHAPE, "default": Shape(), "two layers": Shape(dim=12, width=20, layers=2)}


def learnt(folder: Path, shape: Shape, sizes: Sequence[int]) -> dict[str, bytes]:
    store, users = Store(folder, shape), served(shape=shape)
    receive(users, store.put(3, 3, deep=0.3))
    for records in cut(LOG, sizes):
        users.take(records)
    return users.remembered()


@cache
def whole(folder: Path, name: str) -> dict[str, bytes]:
    return learnt(folder, SHAPES[name], [])


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=4)
@given(sizes=st.lists(st.integers(1, 80), max_size=30))
def test_how_the_log_is_cut_changes_no_bit_of_a_user(
    tmp_path_factory: pytest.TempPathFactory, name: str, sizes: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"cut-{name}"
    assert learnt(folder, SHAPES[name], sizes) == whole(folder, name)


@pytest.mark.parametrize("name", SHAPES)
def test_events_one_by_one_change_no_bit_of_a_user(tmp_path: Path, name: str) -> None:
    assert learnt(tmp_path, SHAPES[name], [1] * 300) == learnt(tmp_path, SHAPES[name], [])


def test_an_older_pointer_that_comes_late_is_passed_over(store: Store) -> None:
    older, newer = store.put(3, 3), store.put(4, 3)
    users = served()
    receive(users, newer, older)
    assert versions(users, LOG[:50]) == {"online-ranking-1+recurrent-4"}
    after = served(users.savepoint())
    assert versions(after, LOG[50:100]) == {"online-ranking-1+recurrent-4"}


def test_a_pointer_to_none_ends_serving(store: Store) -> None:
    users = served()
    receive(users, store.put(3, 3))
    assert versions(users, LOG[:50]) == {"online-ranking-1+recurrent-3"}
    receive(users, ModelPointer(sequence=9, model=0))
    assert versions(users, LOG[50:100]) == {"online-ranking-1"}


def broken(kind: str, store: Store) -> bytes:
    """A pointer to a model that cannot be served, or something that is no pointer."""
    pointer = store.put(4, 3)
    file = store.folder / "00000004" / WEIGHTS
    changes: dict[str, Any] = {}
    if kind == "truncated":
        file.write_bytes(file.read_bytes()[:-40])
    elif kind == "absent":
        file.unlink()
    elif kind == "sha256":
        changes["sha256"] = "0" * 64
    elif kind == "store":
        changes["store"] = "nonsense://x"
    elif kind == "shape":
        changes["shape"] = Shape(dim=16).to_dict()
    elif kind == "sizes":
        changes["shape"] = {"depth": 7}
    elif kind == "no pointer":
        return b'{"sequence":7}'
    return model_pointer.encode(msgspec.structs.replace(pointer, **changes))


KINDS = ["truncated", "absent", "sha256", "store", "shape", "sizes", "no pointer"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pointer_that_cannot_be_followed_leaves_the_old_model(store: Store, kind: str) -> None:
    users = served()
    receive(users, store.put(3, 3))
    users.receive(broken(kind, store))
    assert versions(users, LOG[:50]) == {"online-ranking-1+recurrent-3"}
    receive(users, store.put(5, 3))
    assert versions(users, LOG[50:100]) == {"online-ranking-1+recurrent-5"}


def test_after_a_restore_the_same_model_serves_at_once(store: Store) -> None:
    users = served()
    receive(users, store.put(3, 3))
    users.take(LOG[:150])
    after = served(users.savepoint())
    found = after.take(LOG[150:200]).recommendations
    expected = users.take(LOG[150:200]).recommendations
    assert {one["model_version"] for one in found.values()} == {"online-ranking-1+recurrent-3"}
    assert found.keys() == expected.keys()
    assert deep(after) == deep(users)


@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
def test_states_and_lists_need_no_items_that_are_still_to_come(
    tmp_path: Path, network: str
) -> None:
    """A new line comes to a worker that was restarted and has received no chunk yet."""
    shape = replace(SHAPE, network=network)
    users, pointer = served(shape=shape), Store(tmp_path, shape).put(5, 5)
    users.take(LOG[:250])
    after = served(users.savepoint(), shape)
    said = []
    for one in (users, after):
        receive(one, pointer)
        one.take(LOG[250:])
        pipeline = one.function._pipeline
        everyone = [states(one, shape)[user] for user in sorted(states(one, shape))]
        said.append([pipeline.learn.deep.score(pipeline.items, u).y.tolist() for u in everyone])
    assert deep(users) == deep(after) if network == "recurrent" else True
    assert said[0] == said[1]


def test_a_restore_after_something_that_is_no_pointer_serves_what_served(store: Store) -> None:
    users = served()
    receive(users, store.put(3, 3))
    users.receive(b'{"sequence":7}')
    assert versions(served(users.savepoint()), LOG[:50]) == {"online-ranking-1+recurrent-3"}


def test_a_restore_goes_on_where_the_model_is_gone(store: Store) -> None:
    users = served()
    receive(users, store.put(3, 3))
    users.take(LOG[:100])
    (store.folder / "00000003" / WEIGHTS).unlink()
    after = served(users.savepoint())
    assert versions(after, LOG[100:150]) == {"online-ranking-1"}
    receive(after, store.put(4, 3))
    assert versions(after, LOG[150:200]) == {"online-ranking-1+recurrent-4"}


def test_where_no_deep_model_is_wanted_pointers_are_passed_over(store: Store) -> None:
    users = UsersSubtask(learn_users(deep=False), Clock())
    receive(users, store.put(3, 3))
    assert versions(users, LOG[:50]) == {"online-ranking-1"}


def test_states_miss_nothing_that_came_while_no_model_served(store: Store) -> None:
    users, steady = served(), served()
    there, none = store.put(3, 3), ModelPointer(sequence=2, model=0)
    again = msgspec.structs.replace(there, sequence=3)
    for one in (users, steady):
        receive(one, there)
        one.take(LOG[:100])
    receive(users, none)
    for one in (users, steady):
        one.take(LOG[100:150])
    receive(users, again)
    for one in (users, steady):
        one.take(LOG[150:200])
    fresh = served()
    fresh.take(LOG[:150])
    receive(fresh, again)
    fresh.take(LOG[150:200])
    touched = {(record.key or b"").decode() for record in LOG[100:150]}
    touched &= {(record.key or b"").decode() for record in LOG[150:200]}
    assert len(touched) > 3
    found, anew, kept = deep(users), deep(fresh), deep(steady)
    assert {user: found[user] for user in touched} == {user: anew[user] for user in touched}
    idle = kept.keys() - {(record.key or b"").decode() for record in LOG[100:150]}
    assert {user: found[user] for user in idle} == {user: kept[user] for user in idle}


def repeated(times: int) -> list[Record]:
    """Views of four items, so many times each, of which the first one counts."""
    return in_order(
        event("anna", f"item-{2 * n}", at=NOW + n * MINUTE + m * 1_000)
        for n in range(4)
        for m in range(times)
    )


@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
@pytest.mark.parametrize("sizes", [[], [1] * 20, [3] * 7])
def test_events_that_do_not_count_are_no_input_of_a_network(
    tmp_path: Path, network: str, sizes: list[int]
) -> None:
    """It is trained without them: state, gaps and what is said of the user are the same."""
    shape = replace(SHAPE, network=network)
    store = Store(tmp_path, shape)
    pointer = store.put(3, 3)
    said = []
    for times in (4, 1):
        users = served(shape=shape)
        receive(users, pointer)
        log = repeated(times)
        for records in cut(log, sizes):
            users.take(records)
        if network == "recurrent":
            said.append(deep(users))
        pipeline = users.function._pipeline
        one = states_of(users, shape)
        said.append(pipeline.learn.deep.score(pipeline.items, one).y.tolist())
    assert said[: len(said) // 2] == said[len(said) // 2 :]


@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
def test_an_item_that_is_seen_again_is_not_the_last_that_counted(
    tmp_path: Path, network: str
) -> None:
    shape = replace(SHAPE, network=network)
    pointer, said = Store(tmp_path, shape).put(3, 3), []
    for again in (["item-4", "item-2"], []):
        users = served(shape=shape)
        receive(users, pointer)
        names = ["item-2", "item-4", *again]
        log = in_order(event("anna", name, at=NOW + 1_000 * n) for n, name in enumerate(names))
        users.take(log[:2])
        for record in log[2:]:
            users.take([record])
        pipeline = users.function._pipeline
        said.append(pipeline.learn.deep.score(pipeline.items, states_of(users, shape)).y.tolist())
    assert said[0] == said[1]


def states_of(users: UsersSubtask, shape: Shape) -> Users:
    codec = UserState(replace(USERS, deep_state=shape.state), 8, 1)
    return codec.decode([users.remembered()["anna"]], ["anna"])


# ---- whose pointers count, and what becomes of a load that fails ----
def of_run(run: str, **changes: Any) -> LearnUsersParams:
    """Parameters of a submission."""
    users = replace(USERS, deep_state=SHAPE.state)
    params = learn_users(learning=fixed(learning(users=users, deep=SHAPE)), k=20, **changes)
    return replace(params, lease=Lease(run=run, job="shop", epoch=1, at=1))


def by(pointer: ModelPointer, run: str, start: str, sequence: int) -> ModelPointer:
    return msgspec.structs.replace(pointer, job="shop", run=run, start=start, sequence=sequence)


def serving(users: UsersSubtask) -> Serving:
    return users.function._receiver.serving()


def test_pointers_of_an_abandoned_timeline_do_not_hold(store: Store) -> None:
    """After an older savepoint the topic still has what was published since."""
    old, new = store.put(9, 9), store.put(2, 2)
    before = UsersSubtask(of_run("one"), Clock())
    receive(before, by(old, "one", "a", 100))
    after = UsersSubtask(of_run("two"), Clock(), before.savepoint())
    assert versions(after, LOG[:20]) == {"online-ranking-1+recurrent-9"}  # as before the restart
    for sequence in range(101, 151):
        receive(after, by(old, "one", "a", sequence))
    receive(after, by(new, "two", "b", 101))
    assert versions(after, LOG[20:40]) == {"online-ranking-1+recurrent-2"}
    none = by(ModelPointer(sequence=0, model=0), "two", "b", 102)
    receive(after, none)
    assert versions(after, LOG[40:60]) == {"online-ranking-1"}  # a rollback is not passed over
    receive(after, by(old, "one", "a", 999))
    assert versions(after, LOG[60:80]) == {"online-ranking-1"}
    kept = after.savepoint().broadcast
    (value,) = [v for entries in kept.values() for v in entries.values()]
    assert model_pointer.decode(value) == none


def test_after_a_failure_the_newer_start_of_fine_tune_holds(store: Store) -> None:
    """It goes on from a checkpoint, below the sequence that the workers have received."""
    first, second = store.put(3, 3), store.put(4, 3)
    users = UsersSubtask(of_run("one"), Clock())
    receive(users, by(first, "one", "a", 150), by(second, "one", "b", 101))
    assert versions(users, LOG[:30]) == {"online-ranking-1+recurrent-4"}
    receive(users, by(first, "one", "b", 100))
    assert versions(users, LOG[30:60]) == {"online-ranking-1+recurrent-4"}


def test_one_version_with_other_weights_is_another_model(store: Store) -> None:
    pointer = store.put(3, 3)
    users = served()
    receive(users, pointer)
    before = users.function._pipeline.learn.deep.model
    file = store.folder / "00000003" / WEIGHTS
    file.write_bytes(weights(77, SHAPE))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    receive(users, msgspec.structs.replace(pointer, sequence=2, sha256=digest))
    users.take(LOG[:10])
    assert users.function._pipeline.learn.deep.model is not before
    assert serving(users) == Serving(model=3, sha256=digest[:12], wanted=3)


def test_a_load_that_failed_is_tried_again(store: Store) -> None:
    pointer = store.put(3, 3)
    file = store.folder / "00000003" / WEIGHTS
    content = file.read_bytes()
    file.unlink()
    users = served()
    receive(users, pointer)
    assert versions(users, LOG[:20]) == {"online-ranking-1"}
    told = serving(users)
    assert (told.model, told.wanted) == (0, 3)
    assert "model 3 is not served: model store" in told.error
    file.write_bytes(content)
    tries = 0
    while serving(users).model != 3:
        users.clock.now_ms += 1_000
        users.take(LOG[20:21])
        users.function._receiver._loader.wait(5)
        tries += 1
        assert tries < 20
    assert serving(users).error == ""


def test_a_worker_tells_which_model_it_serves_and_which_not(store: Store) -> None:
    users = served()
    pointer = store.put(3, 3)
    receive(users, pointer)
    (told,) = [worker.decode(v) for _, v in users.take(LOG[:20]).gauges]
    assert told.deep == Serving(model=3, sha256=pointer.sha256[:12], wanted=3)
    broken_one = msgspec.structs.replace(store.put(4, 4), sha256="0" * 64)
    receive(users, broken_one)
    users.take(LOG[20:30])
    users.clock.now_ms += 60_000
    (told,) = [worker.decode(v) for _, v in users.take(LOG[30:40]).gauges]
    assert (told.deep.model, told.deep.wanted) == (3, 4)
    assert "expected weights.safetensors with sha256" in told.deep.error


def test_a_store_that_hangs_holds_up_no_micro_batch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer, forever = store.put(3, 3), threading.Event()
    users = served()
    users.take(LOG[:100])

    def hang(*_: Any) -> None:
        forever.wait(60)

    monkeypatch.setattr(ModelStore, "load", hang)
    users.function._receiver.receive_model(model_pointer.encode(pointer))
    begin = time.perf_counter()
    assert versions(users, LOG[100:110]) == {"online-ranking-1"}
    assert time.perf_counter() - begin < 0.1
    assert serving(users).wanted == 3
    forever.set()


@pytest.mark.parametrize("network", ["recurrent", "sasrec", "ncf"])
@pytest.mark.parametrize("known", [0, 50])
def test_a_first_event_that_teaches_nothing_is_answered(
    tmp_path: Path, network: Literal["recurrent", "sasrec", "ncf"], known: int
) -> None:
    """A new visitor's impression is the most common first event, also after a restart."""
    shape = Shape(network=network, dim=8, width=8)
    users = served(shape=shape)
    receive(users, Store(tmp_path, shape).put(3, 3))
    if known:
        users.take(LOG[:known])
    after = served(users.savepoint(), shape)
    first = [event("visitor", "item-1", "impression", NOW), event("v2", "item-2", "remove", NOW)]
    if known:
        first.append(event((LOG[0].key or b"").decode(), "item-3", "impression", NOW))
    learned = after.take(in_order(first, first=1_000))
    assert learned.accounting["partitions"]["0"]["rejected"] == 0
    after.take(LOG[50:100])


def test_until_a_model_is_there_the_one_rolled_back_weighs_nothing(store: Store) -> None:
    users = served()
    receive(users, store.put(3, 3))
    assert versions(users, LOG[:50]) == {"online-ranking-1+recurrent-3"}
    back = store.put(2, 2, deep=0.0)
    (store.folder / "00000002" / WEIGHTS).unlink()
    receive(users, back)
    users.take(LOG[50:100])
    assert serving(users).wanted == 2
    assert users.function._pipeline.learn.deep.blend.deep == 0


def test_a_job_without_a_deep_model_keeps_no_pointer_for_one_with_it(store: Store) -> None:
    """Fine-tune would know of no model, and nobody could roll it back."""
    users = served()
    receive(users, store.put(3, 3))
    off = UsersSubtask(learn_users(deep=False), Clock(), users.savepoint())
    off.receive(b"nothing")
    again = served(off.savepoint())
    assert versions(again, LOG[:50]) == {"online-ranking-1"}


def test_items_that_a_network_does_not_know_change_nothing(store: Store) -> None:
    """It is trained on known ones only: a gap without an item is nothing it has seen."""
    known, unknown = (event("zoe", f"item-{n}", at=NOW - MINUTE + n) for n in (2, 3))
    more = [event("zoe", f"item-{n}", at=NOW - MINUTE + 60 * n) for n in (5, 7, 9)]
    one = served()
    receive(one, store.put(3, 3))
    one.take(in_order([known]))
    before = deep(one)["zoe"]
    scores = asked(one)
    one.take(in_order([unknown], first=1))
    one.take(in_order(more[:2], first=2))
    assert deep(one)["zoe"] == before
    assert asked(one) == pytest.approx(scores, abs=1e-6)
    again = served()
    again.take(in_order([known, unknown, *more]))
    receive(again, store.put(3, 3))
    again.take(in_order([more[2]], first=10))  # a repeat: the state is computed anew
    again.take(in_order([event("zoe", "item-11")], first=20))
    assert deep(again)["zoe"] == pytest.approx(before, abs=1e-6)
    nobody = served()
    receive(nobody, store.put(3, 3))
    nobody.take(in_order([event("zoe", "item-3")]))
    assert not any(deep(nobody)["zoe"])
    assert not any(asked(nobody))


def asked(users: UsersSubtask) -> list[float]:
    """What the network says of zoe: y."""
    pipeline = users.function._pipeline
    learn = pipeline.learn
    return learn.deep.score(learn.items, states(users)["zoe"]).y[0].tolist()
