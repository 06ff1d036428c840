"""A proxy in the environment is for elsewhere: loopback is asked directly."""

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.tools.cluster import loopback, processes
from scripts.tools.cluster.flink_rest import FlinkRest, FlinkUnreachableError
from scripts.tools.console import ToolError

NOBODY = "http://127.0.0.1:9"
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, NOBODY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"slots-available": 1, "slots-total": 2}')

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""


@pytest.fixture
def flink() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_flink_on_this_machine_is_asked_past_the_proxy(flink: str) -> None:
    assert FlinkRest(f"http://{flink}").slots() == (1, 2)


def test_a_cluster_elsewhere_is_asked_through_the_proxy() -> None:
    with pytest.raises(FlinkUnreachableError, match="Connection refused"):
        FlinkRest("http://flink.example.invalid:8081").slots()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_is_known_by_each_of_its_names(host: str) -> None:
    assert loopback.is_loopback(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "flink.example.org", "127.example.org"])
def test_nothing_else_is_loopback(host: str) -> None:
    assert not loopback.is_loopback(host)


def test_children_are_told_too_and_exceptions_of_the_user_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flink: str
) -> None:
    monkeypatch.setenv("no_proxy", "intranet.example.org")
    monkeypatch.setenv("no_grpc_proxy", "grpc.example.org")
    environment = processes.marked_environment(tmp_path)
    assert environment["http_proxy"] == NOBODY  # models may lie beyond it
    assert environment["no_grpc_proxy"] == "grpc.example.org,localhost,127.0.0.1,::1"
    for name in ("no_proxy", "NO_PROXY"):
        assert environment[name] == "intranet.example.org,localhost,127.0.0.1,::1"
    ask = f"import urllib.request; urllib.request.urlopen('http://{flink}/', timeout=5)"
    subprocess.run([sys.executable, "-c", ask], env=environment, check=True)


def test_a_machine_without_ipv4_loopback_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "HOST", "192.0.2.1")  # of no interface
    with pytest.raises(ToolError, match="expected a loopback interface of IPv4, got none"):
        loopback.is_free(0)


def test_a_port_somebody_listens_at_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not loopback.is_free(port)
    assert loopback.is_free(port)
