"""Feedback over HTTP: click-through by arm, of the job that runs, over time."""

from typing import Any

import pytest

from state.keyed.feedback_counts import Fate, FeedbackCounts
from state.keyed.lineage import Lineage
from tests.unit.test_serve import Service

NOW = 1_700_000_000_000


@pytest.fixture
def service() -> Service:
    return Service()


class Bucket:
    """Counts of a bucket of a job's users."""

    def __init__(self, service: Service, bucket: int = 0, lineage: str = "a") -> None:
        self.counts = FeedbackCounts.start(bucket)
        self.service = service
        self.lineage = Lineage(id=lineage, since=NOW, job="shop", buckets=8, topics={})

    def decide(self, arm: str, clicks: int, ignored: int) -> None:
        for number in range(clicks + ignored):
            action = "click" if number < clicks else None
            self.counts.note(Fate.JOINED)
            self.counts.decide(arm, 1, "factors", "m-1", action, 1.0 * (number < clicks), 0.0)

    def tell(self, seconds: int, epoch: int = 1) -> None:
        record = self.counts.record(NOW + 1000 * seconds, self.lineage, epoch)
        self.service.replica.reports.take_metrics(*record)


def rates(cells: dict[str, Any]) -> dict[str, tuple[int, float | None]]:
    return {name: (cell["impressions"], cell["click_through"]) for name, cell in cells.items()}


def test_without_feedback_there_is_nothing(service: Service) -> None:
    service.replica.reports.take_metrics(b"feedback/0", b"garbage")
    found = service.get("/v1/feedback")
    assert found["total"] == {"impressions": 0, "acted": 0, "click_through": None, "reward": 0.0}
    assert found["windows"] == []


def test_buckets_are_added_and_windows_have_what_was_decided_in_them(service: Service) -> None:
    one, other = Bucket(service), Bucket(service, 1)
    one.decide("model", 2, 0)
    one.tell(-9)  # no window of feedback has ended: who ignores is not known
    one.decide("model", 2, 0)
    one.tell(-8)
    other.tell(-7)
    one.decide("model", 1, 3)
    one.tell(1)
    other.decide("random", 0, 4)
    other.tell(2)
    one.decide("model", 3, 1)
    one.tell(12)
    one.tell(25)  # nothing new
    found = service.get("/v1/feedback")
    assert found["fates"] == {"joined": 16}
    assert found["total"] == {"impressions": 16, "acted": 8, "click_through": 0.5, "reward": 8.0}
    assert rates(found["arms"]) == {"model": (12, 8 / 12), "random": (4, 0.0)}
    assert rates(found["positions"]) == {"1": (16, 0.5)}
    assert rates(found["reasons"]) == {"factors": (16, 0.5)}
    assert rates(found["models"]) == {"m-1": (16, 0.5)}
    assert [(one["window_start"] - NOW, rates(one["arms"])) for one in found["windows"]] == [
        (0, {"model": (4, 0.25), "random": (4, 0.0)}),
        (10_000, {"model": (4, 0.75)}),
    ]
    assert len(service.get("/v1/feedback?n=1")["windows"]) == 1


def test_counts_of_a_former_job_are_left_out(service: Service) -> None:
    former, job = Bucket(service, 0, "former"), Bucket(service, 1, "job")
    former.decide("old", 1, 1)
    former.tell(0)
    former.decide("old", 1, 1)
    former.tell(1)
    job.tell(2, epoch=2)
    job.decide("model", 1, 1)
    job.tell(3, epoch=2)
    former.decide("old", 1, 1)
    former.tell(4)  # read later, from another partition
    found = service.get("/v1/feedback")
    assert list(found["arms"]) == ["model"]
    assert [list(one["arms"]) for one in found["windows"]] == [["model"]]


def test_counts_that_went_back_make_no_window(service: Service) -> None:
    before, after = Bucket(service), Bucket(service)
    before.decide("model", 2, 2)
    before.tell(1)
    after.decide("model", 1, 1)
    after.tell(30)
    found = service.get("/v1/feedback")
    assert rates(found["arms"]) == {"model": (2, 0.5)}
    assert found["windows"] == []
