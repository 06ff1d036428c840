"""Click-through in the console's view Live, in a browser before a service."""

from playwright.sync_api import Page, expect

from tests.unit.test_console_keys import browser, page, pytestmark, served
from tests.unit.test_serve import Service
from tests.unit.test_serve_feedback import Bucket

__all__ = ("browser", "page", "pytestmark")


def test_arms_have_a_line_and_a_row_and_come_when_they_are_decided(page: Page) -> None:
    service = Service()
    with served(service.app) as url:
        page.goto(f"{url}/#live")
        main = page.get_by_role("main")
        expect(main.get_by_text("No window has ended yet")).to_be_visible()
        service.replica.reports.take_metrics(b"window/1", b'{"window_start": 1, "accepted": 3}')
        expect(main.get_by_text("Events accepted")).to_be_visible()
        expect(main.get_by_text("Click-through rate", exact=True)).to_have_count(0)
        expect(main.get_by_label("Feedback")).to_be_hidden()

        bucket = Bucket(service)
        bucket.decide("<b>model", 3, 9)
        bucket.tell(1)
        for second in (12, 22):
            bucket.decide("<b>model", 3, 9)
            bucket.decide("", 0, 4)
            bucket.tell(second)
        expect(main.get_by_text("of 44 impressions")).to_be_visible()
        arms = main.get_by_role("region", name="CTR by arm")
        expect(arms.get_by_role("row").nth(1)).to_have_text("all users800.000")
        expect(arms.get_by_role("row").nth(2)).to_have_text("<b>model3690.250")
        chart = main.get_by_label("Feedback").locator(".chart")
        expect(chart.locator("path.series")).to_have_count(4)  # a line and its key, of each arm
        main.get_by_text("CTR) by position").click()
        expect(main.get_by_role("region", name="CTR by position")).to_be_visible()
