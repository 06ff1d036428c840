"""Keys and buckets are part of the stored data: they may never change."""

import pytest

from models.keys import bucket_of, hash_code, key_of


@pytest.mark.parametrize(
    ("identifier", "key"),
    [("", 0x2D06800538D394C2), ("item-1", 0xA8ED576B406035B2), ("é", 0xF7940A006CF10CB3)],
)
def test_the_key_of_an_id_never_changes(identifier: str, key: int) -> None:
    assert key_of(identifier) == key


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [  # HASH_CODE of Flink 2.3.0: the absolute value of String.hashCode
        ("", 0),
        ("b", 98),
        ("anna", 2998944),
        ("polygenelubricants", -(2**31)),
    ],
)
def test_the_hash_of_an_id_is_the_one_of_flink(identifier: str, expected: int) -> None:
    assert hash_code(identifier.encode("utf-16-le")) == expected


def test_running_numbers_spread_evenly() -> None:
    counts = [0] * 64
    for number in range(6040):
        counts[bucket_of(str(number), 64)] += 1
    assert max(counts) < 1.15 * 6040 / 64
