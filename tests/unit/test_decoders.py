"""Bytes from outside: whatever is read from a topic, a folder or a store, every decoder either
returns a value or raises a StateError. One that let another error through would end the job, which
reads the same bytes again after its restart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.deep.shape import Shape
from scripts.tools.kafka.accounting import Metrics
from state import examples
from state.codec import json_codec
from state.codec.sealed import HEADER, StateError, seal
from state.keyed import described, gates, lineage, popularity, ring, tuner_state
from state.keyed.accounting import Accounting
from state.keyed.feedback_counts import FeedbackCounts
from state.store import model_file, round_files
from state.store.model_store import Manifest, ModelStore
from state.topics import (
    accepted,
    chunks,
    control,
    forgotten,
    lease,
    marks,
    model_pointer,
    recommendation,
    switches,
    trending,
    worker,
)
from state.users import feedback
from state.users.name_seal import NameSeal
from tests.builders import learn_users
from tests.golden.test_state_layouts import FILTERED_ITEMS, ITEMS, USERS
from tests.harness import Clock, UsersSubtask
from tests.unit.test_tuner import SHAPE, World, weights

GOLDEN = Path(__file__).parent.parent / "golden" / "state"


def golden(name: str) -> bytes:
    """The first value of a file."""
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text().split()[0])


JSON: dict[str, tuple[Callable[[bytes], Any], Any]] = {
    "control": (control.decode, {"command": "promote_model", "model": 7}),
    "lease": (lease.decode, {"run": "abc", "job": "shop", "epoch": 12, "at": 13}),
    "lineage": (
        lineage.decode,
        {"id": "abc", "since": 12, "job": "shop", "buckets": 8,
         "topics": {"user_behavior": {"name": "clicks", "id": "J7gG"}}},
    ),
    "model pointer": (
        lambda value: model_pointer.decode(value).shape_of(),
        {"format": 1, "sequence": 3, "model": 2, "shape": Shape().to_dict(), "deep": 0.5},
    ),
    "trending": (lambda v: trending.decode(v).keys(), {"window_end": 9, "seen": {"tea": 3}}),
    "gauges": (
        worker.decode,
        {"kind": "worker", "subtask": 0, "generated_at": 1, "items": 2, "refused": 0, "evicted": 0,
         "skipped": 0, "complete": 1.0, "loop_skipped": {}},
    ),
    "recommendation": (
        recommendation.decode,
        {"rec_id": "a", "user_id": "b", "generated_at": 1, "model_version": "m",
         "trigger": {"event_id": "e", "timestamp": 1, "published_at": 2},
         "session": {"started_at": 1, "events": 1},
         "items": [{"item_id": "i", "score": 1.5, "reason": "new"}]},
    ),
    "command about a user": (control.decode_user, {"command": "block_user", "user": "ann"}),
    "merge": (control.decode_merge, {"command": "merge_user", "from": "g", "to": "ann"}),
    "command about an item": (control.decode_item, {"command": "block_item", "item": "tea"}),
    "command about the job": (control.decode_job, {"command": "set", "key": "a", "value": [1]}),
    "hand over": (
        control.decode_hand_over,
        {"command": "hand_over", "user": "ann", "guest": "g", "id": "m", "profile": "VVM=",
         "merged": [1], "origin": 7, "at": 8, "order": 9, "route": "1", "formers": [2]},
    ),
    "object": (lambda value: json_codec.decode_object(value, "x"), {"a": [1, {"b": None}]}),
}  # fmt: skip

SEALED: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "accepted": (accepted.decode, "accepted-v4"),
    "accounting": (Accounting.from_state, "accounting-v3"),
    "examples": (examples.decode, "examples-v3"),
    "items": (lambda value: ITEMS.decode([value]), "items-v3"),
    "filtered items": (lambda value: FILTERED_ITEMS.decode([value]), "items-v5"),
    "filtered items of before": (lambda value: FILTERED_ITEMS.decode([value]), "items-v4"),
    "marks": (marks.decode, "marks-v2"),
    "marks of before": (marks.decode, "marks-v1"),
    "popularity": (popularity.decode, "popularity-v1"),
    "ring": (ring.decode, "ring-v2"),
    "tuner": (tuner_state.decode, "tuner-v2"),
    "gates": (gates.decode, "gates-v2"),
    "gates of before": (gates.decode, "gates-v1"),
    "name of a user": (
        lambda value: NameSeal(bytes(range(32))).decrypt("~K8KtDhY-JOo-iAKYtOByKA", value),
        "name-v1",
    ),
    "forgotten": (forgotten.decode, "forgotten-v1"),
    "switch": (switches.decode, "switch-v1"),
    "described": (described.decode, "described-v1"),
    "feedback of a user": (feedback.decode, "feedback-v1"),
    "feedback of a bucket": (FeedbackCounts.from_state, "feedback-counts-v1"),
    "users": (lambda value: USERS.decode([value], ["ann"]), "users-v5"),
}

FILES: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "progress.json": (round_files.progress, b'{"step":1,"steps":2,"loss":NaN,"left_s":0.5}'),
    "privacy.json": (
        round_files.spent,
        b'{"noise":1.0,"rate":0.1,"steps":3,"epsilon":0.5}',
    ),
    "report.json": (
        round_files.report,
        b'{"items":1,"steps":2,"seconds":0.5,"events":9,"loss":[1.5,NaN],"champion":{},'
        b'"challenger":{"hr_at_10":0.5}}',
    ),
}


BAD = (b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x00", b'"', b"9" * 40)


def taken(decode: Callable[[bytes], Any], value: bytes) -> None:
    """Decode; anything but a value or a StateError fails the test."""
    try:
        decode(value)
    except StateError as error:
        assert "expected" in str(error)  # noqa: PT017  # what it says is what is tested


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """Cut, with flipped bits, with bytes replaced or put in, or anything at all."""
    at = st.integers(0, max(len(good) - 1, 0))
    return st.one_of(
        st.binary(max_size=300),
        at.map(lambda n: good[:n]),
        st.tuples(at, st.integers(0, 7)).map(
            lambda where: bytes(b ^ (1 << where[1]) * (n == where[0]) for n, b in enumerate(good))
        ),
        st.tuples(at, st.binary(min_size=1, max_size=8)).map(
            lambda put: good[: put[0]] + put[1] + good[put[0] + len(put[1]) :]
        ),
        st.tuples(at, st.sampled_from(BAD))
        .map(lambda put: good[: put[0]] + put[1] + good[put[0] :]),
    )  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_a_sound_value_is_taken(name: str) -> None:
    decode, value = JSON[name]
    decode(json.dumps(value).encode())


@pytest.mark.parametrize("name", JSON)
@settings(max_examples=200)
@given(data=st.data())
def test_no_bytes_in_the_place_of_json_escape_a_decoder(name: str, data: st.DataObject) -> None:
    decode, value = JSON[name]
    taken(decode, data.draw(damaged(json.dumps(value).encode())))


ODD = (
    b"", b"null", b"[]", b"0", b'""', b"\xff", b'{"command":"r\xfccksetzen"}',
    b'{"command":"promote_model","model":-1}', b'{"command":"promote_model","model":1e400}',
    b'{"command":"promote_model","model":' + b"9" * 5000 + b"}",
    b'{"sequence":200,"model":1,"store":"\xff"}',
    b'{"sequence":1,"model":1,"shape":{"dim":"x"}}',
    b'{"sequence":1,"model":1,"deep":1e400}',
    b'{"window_end":99999999999999999999999,"seen":{}}',
    b'{"window_end":1,"seen":{"\xff":1}}',
    b"[" * 100_000, b'{"a":' * 100_000, b'{"run":"\xed\xa0\x80"}',
)  # fmt: skip


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_odd_json_is_refused_by_name(name: str, value: bytes) -> None:
    taken(JSON[name][0], value)


@pytest.mark.parametrize("name", SEALED)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_damaged_value_escapes_a_decoder(name: str, data: st.DataObject) -> None:
    decode, file = SEALED[name]
    taken(decode, data.draw(damaged(golden(file))))


@pytest.mark.parametrize("name", SEALED)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_payload_escapes_a_decoder_though_its_checksum_holds(
    name: str, data: st.DataObject
) -> None:
    """Somebody else's writer, or a bug of this one, seals as well as anybody."""
    decode, file = SEALED[name]
    good = golden(file)
    magic, version = good[:2], int.from_bytes(good[2:4], "little")
    payload = data.draw(damaged(good[HEADER.size :]))
    taken(decode, seal(magic, data.draw(st.integers(1, version)), payload))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_chunk_escapes_its_decoder(data: st.DataObject) -> None:
    taken(chunks.decode_all, data.draw(damaged(golden("chunks-v4"))))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_weights_escape_their_decoder(data: st.DataObject) -> None:
    value = data.draw(damaged(weights()))
    taken(lambda v: model_file.decode(v, SHAPE, version=1, root=1), value)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_file_of_a_trainer_escapes_its_reader(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read, good = FILES[name]
    folder = tmp_path_factory.mktemp("round")
    (folder / name).write_bytes(good)
    read(folder)
    (folder / name).write_bytes(data.draw(damaged(good)))
    taken(lambda _: read(folder), b"")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_column_of_a_trainer_escapes_its_reader(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("round") / "ranks-challenger.npy"
    np.save(path, np.arange(20, dtype=np.int32))
    assert len(round_files.column(path, np.int32)) == 20
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    taken(lambda _: round_files.column(path, np.int32), b"")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_manifest_escapes_the_store(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    good = msgspec.json.encode(
        Manifest(version=1, parent=0, root=1, shape=SHAPE.to_dict(), created_at=1, events=1,
                 items=1, steps=1, seconds=1.0)
    )  # fmt: skip
    (folder / "00000001").mkdir()
    (folder / "00000001" / "manifest.json").write_bytes(good)
    store = ModelStore(str(folder))
    assert store.manifest(1).version == 1
    (folder / "00000001" / "manifest.json").write_bytes(data.draw(damaged(good)))
    taken(lambda _: store.manifest(1), b"")
    assert store.versions() == [1]


@settings(max_examples=200)
@given(value=st.binary(max_size=200), kind=st.sampled_from(["accounting", "window", "fine_tune"]))
@example(value=b'{"kind":"accounting"}', kind="accounting")
@example(value=b'{"kind":"accounting","partitions":{"x":{}}}', kind="accounting")
@example(value=b'{"kind":"window"}', kind="window")
@example(value=b'{"kind":"window","window_start":"x"}', kind="window")
@example(value=b'{"kind":"\xff"}', kind="window")
@example(value=b"[]", kind="window")
def test_no_record_of_the_metrics_stops_the_status(value: bytes, kind: str) -> None:
    metrics = Metrics()
    metrics.take(kind.encode() + b"/0", value)
    metrics.totals()
    metrics.quality()
    assert metrics.windows is not None


LOOP = ("accepted_events", "model_updates", "elsewhere")
KEYS = (b"", b"model", b"items/1", b"trending", b"lease", b"\xff", b"model/\xff")


def test_no_record_of_the_loop_stops_a_worker() -> None:
    users = UsersSubtask(learn_users(deep=True), Clock())
    values = [*ODD, golden("accepted-v4")[:-1], golden("chunks-v4")[:50]]
    for topic in LOOP:
        for key in KEYS:
            for value in values:
                users.hear_as(topic, key, value)
    skipped = users.function._inbox.skipped
    # one of them is a pointer, to a model of sizes that nobody has: taken, and never served
    pointers = sum(key.startswith(b"model") for key in KEYS)
    assert sum(skipped.values()) == len(LOOP) * len(KEYS) * len(values) - pointers
    assert users.function._receiver.serving().model == 0


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_no_command_stops_fine_tuning(value: bytes, tmp_path: Path) -> None:
    world = World(tmp_path)
    (answer,) = world.command("odd", value)
    assert not answer["ok"]
    assert "control: expected" in answer["message"]
    assert world.state.champion == 0


def test_an_error_does_not_repeat_what_stands_in_a_field_of_fixed_words() -> None:
    with pytest.raises(StateError, match="another value - at") as told:
        control.decode_user(b'{"command": "anna@example.org", "user": "x"}')
    assert "anna" not in str(told.value)
