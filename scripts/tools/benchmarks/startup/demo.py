"""From the call of `scripts/demo` to the first recommendation, where all is set up already."""

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from conf.loader import load
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import LOCAL_CONFIG, ROOT
from scripts.tools.console import ToolError, progress
from scripts.tools.kafka.client import KafkaAddress, consumer
from scripts.tools.results import Result

_LIMIT_SECONDS = 240.0
_END_SECONDS = 60.0
_LOOK_SECONDS = 0.1


def measure(options: argparse.Namespace) -> list[Result]:
    """Start the demonstration once to have everything set up, then as often as asked for."""
    progress("demo, for what it sets up")
    _seconds()
    runs = []
    for number in range(options.runs):
        runs.append(_seconds())
        progress(f"demo, run {number + 1} of {options.runs}: {runs[-1]:.1f} s")
    return [Result("startup.demo_s", statistics.median(runs), "s", runs=runs)]


def _seconds() -> float:
    with tempfile.TemporaryDirectory(prefix="streamrec-demo-") as folder:
        run_dir = Path(folder) / "run"
        begin = time.monotonic()
        with _demo(run_dir, Path(folder) / "demo.out") as process:
            address = _address(run_dir, process)
            _wait_for_recommendation(address, process)
            return time.monotonic() - begin


@contextlib.contextmanager
def _demo(run_dir: Path, output: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the demonstration beside the block; at its end it stops what it started."""
    command = [str(ROOT / "scripts" / "demo"), "--no-deep", "--run-dir", str(run_dir)]
    with output.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        except ToolError as error:
            last = output.read_text(errors="replace").strip().splitlines()[-1:]
            raise ToolError(f"{error}; it said: {' '.join(last)}") from None
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if (run_dir / "local.json").exists():  # it was killed
                Local.load(run_dir).down()


def _address(run_dir: Path, process: "subprocess.Popen[bytes]") -> KafkaAddress:
    """Return where the broker of the demonstration is, once that is decided."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ToolError, json.JSONDecodeError):
            local = Local.load(run_dir)
            if local.is_up():
                return KafkaAddress(local.brokers)
        _check_alive(process)
        time.sleep(_LOOK_SECONDS)
    message = f"demo: expected a broker within {_LIMIT_SECONDS:g} s, got none"
    raise ToolError(message)


def _wait_for_recommendation(address: KafkaAddress, process: "subprocess.Popen[bytes]") -> None:
    topic = load(LOCAL_CONFIG, []).kafka.topics.recommendations
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        _check_alive(process)
        with (
            contextlib.suppress(ToolError),  # no such topic yet
            consumer(address, [topic], isolation="read_committed") as client,
        ):
            while time.monotonic() < deadline:
                message = client.poll(_LOOK_SECONDS)
                if message is not None and message.error() is None:
                    return
                _check_alive(process)
        time.sleep(_LOOK_SECONDS)
    text = f"demo: expected a recommendation within {_LIMIT_SECONDS:g} s, got none"
    raise ToolError(text)


def _check_alive(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        message = f"demo: expected it to run, got its end with status {process.returncode}"
        raise ToolError(message)
