"""Who may ask the service, how often, and for which job."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from conf.schema import JobConfig
from jobs.serve import __main__ as program
from jobs.serve.app import reserved
from jobs.serve.app import service as serve
from jobs.serve.gate import keys
from jobs.serve.gate.admission import Access
from jobs.serve.gate.keys import Key, KeyFileError, hash_of
from jobs.serve.gate.rates import Rates
from jobs.serve.reader import Progress
from jobs.serve.served import Served
from tests.unit.test_serve import EVENT, Service

READ, EVENTS, OPERATE = (f"key-{name}" for name in ("read", "events", "operate"))
COMMAND = {"command": "rollback_model"}
LIST = "/v1/users/ann/recommendations"


def access(**more: Any) -> Access:
    found = [
        Key("site", hash_of(READ.encode()), **more),
        Key("shop", hash_of(EVENTS.encode()), ("read", "events")),
        Key("us", hash_of(OPERATE.encode()), ("read", "operate")),
    ]
    return Access({key.sha256: key for key in found})


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def guarded() -> Service:
    logging.getLogger("httpx").setLevel(logging.WARNING)
    service = Service(access=access())
    answer = {"id": "c1", "command": "x", "ok": True, "message": "", "answered_at": 1}
    for name in (b"c1", b"c2"):
        service.replica.reports.take_answer(name, json.dumps(answer).encode())
    return service


@pytest.mark.parametrize("path", ["/v1/health", "/v1/ready", "/openapi.json", "/", "/api.js"])
def test_what_needs_no_key(guarded: Service, path: str) -> None:
    assert guarded.ask("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "statuses"),
    [
        ("GET", LIST, None, (200, 200, 200)),
        ("GET", f"{LIST}?n=3&include=items", None, (200, 200, 200)),
        ("GET", "/v1/items", None, (200, 200, 200)),
        ("GET", "/v1/users/ann", None, (200, 200, 200)),
        ("GET", "/v1/jobs", None, (200, 200, 200)),
        ("POST", "/v1/recommendations", {"items": []}, (200, 200, 200)),
        ("POST", "/v1/events", EVENT, (403, 200, 403)),
        ("POST", "/v1//events/", EVENT, (403, 200, 403)),
        ("POST", "/v1/%65vents", EVENT, (403, 200, 403)),
        ("GET", "/v1/dead-letters", None, (403, 403, 200)),
        ("GET", "/v1/dead-letters/", None, (403, 403, 200)),
        ("GET", "/v1//dead-letters", None, (403, 403, 200)),
        ("GET", "/v1/windows", None, (403, 403, 200)),
        ("GET", "/v1/feedback", None, (403, 403, 200)),
        ("GET", "/metrics", None, (403, 403, 200)),
        ("GET", "/metrics/", None, (403, 403, 200)),
        ("POST", "/v1/control", COMMAND, (403, 403, 200)),
        ("GET", f"{LIST}?%73hown=false", None, (403, 200, 403)),
        ("GET", "/v1/items?search=shown", None, (200, 200, 200)),
    ],
)
def test_a_key_may_do_what_its_rights_say(
    guarded: Service, method: str, path: str, body: Any, statuses: tuple[int, ...]
) -> None:
    sent = {} if body is None else {"json": body}
    for key, status in zip((READ, EVENTS, OPERATE), statuses, strict=True):
        found = guarded.ask(method, path, headers=bearer(key), **sent)
        if status == 200 and "//" in path:
            assert found.status_code in (200, 404)  # not a path of its own, but nobody gets past
        else:
            assert found.status_code == status, (key, found.text)
    for headers in ({}, bearer("wrong"), {"authorization": f"Basic {READ}"}, bearer("")):
        found = guarded.ask(method, path, headers=headers, **sent)
        assert found.status_code == 401
        assert found.headers["www-authenticate"] == "Bearer"
        assert "expected Bearer" in found.json()["error"]["message"]


def test_a_key_may_ask_so_many_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(access=access(rate=2))
    found = [service.ask("GET", LIST, headers=bearer(READ)) for _ in range(3)]
    assert [one.status_code for one in found] == [200, 200, 429]
    assert found[2].headers["retry-after"] == "1"
    assert service.ask("GET", LIST, headers=bearer(EVENTS)).status_code == 200
    assert service.ask("GET", "/v1/ready").status_code == 200


def test_an_address_without_a_key_may_ask_so_many_times_a_second() -> None:
    service = Service(access=Access({}, rate=1))
    assert [service.ask("GET", LIST).status_code for _ in range(3)] == [401, 429, 429]
    assert service.ask("GET", "/v1/ready").status_code == 200


def test_keys_of_any_characters() -> None:
    key = Key("site", hash_of("schlüssel".encode()))
    service = Service(access=Access({key.sha256: key}))
    sent = {"authorization": b"Bearer " + "schlüssel".encode()}
    assert service.ask("GET", LIST, headers=sent).status_code == 200


def test_an_address_may_ask_so_many_times_a_second() -> None:
    service = Service(access=Access(rate=1))
    assert [service.ask("GET", LIST).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("rate", [0.1, 1.0, 3.0, 1000.0])
def test_rates(rate: float) -> None:
    seconds = [100.0]
    rates = Rates(lambda: seconds[0])
    at_once = sum(rates.wait("a", rate) == 0 for _ in range(2000))
    assert at_once == max(1, round(rate))
    assert rates.wait("b", rate) == 0
    assert 0 < rates.wait("a", rate) <= 1 / rate + 1e-9
    passed = 0
    for _ in range(1000):
        seconds[0] += 0.1 / rate
        passed += rates.wait("a", rate) == 0
    assert 98 <= passed <= 101


def test_rates_remember_so_many_names() -> None:
    rates = Rates(lambda: 1.0)
    for n in range(20_000):
        rates.wait(str(n), 5)
    assert len(rates._due) == 10_000


def two() -> tuple[Service, Service, Any]:
    """Two jobs, and the service of both."""
    found = []
    for name in ("shop", "news"):
        config = JobConfig.model_validate(
            {"job": {"name": name}, "kafka": {"topics": {"prefix": name}}}
        )
        found.append(Service(config))
        found[-1].listed("ann", (f"of {name}", "deep", None))
    jobs = [Served(one.replica, one.reader, one.sender) for one in found]
    shop, news = found
    shop.app = serve(jobs)
    return shop, news, jobs


def test_several_jobs_in_one_service() -> None:
    shop, news, _ = two()
    assert shop.get("/v1/jobs")["jobs"] == ["shop", "news"]
    for path, name in (("/v1", "shop"), ("/v1/shop", "shop"), ("/v1/news", "news")):
        assert shop.get(f"{path}/info")["job"] == name
        for query in ("", "?exclude="):  # past the framework, and through it
            found = shop.get(f"{path}/users/ann/recommendations{query}")
            assert found["items"][0]["item_id"] == f"of {name}"
    assert shop.ask("GET", "/v1/blog/info").status_code == 404
    assert shop.ask("POST", "/v1/news/events", json=EVENT).status_code == 200
    assert (len(shop.sender.sent), len(news.sender.sent)) == (0, 1)
    text = shop.ask("GET", "/metrics").text
    assert 'streamrec_serve_lists{job="news"} 1.0' in text
    news.reader.connected = False
    answers = [shop.ask("GET", f"/v1{name}/ready").status_code for name in ("", "/shop", "/news")]
    assert answers == [503, 200, 503]


def test_all_jobs_are_started_and_stopped_once() -> None:
    shop, news, jobs = two()
    calls: list[str] = []
    for job in jobs:
        for part in (job.reader, job.sender):
            part.start = lambda: calls.append("start")
            part.stop = lambda: calls.append("stop")

    async def live() -> None:
        sent: list[str] = []
        given = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, str]:
            return {"type": next(given)}

        async def send(message: dict[str, str]) -> None:
            sent.append(message["type"])

        await shop.app({"type": "lifespan", "state": {}}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    asyncio.run(live())
    assert calls == ["start"] * 4 + ["stop"] * 4
    assert news.replica is jobs[1].replica


def test_a_key_of_one_job_is_none_of_another() -> None:
    shop, _, jobs = two()
    shop.app = serve(jobs, access=access(jobs=("news",)))

    def status(path: str) -> int:
        found: httpx.Response = shop.ask("GET", path, headers=bearer(READ))
        return found.status_code

    assert [status(f"/v1{name}/info") for name in ("", "/shop", "/news")] == [403, 403, 200]
    found = shop.ask("GET", "/v1/jobs", headers=bearer(READ))
    assert found.json() == {"jobs": ["news"]}


def test_figures_are_those_of_the_jobs_of_a_key() -> None:
    shop, _, jobs = two()
    key = Key("us", hash_of(OPERATE.encode()), ("operate",), ("news",))
    shop.app = serve(jobs, access=Access({key.sha256: key}))
    text = shop.ask("GET", "/metrics", headers=bearer(OPERATE)).text
    assert 'job="news"' in text
    assert 'job="shop"' not in text


def test_a_key_of_a_job_that_is_not_served_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(keys.new("a")[1] + f"  jobs: [{'news'}]\n")
    assert program.main(["--keys", str(path)]) == 2
    assert "key a: expected names of jobs served (streamrec), got news" in capsys.readouterr().err


def test_readiness_tells_topics_of_equal_names_apart() -> None:
    shop, news, _ = two()
    shop.reader.progress, news.reader.progress = (
        {"recommendations": Progress(3, 5)}, {"recommendations": Progress(0, 7)},
    )  # fmt: skip
    found = shop.get("/v1/ready")["topics"]
    assert {name: one["end"] for name, one in found.items()} == {
        "shop/recommendations": 5, "news/recommendations": 7,
    }  # fmt: skip
    assert shop.get("/v1/news/ready")["topics"].keys() == {"recommendations"}


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"origin": "http://["}, "/v1/info", 403),
        ({}, "/index.html/v1/dead-letters", 404),
        ({}, "/app.js/", 200),
        ({}, "/v1/items?search=%25ff&shown=%FF&%FF=1", 200),
        ({}, "/v1/nothing", 404),
    ],
)
def test_odd_requests_are_no_errors_of_the_service(
    headers: dict[str, str], path: str, status: int
) -> None:
    assert Service().ask("GET", path, headers=headers).status_code == status


def test_names_of_routes_are_no_names_of_jobs() -> None:
    assert {"users", "items", "boards", "events", "control", "ready", "jobs"} <= reserved()


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    key, entry = keys.new("site: 'a'")
    other = keys.new("other")[1]
    path.write_text(entry + other)
    found = keys.read(path)
    assert found[hash_of(key.encode())] == Key("site: 'a'", hash_of(key.encode()))
    assert len(found) == 2
    assert key not in entry


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "expected a readable file, got: No such file"),
        ("", "expected a list of keys"),
        ("[{name: a}]", "sha256"),
        ("[{name: a, sha256: abc}]", "sha256"),
        (f"[{{name: a, sha256: {'0' * 64}}}]", "str"),  # a number, as YAML has it
        (f"[{{name: a, sha256: '{'0' * 64}', rights: [all]}}]", "rights"),
        (f"[{{name: a, sha256: '{'0' * 64}', rate: 0}}]", "rate"),
        (f"[{{name: a, sha256: '{'0' * 64}', key: secret}}]", "unknown field `key`"),
        (f"[&x {{name: a, sha256: '{'0' * 64}'}}, *x]", "one of them twice"),
        (f"[{{name: a, sha256: '{'0' * 64}', rights: []}}]", "rights"),
        (f"[{{name: a, sha256: '{'0' * 64}', jobs: []}}]", "jobs"),
        (f"[{{name: a, sha256: {hash_of(b'')}}}]", "that of an empty one"),
        ("keys: []", "expected a list of keys"),
        ("[", "expected a list of keys"),
    ],
)
def test_files_of_keys_that_mean_nothing(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "keys.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(KeyFileError) as error:
        keys.read(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "secret" not in str(error.value)


def test_jobs_need_names_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for n, name in enumerate(("shop", "shop", "users")):
        paths.append(tmp_path / f"{n}.yaml")
        paths[-1].write_text(f"job: {{name: {name}}}\nkafka: {{topics: {{prefix: p{n}}}}}\n")
    for one, other, name in ((0, 1, "shop"), (0, 2, "users")):
        configs = ["--config", str(paths[one]), "--config", str(paths[other])]
        assert program.main(configs) == 2
        said = capsys.readouterr().err
        assert f"job.name: expected a name of its own beside other jobs, got {name}" in said


def test_a_new_key_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--new-key", "site"]) == 0
    said = capsys.readouterr()
    assert "name: site" in said.out
    assert hash_of(said.err.split()[-1].encode()) in said.out


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://shop.example"}, 200),
    ],
)
def test_no_image_of_another_page_shows_anything(headers: dict[str, str], status: int) -> None:
    service = Service(origins=["https://shop.example"])
    found = service.ask("GET", f"{LIST}?shown=true", headers=headers)
    assert found.status_code == status
    assert len(service.sender.shown) == (status == 200)
    assert service.ask("GET", LIST, headers=headers).status_code == 200
