"""The lookup service over a replica that is filled by hand: no broker, all routes."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from conf.loader import load
from conf.parameters import name_params
from conf.schema import JobConfig
from jobs.serve import reader as serve_reader
from jobs.serve import sender as serve_sender
from jobs.serve.answers import Outcome, Recommended, Wanted
from jobs.serve.app import service as serve
from jobs.serve.paths import id_of
from jobs.serve.reader import Progress
from jobs.serve.replica.replica import Replica
from jobs.serve.routes import service as routes
from jobs.serve.routes import users
from jobs.serve.sender import UnreachableError
from jobs.serve.served import Served
from models.example import Example
from scripts.tools.cluster.paths import LOCAL_CONFIG
from state.topics import catalog, chunks, recommendation
from state.topics.catalog import Description
from state.topics.recommendation import Item, Recommendation, Session, Trigger
from state.users.names import Names

NOW = time.time_ns() // 1_000_000
HOSTILE = (
    "a/b", "../../etc/passwd", "%2F", "<script>alert(1)</script>", '"quoted"', "שלום", "🙂",
    "x" * 512, "a?b#c&d=e", " leading", "a+b", "...", "%00",
)  # fmt: skip


class Reader(serve_reader.Reader):
    caught_up = connected = True

    def __init__(self) -> None:
        self.progress = {"recommendations": Progress(3, 5)}

    def start(self) -> None:
        pass

    stop = start


class Sender(serve_sender.Sender):
    takes_impressions = True

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = False
        self.commands: list[Wanted] = []
        self.shown: list[Recommended] = []
        self.lost = 0

    def show(self, shown: Recommended) -> None:
        self.shown.append(shown)

    def start(self) -> None:
        pass

    stop = start

    async def command(self, wanted: Wanted) -> str:
        if self.gone:
            raise UnreachableError
        self.commands.append(wanted)
        return f"c{len(self.commands)}"

    async def send(self, events: list[dict[str, Any]], *, plain: bool = False) -> list[Outcome]:  # noqa: ARG002
        if self.gone:
            raise UnreachableError
        self.sent += events
        return [Outcome(accepted=True) for _ in events]


class Service:
    """A replica, and a client of the application over it."""

    def __init__(self, config: JobConfig | None = None, **more: Any) -> None:
        self.replica = Replica(config or JobConfig())
        self.reader, self.sender = Reader(), Sender()
        self.app = serve([Served(self.replica, self.reader, self.sender)], **more)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.request(method, path, **more)

        return asyncio.run(one())

    def get(self, path: str) -> Any:
        found = self.ask("GET", path)
        assert found.status_code == 200, found.text
        return found.json()

    def listed(self, user: str, *items: tuple[str, str, str | None]) -> None:
        """Give a user a list of (item, reason, source)."""
        made = Recommendation(
            "r1", user, NOW, Trigger("e", NOW, NOW), "online-ranking-1", Session(NOW, 1),
            [Item(item, 1.0 - n / 10, reason, of) for n, (item, reason, of) in enumerate(items)],
        )  # fmt: skip
        self.replica.take_list(*recommendation.encode(made))

    def describe(self, item: str, **fields: Any) -> None:
        self.replica.take_description(*catalog.encode(item, Description(**fields)))


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(scope="module")
def learnt() -> bytes:
    """A chunk of items: tea, then cup, then pot; ten of each, mug once."""
    example = Example()
    rows = []
    for n in range(10):
        rows += [(f"u{n}", "tea", "view", 100 * n), (f"u{n}", "cup", "view", 100 * n + 10)]
        rows += [(f"u{n}", "pot", "view", 100 * n + 20)]
    example.learn([*rows, ("v", "mug", "view", 2000)])
    return chunks.encode(example.items.export(np.arange(example.items.size, dtype=np.int32)))


def ids(found: Any) -> list[str]:
    return [one["item_id"] for one in found["items"]]


def test_a_user_gets_the_list_of_the_topic(service: Service) -> None:
    service.listed("ann", ("tea", "transition", "cup"), ("pot", "deep", None))
    found = service.get("/v1/users/ann/recommendations")
    assert (found["user_id"], found["rec_id"]) == ("ann", "r1")
    assert found["generated_at"] == NOW
    assert 0 <= found["age_ms"] <= time.time_ns() // 1_000_000 - NOW
    assert found["items"] == [
        {"item_id": "tea", "source": "list", "reason": "transition", "score": 1.0, "from": "cup"},
        {"item_id": "pot", "source": "list", "reason": "deep", "score": 0.9},
    ]


@pytest.mark.parametrize("query", ["", "n=1", "n=999", "include=items", "n=2&include=items"])
def test_plain_lookups_are_answered_as_all_others(
    service: Service, learnt: bytes, query: str
) -> None:
    """An empty `exclude` makes a request go the usual way."""
    service.replica.take_update(b"items/0", learnt)
    service.describe("tea", title="Tea")
    service.listed("a/b", ("tea", "transition", "cup"), ("pot", "deep", None))
    for user in ("a%2Fb", "nobody"):
        path = f"/v1/users/{user}/recommendations"
        plain, usual = (service.ask("GET", f"{path}?{query}{more}") for more in ("", "&exclude="))
        found, other = plain.json(), usual.json()
        assert abs((found.pop("age_ms") or 0) - (other.pop("age_ms") or 0)) < 1000
        assert found == other
        assert plain.headers["content-type"] == usual.headers["content-type"]
        assert "content-security-policy" in plain.headers


def test_a_user_whom_recommendations_call_by_a_pseudonym_is_found(tmp_path: Path) -> None:
    keys = tmp_path / "first", tmp_path / "second"
    for n, file in enumerate(keys):
        file.write_text(f"{n}" * 64)
    refer = [f"${{file:{file}}}" for file in keys]
    config = load(LOCAL_CONFIG, [
        f"privacy.dead_letter_key={refer[0]}", f"privacy.pseudonym_key={refer[1]}",
        f"privacy.former_pseudonym_key={refer[0]}", "privacy.recommendations_by=pseudonym",
    ])  # fmt: skip
    service = Service(config)
    names = Names(name_params(config))
    service.listed(names.of("ann"), ("tea", "popular", None))
    service.listed(names.formers("ben")[1], ("cup", "popular", None))
    service.listed("ann", ("mug", "popular", None))  # whoever wrote that, it is not hers
    for user, item in (("ann", "tea"), ("ben", "cup")):
        found = service.get(f"/v1/users/{user}/recommendations")
        assert [one["item_id"] for one in found["items"]] == [item]
        assert "~" not in json.dumps(found)


def test_a_withdrawn_user_is_not_served(service: Service) -> None:
    service.listed("ann", ("tea", "deep", None))
    service.replica.take_list(b"ann", None)
    found = service.get("/v1/users/ann/recommendations")
    assert (found["rec_id"], found["items"]) == (None, [])


@pytest.mark.parametrize("user", HOSTILE)
def test_an_id_is_an_id_whatever_is_in_it(service: Service, user: str) -> None:
    service.listed(user, ("tea", "deep", None))
    found = service.get(f"/v1/users/{quote(user, safe='')}/recommendations")
    assert (found["user_id"], ids(found)) == (user, ["tea"])
    service.describe(user, title=user)
    assert service.get(f"/v1/items/{quote(user, safe='')}")["item"]["title"] == user[:500]
    assert id_of(quote(user, safe="")) == user


def test_lists_are_filled_up_in_order(service: Service, learnt: bytes) -> None:
    service.replica.take_update(b"items/0", learnt)
    service.listed("ann", ("own", "transition", "tea"))
    found = service.get("/v1/users/ann/recommendations?n=4")
    assert [(one["item_id"], one["source"]) for one in found["items"]][:2] == [
        ("own", "list"), ("cup", "next"),
    ]  # fmt: skip
    assert set(ids(found)) == {"own", "cup", "pot", "mug"}
    assert len(ids(found)) == 4  # tea is what they come from


def test_what_a_user_just_had_is_not_shown_again(service: Service, learnt: bytes) -> None:
    service.replica.take_update(b"items/0", learnt)
    event = {"user_id": "ann", "item_id": "cup", "event_type": "view", "timestamp": NOW}
    service.replica.take_events([json.dumps(event).encode(), b"garbage", None])
    found = service.get("/v1/users/ann/recommendations?n=10")
    assert "cup" not in ids(found)
    assert (ids(found)[0], found["items"][0]["source"]) == ("pot", "next")
    assert service.get("/v1/users/ann")["events"] == [
        {"item_id": "cup", "event_type": "view", "timestamp": NOW}
    ]


def shown_to_ann(service: Service, learnt: bytes, *kinds: str) -> list[str]:
    """What is shown to somebody who did these things with the cup, the last one just now."""
    service.replica.take_update(b"items/0", learnt)
    events = [
        {"user_id": "ann", "item_id": "cup", "event_type": kind, "timestamp": NOW} for kind in kinds
    ]
    service.replica.take_events([json.dumps(event).encode() for event in events])
    return ids(service.get("/v1/users/ann/recommendations?n=10"))


def test_what_is_disliked_fills_no_list(service: Service, learnt: bytes) -> None:
    assert "cup" not in shown_to_ann(service, learnt, "dislike")


@pytest.mark.parametrize(
    ("repeats", "kinds", "shown"),
    [
        ("exclude", ["view"], False),
        ("allow", ["view"], True),
        ("allow", ["view", "dislike"], False),
        ({"view": "allow", "purchase": {"after": "30d"}}, ["view"], True),
        ({"view": "allow", "purchase": {"after": "30d"}}, ["view", "purchase"], False),
        ("exclude", ["impression"], True),
    ],
)
def test_items_come_again_as_in_the_job(
    learnt: bytes, repeats: Any, kinds: list[str], *, shown: bool
) -> None:
    config = JobConfig.model_validate({"recommend": {"repeats": repeats}})
    assert ("cup" in shown_to_ann(Service(config=config), learnt, *kinds)) == shown


def test_somebody_unknown_gets_what_is_trending_then_popular(
    service: Service, learnt: bytes
) -> None:
    service.replica.take_update(b"items/0", learnt)
    trend = {"version": 1, "origin": "0", "window_end": NOW, "seen": {"mug": 3, "new": 9}}
    service.replica.take_update(b"trending", json.dumps(trend).encode())
    found = service.get("/v1/users/nobody/recommendations?n=3")
    assert [(one["item_id"], one["source"]) for one in found["items"]] == [
        ("new", "trending"), ("mug", "trending"), ("pot", "popular"),
    ]  # fmt: skip


def test_guests_are_told_what_is_next(service: Service, learnt: bytes) -> None:
    service.replica.take_update(b"items/0", learnt)
    asked = {"items": ["tea", "unknown"], "n": 2, "exclude": ["pot"]}
    answer = service.ask("POST", "/v1/recommendations", json=asked)
    assert answer.status_code == 200
    assert ids(answer.json())[0] == "cup"
    assert "pot" not in ids(answer.json())
    assert "tea" not in ids(answer.json())


def test_similar_and_next_leave_the_item_out(service: Service, learnt: bytes) -> None:
    service.replica.take_update(b"items/0", learnt)
    assert ids(service.get("/v1/items/tea/next"))[0] == "cup"
    assert sorted(ids(service.get("/v1/items/tea/similar"))) == ["cup", "mug", "pot"]
    assert ids(service.get("/v1/items/unknown/next")) == []
    assert service.get("/v1/items/tea")["events"] == 10
    assert service.get("/v1/items/unknown") == {
        "item_id": "unknown", "known": False, "events": 0, "item": None,
    }  # fmt: skip


def test_what_is_not_available_or_of_another_category_is_never_shown(
    service: Service, learnt: bytes
) -> None:
    service.replica.take_update(b"items/0", learnt)
    service.listed("ann", ("tea", "deep", None), ("cup", "deep", None))
    service.describe("tea", available=False)
    service.describe("cup", title="A cup", categories=("china",))
    service.describe("mug", categories=("china",))
    assert "tea" not in ids(service.get("/v1/users/ann/recommendations?n=10"))
    found = service.get("/v1/users/ann/recommendations?n=2&category=china&include=items")
    assert ids(found) == ["cup", "mug"]
    assert found["items"][0]["item"] == {"title": "A cup", "categories": ["china"]}
    service.replica.take_description(b"tea", None)  # deleted, and the item with it
    assert "tea" not in ids(service.get("/v1/users/ann/recommendations?n=10"))
    service.replica.take_update(b"catalog/tea", b"1")  # of before
    assert "tea" not in ids(service.get("/v1/users/ann/recommendations?n=10"))
    service.describe("tea", title="Tea")
    assert ids(service.get("/v1/users/ann/recommendations?n=1")) == ["tea"]


def test_what_was_deleted_before_the_service_began_is_known_by_the_job(
    service: Service, learnt: bytes
) -> None:
    service.replica.take_update(b"items/0", learnt)
    assert "tea" in ids(service.get("/v1/boards/popular"))
    service.replica.take_update(b"catalog/tea", b"0")
    assert "tea" not in ids(service.get("/v1/boards/popular"))
    service.replica.take_update(b"catalog/tea", b"1")
    assert "tea" in ids(service.get("/v1/boards/popular"))


def test_titles_are_found_by_their_words(service: Service, learnt: bytes) -> None:
    service.replica.take_update(b"items/0", learnt)
    service.describe("tea", title="Green TEA, loose")
    service.describe("pot", title="Tea pot")
    service.describe("far", title="Something else")
    assert set(ids(service.get("/v1/items?search=tea"))) == {"pot", "tea"}
    assert ids(service.get("/v1/items?search=tea+green")) == ["tea"]
    popular = ids(service.get("/v1/items?search="))
    assert set(popular[:3]) == {"pot", "cup", "tea"}
    assert popular[3:] == ["mug", "far"]


def test_boards(service: Service, learnt: bytes) -> None:
    service.replica.take_update(b"items/0", learnt)
    service.describe("old", created_at=1)
    service.describe("young", created_at=2)
    assert ids(service.get("/v1/boards/latest")) == ["young", "old"]
    assert len(ids(service.get("/v1/boards/popular?n=2"))) == 2
    assert service.ask("GET", "/v1/boards/nothing").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/v1/users/a/recommendations?n=0", {}, 400),
        ("GET", "/v1/users/a/recommendations?n=-1", {}, 400),
        ("GET", "/v1/users/a/recommendations?n=1000000", {}, 400),
        ("GET", "/v1/users/a/recommendations?n=x", {}, 400),
        ("GET", "/v1/items?search=" + "x" * 201, {}, 400),
        ("GET", "/v1/nothing", {}, 404),
        ("POST", "/v1/recommendations", {"json": {"items": "tea"}}, 400),
        ("POST", "/v1/recommendations", {"json": {"items": [], "n": 0}}, 400),
        ("POST", "/v1/events", {"content": b"{"}, 400),
        ("POST", "/v1/events", {"content": b"\xff\xfe"}, 400),
        ("POST", "/v1/events", {"content": b"[" * 100_000}, 400),
        ("POST", "/v1/events", {"json": [1, 2]}, 400),
        ("POST", "/v1/events", {"json": [{}] * 1001}, 413),
        ("POST", "/v1/events", {"content": b" " * (2 << 20)}, 413),
        ("DELETE", "/v1/events", {}, 405),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_a_reason(
    service: Service, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    found = service.ask(method, path, **more)
    assert found.status_code == status, found.text
    error = found.json()["error"]
    assert error["code"] == status
    assert 0 < len(error["message"]) <= 500


def test_events_are_sent_one_or_many(service: Service) -> None:
    event = {"user_id": "ann", "item_id": "tea", "event_type": "view"}
    for given in (event, [event, event]):
        found = service.ask("POST", "/v1/events", json=given)
        wanted = [{"accepted": True}] * (2 if isinstance(given, list) else 1)
        assert found.json()["events"] == wanted
    assert service.sender.sent == [event] * 3
    service.sender.gone = True
    found = service.ask("POST", "/v1/events", json=event)
    assert found.status_code == 503
    assert "send them again" in found.json()["error"]["message"]


def test_it_is_ready_when_all_was_read_and_a_broker_answers(service: Service) -> None:
    assert service.get("/v1/ready")["ready"]
    for name in ("caught_up", "connected"):
        setattr(service.reader, name, False)
        found = service.ask("GET", "/v1/ready")
        assert (found.status_code, found.json()["ready"]) == (503, False)
        setattr(service.reader, name, True)
    assert service.get("/v1/health") == {"alive": True}


def test_records_that_cannot_be_read_are_counted_and_change_nothing(
    service: Service, learnt: bytes
) -> None:
    service.replica.take_update(b"items/0", learnt)
    service.describe("tea", title="Tea")
    service.replica.take_update(b"items/1", b"garbage")
    service.replica.take_update(b"trending", b"{}")
    service.replica.take_description(b"tea", b'{"title": 7}')
    service.replica.take_list(b"ann", b"no list")
    assert (service.replica.skipped, service.replica.catalog.refused) == (2, 1)
    assert service.get("/v1/items/tea")["item"]["title"] == "Tea"
    assert service.get("/v1/users/ann/recommendations?n=1")["rec_id"] is None
    assert (
        'streamrec_serve_skipped_records{job="streamrec"} 2.0'
        in service.ask("GET", "/metrics").text
    )


def test_a_catalogue_of_anything_takes_bounded_room(service: Service) -> None:
    huge = {"title": "x" * 900_000, "categories": ["c"] * 10_000, "image": "javascript:alert(1)",
            "attributes": {"deep": ["x" * 1000]}, "unknown": 1}  # fmt: skip
    service.replica.take_description(b"tea", json.dumps(huge).encode())
    found = service.get("/v1/items/tea")["item"]
    assert len(found["title"]) == 500
    assert len(found["categories"]) == 50
    assert "image" not in found


def test_windows_and_dead_letters_are_shown(service: Service) -> None:
    reports = service.replica.reports
    for start in (2, 1, 3):
        reports.take_metrics(b"window/1", json.dumps({"window_start": start}).encode())
    reports.take_metrics(b"window/1", b"garbage")
    reports.take_metrics(b"fine_tune", b'{"round": 1}')
    headers = {"err.code": b"invalid_id", "err.field": b"user_id", "err.msg": b"expected"}
    reports.take_letter(None, b"\xff<b>", headers, NOW)
    found = service.get("/v1/windows?n=2")
    assert [one["window_start"] for one in found["windows"]] == [2, 3]
    assert found["fine_tune"] == {"round": 1}
    letters = service.get("/v1/dead-letters")
    assert letters["by_code"] == {"invalid_id": 1}
    assert letters["letters"][0]["value"] == "\\xff<b>"
    assert letters["letters"][0]["encrypted"] is None


def test_of_an_encrypted_letter_the_key_is_named_and_no_bytes_are_shown(service: Service) -> None:
    headers = {"err.code": b"late", "enc": b"A256GCM", "enc.key": b"1a2b3c4d"}
    service.replica.reports.take_letter(b"\x01\x02", b"\x90" * 80, headers, NOW)
    (letter,) = service.get("/v1/dead-letters")["letters"]
    assert (letter["user"], letter["value"], letter["encrypted"]) == (None, None, "1a2b3c4d")
    assert letter["code"] == "late"


def test_the_console_is_served_with_its_parts(service: Service) -> None:
    page = service.ask("GET", "/")
    assert page.headers["content-type"].startswith("text/html")
    for name in re.findall(r'(?:src|href)="\.?/?([\w.-]+)"', page.text):
        part = service.ask("GET", f"/{name}")
        assert part.status_code == 200, name
        kind = {"js": "javascript", "css": "css", "svg": "svg"}[name.rpartition(".")[2]]
        assert kind in part.headers["content-type"]
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for outside in ("/../app.py", "/%2e%2e/app.py", "/..%2fapp.py"):
        assert service.ask("GET", outside).status_code == 404


def test_the_document_describes_every_route(service: Service) -> None:
    found = service.get("/openapi.json")
    assert set(found["paths"]) >= {
        "/v1/users/{user_id}/recommendations", "/v1/recommendations", "/v1/events",
        "/v1/items/{item_id}/similar", "/v1/boards/{name}", "/v1/ready",
    }  # fmt: skip
    assert (
        "'unsafe-inline'" not in service.ask("GET", "/v1/health").headers["content-security-policy"]
    )


def test_a_stream_has_the_newest_list_at_once_and_each_new_one(service: Service) -> None:
    service.listed("ann", ("tea", "deep", None))
    found: list[str] = []

    async def stream() -> None:
        scope = {
            "type": "http", "method": "GET", "path": "/v1/users/ann/stream", "query_string": b"",
            "raw_path": b"/v1/users/ann/stream", "headers": [(b"host", b"localhost")],
            "http_version": "1.1",
            "scheme": "http", "server": ("test", 80), "client": ("test", 1), "root_path": "",
        }  # fmt: skip
        gone, begun = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            if not begun.is_set():
                begun.set()
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            for line in message.get("body", b"").decode().splitlines():
                if line.startswith("data: "):
                    found.append(json.loads(line[6:])["items"][0]["item_id"])
                    if len(found) == 1:
                        service.listed("ann", ("cup", "deep", None))
                    else:
                        gone.set()

        await asyncio.wait_for(service.app(scope, receive, send), 10)

    asyncio.run(stream())
    assert found == ["tea", "cup"]
    assert not service.replica._listeners


def test_a_silent_stream_says_so_without_an_event(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "_BEAT_SECONDS", 0.02)
    sent = b""
    gone = asyncio.Event()
    scope = {
        "type": "http", "method": "GET", "path": "/v1/users/ann/stream", "query_string": b"",
        "raw_path": b"/v1/users/ann/stream", "headers": [(b"host", b"localhost")],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal sent
        sent += message.get("body", b"")
        if sent.count(b": still here") > 2:
            gone.set()

    asyncio.run(asyncio.wait_for(service.app(scope, receive, send), 10))
    assert sent.count(b"data:") == sent.count(b"event: list") == 1


EVENT = {"user_id": "ann", "item_id": "tea", "event_type": "view"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost"}, 200),
        ({"origin": "https://shop.example"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://shop.example.evil.example"}, 403),
        ({"host": "127.0.0.1:8090"}, 200),
        ({"host": "[::1]:8090"}, 200),
        ({"host": "rebound.example"}, 403),
        ({"host": "[broken"}, 403),
    ],
)
def test_pages_of_other_sites_may_not_ask(headers: dict[str, str], status: int) -> None:
    service = Service(origins=["https://shop.example"])
    for method, path, more in (("POST", "/v1/events", {"json": EVENT}), ("GET", "/v1/info", {})):
        found = service.ask(method, path, headers=headers, **more)
        assert found.status_code == status
        allowed = found.headers.get("access-control-allow-origin")
        assert allowed == (headers["origin"] if "shop" in str(headers) and status == 200 else None)
    assert len(service.sender.sent) == (status == 200)


def test_a_browser_that_asks_first_is_told_what_is_allowed() -> None:
    service = Service(origins=["https://shop.example"])
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    found = service.ask("OPTIONS", "/v1/events", headers=asked)
    assert found.status_code == 204
    assert "POST" in found.headers["access-control-allow-methods"]
    assert service.ask("OPTIONS", "/v1/events", headers={"origin": "null"}).status_code == 403


def test_at_an_address_of_the_network_any_name_may_lead_here() -> None:
    service = Service(host="0.0.0.0")
    assert service.ask("GET", "/v1/info", headers={"host": "shop.internal"}).status_code == 200


def test_a_command_has_the_jobs_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"id": "c1", "command": "rollback_model", "ok": False, "message": "no former model",
              "answered_at": NOW}  # fmt: skip
    service.replica.reports.take_answer(b"c1", b"garbage")
    service.replica.reports.take_answer(b"c1", json.dumps(answer).encode())
    found = service.ask("POST", "/v1/control", json={"command": "rollback_model"})
    assert found.json() == {"id": "c1", "ok": False, "message": "no former model"}
    assert service.sender.commands == [Wanted("rollback_model")]

    monkeypatch.setattr(routes, "ANSWER_SECONDS", 0.2)
    found = service.ask("POST", "/v1/control", json={"command": "promote_model", "model": 3})
    assert found.status_code == 504
    assert "does it run?" in found.json()["error"]["message"]
    service.sender.gone = True
    assert service.ask("POST", "/v1/control", json={"command": "fine_tune_now"}).status_code == 503


@pytest.mark.parametrize(
    "body", [{}, {"command": "drop"}, {"command": "promote_model", "model": -1}]
)
def test_commands_that_no_job_knows(service: Service, body: dict[str, Any]) -> None:
    assert service.ask("POST", "/v1/control", json=body).status_code == 400
    assert service.sender.commands == []
