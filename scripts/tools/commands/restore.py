"""Verify a savepoint or checkpoint, then start its job from it, at any parallelism.

The job is configured as it was when it was submitted; `--set` and `--config` change that, and every
difference is told.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from conf.loader import ConfigError, load, written
from scripts.tools.cluster import manifest, submissions
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import LOCAL_CONFIG, TRAINER_PYTHON, store_of
from scripts.tools.cluster.signals import interruptible
from scripts.tools.cluster.submissions import Submitted
from scripts.tools.commands.submit import Submission, add_arguments, submission_of, submit
from scripts.tools.console import ToolError, answer, progress, run


def main() -> None:
    """Read the command line, verify and submit."""
    parser = argparse.ArgumentParser(
        prog="scripts/restore",
        description=f"{__doc__} Exit 2: the state is not what was saved, or is another job's;"
        " nothing was started.",
    )
    parser.add_argument(
        "state",
        metavar="PATH|latest",
        help="folder of a savepoint or checkpoint; latest = the newest finished one of the job that"
        " job.name names (--set, --config), or of the only job there is",
    )
    parser.add_argument("--verify", action="store_true", help="verify only")
    add_arguments(parser, config="as the job was submitted")
    arguments = parser.parse_args()
    folder = _folder(arguments)
    if manifest.verify(folder) is None:
        progress(f"{folder}: it has no manifest, its files were not compared")
    if arguments.verify:
        answer({"state": str(folder), "verified": True}, as_json=arguments.json)
        return
    with interruptible():
        local = Local.load(arguments.run_dir)
        job = submit(local, _as_it_was(arguments, local, folder))
    answer({"job": job, "state": str(folder)}, as_json=arguments.json)


def _as_it_was(arguments: argparse.Namespace, local: Local, folder: Path) -> Submission:
    """Return the submission of the job whose state this is, changed as the arguments say."""
    asked = submission_of(arguments, local, folder)
    if arguments.config is not None:
        return asked
    before = submissions.of_state(folder, local.run_dir)
    if before is None:
        progress(
            f"{folder}: what its job was submitted with is not known; going by {LOCAL_CONFIG} and"
            " --set"
        )
        return asked
    parallelism = arguments.parallelism
    overrides = [
        *moved(before, local),
        *arguments.overrides,
        *([] if parallelism is None else [f"flink.parallelism={parallelism}"]),
    ]
    config = before.configuration(local.run_dir)
    progress(f"{folder}: of job {before.name}, configured as it was submitted ({before.at})")
    submission = replace(asked, config=config, overrides=overrides)
    if submissions.of_job(local.run_dir, before.job) is None:  # it came from elsewhere
        tree = written(config, overrides)
        kafka, tuning = tree.get("kafka") or {}, tree.get("fine_tune") or {}
        told = {"brokers": kafka.get("bootstrap_servers"), **tuning}
        names = ", ".join(f"{k} {told[k]}" for k in ("brokers", "store", "python") if told.get(k))
        progress(f"{folder}: it was submitted elsewhere, its configuration says: {names or 'none'}")
    return submission


def moved(before: Submitted, local: Local) -> list[str]:
    """Return what is another one on this local cluster than on the one of the submission."""
    if not before.run_dir:
        return []
    overrides = [f"kafka.bootstrap_servers={local.brokers}"]
    tuning = before.written.get("fine_tune") or {}
    store, python = (str(tuning.get(name, "")) for name in ("store", "python"))
    # another folder's models are its own: two jobs would write the same versions
    if store == store_of(Path(before.run_dir)):
        overrides.append(f"fine_tune.store={store_of(local.run_dir)}")
    if python and Path(python).is_absolute() and not Path(python).exists():
        overrides.append(f"fine_tune.python={TRAINER_PYTHON}")
    return overrides


def _folder(arguments: argparse.Namespace) -> Path:
    if arguments.state != "latest":
        return Path(arguments.state.removeprefix("file:")).resolve()
    run_dir = arguments.run_dir.resolve()
    found = manifest.finished(run_dir / "savepoints", run_dir / "checkpoints")
    return latest(found, run_dir, _name(arguments))


def _name(arguments: argparse.Namespace) -> str | None:
    """Return the name of the job that is asked for; None where the arguments name none."""
    named = any(text.partition("=")[0].strip() == "job.name" for text in arguments.overrides)
    if arguments.config is None and not named:
        return None
    try:
        return load(arguments.config or LOCAL_CONFIG, arguments.overrides).job.name
    except ConfigError as error:
        raise ToolError(str(error), code=2) from error


def latest(states: list[Path], run_dir: Path, name: str | None) -> Path:
    """Return the newest state of a job.

    Parameters
    ----------
    states
        Finished savepoints and checkpoints, newest first, at least one.
    run_dir
        Whose submissions say whose they are, where no manifest does.
    name
        Of the job; None = of the only job there is.

    Raises
    ------
    ToolError
        With exit status 2, if there is none, or if there are several jobs.
    """
    known = [submissions.of_state(state, run_dir) for state in states]
    names = sorted({one.name for one in known if one is not None})
    if not names:  # of a release before: the job itself refuses what is not its own
        return states[0]
    if name is None and len(names) > 1:
        message = f"{run_dir}: expected states of one job, got those of {', '.join(names)}; say"
        raise ToolError(f"{message} which, as in --set job.name={names[0]}", code=2)
    wanted = names[0] if name is None else name
    for number, (state, one) in enumerate(zip(states, known, strict=True)):
        if one is not None and one.name == wanted:
            if passed := known[:number].count(None):
                progress(f"{state}: {passed} newer of jobs that are not known, as {states[0]}")
            return state
    message = f"{run_dir}: expected a state of job {wanted}, got those of {', '.join(names)}"
    raise ToolError(f"{message}; give its path", code=2)


if __name__ == "__main__":
    run(main)
