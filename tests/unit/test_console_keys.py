"""The console in a browser, before a service that asks for keys and has several jobs."""

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from jobs.serve.app import service as serve
from jobs.serve.gate.admission import Access
from jobs.serve.gate.keys import Key, hash_of
from tests.unit.test_serve_gate import two

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: scripts/setup --with-browser"
)


@pytest.fixture
def site() -> Iterator[tuple[str, Any]]:
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    shop, news, jobs = two()
    key = Key("us", hash_of("open sesame"), ("read", "operate"))
    app = serve(jobs, access=Access({key.sha256: key}))
    shop.describe("of shop", title="A kettle")
    news.describe("of news", title="A headline")
    for one in (shop, news):
        one.describe("new", title="Something new", created_at=1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", news
    server.should_exit = True
    thread.join(20)


def test_a_key_opens_the_console_and_a_job_is_chosen(site: tuple[str, Any]) -> None:
    url, news = site
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        for text, label in (("wrong", "asks for a key"), ("open sesame", "none of the service's")):
            field = page.get_by_label(label)
            expect(field).to_be_focused()
            field.fill(text)
            page.keyboard.press("Enter")
        main = page.get_by_role("main")
        expect(page.locator("#lock")).to_have_count(0)
        field = main.locator(".chooser input").first
        field.fill("ann")
        page.keyboard.press("Enter")
        expect(main.get_by_text("A kettle").first).to_be_visible()
        expect(main.get_by_text("A headline")).to_have_count(0)

        page.get_by_label("Job").select_option("news")
        expect(main.get_by_text("A headline").first).to_be_visible()
        expect(main.get_by_text("A kettle")).to_have_count(0)
        # the stream is of that job, too, and is opened with the key
        expect(main.get_by_text("live", exact=True)).to_be_visible()
        news.listed("ann", ("new", "deep", None))
        expect(main.get_by_text("Something new").first).to_be_visible(timeout=5000)
        assert faults == []
        browser.close()
