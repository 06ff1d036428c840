"""Input that was mostly refused is told with its codes and an example of what was expected."""

from conf.loader import load
from conf.schema import JobConfig
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.kafka import refusals
from scripts.tools.kafka.accounting import Totals

EARLY = {
    "err.code": b"timestamp_past",
    "err.field": b"timestamp",
    "err.msg": b"expected 2000 or later, got less",
}
BROKEN = {"err.code": b"not_object", "err.field": b"", "err.msg": b"expected an object, got a list"}


class Letter:
    def __init__(self, headers):
        self._headers = headers

    def headers(self):
        return list(self._headers.items())


def totals(consumed, *, late=0, ignored=0, **codes):
    rejected = sum(codes.values())
    accepted = consumed - rejected - late - ignored
    return Totals(
        consumed,
        accepted,
        late=late,
        ignored=ignored,
        rejected=rejected,
        by_code=codes,
        by_type={"page_view": ignored},
    )


def test_more_than_half_is_most():
    assert refusals.mostly_refused(totals(3, empty=2))
    assert not refusals.mostly_refused(totals(4, empty=2))
    assert refusals.mostly_refused(totals(4, late=2, empty=1))
    assert not refusals.mostly_refused(Totals())


def test_what_is_ignored_was_not_meant_for_the_job():
    assert not refusals.mostly_refused(totals(100, ignored=75, empty=12))
    assert refusals.mostly_refused(totals(100, ignored=75, empty=13))
    (line,) = refusals.refusals(totals(1000, ignored=1000), None, JobConfig())
    assert "got only types that are ignored (page_view)" in line
    assert refusals.refusals(totals(999, ignored=999), None, JobConfig()) == []


def test_advice_fits_a_job_that_has_a_plan_already():
    config = load(LOCAL_CONFIG, ["events.plan=ga4"])
    (_, line) = refusals.told(totals(9, missing_field=9), {}, config)
    assert line.endswith("; these are no events of the plan ga4, or set events.fields beside it")


def test_nothing_is_read_or_said_where_most_was_taken():
    assert refusals.refusals(totals(4, empty=2), None, JobConfig()) == []


def test_the_dead_letters_give_an_example_of_each_code():
    letters = [Letter(EARLY), Letter(EARLY), Letter(BROKEN)]
    assert refusals.examples(letters, ["timestamp_past", "not_object", "empty"]) == {
        "timestamp_past": "timestamp: expected 2000 or later, got less",
        "not_object": "expected an object, got a list",
    }


def test_no_more_letters_are_read_than_needed():
    letters = iter([Letter(EARLY), Letter(BROKEN)])
    refusals.examples(letters, ["timestamp_past"])
    assert len(list(letters)) <= 1


def test_the_most_frequent_codes_are_told_with_what_to_do():
    found = totals(1_000, timestamp_past=900, empty=5, truncated=6, not_object=7)
    lines = refusals.told(
        found, {"timestamp_past": "timestamp: expected 2000, got less"}, JobConfig()
    )
    assert lines == [
        "user_behavior: expected most records to be events the job takes, got 918 of 1,000 refused;"
        " see dead_letter (scripts/dead-letters list)",
        "  timestamp_past 900 times: timestamp: expected 2000, got less; replay with --times shift,"
        " or set events.earliest",
        "  not_object 7 times: no example among the dead letters",
        "  truncated 6 times: no example among the dead letters",
    ]
