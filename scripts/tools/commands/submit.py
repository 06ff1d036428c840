"""Submit the job to the cluster of `scripts/local`, by `flink run` and the wheel, as anywhere."""

import argparse
import re
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conf.loader import ConfigError, load, written
from conf.parameters import deep_shape, wants_deep
from conf.schema import JobConfig
from conf.written import as_mapping
from jobs.preflight import WAITS
from scripts.tools.checks.precompile import precompile
from scripts.tools.cluster import processes, submissions
from scripts.tools.cluster.flink_refusals import explained
from scripts.tools.cluster.flink_rest import FlinkUnreachableError
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import (
    LOCAL_CONFIG,
    RUN_DIR,
    TRAINER_PYTHON,
    store_of,
    store_uri,
)
from scripts.tools.cluster.plain_path import plain, python
from scripts.tools.cluster.processes import marked_environment
from scripts.tools.cluster.restorable import drops_parts, migrated
from scripts.tools.cluster.signals import interruptible, undisturbed
from scripts.tools.cluster.submissions import Submitted
from scripts.tools.commands import control
from scripts.tools.commands.build import build
from scripts.tools.console import ToolError, answer, progress, run
from scripts.tools.kafka import topics
from scripts.tools.kafka.client import KafkaAddress, cluster_id
from state.codec.sealed import StateError
from state.store.model_store import ModelStore

JOB = "jobs.recommend"
_RUNNING_SECONDS = 120
_LOGS_KEPT = 20
_SLOT_SECONDS = 15
_ENDED = ("FAILED", "CANCELED", "FINISHED", "SUSPENDED")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is submitted.

    Parameters
    ----------
    config
        YAML file of the job.
    overrides
        `section.key=value` on top of it.
    savepoint
        Folder of a savepoint or checkpoint to start from; one with uids of a former version is
        given those of now, in a copy.
    drops_state
        Start although state of the savepoint has no operator in the job.
    module
        What to run instead of the job, `wheel` where that lies, and `arguments` for it; for tests.
    """

    config: Path = LOCAL_CONFIG
    overrides: Sequence[str] = ()
    savepoint: Path | None = None
    drops_state: bool = False
    module: str = JOB
    wheel: Path | None = None
    arguments: Sequence[str] = field(default=())

    def command(self) -> list[str]:
        """Return what `flink` is told, with absolute paths: it runs in a folder of its own."""
        restore = ["-s", plain(self.savepoint.resolve()).as_uri()] if self.savepoint else []
        restore += ["-n"] * self.drops_state
        wheel = plain((self.wheel or build()).resolve())
        options = [option for value in self.overrides for option in ("--set", value)]
        return [
            *("run", "-d", *restore),
            *("-pyexec", str(python()), "-pyclientexec", str(python())),
            *("-pyfs", str(wheel), "-pym", self.module),
            *("--config", str(self.config.resolve()), *options),
            *self.arguments,
        ]


def submit(local: Local, submission: Submission, report: Callable[[str], None] = progress) -> str:
    """Submit and wait until every task runs.

    Returns
    -------
    str
        Flink's id of the job.

    Raises
    ------
    ToolError
        With the root cause, where the configuration is wrong, the client refuses, or a task fails.
    """
    begin = time.monotonic()
    config = _load(submission)
    _check(local, config)
    if refused := topics.too_small(config, KafkaAddress.of(config)):
        raise ToolError("\n".join(refused))
    cluster = cluster_id(KafkaAddress.of(config)) if submission.module == JOB else ""
    submission = _restorable(local, submission, config, cluster, report)
    precompile(config, report)
    command = submission.command()
    report(f"submitting {submission.module} with {submission.config}")
    job = _flink_run(local, command, report)
    if submission.module == JOB:
        submitted(local, submission, config, job, cluster).save(local.run_dir)
    report(f"job {job} submitted after {time.monotonic() - begin:.1f} s, starting its workers")
    _wait_until_running(local, job)
    report(f"job {job} runs after {time.monotonic() - begin:.1f} s")
    return job


def submitted(
    local: Local, submission: Submission, config: JobConfig, job: str, cluster: str
) -> Submitted:
    """Return what is kept of a submission."""
    tree = written(submission.config, submission.overrides)
    return Submitted(
        job=job,
        name=config.job.name,
        topic=config.kafka.topics.user_behavior,
        written=tree,
        effective=submissions.shown(as_mapping(config), tree),
        cluster=cluster,
        run_dir=str(local.run_dir) if config.kafka.bootstrap_servers == local.brokers else "",
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _restorable(
    local: Local,
    submission: Submission,
    config: JobConfig,
    cluster: str,
    report: Callable[[str], None],
) -> Submission:
    """Return the submission with a state that the job can start from."""
    if submission.savepoint is None or submission.module != JOB:
        return submission
    state = submission.savepoint.resolve()
    if before := submissions.of_state(state, local.run_dir):
        _compare(state, before, submitted(local, submission, config, "", cluster), report)
    folder = migrated(submission.savepoint.resolve(), report)
    drops = drops_parts(
        folder,
        item_buckets=config.items.buckets,
        deep=wants_deep(config),
        feedback=config.feedback.enabled,
        report=report,
    )
    return replace(submission, savepoint=folder, drops_state=drops)


def _compare(state: Path, before: Submitted, now: Submitted, report: Callable[[str], None]) -> None:
    """Refuse state of another job, and tell what else is different."""
    kinds = (("job.name", "name"), ("kafka.topics.user_behavior", "topic"), ("Kafka", "cluster"))
    for key, kind in kinds:
        mine, its = getattr(now, kind), getattr(before, kind)
        if mine and its and mine != its:
            what = f"the cluster {its}" if kind == "cluster" else its
            message = f"{state}: {key}: expected {what}, as of the job whose state this is, got"
            hint = "choose a state of this job, or start without one by scripts/submit"
            raise ToolError(f"{message} {mine}; {hint}", code=2)
    moved = {"kafka.bootstrap_servers"} if before.run_dir and now.run_dir else set()
    for line in submissions.differences(before.effective, now.effective):
        if line.partition(":")[0] not in moved:
            report(f"other than when it was saved: {line}")


def _load(submission: Submission) -> JobConfig:
    try:
        return load(submission.config, submission.overrides)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from error


def _check(local: Local, config: JobConfig) -> None:
    """Refuse before the client's seven seconds what cannot work."""
    try:
        free, slots = _free_slots(local, config.flink.parallelism)
        running = [job for job in local.flink.rest.running() if job["name"] == config.job.name]
    except FlinkUnreachableError as error:
        raise ToolError(f"{error.problem}; run scripts/local up") from error
    if running:
        message = (
            f"{config.job.name}: expected no job of this name, got {running[0]['jid']} running;"
        )
        raise ToolError(f"{message} end it with scripts/savepoint --stop, or set job.name")
    if free < config.flink.parallelism:
        message = f"flink.parallelism: expected at most {free} (free slots of {slots}), got"
        raise ToolError(f"{message} {config.flink.parallelism}; lower it or start more slots")


def _free_slots(local: Local, wanted: int) -> tuple[int, int]:
    """Return free slots and all; what has just ended or started has them a moment later."""
    deadline = time.monotonic() + _SLOT_SECONDS
    while True:
        free, slots = local.flink.rest.slots()
        if free >= wanted or 0 < slots < wanted or time.monotonic() > deadline:
            return free, slots
        time.sleep(0.2)


def _flink_run(local: Local, command: Sequence[str], report: Callable[[str], None]) -> str:
    """Run the client, and return the job's id; what ends this process ends the client as well."""
    output, status = _client(local, command, report)
    log = _log(local, output)
    found = re.search(r"JobID ([0-9a-f]{32})", output)
    if status != 0 or found is None:
        if refused := [line for line in output.splitlines() if line.startswith("preflight: ")]:
            raise ToolError("\n".join(refused), code=2)
        raise ToolError(f"flink run: expected a job id, got: {explained(output)}; see {log}")
    return found[1]


def _log(local: Local, output: str) -> Path:
    """Keep what a client said, each in a file of its own."""
    folder = local.run_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("submit-*.out"))[: -_LOGS_KEPT + 1]:
        old.unlink()
    at = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    path = folder / f"submit-{at}.out"
    path.write_text(output)
    return path


def _client(local: Local, command: Sequence[str], report: Callable[[str], None]) -> tuple[str, int]:
    """Return what the client said and its exit status."""
    part = f"client-{uuid.uuid4().hex[:8]}"
    folder = local.run_dir / "flink" / "client"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            local.flink.client(command),
            cwd=folder,
            env=marked_environment(
                local.run_dir, {**local.flink.client_environment(), processes.PART: part}
            ),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as client,
    ):
        try:
            output = _followed(client.stdout or (), report)
            status = client.wait()
        except BaseException:
            with undisturbed():
                processes.end(local.run_dir, part, grace_seconds=2)
            raise
        errors.seek(0)
        output += f"\n{errors.read()}"
    return output, status


def _followed(lines: Iterable[str], report: Callable[[str], None]) -> str:
    """Return what the client says; what it waits for is told at once."""
    said = []
    for line in lines:
        said.append(line)
        if line.startswith(WAITS):
            report(line.rstrip())
    return "".join(said)


def _wait_until_running(local: Local, job: str) -> None:
    deadline = time.monotonic() + _RUNNING_SECONDS
    while True:
        seen = local.flink.rest.get(f"/jobs/{job}")
        if _all_tasks_run(seen):
            return
        cause = local.flink.rest.root_cause(job)
        if seen["state"] in _ENDED or cause is not None:
            if seen["state"] not in _ENDED:  # it would restart for ever
                local.flink.rest.cancel(job)
            told = explained(cause or "no cause")
            message = f"job {job}: expected to run, got {seen['state']}: {told}; see"
            raise ToolError(f"{message} {local.run_dir / 'logs' / 'taskmanager.log'}")
        if time.monotonic() > deadline:
            message = (
                f"job {job}: expected to run within {_RUNNING_SECONDS} s, got {seen['state']};"
            )
            raise ToolError(f"{message} see {local.rest_url}/#/job/running/{job}/overview")
        time.sleep(0.2)


def _all_tasks_run(job: Mapping[str, Any]) -> bool:
    started = ("RUNNING", "FINISHED")  # a source of constants has ended before the others begin
    tasks = (vertex["status"] in started for vertex in job["vertices"])
    return bool(job["state"] == "RUNNING" and all(tasks))


def add_arguments(
    parser: argparse.ArgumentParser,
    config: str = "conf/local.yaml, with the local broker's address",
) -> None:
    """Add the options that `scripts/submit` and `scripts/restore` share; `config`: the default."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"configuration of the job (default: {config})"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one key, as in --set recommend.k=20; can be repeated",
    )
    parser.add_argument(
        "--parallelism", type=int, metavar="N", help="short for --set flink.parallelism=N"
    )
    parser.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, help="folder of the local cluster (default: .run)"
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="start although another job writes the same topics; that one then fails",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def fine_tuning(local: Local) -> list[str]:
    """Return where the models of the local cluster lie and what trains them."""
    return [f"fine_tune.store={store_of(local.run_dir)}", f"fine_tune.python={TRAINER_PYTHON}"]


def submission_of(
    arguments: argparse.Namespace, local: Local, savepoint: Path | None
) -> Submission:
    """Return what the shared options ask for."""
    overrides = list(arguments.overrides)
    if arguments.config is None:  # the file given decides; ours names the usual port only
        overrides[:0] = [f"kafka.bootstrap_servers={local.brokers}", *fine_tuning(local)]
    if arguments.parallelism is not None:
        overrides.append(f"flink.parallelism={arguments.parallelism}")
    return Submission(
        config=arguments.config or LOCAL_CONFIG,
        overrides=overrides,
        savepoint=savepoint,
        arguments=["--take-over"] if arguments.take_over else [],
    )


def with_model(submission: Submission, path: str) -> tuple[Submission, int]:
    """Return the submission over the store of a model, `STORE/VERSION`, and the version.

    Raises
    ------
    ToolError
        If there is no such model or the job could not serve it.
    """
    uri, _, name = store_uri(path).rstrip("/").rpartition("/")
    if not name.isdecimal():
        message = f"--model: expected STORE/VERSION, as in .run/models/00000003, got {path}"
        raise ToolError(message, code=2)
    overrides = [*submission.overrides, f"fine_tune.store={uri}"]
    found = replace(submission, overrides=overrides)
    config = _load(found)
    try:
        shape = ModelStore(uri).manifest(int(name)).shape
    except StateError as error:
        raise ToolError(f"--model: {error}; see scripts/models list", code=2) from None
    if not wants_deep(config):
        message = "--model: expected a job with a deep model, got none; set deep.enabled=true"
        raise ToolError(f"{message}; learning.rating.model=sgd has none", code=2)
    if shape != deep_shape(config).to_dict():
        message = f"--model: expected the job's shape {deep_shape(config).to_dict()}, got {shape}"
        raise ToolError(f"{message}; set the keys of deep.* to the model's", code=2)
    return found, int(name)


def main() -> int:
    """Read the command line, submit, and have the model served that was asked for.

    Returns
    -------
    int
        0, or 1 where the job runs but refused the model.
    """
    parser = argparse.ArgumentParser(prog="scripts/submit", description=__doc__)
    parser.add_argument(
        "--savepoint",
        type=Path,
        metavar="PATH",
        help="start from this state without verifying it (scripts/restore verifies)",
    )
    parser.add_argument(
        "--model",
        metavar="PATH",
        help="serve this version from the start, as in .run/models/00000003; its folder's parent"
        " becomes fine_tune.store",
    )
    add_arguments(parser)
    arguments = parser.parse_args()
    with interruptible():
        return _submit(arguments)


def _submit(arguments: argparse.Namespace) -> int:
    local = Local.load(arguments.run_dir)
    submission, model = submission_of(arguments, local, arguments.savepoint), None
    if arguments.model is not None:
        submission, model = with_model(submission, arguments.model)
    job = submit(local, submission)
    told = {"job": job, "flink": f"{local.rest_url}/#/job/running/{job}/overview"}
    ok = True
    if model is not None:
        config = _load(submission)
        address = KafkaAddress.of(config)
        found = control.ask_new_job(address, config, "promote_model", model=model)
        ok, told["model"] = bool(found.get("ok")), found.get("message", "")
    answer(told, as_json=arguments.json)
    return 0 if ok else 1


if __name__ == "__main__":
    run(main)
