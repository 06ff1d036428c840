"""Bytes that fine-tune writes: read, written the same again, and damage is found."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.deep.shape import Shape
from state import examples
from state.codec.sealed import StateError, UnknownVersionError, seal
from state.examples import Examples
from state.keyed import ring, tuner_state
from state.keyed.ring import Block
from state.keyed.tuner_state import RoundState, TunerState, Waiting
from state.topics import model_pointer
from state.topics.model_pointer import ModelPointer

FOLDER = Path(__file__).parent / "state"


def golden(name: str) -> bytes:
    """Return the value in a file."""
    return bytes.fromhex((FOLDER / f"{name}.hex").read_text())


def column(kind: str, *values: Any) -> np.ndarray:
    return np.array(values, kind)


def some_examples() -> Examples:
    """Three events, two of them ranked."""
    return Examples(
        model=2**40,
        loss=np.arange(20) / 4 - 1,
        user=column("u8", 11, 2**64 - 1, 11),
        item=column("u8", 2**63, 7, 8),
        time=column("i8", 1_700_000_000_000, 1_700_000_000_001, 0),
        coordinate=column("i8", 5, 2**48 + 6, 7),
        rank=column("i4", 0, -1),
        online_rank=column("i4", 2**31 - 1, -1),
    )


def some_block() -> Block:
    """Two events."""
    return Block(
        user=column("u8", 11, 2**64 - 1),
        item=column("u8", 2**63, 7),
        time=column("i8", 1_700_000_000_000, -1),
    )


def some_ratings() -> Examples:
    """Three ratings, none of them ranked."""
    nobody = column("i4")
    return dataclasses.replace(
        some_examples(), rank=nobody, online_rank=nobody, value=column("f4", 0.5, 5, 3.25)
    )


def some_rated_block() -> Block:
    """Two ratings."""
    return dataclasses.replace(some_block(), value=column("f4", 4.5, 1))


def some_state() -> TunerState:
    """Every field has another value than at the start."""
    return TunerState(
        blocks={"a0000000001": 5, "b0000000002": 16_384},
        next_block=2,
        share=0.5,
        since_share=6,
        old_share=0.25,
        events=2**40,
        since_round=7,
        new_events=9,
        last_round_ms=1_700_000_000_000,
        trigger="time",
        round=RoundState(5, "events", 1_700_000_000_001, 16_389, 1, 4, 8, {"0": [5, 90]}),
        version=5,
        champion=4,
        champion_sha256="ab" * 32,
        store="file:///models",
        stores=1,
        root=2,
        previous=[1, 3],
        sequence=12,
        offsets={"0": [5, 99], "3": [7, 7]},
        deep=0.375,
        judged=1000.5,
        gains=[1.5, -0.25],
        squares=[2.5, 0.5],
        losses=[5.25, 5.5],
        wealth=1.1,
        verdict="round 4: é",
        rejected=1,
        failed=2,
        rollbacks=3,
        commands=["one", "two"],
        waiting=[Waiting("two", "promote_model", 3)],
    )


def some_private_state() -> TunerState:
    """The same, of a job whose rounds are private."""
    return replace(
        some_state(),
        privacy=[(1.0, 0.01, 250), (1.5, 0.25, 3)],
        epsilon=2.5,
        exhausted={"epsilon": 2.5, "delta": 1e-6, "clip": 1.0, "noise": 1.5},
    )


def some_proven_state() -> TunerState:
    """The same, with capitals of the test whether a weight helps."""
    return replace(some_private_state(), proof=[1000.5, 0.25, 30.0])


def some_forgetting_state() -> TunerState:
    """The same, with users that are forgotten."""
    return replace(some_proven_state(), forgotten=[11, 2**64 - 1])


def some_pointer() -> ModelPointer:
    """A pointer to a model of the default shape."""
    return ModelPointer(
        job="shop",
        run="0123abcd",
        start="fedc",
        round=5,
        sequence=12,
        model=4,
        root=1,
        store="file:///models",
        sha256="ab" * 32,
        shape=Shape().to_dict(),
        online=1.125,
        deep=0.375,
    )


BINARY: dict[str, tuple[Any, Callable[[], Any]]] = {
    "examples-v4": (examples, some_examples),
    "examples-v5": (examples, some_ratings),
    "ring-v1": (ring, some_block),
    "ring-v2": (ring, some_rated_block),
    "tuner-v4": (tuner_state, some_forgetting_state),
}


def of_version_2(state: TunerState) -> TunerState:
    """The same as version 2 knew it: by numbers only, and nothing waited."""
    return replace(state, champion_sha256="", store="", stores=0, waiting=[])


def without_blend(state: TunerState) -> TunerState:
    """The same as version 1 knew it, whose blend was another one."""
    old = of_version_2(state)
    return replace(old, root=0, deep=0.0, judged=0.0, gains=[], squares=[])


OLD: dict[str, tuple[Any, Any]] = {
    "examples-v1": (examples, dataclasses.replace(some_examples(), loss=np.zeros(20))),
    "examples-v2": (examples, dataclasses.replace(some_examples(), loss=np.zeros(20))),
    "examples-v3": (examples, dataclasses.replace(some_ratings(), loss=np.zeros(20))),
    "tuner-v3": (tuner_state, some_state()),
    "tuner-private-v3": (tuner_state, some_private_state()),
    "tuner-proven-v3": (tuner_state, some_proven_state()),
    "tuner-v2": (tuner_state, of_version_2(some_state())),
    "tuner-private-v2": (tuner_state, of_version_2(some_private_state())),
    "tuner-v1": (tuner_state, without_blend(some_state())),
    "tuner-private-v1": (tuner_state, without_blend(some_private_state())),
}


def same(found: Any, expected: Any) -> bool:
    """Return whether all columns are equal, type included."""
    if not hasattr(expected, "__dataclass_fields__"):
        return bool(found == expected)
    for field in fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            if (a.dtype, a.shape, a.tobytes()) != (b.dtype, b.shape, b.tobytes()):
                return False
        elif a != b:
            return False
    return True


@pytest.mark.parametrize("name", BINARY)
def test_the_newest_version_is_read(name: str) -> None:
    codec, made = BINARY[name]
    assert same(codec.decode(golden(name)), made())


@pytest.mark.parametrize("name", OLD)
def test_older_versions_are_read(name: str) -> None:
    codec, expected = OLD[name]
    assert same(codec.decode(golden(name)), expected)


@pytest.mark.parametrize("name", BINARY)
def test_the_newest_version_is_written_the_same(name: str) -> None:
    codec, made = BINARY[name]
    assert codec.encode(made()) == golden(name)
    assert codec.encode(codec.decode(golden(name))) == golden(name)


@pytest.mark.parametrize("name", [*BINARY, *OLD])
def test_a_golden_value_names_its_version(name: str) -> None:
    assert golden(name)[2:4] == bytes([int(name[-1]), 0])


def test_no_field_of_the_state_is_left_at_its_default() -> None:
    start = TunerState()
    for name in TunerState.__struct_fields__:
        assert getattr(some_forgetting_state(), name) != getattr(start, name), name


def test_a_state_of_fewer_fields_is_read() -> None:
    found = tuner_state.decode(seal(tuner_state.MAGIC, tuner_state.VERSION, b'{"champion":3}'))
    assert found == TunerState(champion=3)


def is_object(payload: bytes) -> bool:
    """Return whether bytes are a JSON object: `{}` is a state in which nothing has happened."""
    try:
        return isinstance(json.loads(payload), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data())
def test_any_flipped_bit_is_found(name: str, data: st.DataObject) -> None:
    good = golden(name)
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    damaged = bytearray(good)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StateError, match=r"expected .*, got:? .*; "):
        BINARY[name][0].decode(bytes(damaged))


@pytest.mark.parametrize("name", BINARY)
@given(payload=st.binary(max_size=200).filter(lambda payload: not is_object(payload)))
def test_a_payload_that_makes_no_sense_is_refused(name: str, payload: bytes) -> None:
    codec = BINARY[name][0]
    with pytest.raises(StateError, match=r"expected .*, got:? .*; "):
        codec.decode(seal(codec.MAGIC, codec.VERSION, payload))


@pytest.mark.parametrize("name", BINARY)
def test_a_cut_value_is_refused(name: str) -> None:
    for cut in range(len(golden(name))):
        with pytest.raises(StateError):
            BINARY[name][0].decode(golden(name)[:cut])


def test_blocks_with_and_without_ratings_are_joined() -> None:
    joined = Block.joined(some_block(), some_rated_block())
    assert np.isnan(joined.value[:2]).all()
    assert joined.value[2:].tolist() == [4.5, 1]
    assert not len(Block.joined(some_block(), some_block()).value)
    assert ring.decode(ring.encode(joined)).value[3] == 1


def test_examples_have_the_size_that_is_told() -> None:
    assert len(golden("examples-v4")) == examples.size_of(3, 2)


POINTER = FOLDER / "model-pointer-v2.json"


def test_a_model_pointer_is_read_and_written_the_same() -> None:
    value = POINTER.read_bytes().rstrip(b"\n")
    assert model_pointer.decode(value) == some_pointer()
    assert model_pointer.decode(value).shape_of() == Shape()
    assert model_pointer.encode(some_pointer()) == value


def test_a_model_pointer_of_format_1_is_read_as_of_nobody() -> None:
    value = (FOLDER / "model-pointer-v1.json").read_bytes()
    expected = replace(some_pointer(), format=1, job="", run="", start="", round=0)
    assert model_pointer.decode(value) == expected


def test_a_pointer_of_another_format_is_refused() -> None:
    value = POINTER.read_bytes().replace(b'"format":2', b'"format":3')
    with pytest.raises(UnknownVersionError, match=r"expected format 1 or 2, got 3"):
        model_pointer.decode(value)


@pytest.mark.parametrize(
    "value",
    [b"", b"{}", b"[]", b'{"sequence":1}', b'{"sequence":"1","model":1}', b"\xff", b'{"model":1'],
)
def test_what_is_no_pointer_is_refused(value: bytes) -> None:
    with pytest.raises(StateError, match=r"model pointer: expected its fields, got: .*; skip"):
        model_pointer.decode(value)


def test_a_pointer_with_sizes_nobody_knows_is_refused() -> None:
    value = b'{"sequence":1,"model":1,"shape":{"depth":3}}'
    with pytest.raises(StateError, match=r"model pointer: expected the sizes .*depth.*; skip"):
        model_pointer.decode(value).shape_of()
