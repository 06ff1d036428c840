"""Boards that the configuration declares, and categories: any of some, all of others."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.loader import ConfigError, load
from conf.schema import JobConfig
from conf.sections.serving import Board as Declared
from jobs.serve import reader as serve_reader
from jobs.serve.reader import Reader
from jobs.serve.replica.boards import Board
from jobs.serve.replica.replica import Replica
from jobs.serve.selection import Selection
from jobs.serve.wish import Wish
from tests.unit import test_serve_reader
from tests.unit.test_serve import NOW, Service, ids, learnt

MINUTE = 60_000
BOUGHT = {"events": {"purchase": 1.0, "remove": -1.0}, "window": "1h"}

_ = learnt  # a fixture


def configured(**boards: Any) -> JobConfig:
    return JobConfig.model_validate({"serve": {"boards": boards}})


def values(*events: tuple[str, str, str, int]) -> list[bytes | None]:
    """Records of (user, item, type, ms ago)."""
    return [
        msgspec.json.encode(
            {"event_id": f"{user}/{item}/{kind}/{ago}", "user_id": user, "item_id": item,
             "event_type": kind, "timestamp": NOW - ago}
        )
        for user, item, kind, ago in events
    ]  # fmt: skip


def test_a_board_counts_by_its_weights() -> None:
    service = Service(configured(bought=BOUGHT))
    many = [(f"u{n}", "cup", "purchase", MINUTE) for n in range(3)]
    service.replica.take_events(
        values(*many, ("u9", "cup", "remove", 0), ("u8", "tea", "purchase", 0),
               ("u7", "pot", "remove", 0), ("u6", "mug", "view", 0))
    )  # fmt: skip
    assert service.get("/v1/boards")["boards"] == ["trending", "popular", "latest", "bought"]
    found = service.get("/v1/boards/bought")["items"]
    assert [(one["item_id"], one["source"]) for one in found] == [
        ("cup", "bought"), ("tea", "bought"),
    ]  # fmt: skip


def test_an_event_that_is_repeated_counts_once() -> None:
    service = Service(configured(bought=BOUGHT))
    once = values(("ann", "cup", "purchase", 0))
    service.replica.take_events(once + once)
    service.replica.take_events(once + values(("ann", "cup", "remove", 0)))
    assert ids(service.get("/v1/boards/bought")) == []
    assert len(service.get("/v1/users/ann")["events"]) == 2


class Clock:
    """Moves on by two seconds whenever it is looked at: an order is then made anew."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 2
        return self.seconds


def board(window: str = "1h", **weights: float) -> Board:
    found = Board(Declared(events=weights, window=window))
    found.items._clock = Clock()
    return found


def test_a_board_forgets_what_is_older_than_its_window() -> None:
    one = board(purchase=2.0)

    def after(minutes: int, item: str, kind: str = "purchase") -> list[str]:
        at = NOW + minutes * MINUTE
        one.take(item, kind, at, max(at, NOW + 60 * MINUTE))
        return one.items()

    assert after(0, "tea") == ["tea"]
    assert after(30, "cup") == ["tea", "cup"]
    assert after(59, "pot") == ["tea", "cup", "pot"]
    assert after(60, "pot") == ["pot", "cup"]
    assert after(20, "tea") == ["pot", "cup", "tea"]  # late, yet inside the window
    assert after(-1, "old") == ["pot", "cup", "tea"]
    assert after(95, "any", "view") == ["pot"]  # the newest event of any type ends the window
    assert after(500, "new") == ["new"]


def test_an_event_of_the_future_empties_no_board() -> None:
    one = board("1m", purchase=1.0)
    for n in range(50):
        one.take(f"item-{n}", "purchase", NOW, NOW)
    one.take("ahead", "purchase", NOW + 299_000, NOW)
    assert len(one.items()) == 51


def test_nothing_is_left_of_what_has_gone() -> None:
    one = board("1m", click=0.1, buy=1e6)
    for n in range(3_000):
        kind = ("click", "buy")[n % 2]
        one.take(f"item-{n % 7}", kind, NOW + 40 * n, NOW + 40 * n)
    one.take("last", "click", NOW + 10 * MINUTE, NOW + 10 * MINUTE)
    assert one.items() == ["last"]
    assert one._totals == {"last": 100_000}


def test_what_was_only_shown_pushes_out_nothing(learnt: bytes) -> None:
    service = Service()
    service.replica.take_update(b"items/0", learnt)
    shown = [("ann", f"item-{n}", "impression", 0) for n in range(100)]
    service.replica.take_events(
        values(("ann", "tea", "purchase", 9), ("ann", "pot", "dislike", 8), *shown)
    )
    found = service.get("/v1/users/ann/recommendations?n=9")["items"]
    assert (found[0]["item_id"], found[0]["source"], found[0]["from"]) == ("cup", "next", "tea")
    assert not {"tea", "pot"} & set(ids({"items": found}))
    kinds = [one["event_type"] for one in service.get("/v1/users/ann")["events"]]
    assert kinds == ["dislike", "purchase"]


def test_a_list_is_filled_with_what_is_only_described() -> None:
    service = Service()
    for n in range(30):
        service.describe(f"item-{n}", categories=("k",), **({"created_at": 0} if n == 7 else {}))
    assert len(ids(service.get("/v1/users/ann/recommendations?n=20"))) == 20
    assert len(ids(service.get("/v1/users/ann/recommendations?n=20&category=k"))) == 20
    assert ids(service.get("/v1/boards/latest")) == ["item-7"]
    assert ids(service.get("/v1/items?search=item-9")) == ["item-9"]


def test_from_names_the_item_that_is_followed(learnt: bytes) -> None:
    service = Service(JobConfig.model_validate({"recommend": {"repeats": "allow"}}))
    service.replica.take_update(b"items/0", learnt)
    body = {"items": ["unknown", "mug", "tea"], "n": 1}
    found = service.ask("POST", "/v1/recommendations", json=body).json()["items"]
    assert (found[0]["item_id"], found[0]["from"]) == ("cup", "tea")
    service.replica.take_events(values(("ann", "mug", "view", 0)))
    found = service.get("/v1/users/ann/recommendations?n=9")["items"]
    assert not any(one["item_id"] == one.get("from") for one in found)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abcd")), st.booleans(), st.booleans(), st.booleans()),
        max_size=40,
    ),
    st.integers(1, 30),
    st.lists(st.sampled_from("abcde"), max_size=2),
    st.lists(st.sampled_from("abcde"), max_size=2),
)
def test_no_list_is_short_while_there_are_allowed_items(
    catalogue: list[tuple[set[str], bool, bool, bool]],
    n: int,
    any_of: list[str],
    all_of: list[str],
) -> None:
    service = Service()
    allowed = set()
    for number, (categories, available, dated, again) in enumerate(catalogue):
        item = f"item-{number}"
        for _ in range(2 if again else 1):
            service.describe(
                item, categories=tuple(categories), available=available,
                created_at=number if dated else None,
            )  # fmt: skip
        fits = set(all_of) <= categories and (not any_of or set(any_of) & categories)
        if available and fits:
            allowed.add(item)
    wish = Wish(n, frozenset(), tuple(any_of), tuple(all_of))
    found = [one.item_id for one in Selection(service.replica).for_user("ann", wish).items]
    assert set(found) <= allowed
    assert len(found) == len(set(found)) == min(n, len(allowed))


def test_a_board_of_a_category_comes_first_where_that_is_wished(learnt: bytes) -> None:
    kitchen = {**BOUGHT, "category": "kitchen"}
    service = Service(configured(kitchen=kitchen))
    service.replica.take_update(b"items/0", learnt)
    for item in ("tea", "cup", "pot", "mug"):
        service.describe(item, categories=("kitchen",))
    service.describe("hat", categories=("clothes",))
    service.replica.take_events(
        values(("u1", "mug", "purchase", 0), ("u2", "hat", "purchase", 0))
    )  # fmt: skip
    assert ids(service.get("/v1/boards/kitchen")) == ["mug"]
    found = service.get("/v1/users/nobody/recommendations?n=2&category=kitchen")["items"]
    assert [one["source"] for one in found] == ["kitchen", "popular"]
    assert ids(service.get("/v1/users/nobody/recommendations?n=1")) != ["mug"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("category=hot", {"tea", "pot"}),
        ("category=hot&category=china", {"tea", "pot", "cup"}),
        ("all=hot&all=china", {"pot"}),
        ("category=hot&all=china", {"pot"}),
        ("category=none", set()),
        ("all=hot&all=none", set()),
    ],
)
def test_categories(learnt: bytes, query: str, expected: set[str]) -> None:
    service = Service()
    service.replica.take_update(b"items/0", learnt)
    service.describe("tea", categories=("hot",))
    service.describe("pot", categories=("hot", "china"))
    service.describe("cup", categories=("china",))
    assert set(ids(service.get(f"/v1/users/ann/recommendations?n=9&{query}"))) == expected
    assert set(ids(service.get(f"/v1/boards/popular?n=9&{query}"))) == expected
    assert set(ids(service.get(f"/v1/items?n=9&{query}"))) == expected
    service.describe("tea", categories=("cold",))
    service.replica.take_description(b"pot", None)
    left = expected - {"tea", "pot"}
    assert set(ids(service.get(f"/v1/users/ann/recommendations?n=9&{query}"))) == left


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"category": "china"}, {"pot", "cup"}),
        ({"category": ["hot", "china"]}, {"pot", "cup"}),
        ({"category": None, "all": ["hot", "china"]}, {"pot"}),
    ],
)
def test_categories_of_guests(learnt: bytes, asked: Any, expected: set[str]) -> None:
    service = Service()
    service.replica.take_update(b"items/0", learnt)
    service.describe("pot", categories=("hot", "china"))
    service.describe("cup", categories=("china",))
    body = {"items": ["tea"], "n": 9, **asked}
    answer = service.ask("POST", "/v1/recommendations", json=body)
    assert set(ids(answer.json())) == expected


@pytest.mark.parametrize(
    ("boards", "said"),
    [
        ({"popular": BOUGHT}, "other names than trending, popular, latest, got popular"),
        ({"bought": {"events": {"buy": 1.0}}}, "event types that events.weights knows"),
        ({"bought": {"events": {"buy": 1.0}}}, "serve.boards"),
        ({"bought": {"events": {}}}, "serve.boards.bought.events"),
        ({"a/b": BOUGHT}, "serve.boards"),
        ({"bought": {**BOUGHT, "window": "1s"}}, "serve.boards.bought.window"),
    ],
)
def test_boards_that_mean_nothing(boards: Any, said: str, tmp_path: Any) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes(msgspec.yaml.encode({"serve": {"boards": boards}}))
    with pytest.raises(ConfigError, match=said):
        load(path, [])


def test_events_are_read_from_the_begin_of_the_longest_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Consumer(test_serve_reader.Consumer):
        def offsets_for_times(self, parts: list[Any], **_: float) -> list[Any]:
            asked.append(parts[0].offset)
            parts[0].offset = [7, 29_000][parts[0].partition]
            return parts

    monkeypatch.setattr(serve_reader.time, "time_ns", lambda: NOW * 1_000_000)
    reader = Reader(Replica(configured(bought=BOUGHT)))
    consumer = Consumer("user_behavior")
    reader._look(consumer, test_serve_reader.Admin())  # type: ignore[arg-type]
    assert consumer.assigned == {("user_behavior", 0): 7, ("user_behavior", 1): 10_000}
    assert asked == [NOW - 60 * MINUTE] * 2
