"""Sealed bytes: what was written comes back, and anything else is refused with a remedy."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.codec import sealed as codec

SEALED = codec.seal(b"XX", 2, b"payload")


@given(payload=st.binary(max_size=200), version=st.integers(0, 65_535))
def test_a_sealed_payload_comes_back(payload: bytes, version: int) -> None:
    sealed = codec.seal(b"XX", version, payload)
    assert codec.open_sealed(sealed, b"XX", (version,), "test") == (version, payload)
    assert len(sealed) == codec.HEADER.size + len(payload)


@given(payloads=st.lists(st.binary(max_size=50), max_size=8))
def test_sealing_many_is_sealing_each(payloads: list[bytes]) -> None:
    buffer = np.frombuffer(bytearray().join(payloads), np.uint8)
    bounds = np.cumsum([0, *map(len, payloads)]).astype(np.int64)
    assert codec.seal_all(b"XX", 1, buffer, bounds) == [
        codec.seal(b"XX", 1, payload) for payload in payloads
    ]


@given(payloads=st.lists(st.binary(max_size=50), max_size=8))
def test_many_payloads_come_back(payloads: list[bytes]) -> None:
    values = [codec.seal(b"XX", 1 + i % 2, payload) for i, payload in enumerate(payloads)]
    opened = codec.open_all(values, b"XX", (1, 2), str)
    assert opened.version.tolist() == [1 + i % 2 for i in range(len(payloads))]
    ends = (opened.start + opened.length).tolist()
    found = zip(opened.start.tolist(), ends, strict=True)
    assert [opened.buffer[a:b].tobytes() for a, b in found] == payloads


@given(bit=st.integers(0, 8 * len(SEALED) - 1))
def test_any_flipped_bit_is_found(bit: int) -> None:
    damaged = bytearray(SEALED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(codec.StateError):
        codec.open_sealed(bytes(damaged), b"XX", (2,), "test")
    with pytest.raises(codec.StateError):
        codec.open_all([SEALED, bytes(damaged)], b"XX", (2,), str)


@given(bit=st.sampled_from([16, 17]))
def test_a_version_flipped_to_another_readable_one_is_found(bit: int) -> None:
    damaged = bytearray(SEALED)
    damaged[2] ^= 3
    with pytest.raises(codec.CorruptError):
        codec.open_sealed(bytes(damaged), b"XX", (1, 2), "test")


@given(cut=st.integers(0, len(SEALED) - 1))
def test_any_cut_is_found(cut: int) -> None:
    with pytest.raises(codec.TruncatedError):
        codec.open_sealed(SEALED[:cut], b"XX", (2,), "test")
    with pytest.raises(codec.TruncatedError):
        codec.open_all([SEALED[:cut]], b"XX", (2,), str)


@pytest.mark.parametrize(
    ("damage", "error", "remedy"),
    [
        (lambda _: b"", codec.TruncatedError, "older savepoint"),
        (lambda v: v + b"\0", codec.TruncatedError, "older savepoint"),
        (lambda v: b"YY" + v[2:], codec.BadMagicError, "older savepoint"),
        (lambda _: codec.seal(b"XX", 3, b"payload"), codec.UnknownVersionError, "newer one"),
        (lambda v: v[:-1] + b"\0", codec.CorruptError, "older savepoint"),
    ],
)
def test_the_error_says_what_it_is_and_what_to_do(
    damage: Callable[[bytes], bytes], error: type[codec.StateError], remedy: str
) -> None:
    with pytest.raises(error, match=rf"the value: expected .*, got .*; .*{remedy}"):
        codec.open_sealed(damage(SEALED), b"XX", (2,), "the value")
    with pytest.raises(error, match=rf"value 1: expected .*, got .*; .*{remedy}"):
        codec.open_all([SEALED, damage(SEALED)], b"XX", (2,), lambda i: f"value {i}")
