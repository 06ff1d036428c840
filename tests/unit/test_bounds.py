"""No record is larger than was said before it was written, whatever it holds."""

from hashlib import sha256

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.schema import JobConfig
from jobs import tables
from models.columns.events import OFFSET_BITS
from models.columns.items import ItemRows
from models.columns.lists import BY_TRANSITION, Recommended
from models.columns.users import Users
from models.items.table import Items
from models.keys import key_of
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Rejected
from operators.learn_users.stages.records import DeadLetters, Recommendations, Triggers
from operators.learn_users.stages.slate import Slates
from state import record_sizes
from state.keyed.accounting import GAPS, Accounting, PartitionCounts
from state.topics import chunks, trending
from state.users.state import UserState

LIMIT = 64 << 10
REJECTED = Rejected(0, "key_mismatch", "user_id", "expected the record key, got another")
WORST = '"\\'  # the two that JSON writes as two characters


def java_size(key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> int:
    """What Kafka's own client estimates, DefaultRecordBatch.estimateBatchSizeUpperBound."""

    def varint(n: int) -> int:
        n = (n << 1) ^ (n >> 31)
        return max(1, -(-n.bit_length() // 7))

    size = 61 + 21
    for part in (key, value):
        size += 1 if part is None else varint(len(part)) + len(part)
    size += varint(len(headers))
    for name, text in headers.items():
        size += varint(len(name)) + len(name) + varint(len(text)) + len(text)
    return size


@settings(deadline=None)
@given(
    key=st.none() | st.integers(0, 3 * LIMIT),
    value=st.none() | st.integers(0, 3 * LIMIT),
    max_bytes=st.sampled_from([256, LIMIT, 1 << 20]),
)
def test_a_dead_letter_fits_and_says_what_was_left_out(
    key: int | None, value: int | None, max_bytes: int
) -> None:
    k, v = (None if n is None else bytes([n % 256]) * n for n in (key, value))
    letters = DeadLetters("topic", "1.2.3", max_bytes, LIMIT)
    coordinate = 3 << OFFSET_BITS | 5
    ((found_key, found_value, headers),) = letters(
        [REJECTED], MicroBatch(0, [k], [v], [coordinate], [7])
    )
    assert java_size(found_key, found_value, headers) <= record_sizes.record(
        found_key, found_value, headers
    )
    assert record_sizes.record(found_key, found_value, headers) <= LIMIT
    for found, sent, name in ((found_key, k, "src.key"), (found_value, v, "src")):
        if found == sent:
            assert f"{name}.size" not in headers
        else:
            assert found is None
            assert sent is not None
            assert headers[f"{name}.size"] == b"%d" % len(sent)
            assert headers[f"{name}.sha256"] == sha256(sent).hexdigest().encode()
    if record_sizes.record(k, v) < LIMIT - 2_048 and len(v or b"") <= max_bytes:
        assert (found_key, found_value) == (k, v)


def test_a_swapped_key_is_left_out_and_the_value_stays() -> None:
    letters = DeadLetters("topic", "1.2.3", LIMIT, LIMIT)
    ((key, value, headers),) = letters(
        [REJECTED], MicroBatch(0, [b"x" * 2_000_000], [b"{}"], [0], [7])
    )
    assert (key, value) == (None, b"{}")
    assert headers["src.key.size"] == b"2000000"


@settings(deadline=None)
@given(
    k=st.integers(1, 100),
    id_bytes=st.integers(8, 1_024),
    characters=st.sampled_from([WORST, "a", "é", "商", "/"]),
)
def test_a_recommendation_keeps_its_bound(k: int, id_bytes: int, characters: str) -> None:
    def identifier(n: int) -> str:
        text = f"{n:04}" + characters * id_bytes
        return text.encode()[:id_bytes].decode(errors="ignore")

    items = Items(factors=4, transitions=TransitionParams(), limit=1_000, seed=1)
    ids = [identifier(n) for n in range(k)]
    rows = items.rows(np.array([key_of(i) + n for n, i in enumerate(ids)], np.uint64))
    items.name(rows, ids)
    user = characters * id_bytes
    user = user.encode()[:id_bytes].decode(errors="ignore")
    users: Users = UserState(UserParams(), 4, 1).decode([None], [user])
    best = Recommended(
        rows=rows[None, :],
        scores=np.full((1, k), -1.234567e30, np.float32),
        reasons=np.full((1, k), BY_TRANSITION, np.uint8),
        sources=rows[None, ::-1],
    )
    big = np.array([2**62])
    triggers = Triggers(np.zeros(1, np.int32), [user], big.astype(np.uint64), big, big)
    writer = Recommendations("m" * 200)
    slates = Slates(best, np.full((1, k), 1.2345678e-30, np.float32), ["a" * 32])
    ((key, value),) = writer([user], [user], users, triggers, slates, items, 2**62)
    assert len(key) + len(value) <= record_sizes.recommendation(k, id_bytes)


@settings(deadline=None, max_examples=50)
@given(
    items=st.integers(0, 200),
    successors=st.integers(0, 400),
    factors=st.sampled_from([1, 32, 512]),
    id_bytes=st.integers(0, 1_024),
)
def test_chunks_keep_their_bound_and_hold_all_rows(
    items: int, successors: int, factors: int, id_bytes: int
) -> None:
    rows = item_rows(items, successors, factors, id_bytes)
    whole = chunks.encode(rows)
    assert len(whole) <= record_sizes.chunk(items, successors, factors, id_bytes)
    parts = chunks.encode_within(rows, LIMIT)
    assert max(map(len, parts)) <= LIMIT
    found = [key for part in parts for key in chunks.decode(part).keys.tolist()]
    assert found == rows.keys.tolist()
    for part in parts:
        read = chunks.decode(part)
        assert set(np.diff(read.successor_start).tolist()) <= {successors}
        assert read.weights.tolist() == read.successors.astype(np.float32).tolist()


def item_rows(items: int, successors: int, factors: int, id_bytes: int) -> ItemRows:
    """Rows of items that all have that many successors."""
    scalars = {
        name: np.zeros(items, kind)
        for name, kind in (
            ("count", np.int64), ("last_time", np.int64), ("value_sum", np.float64),
            ("popularity", np.float32),
            ("gradient_sum", np.float32), ("bias", np.float32), ("bias_gradient_sum", np.float32),
            ("context_gradient_sum", np.float32),
        )
    }  # fmt: skip
    followed = np.arange(items * successors, dtype=np.uint64) % 1_000
    return ItemRows(
        keys=np.arange(items, dtype=np.uint64),
        ids=["x" * id_bytes] * items,
        factors=np.ones((items, factors), np.float32),
        context=np.ones((items, 0), np.float32),
        variance=np.ones((items, 0), np.float32),
        place_start=np.zeros(items + 1, np.int32),
        place_keys=followed[:0],
        place_positions=np.empty(0, np.int32),
        successor_start=np.arange(items + 1, dtype=np.int32) * successors,
        successors=followed,
        weights=followed.astype(np.float32),
        **scalars,
    )


@pytest.mark.parametrize("partitions", [0, 1, 256, 257, 5_000])
def test_accounting_of_many_partitions_takes_several_records(partitions: int) -> None:
    most = 2**62
    counts = {
        str(30_000 + n): PartitionCounts(*[most] * 7, gaps=[(most, most)] * GAPS)
        for n in range(partitions)
    }
    whole = Accounting("accounting", 32_767, counts, dict.fromkeys(map(str, range(40)), most), most)
    records = whole.records()
    assert max(record_sizes.record(key, value) for key, value in records) <= LIMIT
    assert records[0][0] == b"accounting/32767"
    assert len({key for key, _ in records}) == len(records)
    read = [msgspec.json.decode(value) for _, value in records]
    assert {name for part in read for name in part["partitions"]} == set(counts)
    assert [len(part["rejected"]) for part in read] == [40] + [0] * (len(read) - 1)


def test_trending_keeps_its_bound() -> None:
    most = record_sizes.most_trending(64 << 10, 128)
    seen = {f"{n:03}" + WORST * 62: 2**62 for n in range(most)}
    listed = trending.Trending(origin="f" * 16, window_end=2**62, seen=seen)
    assert most > 100
    assert len(msgspec.json.encode(listed)) + 8 <= 64 << 10


def test_the_limit_goes_to_the_producers() -> None:
    config = JobConfig.model_validate({"kafka": {"max_record_bytes": "32MiB"}})
    for sink in (
        tables.loop_sink(config, "a", "a"),
        tables.output_sink(config, "a", "a"),
    ):
        assert f"'properties.max.request.size' = '{32 << 20}'" in sink
        assert f"'properties.buffer.memory' = '{128 << 20}'" in sink
