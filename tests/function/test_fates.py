"""Every record has exactly one fate: accepted, duplicate, late or rejected with a dead letter."""

from collections import Counter
from dataclasses import replace
from hashlib import md5, sha1, sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.keys import bucket_of, key_of
from models.params.events import EventPolicy
from state.topics.sealed_letter import Seal, opened
from tests.bad_input import BAD, MAX_BYTES
from tests.builders import (
    HOUR,
    MINUTE,
    NOW,
    OBJECTIVES,
    USERS,
    Record,
    behaviour,
    cut,
    event,
    in_order,
    learn_users,
    learning,
    unkeyed,
)
from tests.harness import Clock, Learned, UsersSubtask

FATES = ("accepted", "duplicate", "late", "rejected")

some_events = st.builds(
    event,
    user=st.sampled_from(["anna", "ben", "carl"]),
    item=st.sampled_from(list("abcdefgh")),
    kind=st.sampled_from(["view", "purchase", "impression", "dislike"]),
    at=st.integers(NOW - 100, NOW),
    event_id=st.one_of(st.none(), st.integers(0, 30).map("e{}".format)),
)
some_bytes = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.sampled_from([record.value for record, _ in BAD.values()]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ).map(lambda tree: repr(tree).encode()),
)
some_records = st.builds(
    Record, key=st.none() | st.binary(max_size=6) | st.just(b"anna"), value=some_bytes
)
logs = st.lists(some_events | some_records, max_size=60).map(
    lambda records: in_order(records[::2], partition=0) + in_order(records[1::2], partition=3)
)


def subtask(**changes: object) -> UsersSubtask:
    return UsersSubtask(learn_users(**changes), Clock())


def fates(learned: Learned) -> dict[str, int]:
    """Fates of all partitions together."""
    counted: Counter[str] = Counter()
    for counts in learned.accounting["partitions"].values():
        counted.update({fate: counts[fate] for fate in FATES})
    return {fate: number for fate, number in counted.items() if number}


@given(log=logs, sizes=st.lists(st.integers(1, 20)))
def test_every_record_has_one_fate_and_the_counts_add_up(
    log: list[Record], sizes: list[int]
) -> None:
    users = subtask()
    emitted = [users.take(records) for records in cut(log, sizes)]
    if not emitted:
        return
    accounting = emitted[-1].accounting
    for partition in {record.partition for record in log}:
        counts = accounting["partitions"][str(partition)]
        mine = [record.offset for record in log if record.partition == partition]
        assert counts["consumed"] == sum(counts[fate] for fate in FATES) == len(mine)
        assert counts["next_offset"] == max(mine) + 1
    letters = [letter for learned in emitted for letter in learned.dead_letters]
    codes = Counter(headers["err.code"] for *_, headers in letters)
    assert codes.pop("late", 0) == fates(emitted[-1]).get("late", 0)
    assert codes == accounting["rejected"]
    by_coordinate = {(str(r.partition), str(r.offset)): r for r in log}
    for key, value, headers in letters:
        record = by_coordinate.pop((headers["src.partition"], headers["src.offset"]))
        assert key == record.key
        assert value == (None if headers["err.code"] == "oversize" else record.value)
    totals = Counter()
    for learned in emitted:
        totals.update(learned.metrics)
    for name, fate in zip(("accepted", "duplicates", "late", "rejected"), FATES, strict=True):
        expected = sum(counts[fate] for counts in accounting["partitions"].values())
        assert totals[name] == expected, name
    assert totals["consumed"] == len(log)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_a_dead_letter_byte_for_byte(name: str) -> None:
    record, code = BAD[name]
    good = [event(user="ben"), event(user="ben", item="mate")]
    learned = subtask().take(in_order([good[0], record, good[1]], partition=2, first=40))
    (letter,) = learned.dead_letters
    key, value, headers = letter
    assert headers["err.code"] == code
    assert key == record.key
    assert value == (None if code == "oversize" else record.value)
    assert headers["src.topic"] == "behaviour"
    assert headers["src.partition"] == "2"
    assert headers["src.offset"] == "41"
    assert headers["src.timestamp"] == str(NOW)
    assert headers["job.version"] == "1.2.3"
    assert fates(learned) == {"accepted": 2, "rejected": 1}


@pytest.mark.parametrize("name", [n for n, (_, code) in BAD.items() if code != "key_mismatch"])
def test_a_bad_record_without_key_is_no_better(name: str) -> None:
    record, code = BAD[name]
    assert subtask().take([unkeyed(record)]).codes == [code]


def test_headers_of_a_dead_letter_hold_no_payload() -> None:
    secret = "4111-1111-1111-1111"
    records = [
        event(item=f"{secret} x"),
        event(kind=secret),
        event(value=secret),
        Record(secret.encode(), event().value),
        Record(b"anna", secret.encode()),
    ]
    for _, _, headers in subtask().take(in_order(records)).dead_letters:
        assert secret not in "".join(headers.values())


def test_a_user_is_in_no_byte_of_an_encrypted_letter() -> None:
    user, key = "Dorothea.Brooke-1871", bytes(range(32))
    long = event(user=user, note="x" * MAX_BYTES)
    records = [
        event(user=user, kind="unheard of"),
        event(user=user, item=f"{user} \0"),
        event(user=user, at="never"),  # type: ignore[arg-type]
        Record(b"somebody", event(user=user).value),
        Record(user.encode(), user.encode()),
        Record(user.encode(), None),
        long,
    ]
    users = UsersSubtask(learn_users(letter_key=key), Clock())
    users.take(in_order([event(user=user, event_id="1")], partition=1))
    records.append(event(user=user, item="mate", event_id="1"))  # an id_conflict
    log = in_order(records, partition=2, first=40)
    letters = users.take(log).row.dead_letters
    assert len(letters) == len(records)
    plain, digests = [user.encode(), b"Dorothea", b"somebody"], [sha256, md5, sha1]
    plain += [
        form
        for one in (user.encode(), long.value or b"")
        for digest in digests
        for form in (digest(one).digest(), digest(one).hexdigest().encode())
    ]
    for letter, record in zip(letters, log, strict=True):
        headers = b"\n".join(name.encode() + b"=" + text for name, text in letter.h.items())
        written = b"\n".join([letter.k or b"", letter.v or b"", headers])
        assert not [one for one in plain if one in written]
        assert user.encode().hex().encode() not in written
        opened_key, opened_value = opened(Seal(key), letter.v, letter.h)
        assert opened_key == record.key
        assert opened_value == (None if letter.h["err.code"] == b"oversize" else record.value)
    assert letters[6].h["src.hmac"] == Seal(key).digest(long.value or b"").hex().encode()


def test_an_oversize_record_leaves_size_and_digest() -> None:
    value = (event().value or b"").ljust(MAX_BYTES + 1)
    ((key, kept, headers),) = subtask().take([Record(b"anna", value)]).dead_letters
    assert (key, kept) == (b"anna", None)
    assert headers["src.size"] == str(MAX_BYTES + 1)
    assert headers["src.sha256"] == sha256(value).hexdigest()


def test_a_record_at_the_size_limit_is_accepted() -> None:
    value = (event().value or b"").ljust(MAX_BYTES)
    assert fates(subtask().take([Record(b"anna", value)])) == {"accepted": 1}


def test_an_object_that_names_two_users_is_refused_where_it_has_no_key() -> None:
    users = UsersSubtask(learn_users(policy=EventPolicy(buckets=64)), Clock())
    mine = next(f"u{n}" for n in range(999) if bucket_of(f"u{n}", 64) == 5)
    other = next(f"u{n}" for n in range(999) if bucket_of(f"u{n}", 64) != 5)
    second = b'"user_id": "%b", "item_id"' % other.encode()
    twice = (event(mine).value or b"").replace(b'"item_id"', second)
    learned = users.take(in_order([Record(None, twice), unkeyed(event(mine))]), bucket=5)
    assert learned.codes == ["ambiguous_user"]
    assert fates(learned) == {"accepted": 1, "rejected": 1}


def test_a_duplicate_is_counted_once_inside_a_micro_batch_and_across_them() -> None:
    users = subtask()
    log = in_order([event(), event(), event(item="mate"), event()])
    assert fates(users.take(log[:2])) == {"accepted": 1, "duplicate": 1}
    assert fates(users.take(log[2:])) == {"accepted": 2, "duplicate": 2}


def test_a_duplicate_teaches_nothing() -> None:
    users = subtask()
    users.take(in_order([event(), event(item="mate", at=NOW + 1)]))
    before = users.remembered()["anna"]
    learned = users.take(in_order([event(), event(item="mate", at=NOW + 1)], first=2))
    assert users.remembered()["anna"] == before
    assert learned.accepted is None
    assert learned.recommendations == {}
    assert learned.row.trending == []


def test_events_without_id_are_told_apart_by_their_content() -> None:
    same = [event(event_id=None), event(event_id=None)]
    other = [event(event_id=None, at=NOW - 1), event(event_id=None, kind="purchase")]
    assert fates(subtask().take(in_order(same + other))) == {"accepted": 3, "duplicate": 1}


def test_an_event_too_old_to_prove_new_is_late() -> None:
    users = subtask()
    ring = USERS.recent_events
    start = NOW - MINUTE
    users.take(in_order(event(item=f"i{n}", at=start + 1000 * n) for n in range(ring + 1)))
    late = [event(item="new", at=start - 1), event(item="i9", at=start - 2)]
    on_time = [event(item="new", at=start, event_id="another")]
    learned = users.take(in_order(late + on_time, first=ring + 1))
    assert fates(learned) == {"accepted": ring + 2, "late": 2}
    assert learned.codes == ["late", "late"]


def test_an_id_that_says_something_else_is_a_conflict() -> None:
    lines = [event(item=item, kind="purchase", event_id="order-1") for item in ("tea", "mate")]
    learned = subtask().take(in_order([*lines, lines[0]]))
    assert fates(learned) == {"accepted": 1, "duplicate": 1, "rejected": 1}
    assert learned.codes == ["id_conflict"]
    assert learned.accounting["rejected"] == {"id_conflict": 1}


def test_the_lines_of_an_order_are_told_apart_where_that_is_configured() -> None:
    policy = EventPolicy(buckets=1, identity="event_id+item+type")
    lines = [event(item=item, kind="purchase", event_id="order-1") for item in ("tea", "mate")]
    assert fates(subtask(policy=policy).take(in_order(lines + lines))) == {
        "accepted": 2,
        "duplicate": 2,
    }


FIELDS = tuple(
    (name, (name,)) for name in ("user_id", "item_id", "event_type", "timestamp", "event_id")
)
ORDERS = EventPolicy(buckets=1, fields=FIELDS, items="lines")


def order(*items: str | None, at: int = NOW, event_id: str = "o1", user: str = "anna") -> Record:
    """An order of these items; None for a line without one."""
    lines = [{"price": 1} if item is None else {"item_id": item} for item in items]
    return event(user, None, "purchase", at, event_id=event_id, lines=lines)


def learnt(users: UsersSubtask) -> set[str]:
    return {name for name in users.function._pipeline.items.ids if name}


def test_a_line_that_conflicts_is_a_letter_while_others_are_taken() -> None:
    users = subtask(policy=ORDERS)
    users.take([order("a", "b", "e")])
    again = order("a", "c", "f", "d")
    learned = users.take(in_order([event("ben", "z"), again], first=1))
    assert fates(learned) == {"accepted": 3}
    assert learnt(users) == {"a", "b", "e", "z", "d"}
    ((key, value, headers),) = learned.dead_letters
    assert (key, value) == (again.key, again.value)
    assert (headers["err.code"], headers["err.line"]) == ("id_conflict", "1,2")
    assert headers["src.offset"] == "2"
    assert learned.accounting["lines"] == {"id_conflict": 2}
    assert learned.accounting["rejected"] == {}
    assert learned.metrics["rejected"] == 0


def test_a_conflicting_order_is_one_letter_and_its_late_lines_another() -> None:
    users = subtask(policy=ORDERS)
    ring, start = USERS.recent_events, NOW - HOUR
    users.take(in_order(order(f"i{n}", at=start + n * MINUTE, event_id=f"e{n}") for n in range(50)))
    users.take(in_order([order("a", at=NOW - MINUTE)], first=100))
    learned = users.take(in_order([order("b", "c", at=start - MINUTE)], first=101))
    assert ring < 50
    assert fates(learned) == {"accepted": 51, "rejected": 1}
    assert [(h["err.code"], h.get("err.line")) for *_, h in learned.dead_letters] == [
        ("id_conflict", None),
        ("late", "1"),
    ]
    assert learned.accounting["rejected"] == {"id_conflict": 1}
    assert learned.accounting["lines"] == {"late": 1}


def test_a_line_without_a_product_refuses_no_other() -> None:
    users = subtask(policy=ORDERS)
    learned = users.take(in_order([order(None, "a", None, "b"), order(None, event_id="o2")]))
    assert fates(learned) == {"accepted": 1, "rejected": 1}
    assert learned.codes == ["missing_field"]
    assert learned.accounting["lines"] == {"without_item": 2}
    assert learnt(users) == {"a", "b"}
    assert learned.recommendations["anna"]["trigger"]["event_id"] == "o1/3"
    again = users.take(in_order([order(None, "a", None, "c", "d")], first=2))
    assert [headers["err.line"] for *_, headers in again.dead_letters] == ["3"]


def test_a_line_without_a_product_refuses_the_order_where_that_is_asked() -> None:
    learned = subtask(policy=replace(ORDERS, without_item="refuse")).take([order("a", None)])
    assert fates(learned) == {"rejected": 1}
    assert learned.codes == ["missing_field"]
    assert "lines" not in learned.accounting


def test_a_record_of_very_many_lines_is_refused() -> None:
    users = subtask(policy=replace(ORDERS, lines=3))
    learned = users.take(in_order([order(*"abcd"), order(*"abc", event_id="o2")]))
    assert fates(learned) == {"accepted": 1, "rejected": 1}
    ((*_, headers),) = learned.dead_letters
    assert (headers["err.code"], headers["err.field"]) == ("too_many_lines", "items")
    assert headers["err.msg"] == "expected up to 3 (events.lines), got 4"
    assert learned.accounting["rejected"] == {"too_many_lines": 1}
    assert ORDERS.lines == 200


@given(
    orders=st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=4),
            st.sampled_from(["o1", "o2"]),
            st.integers(0, 90),
        ),
        max_size=12,
    )
)
def test_every_line_of_every_order_is_accounted(
    orders: list[tuple[list[str | None], str, int]],
) -> None:
    users = subtask(policy=ORDERS, learning=learning(users=replace(USERS, recent_events=2)))
    log = in_order(
        order(*items, at=NOW - minutes * MINUTE, event_id=name) for items, name, minutes in orders
    )
    told: Counter[str] = Counter()
    for records in cut(log, [1, 3]):
        learned = users.take(records)
        for *_, headers in learned.dead_letters:
            if "err.line" in headers:
                told[headers["err.code"]] += len(headers["err.line"].split(","))
    if log:
        accounting = learned.accounting
        counted = accounting["partitions"]["0"]
        assert counted["consumed"] == sum(counted[fate] for fate in FATES) == len(log)
        lines = Counter(accounting.get("lines", {}))
        whole = [not any(items) for items, *_ in orders]
        missing = sum(items.count(None) for items, *_ in orders if any(items))
        assert accounting["rejected"].get("missing_field", 0) == sum(whole)
        assert lines.pop("without_item", 0) == missing
        assert lines == told


def test_a_user_with_the_name_of_the_accounting_is_a_user() -> None:
    users = subtask()
    users.take(in_order([event(" accounting"), event(" anna"), event("anna")]))
    learned = users.take(in_order([event(" accounting")], first=3))
    assert fates(learned) == {"accepted": 3, "duplicate": 1}


def test_one_users_repeated_views_teach_once() -> None:
    users = subtask()
    views = [event(event_id=f"v{n}", at=NOW + n) for n in range(50)]
    learned = users.take(in_order(views))
    assert fates(learned) == {"accepted": 50}
    assert learned.row.trending == ["tea"]
    items = users.function._pipeline.items
    assert items.count[items.rows(np.array([key_of("tea")], np.uint64))].tolist() == [1]


def test_a_replay_of_the_whole_log_is_never_accepted_again() -> None:
    log, users = behaviour(400), subtask()
    accepted = fates(users.take(log))["accepted"]
    again = users.take(in_order(log, first=len(log)))
    assert fates(again)["accepted"] == accepted
    assert again.recommendations == {}


def test_events_of_a_type_without_weight_are_counted_only() -> None:
    users = subtask()
    learned = users.take([event(kind="impression")])
    assert fates(learned) == {"accepted": 1}
    assert learned.accepted is None
    assert learned.row.trending == []


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_micro_batch_of_nothing_good_still_is_accounted(objective: str) -> None:
    users = subtask(learning=learning(objective=objective))
    learned = users.take(in_order([Record(None, None), Record(b"x", b"\xff")]))
    assert fates(learned) == {"rejected": 2}
    assert learned.row.event_time == 0
    assert learned.metrics["recommended"] == 0


def test_age_is_that_of_the_oldest_record() -> None:
    old = Record(b"x", b"bad", published=NOW - HOUR)
    assert subtask().take(in_order([event(), old])).metrics["age"] == HOUR
