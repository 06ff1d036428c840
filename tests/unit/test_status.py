"""Exit status of scripts/status, and what it says first."""

import json
import sys

import pytest

from scripts.tools.commands import status
from scripts.tools.kafka import accounting, topics
from scripts.tools.kafka.accounting import Metrics
from scripts.tools.kafka.balance import Balance
from scripts.tools.kafka.lag import Lag

NOTHING = status.Input(0, {})


def metrics(accepted, early):
    found = Metrics()
    consumed = accepted + early
    counts = {"consumed": consumed, "accepted": accepted, "duplicate": 0, "late": 0}
    counts |= {"rejected": early, "first_offset": 0, "next_offset": consumed}
    record = {"kind": "accounting", "bucket": 0, "partitions": {"0": counts}}
    record["rejected"] = {"timestamp_past": early} if early else {}
    found.take(b"accounting/0", json.dumps(record).encode())
    return found


@pytest.fixture
def world(monkeypatch):
    """Return a function that calls the tool where the job says this and that."""

    def run(*looks, arguments=(), state="RUNNING", too_small=(), there=NOTHING):
        told = list(looks)

        def catch_up(_):
            return told.pop(0) if len(told) > 1 else told[0]

        monkeypatch.setattr(sys, "argv", ["status", *arguments])
        monkeypatch.setattr(status, "_jobs", lambda *_: [{"name": "j", "jid": "1", "state": state}])
        monkeypatch.setattr(status, "_balances", lambda *_: there)
        monkeypatch.setattr(accounting.Following, "catch_up", catch_up)
        monkeypatch.setattr(topics, "too_small", lambda *_: list(too_small))
        return status.main()

    monkeypatch.setattr("scripts.tools.kafka.lag._EVERY_SECONDS", 0.01)
    example = {"timestamp_past": "timestamp: expected 2000 or later, got less"}
    monkeypatch.setattr("scripts.tools.kafka.refusals.read_all", lambda *_: iter(()))
    monkeypatch.setattr("scripts.tools.kafka.refusals.examples", lambda *_: example)
    return run


def test_all_is_well_where_most_was_taken(world, capsys):
    assert world(metrics(3, 2)) == 0
    assert capsys.readouterr().err == ""


def test_where_most_was_refused_it_says_which_code_and_why_first(world, capsys):
    assert world(metrics(2, 3), too_small=["topic too small"]) == status.REFUSED == 7
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: user_behavior: expected most records")
    assert "got 3 of 5 refused" in first
    assert "timestamp_past 3 times: timestamp: expected 2000 or later" in second


def test_json_stays_one_object_where_most_was_refused(world, capsys):
    assert world(metrics(0, 3), arguments=["--json"]) == 7
    assert "results" in json.loads(capsys.readouterr().out)


def test_no_job_is_told_before_what_was_refused(world):
    assert world(metrics(0, 3), state="FINISHED") == 3


def test_the_help_names_every_exit_status(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["status", "--help"])
    with pytest.raises(SystemExit):
        status.main()
    told = " ".join(capsys.readouterr().out.split())
    assert "7 where the job refused most records" in told


@pytest.fixture
def lagging(world):
    """Return a function that calls the tool where 5 records wait, and so many are consumed."""

    def run(*seen, arguments=(), state="RUNNING"):
        there = status.Input(seen[0] + 5, {0: Balance(0, missing=5)}, [Lag(0, seen[0])])
        looks = [metrics(n, 0) for n in seen]
        return world(*looks, arguments=["--patience", "0.1", *arguments], state=state, there=there)

    return run


def test_a_lag_that_moves_is_told_and_is_no_mistake(lagging, capsys):
    assert lagging(100, 100, 103) == 0
    told = capsys.readouterr()
    assert "records wait: looking whether they are consumed, 0.1 s at most" in told.err
    assert "partition 0: 5 records wait, and are being consumed" in told.out
    assert "every record consumed has exactly one fate" in told.out


def test_a_lag_that_stands_is_exit_4(lagging, capsys):
    assert lagging(100, 100) == status.UNBALANCED == 4
    assert "got 5 not consumed yet" in capsys.readouterr().out


def test_the_lag_is_a_figure_whether_it_moves_or_not(lagging, capsys):
    assert lagging(100, 101, arguments=["--json"]) == 0
    figures = {one["name"]: one["value"] for one in json.loads(capsys.readouterr().out)["results"]}
    assert figures["input.missing"] == 5
    assert figures["accounting.objections"] == 0


def test_nobody_waits_for_a_job_that_does_not_run(lagging, capsys):
    assert lagging(100, 101, state="FAILED") == 3
    assert "records wait" not in capsys.readouterr().err


def test_what_contradicts_itself_is_exit_4_at_once(world):
    found = metrics(3, 0)
    counts = {"consumed": 3, "accepted": 2, "duplicate": 0, "late": 0, "rejected": 0}
    counts |= {"first_offset": 3, "next_offset": 6}
    record = {"kind": "accounting", "bucket": 1, "partitions": {"0": counts}}
    found.take(b"accounting/1", json.dumps(record).encode())
    assert world(found) == 4


def worker(subtask, at, **deep):
    counts = dict.fromkeys(("items", "refused", "evicted", "skipped"), 0)
    record = {"kind": "worker", "subtask": subtask, "generated_at": at, "complete": 1.0, **counts}
    record |= {"loop_skipped": {}, "deep": deep}
    return f"worker/{subtask}".encode(), json.dumps(record).encode()


def test_it_says_which_model_each_worker_serves_and_why_another_one_does_not(world, capsys):
    found = metrics(3, 0)
    found.take(b"fine_tune", b'{"kind": "fine_tune", "model": 4, "verdict": "round 4: [better]"}')
    found.take(*worker(0, 100_000, model=4, sha256="ab12", wanted=4))
    found.take(*worker(1, 99_000, model=3, wanted=4, error="model 4 is not served: gone"))
    found.take(*worker(7, 1_000, model=2, wanted=2))  # of a former parallelism
    assert world(found) == 0
    out = capsys.readouterr().out
    assert "fine-tune" in out
    assert "ab12" in out
    assert "model 4 is not served: gone" in out
    assert "round 4: [better]" in out
    assert [one.subtask for one in found.workers] == [0, 1]


def test_workers_of_a_former_release_are_shown_too(world):
    found = metrics(3, 0)
    key, value = worker(0, 100_000)
    record = json.loads(value)
    del record["deep"]
    found.take(key, json.dumps(record).encode())
    found.take(b"worker/1", b"{}")
    assert [one.deep.model for one in found.workers] == [0]
