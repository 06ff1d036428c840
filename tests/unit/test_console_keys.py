"""The console in a browser, before a service that asks for keys and has several jobs."""

import json
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from conf.parameters import event_policy
from jobs.serve.app import service as serve
from jobs.serve.gate.admission import Access
from jobs.serve.gate.keys import Key, hash_of
from tests.unit.test_event_plans import config
from tests.unit.test_serve import Service
from tests.unit.test_serve_gate import two

CHROMIUM = shutil.which("chromium")
ALL, NEWS, SENDS = (f"key-of-{name}" for name in ("all", "news", "a-tracker"))
KEYS = (
    Key("us", hash_of(ALL.encode()), ("read", "operate")),
    Key("editors", hash_of(NEWS.encode()), ("read",), jobs=("news",)),
    Key("tracker", hash_of(SENDS.encode()), ("events",)),
)
DEFAULT = {"view": 1, "click": 1, "favorite": 2, "purchase": 5, "rating": 1, "dislike": -3}
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: scripts/setup --with-browser"
)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Give the address of an application that is served."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window that keeps nothing of others; scripts must not fail in it."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(10_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    assert faults == []
    context.close()


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, Any]]:
    """The address of two jobs behind keys, and the second job."""
    shop, news, jobs = two()
    app = serve(jobs, access=Access({key.sha256: key for key in KEYS}))
    shop.describe("of shop", title="A kettle")
    news.describe("of news", title="A headline")
    for one in (shop, news):
        one.describe("new", title="Something new", created_at=1)
    with served(app) as url:
        yield url, news


def give(page: Page, label: str, key: str) -> None:
    field = page.get_by_label(label)
    expect(field).to_be_focused()
    field.fill(key)
    page.keyboard.press("Enter")


def be(page: Page, user: str) -> None:
    field = page.get_by_role("main").locator(".chooser input").first
    field.fill(user)
    page.keyboard.press("Enter")


def name_jobs(page: Page, *names: str) -> None:
    """Answer any key with the names of the jobs that it is for."""

    def answer(route: Route) -> None:
        if "authorization" in route.request.headers:
            route.fulfill(json={"jobs": names})
        else:
            route.continue_()

    page.route("**/v1/jobs", answer)


def test_a_key_opens_the_console_and_a_job_is_chosen(page: Page, site: tuple[str, Any]) -> None:
    url, news = site
    page.goto(url)
    expect(page.get_by_role("button", name="Use another key")).to_have_count(0)
    give(page, "asks for a key", "wrong")
    give(page, "none of the service's", ALL)
    main = page.get_by_role("main")
    expect(page.locator("#lock")).to_have_count(0)
    be(page, "ann")
    expect(main.get_by_text("A kettle").first).to_be_visible()
    expect(main.get_by_text("A headline")).to_have_count(0)

    page.get_by_label("Job").select_option("news")
    expect(main.get_by_text("A headline").first).to_be_visible()
    expect(main.get_by_text("A kettle")).to_have_count(0)
    # the stream is of that job, too, and is opened with the key
    expect(main.get_by_text("live", exact=True)).to_be_visible()
    news.listed("ann", ("new", "deep", None))
    expect(page.locator(".for-you").get_by_text("Something new").first).to_be_visible()


def test_a_key_that_no_header_can_carry_is_not_kept(page: Page, site: tuple[str, Any]) -> None:
    url, _ = site
    page.goto(url)
    for text in ("ключ", "two words", "\u00fcber", "x" * 1001):
        give(page, "asks for a key", text)
        expect(page.get_by_role("alert").filter(has_text="cannot be a key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    # nor does one harm that was kept before it was looked at
    page.evaluate("sessionStorage.setItem('streamrec.key', 'ключ')")
    page.reload()
    give(page, "asks for a key", f" {ALL} ")
    expect(page.locator("#facts")).to_contain_text("Job shop")
    expect(page.get_by_text("does not answer")).to_have_count(0)


@pytest.mark.parametrize("query", ["", "?job=shop", "?job=nosuch"])
def test_a_key_of_one_job_shows_that_job(page: Page, site: tuple[str, Any], query: str) -> None:
    url, _ = site
    name_jobs(page, "news")
    page.goto(f"{url}/{query}#/lookup/item/of%20news")
    give(page, "asks for a key", NEWS)
    expect(page.get_by_role("main").get_by_text("A headline").first).to_be_visible()
    assert page.url == f"{url}/?job=news#/lookup/item/of%20news"
    expect(page.get_by_label("Job")).to_have_count(0)


def test_another_key_may_follow_one_without_the_right(page: Page, site: tuple[str, Any]) -> None:
    url, _ = site
    name_jobs(page, "shop", "news")
    page.goto(url)
    give(page, "asks for a key", SENDS)
    expect(page.get_by_text("expected the right read").first).to_be_visible()
    page.get_by_label("Job").select_option("news")  # there is a choice all the same
    expect(page).to_have_url(f"{url}/?job=news")
    page.get_by_role("button", name="Use another key").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#lock")).to_have_count(0)
    page.get_by_role("button", name="Use another key").click()
    give(page, "Another key", ALL)
    expect(page.locator("#facts")).to_contain_text("Job news")
    expect(page.get_by_role("button", name="Use another key")).to_be_visible()


def test_a_key_without_the_right_to_read_stays_at_the_only_job(page: Page) -> None:
    key = Key("operators", hash_of(ALL.encode()), ("operate",))
    service = Service(access=Access({key.sha256: key}))
    name_jobs(page, "streamrec")  # which no address has in a service of one job
    with served(service.app) as url:
        page.goto(f"{url}/?job=streamrec#/live")
        give(page, "asks for a key", ALL)
        expect(page.get_by_text("No window has ended yet")).to_be_visible()
        assert page.url == f"{url}/#/live"


@pytest.mark.parametrize("name", ["nosuch", "users", "..", ""])
def test_an_address_of_no_job_leads_to_the_first(
    page: Page, site: tuple[str, Any], name: str
) -> None:
    url, _ = site
    page.goto(f"{url}/?job={name}")
    give(page, "asks for a key", ALL)
    expect(page.locator("#facts")).to_contain_text("Job shop")
    expect(page.get_by_label("Job")).to_have_value("shop")
    page.get_by_label("Job").select_option("news")
    expect(page.locator("#facts")).to_contain_text("Job news")


def test_a_withdrawn_list_leaves_the_page(page: Page) -> None:
    service = Service()
    for name in ("kettle", "teapot"):
        service.describe(name, title=f"A {name}")
    service.listed("ann", ("kettle", "deep", None))
    with served(service.app) as url:
        page.goto(url)
        be(page, "ann")
        mine = page.locator(".for-you")
        expect(mine.get_by_text("live", exact=True)).to_be_visible()
        expect(mine.get_by_text("by online-ranking-1")).to_be_visible()
        service.replica.take_list(b"ann", None)
        expect(mine.get_by_text("Your own list was withdrawn")).to_be_visible()
        expect(mine.get_by_text("by online-ranking-1")).to_have_count(0)
        # the next one is of topics made anew: older, and with an id that was there before
        service.listed("ann", ("teapot", "deep", None))
        expect(mine.locator(".entries li").first).to_contain_text("A teapot")


def test_the_first_answer_does_not_replace_what_the_stream_said(page: Page) -> None:
    service = Service()
    service.listed("ann", ("kettle", "deep", None))
    held: list[Route] = []
    page.route("**/users/ann/recommendations?**", lambda route: held.append(route))
    with served(service.app) as url:
        page.goto(url)
        be(page, "ann")
        mine = page.locator(".for-you .entries")
        expect(mine.get_by_text("kettle").first).to_be_visible()
        old = held[0].fetch()
        service.listed("ann", ("teapot", "deep", None))
        expect(mine.get_by_text("teapot").first).to_be_visible()
        held[0].fulfill(response=old)
        page.wait_for_timeout(300)
        expect(mine.get_by_text("teapot").first).to_be_visible()


def test_events_are_plain_whatever_the_form_of_the_job(page: Page, tmp_path: Path) -> None:
    service = Service(config(tmp_path, "events.plan=segment"))
    service.describe("kettle", title="A kettle")
    service.listed("ann", ("kettle", "deep", None))
    sent: list[tuple[str, Any]] = []

    def take(route: Route) -> None:
        asked = route.request
        sent.append((asked.url, json.loads(asked.post_data or "")))
        route.fulfill(json={"events": [{"accepted": True}]})

    page.route("**/v1/events**", take)
    with served(service.app) as url:
        page.goto(url)
        be(page, "ann")
        for label in ("A kettle", "Like A kettle", "Not interested in A kettle"):
            button = page.locator(".for-you").get_by_role("button", name=label, exact=True)
            button.click()
            expect(page.get_by_text("Sent.").first).to_be_visible()
        assert {address for address, _ in sent} == {f"{url}/v1/events?form=plain"}
    kinds = ("Product Viewed", "Product Added to Wishlist", "Product Removed")
    event = {"user_id": "ann", "item_id": "kettle"}
    assert [body for _, body in sent] == [{**event, "event_type": kind} for kind in kinds]


def test_types_of_events_are_chosen_by_weight_and_usual_words(page: Page, tmp_path: Path) -> None:
    def plan(name: str) -> dict[str, Any]:
        return dict(event_policy(config(tmp_path, f"events.plan={name}")).weights)

    cases: list[tuple[dict[str, Any], list[str | None]]] = [
        (DEFAULT, ["view", "favorite", "dislike"]),
        (plan("segment"), ["Product Viewed", "Product Added to Wishlist", "Product Removed"]),
        (plan("ga4"), ["view_item", "add_to_wishlist", "remove_from_cart"]),
        (plan("camel_case"), ["view", "addToWishlist", "removeFromCart"]),
        (plan("retail_rocket"), ["view", "addtocart", None]),
        ({"look": 1, "buy": 5, "impression": 0}, ["look", "buy", None]),
        ({"a": 1, "b": 5, "c": -1, "d": None}, ["a", "b", "c"]),
        ({"pageview": 1, "Review": 9, "five stars": 9}, ["pageview", "pageview", None]),
        ({}, ["view", "view", None]),
    ]
    with served(Service().app) as url:
        page.goto(url)
        for weights, expected in cases:
            found = page.evaluate(
                "async (weights) => (await import('/words.js')).actions(weights)", weights
            )
            assert [found["look"], found["like"], found["hate"]] == expected, weights
