"""A restore by tool is the same job: what a job was submitted with is kept and compared."""

import argparse
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from conf.loader import load, written
from conf.written import as_mapping
from scripts.tools.cluster import manifest, processes, submissions
from scripts.tools.cluster.flink_refusals import explained
from scripts.tools.cluster.flink_rest import FlinkRest
from scripts.tools.cluster.instance import Local, Ports
from scripts.tools.cluster.paths import LOCAL_CONFIG, ROOT, TRAINER_PYTHON, store_of
from scripts.tools.cluster.submissions import Submitted
from scripts.tools.commands import restore, submit
from scripts.tools.console import ToolError
from scripts.tools.kafka import target

JOB_A, JOB_B = "a" * 32, "b" * 32


def submission(tmp_path: Path, job: str, *overrides: str) -> Submitted:
    """Return the submission of a job with these overrides."""
    path = tmp_path / f"{job[:4]}.yaml"
    path.write_text("kafka: {properties: {sasl.jaas.config: '${env:LOGIN}'}}\n")
    config = load(path, overrides)
    local = Local(run_dir=tmp_path, ports=Ports(), slots=1)
    asked = submit.Submission(config=path, overrides=overrides)
    return submit.submitted(local, asked, config, job, cluster="cluster-1")


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    line = f'{module} required username="a" password="pw-1";'
    monkeypatch.setenv("LOGIN", line)


def state(folder: Path, about: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / manifest.METADATA).write_bytes(b"metadata")
    if about is not None:
        manifest.write(folder, about)
    return folder


def test_what_is_kept_says_all_but_secrets(tmp_path: Path) -> None:
    before = submission(tmp_path, JOB_A, "recommend.k=20", "events.plan=ga4")
    before.save(tmp_path)
    path = tmp_path / submissions.FOLDER / f"{JOB_A}.json"
    assert "pw-1" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert submissions.of_job(tmp_path, JOB_A) == before
    again = load(before.configuration(tmp_path))
    assert submissions.shown(as_mapping(again), before.written) == before.effective
    assert "pw-1" in again.kafka.properties["sasl.jaas.config"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"job": 1}', '{"job": "../x", "name": "a"}'])
def test_what_is_no_submission_is_none(tmp_path: Path, content: str) -> None:
    folder = tmp_path / submissions.FOLDER
    folder.mkdir()
    (folder / f"{JOB_A}.json").write_text(content)
    assert submissions.of_job(tmp_path, JOB_A) is None


def test_a_state_says_whose_it_is_by_its_manifest_or_by_its_path(tmp_path: Path) -> None:
    before = submission(tmp_path, JOB_A)
    saved = state(tmp_path / "saved", {"job": JOB_A, submissions.ENTRY: asdict(before)})
    assert submissions.of_state(saved, tmp_path) == before
    stopped = state(tmp_path / f"savepoint-{JOB_A[:6]}-0123")
    checkpoint = state(tmp_path / "checkpoints" / JOB_A / "chk-7")
    assert submissions.of_state(stopped, tmp_path) is None
    before.save(tmp_path)
    assert submissions.of_state(stopped, tmp_path) == before
    assert submissions.of_state(checkpoint, tmp_path) == before
    replace(before, job=JOB_A[:6] + JOB_B[6:]).save(tmp_path)
    assert submissions.of_state(stopped, tmp_path) is None  # of two that it may be


def test_the_latest_state_is_one_of_the_job_that_is_asked_for(tmp_path: Path) -> None:
    a = submission(tmp_path, JOB_A, "job.name=shop")
    b = submission(tmp_path, JOB_B, "job.name=news")
    newest_b = state(tmp_path / "s2", {"job": JOB_B, submissions.ENTRY: asdict(b)})
    older_a = state(tmp_path / "s1", {"job": JOB_A, submissions.ENTRY: asdict(a)})
    unknown = state(tmp_path / "s3")
    states = [unknown, newest_b, older_a]
    assert restore.latest(states, tmp_path, "shop") == older_a
    assert restore.latest(states, tmp_path, "news") == newest_b
    assert restore.latest([unknown, older_a], tmp_path, None) == older_a
    assert restore.latest([unknown], tmp_path, None) == unknown
    with pytest.raises(ToolError, match=r"got those of news, shop; say which") as caught:
        restore.latest(states, tmp_path, None)
    assert caught.value.code == 2
    with pytest.raises(ToolError, match="expected a state of job blog"):
        restore.latest(states, tmp_path, "blog")


@pytest.mark.parametrize(
    ("override", "cluster", "told"),
    [
        ("job.name=news", "cluster-1", "job.name: expected streamrec"),
        ("kafka.topics.user_behavior=clicks", "cluster-1", "expected user_behavior"),
        ("recommend.k=10", "cluster-2", "expected the cluster cluster-1"),
    ],
)
def test_state_of_another_job_is_refused(
    tmp_path: Path, override: str, cluster: str, told: str
) -> None:
    before = submission(tmp_path, JOB_A)
    now = replace(submission(tmp_path, JOB_B, override), cluster=cluster)
    with pytest.raises(ToolError, match=told) as caught:
        submit._compare(tmp_path, before, now, lambda _: None)
    assert caught.value.code == 2


def test_every_difference_is_told(tmp_path: Path) -> None:
    before = submission(tmp_path, JOB_A, "events.weights.share=3", "kafka.bootstrap_servers=a:1")
    now = submission(tmp_path, JOB_B, "recommend.k=20", "kafka.bootstrap_servers=a:2")
    told: list[str] = []
    submit._compare(tmp_path, before, now, told.append)
    assert [line.removeprefix("other than when it was saved: ") for line in told] == [
        "events.weights.share: 3.0 before, (none) now",
        'kafka.bootstrap_servers: "a:1" before, "a:2" now',
        "recommend.k: 10 before, 20 now",
    ]


def test_the_brokers_of_a_local_cluster_may_have_another_port(tmp_path: Path) -> None:
    before = replace(submission(tmp_path, JOB_A, "kafka.bootstrap_servers=a:1"), run_dir="/a")
    now = replace(submission(tmp_path, JOB_B, "kafka.bootstrap_servers=a:2"), run_dir="/b")
    told: list[str] = []
    submit._compare(tmp_path, before, now, told.append)
    assert told == []


def test_the_configuration_as_written_has_no_default_and_no_plan_laid_out(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("recommend: {k: 5}\n")
    overrides = ["events.plan=segment", "recommend.k=7"]
    assert written(path, overrides) == {"recommend": {"k": 7}, "events": {"plan": "segment"}}


EXITS = "java.lang.RuntimeException: Python process exits with code:"
ABORTED = f"org.apache.flink.client.program.ProgramAbortException: {EXITS}"
REFUSED = """org.apache.flink.util.FlinkException: outer
\tat a.b
Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint file:/s. \
Cannot map checkpoint/savepoint state for operator 5f to the new program, because the operator is \
not available in the new program. If you want to allow to skip this, you can set the \
--allowNonRestoredState option on the CLI.
"""


def test_advice_to_lose_state_is_not_passed_on() -> None:
    told = explained(REFUSED)
    assert "not available in the new program; its state would be lost: set items.buckets" in told
    assert "allow" not in told


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (
            "java.lang.IllegalStateException: Max parallelism mismatch. Cannot map operator 2b with"
            " max parallelism 8 to new program with max parallelism 128. This indicates that the"
            " program has been changed in a non-compatible way after the checkpoint/savepoint.",
            "with max parallelism 128; set users.buckets as it was",
        ),
        ("org.x.StateMigrationException: The new state serializer", "version that saved it"),
        ("java.io.FileNotFoundException: Cannot find checkpoint or savepoint", "is gone"),
        ("java.io.IOException: disk", "java.io.IOException: disk"),
    ],
)
def test_a_refusal_of_flink_names_the_key_to_set_back(cause: str, told: str) -> None:
    java = f"a.B: outer\n\tat x\nCaused by: {cause}\n\tat y\n"
    assert told in explained(java)
    # as the client prints it: the job's traceback, Java's, and that the job's program has ended
    python = (
        f"Traceback (most recent call last):\n  File x\npy4j.protocol.Py4JJavaError: An\n: {java}"
    )
    assert told in explained(f"{python}\n\n{ABORTED} 1\n\tat z\nCaused by: {EXITS} 1\n")


def test_what_the_job_itself_refused_is_shown_and_not_its_exit_status() -> None:
    output = (
        "conf/a.yaml: events.plan: expected one of ga4, got 'x'\n\n"
        f"{ABORTED} 2\n\tat x\nCaused by: {EXITS} 2\n\tat x\n"
    )
    assert explained(output) == "conf/a.yaml: events.plan: expected one of ga4, got 'x'"


def test_each_submission_keeps_a_log_of_its_own(tmp_path: Path) -> None:
    local = Local(run_dir=tmp_path, ports=Ports(), slots=1)
    logs = [submit._log(local, f"said {n}") for n in range(submit._LOGS_KEPT + 3)]
    assert logs[-1].read_text() == f"said {submit._LOGS_KEPT + 2}"
    assert len(list((tmp_path / "logs").iterdir())) == submit._LOGS_KEPT


def test_a_submission_is_json_that_says_who_it_is(tmp_path: Path) -> None:
    about = json.loads(json.dumps(asdict(submission(tmp_path, JOB_A))))
    assert Submitted.of(about) is not None
    assert Submitted.of(about | {"written": []}) is None
    assert Submitted.of(about | {"more": 1}) == Submitted.of(about)  # of a later version


_SUBMITS = """
import signal
import sys
from pathlib import Path
from scripts.tools.cluster.flink import FlinkCluster
from scripts.tools.cluster.instance import Local, Ports
from scripts.tools.cluster.signals import interruptible
from scripts.tools.commands import submit

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where `&` started the tests
FlinkCluster.client = lambda self, command: ["sh", "-c", "sleep 300 & echo up; sleep 300"]
FlinkCluster.client_environment = lambda self: {}
submit.WAITS = "up"
with interruptible():
    local = Local(run_dir=Path(sys.argv[1]), ports=Ports(), slots=1)
    submit._flink_run(local, [], lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_submission_that_is_ended_ends_its_client(tmp_path: Path, ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SUBMITS, str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as submitting:  # fmt: skip
        assert submitting.stdout is not None
        assert submitting.stdout.readline() == "up\n"
        assert processes.find(tmp_path)
        submitting.send_signal(ending)
        assert submitting.wait(timeout=20) != 0
    assert processes.find(tmp_path) == []


def test_tools_that_look_at_a_job_go_by_what_it_was_submitted_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission(tmp_path, JOB_A, "job.name=shop", "recommend.k=20").save(tmp_path)
    submission(tmp_path, JOB_B, "job.name=news").save(tmp_path)
    Local(run_dir=tmp_path, ports=Ports(), slots=1)._save(owned=False)
    running = [{"jid": JOB_A}]
    monkeypatch.setattr(FlinkRest, "running", lambda _: running)

    def seen(*arguments: str, **asked: bool) -> tuple[str, int]:
        parser = argparse.ArgumentParser()
        target.add_arguments(parser)
        options = parser.parse_args(["--run-dir", str(tmp_path), *arguments])
        config = target.target(options, **asked).config
        return config.job.name, config.recommend.k

    assert seen() == ("shop", 20)
    assert seen("--set", "recommend.k=5") == ("shop", 5)
    assert seen(running=False) == ("streamrec", 10)
    assert seen("--config", str(LOCAL_CONFIG)) == ("streamrec", 10)
    running.append({"jid": JOB_B})
    assert seen() == ("streamrec", 10)  # of two jobs it is not known which


def test_a_restore_elsewhere_leaves_the_models_of_the_folder_before_alone(tmp_path: Path) -> None:
    there, here = tmp_path / "there", Local(run_dir=tmp_path / "here", ports=Ports(), slots=1)
    own = (f"fine_tune.store={store_of(there)}", "fine_tune.python=/no/such/python")
    before = replace(submission(tmp_path, JOB_A, *own), run_dir=str(there))
    assert restore.moved(before, here) == [
        f"kafka.bootstrap_servers={here.brokers}",
        f"fine_tune.store={store_of(here.run_dir)}",
        f"fine_tune.python={TRAINER_PYTHON}",
    ]
    shared = replace(submission(tmp_path, JOB_A, "fine_tune.store=s3://models"), run_dir=str(there))
    assert restore.moved(shared, here) == [f"kafka.bootstrap_servers={here.brokers}"]
    assert restore.moved(replace(shared, run_dir=""), here) == []


def test_what_references_led_to_is_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "hunter2")
    monkeypatch.setenv("TYPE", "hunter2-*")
    overrides = ("fine_tune.store=s3://a:${env:KEY}@b", "events.ignore=['${env:TYPE}', x]")
    before = submission(tmp_path, JOB_A, *overrides)
    before.save(tmp_path)
    kept = (tmp_path / submissions.FOLDER / f"{JOB_A}.json").read_text()
    assert "hunter2" not in kept
    assert before.effective["fine_tune"]["store"] == "s3://a:${env:KEY}@b"
    assert before.effective["events"]["ignore"] == ["${env:TYPE}", "x"]


@pytest.mark.parametrize("name", ["1e3", "null-", "0x1f", "2024-01-01"])
def test_names_that_look_like_something_else_are_restored(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"job: {{name: '{name}'}}\nevents: {{sentinel_ids: ['{name}', 'ü']}}\n")
    local = Local(run_dir=tmp_path, ports=Ports(), slots=1)
    before = submit.submitted(local, submit.Submission(config=path), load(path), JOB_A, "")
    again = load(before.configuration(tmp_path))
    assert (again.job.name, again.events.sentinel_ids) == (name, (name, "ü"))


def test_newer_states_of_jobs_that_are_not_known_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = submission(tmp_path, JOB_A)
    older = state(tmp_path / "s1", {"job": JOB_A, submissions.ENTRY: asdict(mine)})
    unknown = state(tmp_path / "s2")
    assert restore.latest([unknown, older], tmp_path, None) == older
    assert f"1 newer of jobs that are not known, as {unknown}" in capsys.readouterr().err


def test_a_key_that_was_renamed_since_is_no_difference() -> None:
    before = {"fine_tune": {"keep": 5, "privacy": {"enabled": False}}, "users": {"ttl": "1d"}}
    now = {"fine_tune": {"kept_versions": 6, "differential_privacy": {"enabled": False}}}
    now["users"] = {"ttl": "1d"}
    assert submissions.differences(before, now) == ["fine_tune.kept_versions: 5 before, 6 now"]
    assert before["fine_tune"]["keep"] == 5
