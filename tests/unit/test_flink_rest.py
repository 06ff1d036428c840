"""Whatever is at the address given as Flink's: an answer, or one line that says what is there."""

import base64
import contextlib
import http.server
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.tools.cluster.flink_rest import FlinkRest, FlinkUnreachableError
from scripts.tools.cluster.rest_address import RestAddress
from scripts.tools.commands import status
from scripts.tools.console import ToolError, run

JOBS = {"jobs": [{"jid": "a1", "name": "j", "state": "RUNNING", "start-time": 5, "tasks": {}}]}
PASSWORD = "pw-1"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what `answers` holds for a path, and notes what was asked."""

    server: "_Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"], self.headers["Host"]))
        code, body, headers = self.server.answers.get(self.path, (404, b"no such page", {}))
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.asked: list[tuple[str, str | None, str]] = []

    def say(self, path: str, body: object, code: int = 200, **headers: str) -> None:
        told = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = (code, told, headers)


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@contextlib.contextmanager
def saying(first: bytes) -> Iterator[str]:
    """Give the place of a port that says something to whoever connects, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with client:
                        if first:
                            client.sendall(first)
                            client.recv(1000)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def place(server: _Server) -> str:
    return f"127.0.0.1:{server.server_port}"


def refusal(url: str) -> str:
    """What is said of an address, to be one line of the usual form."""
    with pytest.raises(FlinkUnreachableError) as error:
        FlinkRest(url).jobs()
    text = str(error.value)
    assert text.splitlines() == [text]
    assert ": expected Flink's REST interface, got " in text
    assert ";" in text.partition(", got ")[2]
    return text


@pytest.mark.parametrize(
    ("scheme", "path"),
    [("", ""), ("http://", ""), ("http://", "/"), ("http://", "/#/overview"), ("  ", "")],
)
def test_an_address_may_lack_the_scheme_or_be_copied_from_a_browser(
    server: _Server, scheme: str, path: str
) -> None:
    server.say("/jobs/overview", JOBS)
    assert FlinkRest(f"{scheme}{place(server)}{path}").jobs() == JOBS["jobs"]


@pytest.mark.parametrize("path", ["/flink", "/flink/", "/flink//"])
def test_an_address_may_lie_behind_a_path(server: _Server, path: str) -> None:
    server.say("/flink/jobs/overview", JOBS)
    assert FlinkRest(f"http://{place(server)}{path}").jobs()[0]["jid"] == "a1"


@pytest.mark.parametrize(
    "url", ["", "http://", "http://host:port", "kafka://host:9092", "http://a b", "http://höst"]
)
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ToolError, match="expected the address of Flink's REST interface, got"):
        FlinkRest(url).jobs()


def test_a_login_is_sent_and_no_part_of_the_host(server: _Server) -> None:
    server.say("/jobs/overview", JOBS)
    FlinkRest(f"http://ann%40x:{PASSWORD}%2F@{place(server)}").jobs()
    ((_, authorization, host),) = server.asked
    assert authorization is not None
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"ann@x:pw-1/"
    assert host == place(server)


@pytest.mark.parametrize(
    "url",
    [
        f"http://ann:{PASSWORD}@127.0.0.1:9",
        f"ann:{PASSWORD}@127.0.0.1:9",
        f"ssh://ann:{PASSWORD}@host",
        f"http://ann:x/{PASSWORD}@host",
        f"http://ann:{PASSWORD}@host:port",
    ],
)
def test_a_password_is_never_told(url: str) -> None:
    with pytest.raises(ToolError) as error:
        FlinkRest(url).jobs()
    assert PASSWORD not in f"{error.value}{FlinkRest(url)}"
    assert "********@" in str(error.value)


def test_a_password_does_not_go_to_the_host_of_a_redirect(server: _Server) -> None:
    server.say("/jobs/overview", b"", 302, Location=f"http://localhost:{server.server_port}/jobs")
    server.say("/jobs", JOBS)
    assert FlinkRest(f"http://ann:{PASSWORD}@{place(server)}").jobs()
    assert [authorization is not None for _, authorization, _ in server.asked] == [True, False]
    server.say("/jobs/overview", b"", 302, Location=f"http://{place(server)}/jobs")
    assert FlinkRest(f"http://ann:{PASSWORD}@{place(server)}").jobs()
    assert server.asked[-1][1] is not None


def test_a_login_page_is_told(server: _Server) -> None:
    server.say("/jobs/overview", b"\n<!DOCTYPE html><p>Sign in")
    assert "got a page of HTML; name the address behind it" in refusal(place(server))
    server.say("/jobs/overview", b"", 302, Location="/login?state=secret")
    server.say("/login?state=secret", b"<html>")
    assert f"a page of HTML at http://{place(server)}/login; " in refusal(place(server))
    server.say("/jobs/overview", b"<html>", 401)
    assert "got HTTP 401 Unauthorized for /jobs/overview; name" in refusal(place(server))


def test_a_redirect_in_a_circle_is_told(server: _Server) -> None:
    server.say("/jobs/overview", b"", 302, Location="/jobs/overview")
    assert "got HTTP 302" in refusal(place(server))


def test_a_reason_of_flink_is_told(server: _Server) -> None:
    server.say("/jobs/overview", {"errors": ["Service temporarily unavailable.\n\tat x"]}, 503)
    assert "got HTTP 503 Service temporarily unavailable. for /jobs" in refusal(place(server))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([1], "JSON that is not Flink's, '[1]'"),
        ("text", "JSON that is not Flink's"),
        ({"status": "UP"}, "`jobs`"),
        ({"jobs": 3}, "Expected `array`"),
        ({"jobs": [{"jid": "a"}]}, "`name`"),
        ({"jobs": [{"jid": "a", "name": "b", "state": "RUNNING"}]}, "`start-time`"),
        (b"hello", "no JSON, 'hello'"),
        (b"\xff\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"", "no JSON"),
    ],
)
def test_an_answer_of_somebody_else_is_told(server: _Server, body: object, words: str) -> None:
    server.say("/jobs/overview", body)
    assert words in refusal(place(server))


def test_a_key_that_is_looked_up_and_missing_is_told(server: _Server) -> None:
    server.say("/x", {"counts": {}})
    with pytest.raises(FlinkUnreachableError, match=r"\(no `completed`\)"):
        FlinkRest(place(server)).get("/x")["counts"]["completed"]


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"SSH-2.0-x\r\n", "another protocol, 'SSH-2.0-x'"),
        (b"\x15\x03\x01\x00\x02\x02\x46\n", "another protocol"),
        (b"", "a connection that was closed at once"),
    ],
)
def test_another_protocol_is_told(first: bytes, words: str) -> None:
    with saying(first) as there:
        assert words in refusal(there)


def test_https_at_a_plain_port_is_told(server: _Server) -> None:
    assert "got no TLS; is it http:// there?" in refusal(f"https://{place(server)}")


def test_nobody_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        there = f"127.0.0.1:{free.getsockname()[1]}"
        assert f"http://{there}: expected Flink" in refusal(there)
        assert "Connection refused); start the cluster" in refusal(there)


def test_the_tool_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with saying(b"SSH-2.0-x\r\n") as there:
        url = f"http://ann:{PASSWORD}@{there}"
        monkeypatch.setattr(sys, "argv", ["status", "--run-dir", str(tmp_path), "--flink", url])
        with pytest.raises(SystemExit) as end:
            run(status.main)
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 1
    assert line.startswith(f"error: http://ann:********@{there}: expected Flink's REST interface")
    assert RestAddress.parse(url).base == f"http://{there}"
