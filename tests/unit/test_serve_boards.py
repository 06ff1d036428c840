"""Boards that the configuration declares, and categories: any of some, all of others."""

from typing import Any

import msgspec
import pytest

from conf.loader import ConfigError, load
from conf.schema import JobConfig
from conf.sections.serving import Board as Declared
from jobs.serve import reader as serve_reader
from jobs.serve.reader import Reader
from jobs.serve.replica.boards import Board
from jobs.serve.replica.replica import Replica
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


def test_a_board_forgets_what_is_older_than_its_window() -> None:
    seconds = [0.0]
    board = Board(Declared(events={"purchase": 2.0}, window="1h"), lambda: seconds[0])

    def after(minutes: int, item: str) -> list[str]:
        board.take(item, "purchase", NOW + minutes * MINUTE)
        seconds[0] += 2
        return board.items()

    assert after(0, "tea") == ["tea"]
    assert after(30, "cup") == ["cup", "tea"]
    assert after(59, "pot") == ["cup", "pot", "tea"]
    assert after(60, "pot") == ["pot", "cup"]
    assert after(20, "tea") == ["pot", "cup", "tea"]  # late, yet inside the window
    assert after(-1, "old") == ["pot", "cup", "tea"]
    assert after(500, "new") == ["new"]


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
