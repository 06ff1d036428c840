"""The console in a browser, beside a job: a click changes the list, and nothing hostile runs."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Page, expect, sync_playwright

from scripts.tools.commands.catalog import send
from state.topics.catalog import Description
from tests.builders import Record, event
from tests.kafka.running import RunningJob
from tests.kafka.test_serve import Client, serving

CHROMIUM = shutil.which("chromium")
VIEWS = (
    ("shop", "Green tea"),
    ("lookup/user/u0", "Last events"),
    ("lookup/item/tea", "What goes with it"),
    ("live", "Events accepted"),
    ("letters", "invalid_json"),
)
"""Address of each view, and a text that is there once it has its answers."""
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> & 'quotes' שלום 🙂"
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: scripts/setup --with-browser"),
]


@pytest.fixture
def service(job: RunningJob, tmp_path: Path) -> Iterator[Client]:
    """A service beside a job that knows three items, and has refused a record."""
    job.settings = ("deep.enabled=false", "kafka.delivery=at-least-once")
    job.start()
    now = int(time.time() * 1000)
    items = ("tea", "cup", "pot/<b>")
    events = [
        event(f"u{user}", item, at=now - 60_000 + 5_000 * position)
        for user in range(8)
        for position, item in enumerate(items)
    ]
    job.send([*events, Record(b"x", b"<script>alert(1)</script>")])
    job.settle()
    titles = ("Green tea", "A cup", HOSTILE)
    named = [(item, Description(title=title)) for item, title in zip(items, titles, strict=True)]
    send(job.address, f"{job.prefix}.catalog", named)
    with serving(job, tmp_path / "serve.log") as client:
        yield client


@contextmanager
def browsing(service: Client, answer: Callable[[Dialog], None] | None = None) -> Iterator[Page]:
    """Give the console in a browser; it must load nothing from elsewhere and fail nowhere.

    Parameters
    ----------
    answer
        Answers what the page asks; without it, it must ask nothing.
    """
    asked: list[str] = []
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("dialog", answer or (lambda dialog: faults.append(dialog.message)))
        page.goto(f"{service.url}/")
        yield page
        assert [url for url in asked if not url.startswith(service.url)] == []
        assert faults == []
        browser.close()


@pytest.fixture
def page(service: Client) -> Iterator[Page]:
    """A browser at the console, which asks nothing."""
    with browsing(service) as page:
        yield page


def background(page: Page) -> Any:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_a_page_that_moves(page: Page) -> None:
    main = page.get_by_role("main")
    expect(main.get_by_text("Green tea").first).to_be_visible()
    # what is hostile is text
    expect(main.get_by_text(HOSTILE).first).to_be_visible()
    assert page.title() != "hacked"
    assert page.locator("main img[src=x]").count() == 0

    main.get_by_role("button", name="Green tea").first.click()
    expect(main.get_by_text("List changed").first).to_be_visible(timeout=15_000)
    expect(main.get_by_text("because you looked at").first).to_be_visible()

    page.get_by_role("searchbox").fill("cup")
    expect(main.get_by_role("button", name="A cup").first).to_be_visible()
    expect(main.get_by_role("button", name="Green tea")).to_have_count(0)

    light = background(page)
    page.emulate_media(color_scheme="dark")
    assert background(page) != light
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("Look up", "Live", "Dead letters", "Shop window"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.get_by_role("link", name="Live", exact=True).click()
    for tile in ("Lag", "Last checkpoint"):
        expect(main.get_by_text(tile, exact=True)).to_be_visible(timeout=15_000)

    page.get_by_role("link", name="Dead letters", exact=True).click()
    expect(main.get_by_text("invalid_json").first).to_be_visible()
    expect(main.get_by_text("<script>alert(1)</script>").first).to_be_visible()


def violations(page: Page) -> list[str]:
    """What axe calls serious or critical, with the elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_views_keep_the_rules_of_accessibility(page: Page, service: Client) -> None:
    """By script injected from here: the page's own policy lets it load none."""
    main = page.get_by_role("main")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 860})
        for theme in ("light", "dark"):
            # what fades in has not its contrast yet
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for view, text in VIEWS:
                page.goto(f"{service.url}/#/{view}")
                expect(main.get_by_text(text).first).to_be_visible(timeout=20_000)
                expect(main.locator(".bone")).to_have_count(0)
                assert violations(page) == [], (view, theme, width)


def test_commands_are_sent_from_the_view_live(service: Client) -> None:
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    with browsing(service, agree) as page:
        page.goto(f"{service.url}/#/live")
        panel = page.get_by_role("region", name="Commands to the job")

        def order(command: str, fields: dict[str, str], answer: str) -> None:
            panel.get_by_label("Command", exact=True).select_option(command)
            for label, value in fields.items():
                panel.get_by_label(label).fill(value)
            panel.get_by_role("button", name="Send").click()
            expect(panel.get_by_text(answer).first).to_be_visible(timeout=30_000)

        order("block_item", {"Item id": "tea"}, "leaves all new lists")
        order("set", {"recommend": "recommend.exploration", "JSON": "0.1"}, "holds until")
        order("set", {"recommend": "recommend.exploration", "JSON": "9"}, "recommend.exploration")
        order("set", {"recommend": "recommend.exploration", "JSON": "{"}, "is no JSON")
        assert asked == []
        order("forget_user", {"User id": "u3"}, "the user is forgotten")
        panel.get_by_role("button", name="Pause learning").click()
        expect(panel.get_by_text("teach nobody").first).to_be_visible(timeout=30_000)
        assert len(asked) == 2
