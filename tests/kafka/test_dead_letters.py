"""Records that were refused under one configuration are taken once under another one."""

import base64
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer

from scripts.tools.commands import dead_letters
from tests.builders import NOW, Record, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

USERS = ("anna", "bob", "zoë")
RECENT = 16
"""`users.recent_events` of these jobs."""


class Tool:
    """`scripts/dead-letters` for a job."""

    def __init__(self, job: RunningJob, patch: pytest.MonkeyPatch, capsys: Any) -> None:
        self._job, self._patch, self._capsys = job, patch, capsys

    def arguments(self, *words: str) -> list[str]:
        sets = [part for text in self._job.overrides for part in ("--set", text)]
        return [*words, *sets, "--run-dir", str(self._job.local.run_dir)]

    def __call__(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit status, and the object that is printed."""
        self._patch.setattr("sys.argv", ["dead-letters", *self.arguments(*words, "--json")])
        self._capsys.readouterr()
        code = dead_letters.main()
        return code, json.loads(self._capsys.readouterr().out)

    def raw(self, name: str) -> bytes:
        module = [sys.executable, "-m", "scripts.tools.commands.dead_letters"]
        command = [*module, *self.arguments("show", name, "--raw")]
        return subprocess.run(command, capture_output=True, check=True).stdout


def wishes() -> list[Record]:
    """Events of a type without a weight, some of them without an id."""
    return [
        event(user, f"item-{n}", "wish", NOW + n, **({"event_id": None} if n % 2 else {}))
        for user in USERS
        for n in range(4)
    ]


def resent(job: RunningJob) -> list[Message]:
    return [one for one in job.read("user_behavior") if one.headers()]


def coordinates(message: Message) -> str:
    headers = dict(message.headers() or ())
    return b":".join([headers["replayed.partition"], headers["replayed.offset"]]).decode()


def repaired(folder: Path, letter: str) -> Path:
    """Write a file with another value for a letter."""
    value = json.loads(event("eve", "tea", "view", NOW).value or b"")
    file = folder / "repaired.jsonl"
    file.write_text(json.dumps({"letter": letter, "value": value}))
    return file


def where_producers_send(job: RunningJob, records: list[Record]) -> dict[bytes | None, int]:
    """Send records as the Java client would, and return the partition of each key."""
    found: dict[bytes | None, int] = {}

    def note(error: object, message: Message) -> None:
        assert error is None, error
        found[message.key()] = message.partition() or 0

    producer = Producer(job.address.client({"partitioner": "murmur2_random"}))
    for one in records:
        topic = job.config.kafka.topics.user_behavior
        producer.produce(topic, key=one.key, value=one.value, on_delivery=note)
    assert producer.flush(30) == 0
    return found


def test_what_was_refused_is_taken_once_by_another_configuration(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    tool = Tool(job, monkeypatch, capsys)
    sent = wishes()
    broken = event("eve", "tea", "vieww", NOW)
    job.start()
    job.send([*sent, broken, event("anna", at=NOW)])
    assert job.settle().rejected == len(sent) + 1
    job.wait(lambda: len(job.read("dead_letter")) == len(sent) + 1, "all letters")

    code, found = tool("list", "--examples", "100", "--since", "1h")
    assert (code, found["letters"]) == (0, len(sent) + 1)
    assert [one["code"] for one in found["groups"]] == ["unknown_event_type"]
    assert tool("list", "--since", "1ms")[0] == 1
    names = {one["value"]: one["letter"] for one in found["examples"]}
    assert tool.raw(names[broken.value.decode()]) == broken.value  # type: ignore[union-attr]

    # refused again by the configuration of now: nothing is sent
    code, found = tool("replay")
    assert (code, found["sent"], found["refused"]) == (1, 0, len(sent) + 1)

    saved = job.stop()
    job.settings = ("events.weights.wish=1",)
    del job.__dict__["config"]
    job.start(state=saved)
    code, found = tool("replay", "--dry-run")
    assert (found["sent"], found["refused"], resent(job)) == (len(sent), 1, [])
    code, found = tool("replay")
    assert (code, found["sent"], found["refused_by_code"]) == (
        1, len(sent), {"unknown_event_type": 1}
    )  # fmt: skip
    totals = job.settle()
    assert (totals.accepted, totals.duplicate) == (1 + len(sent), 0)

    # byte for byte, keyed as before, and with a word about where they come from
    messages = resent(job)
    assert sorted((m.key(), m.value()) for m in messages) == sorted(
        (one.key, one.value) for one in sent
    )
    assert {coordinates(m) for m in messages} == {
        names[one.value.decode()] for one in sent if one.value
    }
    places = where_producers_send(job, sent)
    assert {m.key(): m.partition() for m in messages} == places
    repeats = len(sent)

    # twice: repeats, with and without an id
    assert tool("replay", "--code", "unknown_event_type")[1]["sent"] == len(sent)
    repeats += len(sent)
    totals = job.settle()
    assert (totals.accepted, totals.duplicate) == (1 + len(sent), repeats)

    # repaired, twice as well
    file = repaired(tmp_path, names[broken.value.decode()])  # type: ignore[union-attr]
    for _ in range(2):
        assert tool("replay", "--file", str(file))[0] == 0
    totals = job.settle()
    assert (totals.accepted, totals.duplicate) == (2 + len(sent), repeats + 1)

    # beyond what the job remembers of a user they are late, and not learnt again
    job.send([event("anna", f"item-{n}", at=NOW + 100_000 + n) for n in range(RECENT + 8)])
    before = job.settle()
    assert tool("replay", "--code", "unknown_event_type")[1]["sent"] == len(sent)
    totals = job.settle()
    assert totals.accepted == before.accepted
    assert totals.late == len(sent) // len(USERS)
    job.wait(lambda: tool("list", "--code", "late")[0] == 0, "letters of late events")
    assert tool("replay", "--code", "late", "--dry-run")[1]["sent"] == totals.late
    assert job.failures() is None


def test_encrypted_letters_are_opened_by_their_keys_and_sent_byte_for_byte(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    tool = Tool(job, monkeypatch, capsys)
    former, newer = tmp_path / "former", tmp_path / "newer"
    former.write_text(base64.b64encode(b"f" * 32).decode())
    newer.write_text("ab" * 32)
    sent = wishes()
    job.settings = (f"privacy.dead_letter_key=${{file:{former}}}",)
    job.start()
    job.send(sent[:6])
    assert job.settle().rejected == 6
    job.wait(lambda: len(job.read("dead_letter")) == 6, "the letters of one key")
    saved = job.stop()
    job.settings = (f"privacy.dead_letter_key=${{file:{newer}}}",)
    del job.__dict__["config"]
    job.start(state=saved)
    job.send(sent[6:])
    assert job.settle().rejected == len(sent)
    job.wait(lambda: len(job.read("dead_letter")) == len(sent), "the letters of the other key")

    # nothing of anybody can be read in the topic, and a user's letters are in one partition
    for letter in job.read("dead_letter"):
        headers = dict(letter.headers() or ())
        whole = b"\n".join(
            part or b"" for part in (letter.key(), letter.value(), *headers.values())
        )
        assert not [user for user in USERS if user.encode() in whole]
        assert headers["enc"] == b"A256GCM"
    places = {(one.key(), one.partition()) for one in job.read("dead_letter")}
    assert len(places) == len(USERS) + 1  # bob's letters are of both keys

    # by the configuration's key half of them, by both files all
    weight = ("--set", "events.weights.wish=1")
    code, found = tool("replay", "--dry-run", *weight)
    assert (code, found["sent"], found["locked"]) == (1, len(sent) - 6, 6)
    job.settings = ("privacy.dead_letter_key=null",)  # of the tool, from now on
    code, found = tool("list", "--examples", "100")
    assert (code, found["letters"]) == (0, len(sent))
    assert {one["value"] for one in found["examples"]} == {None}
    files = ("--key-file", str(former), "--key-file", str(newer))
    code, found = tool("replay", *weight, *files)
    assert (code, found["sent"], found["locked"]) == (0, len(sent), 0)
    assert sorted((m.key(), m.value()) for m in resent(job)) == sorted(
        (one.key, one.value) for one in sent
    )
    logs = [path for path in (job.local.run_dir / "logs").rglob("*") if path.is_file()]
    kept = [path for path in (job.local.run_dir / "submissions").rglob("*") if path.is_file()]
    keys = (former.read_text().encode(), newer.read_text().encode(), b"f" * 32, b"\xab" * 32)
    assert logs
    assert not [path for path in logs + kept if any(key in path.read_bytes() for key in keys)]
    assert job.settle().rejected == 2 * len(sent)  # that configuration was not the job's
    assert job.failures() is None


def garbage(topic: str) -> list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]]:
    random.seed(3)
    blob = random.randbytes(60_000)
    src: list[tuple[str, bytes | None]] = [("src.topic", topic.encode())]
    return [
        (None, None, []),
        (b"", b"", []),
        (b"\xff\xfe\x00", blob, [("err.code", b"\xff\x1b[2J"), *src]),
        (b"\xff\xfe\x00", blob, [("err.code", b"late"), ("err.code", None), *src]),
        (b"anna", event("anna").value, []),
        (b"anna", b'{"user_id":' * 5_000, [("err.code", b"invalid_json"), *src]),
        (None, b"null", [("err.code", None), ("src.key.size", b"x"), ("", b"")]),
        (b"k" * 10_000, None, [("err.code", b"oversize"), ("src.size", b"-1"), *src]),
    ]


def test_whatever_lies_in_the_topic_ends_in_words(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    tool = Tool(job, monkeypatch, capsys)
    job.start()
    junk = garbage(job.config.kafka.topics.user_behavior)
    producer = Producer(job.address.client({}))
    for key, value, headers in junk:
        topic = job.config.kafka.topics.dead_letter
        producer.produce(topic, key=key, value=value, headers=headers, partition=0)
    assert producer.flush(30) == 0
    code, found = tool("list", "--examples", "50")
    assert (code, found["letters"]) == (0, len(junk))
    for n, (key, value, headers) in enumerate(junk):
        code, one = tool("show", f"0:{n}")
        assert (code, len(one["headers"])) == (0, len(headers))
        assert (one["key_bytes"], one["value_bytes"]) == (
            None if key is None else len(key),
            None if value is None else len(value),
        )
    assert tool.raw("0:2") == junk[2][1]

    code, found = tool("replay", "--all")
    whole = [one for one in junk if one[1] is not None and one[2][1:2] != [("src.key.size", b"x")]]
    assert (code, found["sent"], found["letters"]) == (1, len(whole), len(junk))
    assert (found["without_value"], found["without_key"], found["failed"]) == (2, 1, 0)
    messages = resent(job)
    assert sorted((m.key() or b"", m.value() or b"") for m in messages) == sorted(
        (key or b"", value or b"") for key, value, _ in whole
    )
    assert {m.key() for m in messages} == {key for key, *_ in whole}
    totals = job.settle()
    assert (totals.consumed, totals.accepted) == (len(whole), 1)
    assert job.failures() is None
