"""The broker and the cluster of a demonstration, in a folder of its own."""

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from conf.loader import ConfigError, load
from conf.schema import JobConfig
from scripts.tools.cluster import loopback, ownership, processes
from scripts.tools.cluster.instance import Local, Ports
from scripts.tools.cluster.paths import RUN_DIR
from scripts.tools.cluster.signals import undisturbed
from scripts.tools.commands import demo_console
from scripts.tools.console import ToolError, progress

_GO_ON = """still running; go on with
  scripts/replay{dir} --rate 1000   more events
  scripts/status{dir}               where they went
  scripts/savepoint{dir} --stop     save the state and stop the job
  scripts/restore latest{dir}       go on from there
  scripts/local down{dir}           stop everything
  {url}   Flink's page"""


def config_of(path: Path, overrides: Sequence[str]) -> JobConfig:
    """Return the configuration; ToolError, code 2, where it is wrong."""
    try:
        return load(path, overrides)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from None


@contextmanager
def running(run_dir: Path, *, keep: bool) -> Iterator[Local]:
    """Give a fresh broker and cluster; at the end they are stopped, unless they shall be kept."""
    clear(run_dir)
    local = Local.plan(run_dir)
    if not _free(local.ports):
        local = Local.plan(run_dir, port_base=0)
    try:
        local.up(owned=True)
        yield local
    except BaseException:
        _stop(local)
        raise
    if keep:
        local.release()
        print(_GO_ON.format(url=local.rest_url, dir=_run_dir_option(run_dir)))
        if url := demo_console.address(run_dir):
            print(f"  {url}   the console")
    else:
        _stop(local)


def _stop(local: Local) -> None:
    with undisturbed():
        with contextlib.suppress(OSError):  # a terminal that was closed
            progress("stopping Flink and Kafka")
        local.down()


def clear(run_dir: Path) -> None:
    """Remove what a demonstration left that was cut off, and refuse to touch anything else.

    Raises
    ------
    ToolError
        Where something runs, or where topics or checkpoints were kept.
    """
    kept = [name for name in ("kafka", "checkpoints") if (run_dir / name).exists()]
    if ownership.is_orphaned(run_dir):  # nobody meant to keep that
        Local.plan(run_dir).down()
    elif processes.find(run_dir) or kept:
        message = f"{run_dir}: expected a folder of the demo's own, got what was kept or still runs"
        hint = f"scripts/local down{_run_dir_option(run_dir)} ends and deletes it, or pass another"
        raise ToolError(f"{message}; {hint} --run-dir")


def _free(ports: Ports) -> bool:
    return all(loopback.is_free(port) for port in asdict(ports).values())


def _run_dir_option(run_dir: Path) -> str:
    return "" if run_dir == RUN_DIR else f" --run-dir {shlex.quote(str(run_dir))}"
