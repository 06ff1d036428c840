"""Bytes of every layout version that was ever released are read, and written the same again.

A file `state/<name>-v<version>.hex` is written once, when its version is new, and never again:
if one of these tests fails, a stored value of some installation cannot be read any more.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.columns.accepted import AcceptedBatch
from models.columns.items import ItemRows
from models.columns.users import Users
from models.keys import key_of
from models.numeric.initial import INITIAL_DEVIATION, initial_factors
from models.params.users import UserParams
from models.users.history import NEWEST, as_counted
from models.users.past import FOREVER
from operators.learn_users.stages.records import Triggers, recommendation_id, trigger_keys
from state.codec.sealed import IncompatibleError, UnknownVersionError, open_sealed, seal
from state.keyed import knobs, lineage, popularity
from state.keyed.accounting import Accounting, PartitionCounts
from state.keyed.item_state import ItemState
from state.keyed.lineage import Lineage, Topic
from state.topics import accepted, chunks, marks
from state.users.state import UserState

FOLDER = Path(__file__).parent / "state"
USERS = UserState(
    UserParams(history=4, past=5, timed=True, recent_events=4, exclusions=3, deep_state=2),
    factors=2,
    seed=1,
)
ITEMS = ItemState(factors=2, context_seed=5)
FILTERED = UserState(
    UserParams(history=4, past=5, timed=True, recent_events=4, exclusions=3, deep_state=2),
    factors=2,
    seed=1,
    variances=3,
    rated=3,
)
FILTERED_ITEMS = ItemState(factors=2, context_seed=5, variances=3)
"""The same of a model with variances."""


def golden(name: str) -> list[bytes]:
    """Return the values in a file, one a line."""
    return [bytes.fromhex(line) for line in (FOLDER / f"{name}.hex").read_text().split()]


def column(kind: str, *values: Any) -> np.ndarray:
    return np.array(values, kind)


def users() -> Users:
    """One user with lists of different length, and one with nothing."""
    return Users(
        key=column("u8", key_of("ann"), key_of("bob")),
        factors=column("f4", [0.5, -0.25], [0, 1]),
        gradient_sum=column("f4", 1.5, 0),
        bias=column("f4", -0.125, 0),
        history=column("u8", [11, 12, 2**64 - 1, 0], [0, 0, 0, 0]),
        history_gap=column("u1", [23, 1, 7, 0], [0, 0, 0, 0]),
        history_length=column("i4", 3, 0),
        past=column("u4", [11, 13, 0xFFFFFFFE, 0, 0], [0, 0, 0, 0, 0]),
        past_until=column("u4", [FOREVER, 28_333_334, FOREVER, FOREVER, FOREVER], [FOREVER] * 5),
        past_length=column("i4", 3, 0),
        last_positive=column("i8", 1_700_000_000_001, -1),
        deep=column("f4", [0.75, -1.5], [0, 0]),
        deep_version=column("i8", 3, 0),
        excluded=column("u8", [21, 0, 0], [0, 0, 0]),
        excluded_length=column("i4", 1, 0),
        recent=column("u8", [31, 32, 0, 0, 0], [0] * 5),
        recent_content=column("u4", [41, 2**32 - 1, 0, 0, 0], [0] * 5),
        recent_subject=column("u4", [51, 52, 0, 0, 0], [0] * 5),
        recent_time=column("u4", [1_700_000_000, 1_700_000_000, 0, 0, 0], [0] * 5),
        recent_length=column("i4", 2, 0),
        variance=np.empty((2, 0), "f4"),
        mood=np.empty((2, 0), "f8"),
        rated=np.empty((2, 0), "u8"),
        rated_residual=np.empty((2, 0), "f4"),
        rated_length=column("i4", 0, 0),
        floor=column("i8", 1_600_000_000_000, -1),
        idle_floor=column("i8", 1_600_000_000_007, -1),
        session_start=column("i8", 1_700_000_000_000, -1),
        session_last=column("i8", 1_700_000_000_001, -1),
        session_events=column("i4", 2, 0),
        events=column("i8", 2**40, 0),
        positives=column("i8", 2**40 - 1, 0),
        said=column("f4", 0, 0),
        said_at=column("u4", 0, 0),
        repeated=column("u8", 0, 0),
        seen=column("i8", 1_700_000_000_002, -1),
    )


def noted_users() -> Users:
    """As `filtered_users`, and of which item the last event that counted was."""
    found = filtered_users()
    found.history_gap[0, 1] |= NEWEST
    return found


def filtered_users() -> Users:
    """The same where there are variances; the second one was never learnt."""
    found = users()
    found.variance = column("f4", [0.5, 0.25, 0.125], [0, 0, 0])
    found.mood = column("f8", [-0.5, 0.0625, 1_700_000_000_001], [0, 0, 0])
    found.rated = column("u8", [2**64 - 1, 61, 0], [0, 0, 0])
    found.rated_residual = column("f4", [1.5, -2, 0], [0, 0, 0])
    found.rated_length = column("i4", 2, 0)
    return found


def filtered_item_rows() -> ItemRows:
    """The same where there are variances."""
    found = item_rows()
    found.variance = column("f4", [0.0625, 0.03125, 0.5], [0.25, 0.25, 1])
    return found


def item_rows() -> ItemRows:
    """One item with two successors, and one known only by its key."""
    return ItemRows(
        keys=column("u8", 2**64 - 2, 7),
        ids=["item-é", ""],
        count=column("i8", 2**40, 0),
        last_time=column("i8", 1_700_000_000_000, -1),
        value_sum=column("f8", 2.0**41 + 0.5, 0),
        popularity=column("f8", 1234.5, 0),
        factors=column("f4", [0.5, -0.25], [0, 1]),
        gradient_sum=column("f4", 1.5, 0),
        bias=column("f4", -0.125, 0),
        bias_gradient_sum=column("f4", 0.75, 0),
        context=column("f4", [0.125, 2], [-1, 0]),
        place_start=column("i4", 0, 1, 3),
        place_keys=column("u8", 2**64 - 5, 3, 4),
        place_positions=column("i4", 2**31 - 2, 0, 7),
        context_gradient_sum=column("f4", 0.25, 0),
        variance=np.empty((2, 0), "f4"),
        successor_start=column("i8", 0, 2, 2),
        successors=column("u8", 7, 2**63),
        weights=column("f4", 2.5, 0.5),
    )


def accepted_batch() -> AcceptedBatch:
    """Three events of two users; the third item has no id."""
    return AcceptedBatch(
        origin=2**64 - 3,
        bucket=63,
        keys=column("u8", 2**64 - 2, 7, 8),
        ids=["item-é", "b"],
        user=column("i4", 0, 1, 0),
        item=column("i4", 0, 1, 1),
        coordinate=column("i8", 5, 2**48 + 6, 7),
        weight=column("f4", 1, -1, 0),
        value=column("f4", np.nan, 3.5, 4),
        time=1_700_000_000_000,
        context=column("i4", 2),
        context_start=column("i4", 0, 0, 1),
        factors=column("f4", [0.5, -0.25], [0, 1]),
        negatives=column("i4", [2, -1], [0, 2], [-1, -1]),
        gradients=column("f4", [0.5, -0.5, 0], [1, 2, 3], [0, 0, 0]),
        moved=column("i4", 2, 0),
        differences=column("f2", [0.5, -0.25, 1], [0, 0, -2]),
        user_keys=column("u8", 2**64 - 5, 3),
        position=column("i4", 0, 2**31 - 2, 5),
    )


def accounting() -> Accounting:
    """Two partitions and two reasons."""
    return Accounting(
        kind="accounting",
        bucket=3,
        partitions={
            "0": PartitionCounts(10, 6, 1, 1, 2, 12),
            "1": PartitionCounts(1, 1, 0, 0, 0, 1),
        },
        rejected={"empty": 1, "invalid_json": 1},
        generated_at=1_700_000_000_000,
    )


def accounting_of_version_2() -> Accounting:
    """The same, with what version 1 did not know."""
    known = accounting()
    known.partitions["0"].first_offset, known.partitions["0"].gaps = 1, [(3, 4)]
    known.partitions["1"].first_offset = 0
    return known


def same(found: Any, expected: Any) -> bool:
    """Return whether all columns are equal, NaN and type included."""
    for field in fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            if (a.dtype, a.shape, a.tobytes()) != (b.dtype, b.shape, b.tobytes()):
                return False
        elif a != b:
            return False
    return True


def test_the_header_is_read_and_written_the_same() -> None:
    (value,) = golden("header")
    assert open_sealed(value, b"XX", (2,), "header") == (2, b"payload")
    assert seal(b"XX", 2, b"payload") == value


def users_of_version_4() -> Users:
    """What version 4 knew of them: all events, whatever their weight."""
    expected = users()
    expected.positives = expected.events.copy()
    return expected


def users_of_version_3() -> Users:
    """What version 3 knew of them: one floor, and of recent events neither content nor subject."""
    expected = users_of_version_4()
    expected.recent_content[:] = 0
    expected.recent_subject[0] = [1, 1, 0, 0, 0]
    expected.floor[0] += 1
    expected.idle_floor[:] = expected.floor
    return expected


def users_of_version_2() -> Users:
    """What version 2 knew of them: all of the past is for ever."""
    expected = users_of_version_3()
    expected.past_until[:] = FOREVER
    return expected


def users_of_version_1() -> Users:
    """What version 1 knew of them: no gaps, no deep model, and the history for the past."""
    expected = users_of_version_2()
    expected.history_gap[:] = 0
    expected.past[0] = [10, 12, 0xFFFFFFFE, 0, 0]
    expected.last_positive[:] = -1
    expected.deep[:], expected.deep_version[:] = 0, 0
    return expected


def test_users_of_version_1_are_read() -> None:
    assert same(USERS.decode(golden("users-v1"), ["ann", "bob"]), users_of_version_1())


def test_users_of_all_versions_may_be_mixed() -> None:
    mixed = [golden(f"users-v{version}")[0] for version in (1, 2, 3, 4, 5)]
    found = USERS.decode([*mixed, USERS.encode(users())[0]], ["ann"] * 6)
    versions = (
        users_of_version_1(),
        users_of_version_2(),
        users_of_version_3(),
        users_of_version_4(),
        users(),
        users(),
    )
    for row, expected in enumerate(versions):
        assert same(found.take(np.array([row])), expected.take(np.array([0])))


def test_users_of_version_2_are_read() -> None:
    assert same(USERS.decode(golden("users-v2"), ["ann", "bob"]), users_of_version_2())


def test_users_of_version_3_are_read() -> None:
    assert same(USERS.decode(golden("users-v3"), ["ann", "bob"]), users_of_version_3())


def test_users_of_version_4_are_read() -> None:
    assert same(USERS.decode(golden("users-v4"), ["ann", "bob"]), users_of_version_4())


def test_users_of_version_5_are_read() -> None:
    assert same(USERS.decode(golden("users-v5"), ["ann", "bob"]), users())


def test_users_of_version_6_are_read() -> None:
    """The newest item is that of the last event that counted, as nothing else is said."""
    found = FILTERED.decode(golden("users-v6"), ["ann", "bob"])
    assert same(found, filtered_users())
    assert as_counted(found)[0].tolist() == found.history.tolist()


def test_users_of_version_7_are_read() -> None:
    """Nothing bounded yet what they said."""
    found = FILTERED.decode(golden("users-v7"), ["ann", "bob"])
    assert same(found, noted_users())
    assert as_counted(found)[0][0, :3].tolist() == [11, 2**64 - 1, 12]


def test_users_are_written_as_version_8() -> None:
    expected = noted_users()
    expected.said[:], expected.said_at[:] = [2.5, 0], [1_700_000_000, 0]
    expected.repeated[:] = [2**63 + 1, 0]
    assert FILTERED.encode(expected) == golden("users-v8")
    assert same(FILTERED.decode(golden("users-v8"), ["ann", "bob"]), expected)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_users_of_before_there_were_variances_are_refused_where_some_are_needed(
    version: int,
) -> None:
    with pytest.raises(IncompatibleError, match=r"expected 3 variances, got 0; .*sgd"):
        FILTERED.decode(golden(f"users-v{version}"), ["ann", "bob"])


def test_users_with_variances_are_refused_where_there_are_none() -> None:
    with pytest.raises(IncompatibleError, match=r"expected 0 variances, got 3; .*ekf"):
        USERS.decode(golden("users-v6"), ["ann", "bob"])


def test_a_deep_state_of_another_shape_is_left_out() -> None:
    wide = UserState(
        UserParams(history=4, past=5, recent_events=4, exclusions=3, deep_state=3),
        factors=2,
        seed=1,
    )
    found = wide.decode(golden("users-v3"), ["ann", "bob"])
    assert found.deep_version.tolist() == [0, 0]
    assert not found.deep.any()
    assert found.history_gap[0].tolist() == [23, 1, 7, 0]


def item_rows_of_version_2() -> ItemRows:
    """What version 2 knew of them: no factors as context, so that they are those of a new item."""
    expected = item_rows()
    expected.context[:] = initial_factors(expected.keys, 5, 2, INITIAL_DEVIATION)
    expected.context_gradient_sum[:] = 0
    expected.place_start[:] = 0
    expected.place_keys, expected.place_positions = np.empty(0, "u8"), np.empty(0, "i4")
    return expected


def item_rows_of_version_1() -> ItemRows:
    """What version 1 knew of them: the count for the popularity."""
    expected = item_rows_of_version_2()
    expected.popularity = expected.count.astype(np.float64)
    return expected


def test_items_of_version_1_are_read() -> None:
    assert same(ITEMS.decode(golden("items-v1")), item_rows_of_version_1())


def test_items_of_version_2_are_read() -> None:
    assert same(ITEMS.decode(golden("items-v2")), item_rows_of_version_2())


def test_a_model_without_context_leaves_it_out() -> None:
    found = ItemState(factors=2).decode([*golden("items-v3"), *golden("items-v2")])
    assert found.context.shape == (4, 0)
    assert np.array_equal(found.factors, np.vstack([item_rows().factors] * 2))


def test_items_of_all_versions_may_be_mixed() -> None:
    first, second = golden("items-v1")[0], golden("items-v2")[1]
    (third, *_) = golden("items-v3")
    assert same(ITEMS.decode([second, third, first]).take(1, 2), item_rows().take(0, 1))
    found = ITEMS.decode([first, second, first])
    assert found.popularity.tolist() == [2.0**40, 0, 2.0**40]
    assert found.ids == ["item-é", "", "item-é"]
    assert found.successors.tolist() == [7, 2**63] * 2


def test_items_of_version_3_are_read() -> None:
    assert same(ITEMS.decode(golden("items-v3")), item_rows())
    assert same(ITEMS.decode(ITEMS.encode(item_rows())), item_rows())


def test_items_of_version_4_are_read() -> None:
    """Their popularity is of 32 bits."""
    assert same(FILTERED_ITEMS.decode(golden("items-v4")), filtered_item_rows())


def test_items_are_written_as_version_5() -> None:
    rows = filtered_item_rows()
    rows.popularity[0] = 2.0**24 + 0.5
    assert FILTERED_ITEMS.encode(rows) == golden("items-v5")
    found = FILTERED_ITEMS.decode(golden("items-v5"))
    assert same(found, rows)
    assert FILTERED_ITEMS.encode(found) == golden("items-v5")


def test_items_of_another_model_are_refused() -> None:
    for version in (1, 2, 3):
        with pytest.raises(IncompatibleError, match=r"expected 3 variances, got 0; .*sgd"):
            FILTERED_ITEMS.decode(golden(f"items-v{version}"))
    with pytest.raises(IncompatibleError, match=r"expected 0 variances, got 3; .*ekf"):
        ITEMS.decode(golden("items-v4"))


def test_accepted_events_of_version_1_are_read() -> None:
    (value,) = golden("accepted-v1")
    expected = accepted_of_version_2()
    expected.origin = 0
    assert same(accepted.decode(value), expected)


def accepted_of_version_2() -> AcceptedBatch:
    """What version 2 said: no rows that were moved."""
    expected = accepted_batch()
    expected.moved, expected.differences = expected.moved[:0], np.empty((0, 0), "f2")
    expected.user_keys, expected.position = np.empty(0, "u8"), np.empty(0, "i4")
    return expected


def test_accepted_events_of_version_2_are_read() -> None:
    (value,) = golden("accepted-v2")
    assert same(accepted.decode(value), accepted_of_version_2())


def test_accepted_events_of_version_3_are_read() -> None:
    (value,) = golden("accepted-v3")
    assert same(accepted.decode(value), accepted_batch())


def compact_batch() -> AcceptedBatch:
    """The same where rows travel as differences, and no ratings are learnt."""
    compact = accepted_batch()
    compact.value, compact.factors = compact.value[:0], compact.factors[:, :0]
    compact.negatives, compact.gradients = compact.negatives[:, :0], compact.gradients[:, :0]
    return compact


def test_accepted_events_of_version_4_have_one_time() -> None:
    for batch, value in zip(
        (accepted_batch(), compact_batch()), golden("accepted-v4"), strict=True
    ):
        found = accepted.decode(value)
        assert same(found, batch)
        assert found.times.tolist() == [batch.time] * 3


def timed_batches() -> list[AcceptedBatch]:
    """Events of one second, of some minutes and of years."""
    young, old = accepted_batch(), compact_batch()
    young.age, old.age = column("u4", 0, 255, 1), column("u4", 700_000_000, 0, 256)
    return [accepted_batch(), young, old]


def test_accepted_events_are_written_as_version_5() -> None:
    for batch, value in zip(timed_batches(), golden("accepted-v5"), strict=True):
        assert accepted.encode(batch) == value
        assert same(accepted.decode(value), batch)


def test_accepted_events_of_many_users_are_wide() -> None:
    value = accepted.encode(accepted_batch())
    many = np.zeros((70_000, 2), np.float32)
    whole = accepted_batch()
    whole.factors, whole.user_keys = many, np.arange(70_000, dtype=np.uint64)
    whole.context_start = np.array([0, 0, *[1] * 69_999], np.int32)
    assert same(accepted.decode(accepted.encode(whole)), whole)
    assert accepted.encode(accepted.decode(value)) == value


def test_marks_of_version_1_are_read() -> None:
    (value,) = golden("marks-v1")
    made = np.array([[-1, 5, 2**50], [2**48 + 7, -1, -1]])
    assert np.array_equal(marks.decode(value), made)


def test_marks_are_written_as_version_2() -> None:
    (value,) = golden("marks-v2")
    made = np.array([[-1, 5, 2**50], [2**48 + 7, -1, 2**50 - 130], [3, 0, -1]])
    longer = np.full((4, 9), -1)
    longer[:3, :3] = made
    assert marks.encode(made) == marks.encode(longer) == value
    assert np.array_equal(marks.decode(value), made)


def test_knobs_are_written_as_version_1() -> None:
    (value,) = golden("knobs-v1")
    start, sums = np.arange(1, 5) / 8, np.arange(9) / 4 - 1
    assert knobs.encode(start, sums) == value
    assert np.array_equal(knobs.decode(value, start), sums)


def test_what_popularity_was_worth_is_written_as_version_2() -> None:
    (value,) = golden("popularity-v2")
    made = np.arange(230).reshape(10, 23) / 8 - 4
    assert popularity.encode(made) == value
    assert np.array_equal(popularity.decode(value), made)


def test_what_popularity_was_worth_in_version_1_is_read_without_the_largest_weight() -> None:
    (value,) = golden("popularity-v1")
    made = np.arange(210).reshape(10, 21) / 8 - 4
    found = popularity.decode(value)
    assert np.array_equal(found[:, :11], made[:, :11])
    assert np.array_equal(found[:, 12:22], made[:, 11:])
    assert np.array_equal(found[:, [11, 22]], made[:, [10, 20]])


def test_accounting_of_version_1_is_read_without_its_first_offsets() -> None:
    (value,) = golden("accounting-v1")
    assert Accounting.from_state(value) == accounting()


def test_accounting_of_version_2_is_read_as_of_no_lineage() -> None:
    (value,) = golden("accounting-v2")
    assert Accounting.from_state(value) == accounting_of_version_2()


def accounting_of_version_3() -> Accounting:
    """The same, with what version 2 did not know."""
    expected = accounting_of_version_2()
    expected.lineage = "0123abcd"
    return expected


def test_accounting_of_version_3_is_read_without_lines() -> None:
    (value,) = golden("accounting-v3")
    assert Accounting.from_state(value) == accounting_of_version_3()


def accounting_of_version_4() -> Accounting:
    """The same, with what version 3 did not know."""
    expected = accounting_of_version_3()
    expected.lines = {"late": 1, "without_item": 2}
    return expected


def test_accounting_of_version_4_is_read_with_nothing_ignored() -> None:
    (value,) = golden("accounting-v4")
    assert Accounting.from_state(value) == accounting_of_version_4()


def test_accounting_is_written_as_version_5() -> None:
    (value,) = golden("accounting-v5")
    expected = accounting_of_version_4()
    expected.partitions["0"].ignored, expected.ignored = 2, {"page_view": 1, "(other)": 1}
    assert Accounting.from_state(value) == expected
    assert expected.to_state() == value


@pytest.mark.parametrize(
    ("identity", "expected"),
    [("event_id", "3d21bc8729acd985"), ("event_id+item+type", "0000000000000007")],
)
def test_ids_of_recommendations_are_the_same_for_ever(identity: Any, expected: str) -> None:
    triggers = Triggers(column("i4", 0), ["e-1"], column("u8", 7), *[column("i8", 0)] * 2)
    (key,) = trigger_keys(triggers, identity)
    assert recommendation_id("ann", key) == "482c89484cbd62c8" + expected


def some_lineage() -> Lineage:
    """Four topics, one of them not known."""
    return Lineage(
        id="0123abcd",
        since=1_700_000_000_000,
        job="shop",
        buckets=64,
        topics={
            "user_behavior": Topic("clicks", "J7gGrQ_xTyqBTPgFJw8Fjw"),
            "accepted_events": Topic("accepted", "YpBX7Y8nQ2a0cA5gQ0cXzw"),
            "model_updates": Topic("updates", "a2Jm1eWcS4mBrDqk8pPOyg"),
            "control": Topic("control"),
        },
    )


LINEAGE = FOLDER / "lineage-v1.json"


def test_a_lineage_is_written_as_format_1() -> None:
    value = LINEAGE.read_bytes().rstrip(b"\n")
    assert lineage.decode(value) == some_lineage()
    assert lineage.encode(some_lineage()) == value


def test_a_lineage_of_another_format_is_refused() -> None:
    value = LINEAGE.read_bytes().replace(b'"format":1', b'"format":2')
    with pytest.raises(UnknownVersionError, match=r"lineage: expected format 1, got 2; run the re"):
        lineage.decode(value)


def test_chunks_of_version_1_are_read() -> None:
    (value,) = golden("chunks-v1")
    rows, about = chunks.decode_all(value)
    expected = item_rows_of_version_1()
    expected.context = np.empty((2, 0), np.float32)
    assert same(rows, expected)
    assert (about.origin, about.total, about.marks.size) == (0, 0, 0)


def test_chunks_of_version_2_are_read() -> None:
    rows, about = chunks.decode_all(golden("chunks-v2")[0])
    expected = item_rows_of_version_2()
    expected.context = np.empty((2, 0), np.float32)
    assert same(rows, expected)
    assert about.total == 2


@pytest.mark.parametrize(("version", "expected"), [(3, item_rows()), (4, filtered_item_rows())])
def test_chunks_of_versions_3_and_4_are_read(version: int, expected: ItemRows) -> None:
    (value,) = golden(f"chunks-v{version}")
    made = chunks.About(origin=2**64 - 3, total=2, marks=np.array([[-1, 5]]))
    # Arrow may write other bytes for the same rows
    for one in (value, chunks.encode(expected, made)):
        rows, about = chunks.decode_all(one)
        assert same(rows, expected)
        assert (about.origin, about.total) == (made.origin, made.total)
        assert np.array_equal(about.marks, made.marks)


def test_a_new_user_starts_from_the_same_factors_for_ever() -> None:
    (value,) = golden("new-user")
    made = USERS.decode([None], ["ann"])
    assert np.array_equal(made.factors, USERS.decode([value], ["ann"]).factors)


@pytest.mark.parametrize(
    "name",
    [
        *(f"users-v{n}" for n in range(1, 9)),
        *(f"{kind}-v{n}" for kind in ("items", "accepted") for n in (1, 2, 3, 4, 5)),
        *("marks-v1", "marks-v2"),
        *("popularity-v1", "popularity-v2"),
        "knobs-v1",
        *(f"accounting-v{n}" for n in (1, 2, 3, 4, 5)),
    ],
)
def test_a_golden_value_names_its_version(name: str) -> None:
    for value in golden(name):
        assert value[2] == int(name[-1])
