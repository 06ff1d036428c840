"""`scripts/serve`: what it says of options and addresses, before anything is read."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.tools.cluster.paths import ROOT


def program(*options: str) -> list[str]:
    return [sys.executable, "-m", "jobs.serve", "--brokers", "127.0.0.1:1", *options]


def refused(options: Sequence[str]) -> str:
    done = subprocess.run(
        program(*options), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(["--port", port])
    expected = f"error: 127.0.0.1:{port}: expected an address to listen at, got: Address already"
    assert said.startswith(expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "99999"], "expected a port from 1 to 65535, got '99999'"),
        (["--port", "-1"], "expected a port from 1 to 65535, got '-1'"),
        (
            ["--host", "no.such.host.invalid"],
            "no.such.host.invalid:8090: expected an address",
        ),
        (["--allow-origin", "shop.example"], "expected an origin as https://shop.example"),
        (["--config", "/nowhere.yaml"], "error: /nowhere.yaml"),
        (["--set", "recommend.k=0"], "recommend.k"),
    ],
)
def test_what_means_nothing(options: list[str], said: str) -> None:
    assert said in refused(options)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to_also_without_a_broker(signal_: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    log = tmp_path / "log"
    with log.open("w") as out, subprocess.Popen(
        program("--port", port), cwd=ROOT, stderr=out,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while "serving" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        process.send_signal(signal_)
        assert process.wait(30) in (0, -signal.SIGTERM)
    assert "Traceback" not in log.read_text()
