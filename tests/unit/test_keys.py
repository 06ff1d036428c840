"""Keys and buckets are part of the stored data: they may never change."""

import pytest

from models.keys import bucket_of, java_hash, key_of


@pytest.mark.parametrize(
    ("identifier", "key"),
    [("", 0x2D06800538D394C2), ("item-1", 0xA8ED576B406035B2), ("é", 0xF7940A006CF10CB3)],
)
def test_the_key_of_an_id_never_changes(identifier: str, key: int) -> None:
    assert key_of(identifier) == key


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [  # BinaryStringData.fromString(id).hashCode() of Flink 2.3.0
        ("", 142593372),
        ("a", 1485273170),
        ("u1", -1748189086),
        ("user-1", -802825514),
        ("abcd", -396302900),
        ("abcdefgh", -804741815),
        ("user-123456789", -1075743782),
        ("~!x", -939696872),
        ("ééx", -1749136510),
        ("é", 2119106806),
        ("abc€", 336836029),
        ("😀", 1877935379),
        ("0123456789abcdef0", -998996025),
    ],
)
def test_the_hash_of_an_id_is_the_one_of_flink(identifier: str, expected: int) -> None:
    assert java_hash(identifier.encode()) == expected % 2**32


@pytest.mark.parametrize("buckets", [1, 2, 64, 1024])
def test_a_bucket_is_the_non_negative_remainder_of_the_hash(buckets: int) -> None:
    assert bucket_of("u1", buckets) == -1748189086 % buckets
    assert bucket_of("a", buckets) == 1485273170 % buckets
