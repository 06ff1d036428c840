"""`scripts/dead-letters`: what is listed and shown, and which letters are sent back."""

import json
import random
import sys
from contextlib import contextmanager

import pytest
from confluent_kafka import KafkaError

from conf.loader import load
from conf.parameters import event_policy
from models.columns.events import OFFSET_BITS
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Decode, Rejected
from operators.learn_users.stages.records import DeadLetters
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands import dead_letters
from scripts.tools.commands.letters import replaying
from scripts.tools.commands.letters.common import now_ms
from scripts.tools.commands.letters.listing import GROUPS
from scripts.tools.console import ToolError
from scripts.tools.kafka import letters
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.letters import Letter, instant, named, shown
from scripts.tools.kafka.resending import REMEMBERED, SENT, Judge, Outcome, Sender, Verdict
from state.events.codes import Code
from state.topics.sealed_letter import Seal
from tests.bad_input import BAD
from tests.builders import HOUR, NOW, event

TOPIC = load(LOCAL_CONFIG).kafka.topics.user_behavior
JUNK = random.Random(7)


def letter(record, code="unknown_event_type", field="", *, offset=0, at=NOW, topic=TOPIC, **more):
    headers = {"err.code": code, "err.field": field, "err.msg": "expected", "src.topic": topic}
    headers |= {name.replace("_", "."): value for name, value in more.items()}
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    return Letter(0, offset, at, record.key, record.value, encoded)


def garbage(count=300):
    """Whatever anybody may write to the topic."""
    keys = (None, b"", b"\xff\x00\x1b[2J", b"k" * 2_000)
    values = (None, b"", b"\x80" * 60_000, b'{"user_id":' * 5_000, b"\n\r\t\x1b]0;x\x07", b"null")
    names = ("err.code", "err.field", "src.topic", "src.key.size", "\x1b[31m", "")
    for offset in range(count):
        headers = tuple(
            (JUNK.choice(names), JUNK.choice((None, b"", b"\xfe\xff", b"late", b"x" * 3_000)))
            for _ in range(JUNK.randrange(4))
        )
        at = JUNK.choice((-1, 0, NOW, 1 << 62))
        yield Letter(0, offset, at, JUNK.choice(keys), JUNK.choice(values), headers)


@pytest.fixture
def world(monkeypatch, capsys):
    """Return a function that calls the tool where the topic holds some letters."""
    sent = []

    def run(there, *arguments):
        there = list(there)
        parts = {one.partition for one in there} or {0}
        ends = {p: max((o.offset + 1 for o in there if o.partition == p), default=0) for p in parts}
        sent.clear()

        class Sender:
            def __init__(self, _address, topic, _largest, outcome):
                assert topic == TOPIC
                self.outcome = outcome

            def send(self, one):
                sent.append(one)
                self.outcome.note(Verdict(SENT))

            def close(self):
                pass

        def read(_address, _topic, bounds, on_progress=lambda _: None):
            for p, (low, high) in bounds.items():
                yield [one for one in there if one.partition == p and low <= one.offset < high]
                on_progress(high - low)

        class Nothing:
            def __enter__(self):
                return None

            def __exit__(self, *_):
                return None

        monkeypatch.setattr(letters, "extent", lambda *_: {p: (0, ends[p]) for p in parts})
        monkeypatch.setattr(letters, "read", read)
        monkeypatch.setattr(replaying, "consumer", lambda *_, **__: Nothing())
        monkeypatch.setattr(replaying, "partitions", lambda *_: [0])
        monkeypatch.setattr(replaying, "Sender", Sender)
        command, *rest = arguments
        place = ["--config", str(LOCAL_CONFIG)]
        monkeypatch.setattr(sys, "argv", ["dead-letters", command, *rest, *place])
        capsys.readouterr()
        status = dead_letters.main()
        out, run.err = capsys.readouterr()
        return status, json.loads(out) if "--json" in rest else out

    run.sent = sent
    return run


def test_text_obeys_no_terminal():
    assert shown(b"caf\xc3\xa9 \xff\x1b[2J\n") == "café \\xff\\x1b[2J\\n"
    assert shown("\u202eabc\U000e0001") == "\\u202eabc\\U000e0001"
    assert shown(b"x" * 50, 10) == "x" * 10 + "…"
    assert shown(bytes(range(256))).isprintable()


def test_times_that_no_calendar_has_are_numbers():
    assert instant(NOW) == "2023-11-14T22:13:20.000Z"
    assert instant(1 << 62).endswith(" ms")
    assert instant(-(1 << 62)).endswith(" ms")


@pytest.mark.parametrize(
    "text", ["", "5", "0:", ":5", "-1:5", "0:-5", "٣:٣", "0:1:2", "0:" + "9" * 30]
)
def test_other_names_of_letters_are_refused(text):
    with pytest.raises(ValueError, match="expected PARTITION:OFFSET"):
        named(text)
    assert named("3:17") == (3, 17)


def test_counts_are_exact_by_code_and_field_and_the_newest_are_shown(world):
    there = [letter(event(), offset=n, at=NOW + n) for n in range(5)]
    there += [letter(event(), "wrong_type", "timestamp", offset=5, at=NOW - HOUR)]
    status, found = world(there, "list", "--json", "--examples", "2")
    assert (status, found["letters"]) == (0, 6)
    assert [(one["code"], one["field"], one["letters"]) for one in found["groups"]] == [
        ("unknown_event_type", "", 5),
        ("wrong_type", "timestamp", 1),
    ]
    assert found["groups"][0]["first"] == instant(NOW)
    assert found["groups"][0]["last"] == instant(NOW + 4)
    assert [one["letter"] for one in found["examples"]] == ["0:4", "0:3"]


def test_letters_are_chosen_by_code_and_time(world):
    there = [
        letter(event(), code, offset=n, at=NOW + n) for n, code in enumerate(["late", "empty"])
    ]
    assert world(there, "list", "--json", "--code", "late")[1]["letters"] == 1
    assert world(there, "list", "--json", "--since", instant(NOW + 1))[1]["letters"] == 1
    assert world(there, "list", "--json", "--since", "1s")[0] == 1
    assert world([], "list") == (1, "dead_letter: no such letters\n")


def test_since_takes_instants_and_durations():
    assert dead_letters.since("2023-11-14T22:13:20Z") == NOW
    assert dead_letters.since("2023-11-14T23:13:20+01:00") == NOW
    assert dead_letters.since("2023-11-14 22:13:20") == NOW
    assert dead_letters.since("999999999999999d") == 0
    assert abs(dead_letters.since("2h") - (now_ms() - 2 * HOUR)) < 60_000


@pytest.mark.parametrize("text", ["", "soon", "2 weeks", "-2h", "NaN"])
def test_other_times_are_refused(text, world):
    with pytest.raises(SystemExit) as refused:
        world([], "list", "--since", text)
    assert refused.value.code == 2


def test_show_has_everything_and_raw_the_very_bytes(world):
    one = letter(event(item="tee\x00 ü"), "invalid_id", "item_id")
    status, found = world([one], "show", "0:0", "--json")
    assert status == 0
    assert found["value_bytes"] == len(one.value)
    assert ["err.code", "invalid_id"] in found["headers"]
    out = world([one], "show", "0:0")[1]
    assert "err.code   invalid_id" in out
    assert "key        anna" in out
    raw = b'\x1b[2J {"name": "\xc3\xbc"}\n'
    assert world([letter(Letter(0, 0, 0, None, raw))], "show", "0:0", "--raw")[1].encode() == raw


def test_a_letter_that_does_not_exist_or_has_no_value_is_an_error_in_words(world):
    none = Letter(0, 0, NOW, b"anna", None)
    with pytest.raises(ToolError, match=r"expected a letter at 4:2, got none; .* \(0:0 to 0:0\)"):
        world([none], "show", "4:2")
    with pytest.raises(ToolError, match="expected a value, got a letter without one"):
        world([none], "show", "0:0", "--raw")


def test_what_the_configuration_takes_now_is_sent_byte_for_byte(world):
    record = event(kind="wish")
    there = [letter(record), letter(event(kind="other"), offset=1)]
    status, found = world(there, "replay", "--json", "--set", "events.weights.wish=1")
    assert [(one.key, one.value) for one in world.sent] == [(record.key, record.value)]
    assert (status, found["letters"], found["sent"]) == (1, 2, 1)
    assert found["refused_by_code"] == {"unknown_event_type": 1}
    status, found = world(there[:1], "replay", "--json", "--set", "events.weights.wish=1")
    assert (status, found["sent"]) == (0, 1)


def test_a_dry_run_sends_nothing_and_counts_alike(world):
    there = [letter(event()), letter(event(kind="other"), offset=1)]
    counted = [world(there, "replay", "--json", *more)[1] for more in ((), ("--dry-run",))]
    assert not world.sent
    assert [one.pop("dry_run") for one in counted] == [False, True]
    assert counted[0] == counted[1]
    assert "1 would be sent to" in world(there, "replay", "--dry-run")[1]


def test_nothing_that_is_left_out_is_sent_even_with_all(world):
    there = [
        letter(event(), "tombstone"),
        letter(event(), "oversize", offset=1, src_size="70000"),
        letter(event(), "invalid_id", "user_id", offset=2, src_key_size="900000"),
    ]
    there[0] = Letter(0, 0, NOW, b"anna", None, there[0].headers)
    there[1] = Letter(0, 1, NOW, b"anna", None, there[1].headers)
    status, found = world(there, "replay", "--json", "--all")
    assert (status, world.sent) == (1, [])
    assert (found["without_value"], found["without_key"]) == (2, 1)


def test_what_no_configuration_explains_is_sent_where_it_is_named(world):
    assert {"late", "id_conflict", "ambiguous_user"} == REMEMBERED
    there = [letter(event(), code, offset=n) for n, code in enumerate(sorted(REMEMBERED))]
    status, found = world(there, "replay", "--json")
    assert (status, found["sent"], found["held_back_by_code"]) == (
        1, 0, dict.fromkeys(sorted(REMEMBERED), 1)
    )  # fmt: skip
    assert world(there, "replay", "--json", "--code", "late")[1]["sent"] == 1
    assert world(there, "replay", "--json", "--all")[1]["sent"] == 3
    assert "name them by --code" in world(there, "replay")[1]


def test_another_key_is_taken_once_keys_are_not_compared(world):
    one = letter(Letter(0, 0, 0, b"somebody", event().value), "key_mismatch", "user_id")
    status, found = world([one], "replay", "--json")
    assert (status, found["refused_by_code"]) == (1, {"key_mismatch": 1})
    assert world([one], "replay", "--json", "--set", "events.keyed=false")[0] == 0
    quoted = letter(Letter(0, 0, 0, b'"anna"', event().value), "key_mismatch", "user_id")
    assert world([quoted], "replay", "--json", "--set", "events.keyed=json")[0] == 0
    assert world.sent[0].key == b'"anna"'


def test_letters_of_another_topic_and_of_nobody_are_left_alone(world):
    there = [letter(event(), topic="elsewhere"), Letter(0, 1, NOW, b"anna", event().value)]
    status, found = world(there, "replay", "--json")
    assert (status, found["foreign"], world.sent) == (1, 2, [])
    assert world(there, "replay", "--json", "--all")[1]["sent"] == 2


def test_types_that_are_ignored_now_are_not_sent(world):
    there = [letter(event(kind="page_view"))]
    sets = ("--set", 'events.ignore=["page_*"]')
    assert world(there, "replay", "--json", *sets)[1]["ignored"] == 1
    assert world.sent == []


def test_no_letter_is_counted_twice_or_not_at_all(world):
    there = list(garbage(400))
    for more in ((), ("--all",)):
        found = world(there, "replay", "--json", *more)[1]
        kinds = ("sent", "refused", "held_back", "ignored", "foreign", "without_value",
                 "without_key", "locked", "failed")  # fmt: skip
        assert sum(found[kind] for kind in kinds) == found["letters"] == 400


def test_garbage_ends_in_words(world):
    there = list(garbage())
    for command in (("list",), ("list", "--json"), ("replay", "--dry-run"), ("replay",)):
        world(there, *command)
    for one in there[:100]:
        out = world(there, "show", one.name)[1]
        assert all(line.isprintable() for line in out.splitlines())
        assert world(there, "show", one.name, "--json")[0] == 0
    out = world(there, "list", "--examples", "50")[1]
    assert all(line.isprintable() for line in out.splitlines())
    assert max(map(len, out.splitlines())) < 400


def test_groups_are_bounded(world):
    there = [letter(event(), f"made-up-{n}", offset=n) for n in range(GROUPS + 50)]
    found = world(there, "list", "--json")[1]
    assert len(found["groups"]) == GROUPS + 1
    assert sum(one["letters"] for one in found["groups"]) == len(there)


@pytest.mark.parametrize("name", BAD)
def test_every_letter_of_the_job_is_judged_as_the_job_did(name):
    """Refused again for the same reason, by the configuration that refused it."""
    record, code = BAD[name]
    policy = event_policy(load(LOCAL_CONFIG, ["events.max_bytes=2000B"]))
    batch = MicroBatch(0, [record.key], [record.value], [5 << OFFSET_BITS | 9], [NOW])
    rejected = Decode(policy)(batch, NOW).rejected
    if code == Code.AMBIGUOUS_USER or not rejected:  # found by Flink's SQL
        return
    written = DeadLetters(TOPIC, "1", policy.max_bytes, 960 << 10)(rejected, batch)
    ((key, value, headers),) = written
    one = Letter(0, 0, NOW, key, value, tuple(headers.items()))
    (verdict,) = Judge(policy, TOPIC)([one], NOW)
    assert one.code == rejected[0].code
    assert verdict in (Verdict("refused", one.code), Verdict("without_value"))
    assert (verdict.kind == "without_value") == (value is None)


# ---- repaired values -----------------------------------------------------------------------------


@pytest.fixture
def repair(tmp_path, world):
    """Return a function that replays a file of lines."""

    def run(there, *lines, more=()):
        file = tmp_path / "repaired.jsonl"
        text = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        file.write_bytes(b"\n".join(text))
        return world(there, "replay", "--json", "--file", str(file), *more)

    return run


def good(**fields):
    return json.loads(event(**fields).value)


def test_repaired_values_go_with_the_key_of_their_letter(repair, world):
    there = [letter(event(kind="vieww"), offset=3)]
    status, found = repair(there, b'{"letter": "0:3", "value": %s}' % event().value)
    assert (status, found["sent"], found["lines_refused"]) == (0, 1, 0)
    (sent,) = world.sent
    assert (sent.key, sent.value, sent.name) == (b"anna", event().value, "0:3")


@pytest.mark.parametrize(("keyed", "key"), [("true", b"bob"), ("json", b'"bob"')])
def test_the_user_is_the_key_where_that_was_the_fault(repair, world, keyed, key):
    there = [letter(event(user="null"), "sentinel_id", "user_id")]
    status, _ = repair(
        there, {"letter": "0:0", "value": good(user="bob")}, more=("--set", f"events.keyed={keyed}")
    )
    assert (status, world.sent[0].key) == (0, key)


def test_the_key_is_kept_where_it_is_not_compared_or_not_there(repair, world):
    there = [letter(event(user="null"), "sentinel_id", "user_id")]
    line = {"letter": "0:0", "value": good(user="bob")}
    repair(there, line, more=("--set", "events.keyed=false"))
    assert world.sent[0].key == b"null"
    repair([letter(Letter(0, 0, 0, None, b"{}"), "missing_field", "user_id")], line)
    assert world.sent[0].key is None


def test_a_key_that_was_left_out_is_the_repaired_users(repair, world):
    there = [letter(Letter(0, 0, 0, None, b"{}"), "invalid_id", "user_id", src_key_size="900000")]
    assert repair(there, {"letter": "0:0", "value": good(user="bob")})[0] == 0
    assert world.sent[0].key == b"bob"


def test_another_user_than_a_sound_key_says_is_refused(repair, world):
    there = [letter(event(kind="vieww"), field="event_type")]
    status, found = repair(there, {"letter": "0:0", "value": good(user="bob")})
    assert (status, found["refused_by_code"], world.sent) == (1, {"key_mismatch": 1}, [])


def test_repaired_values_are_checked_and_late_ones_taken_at_their_word(repair, world):
    there = [letter(event(), "late", "timestamp"), letter(event(), offset=1)]
    status, found = repair(
        there,
        {"letter": "0:0", "value": good(at=NOW + 1)},
        {"letter": "0:1", "value": good(kind="vieww")},
    )
    assert (status, found["sent"], found["refused"]) == (1, 1, 1)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"letter": "0:0"}',
        b'{"letter": "0:0", "value": null}',
        b'{"letter": "0:0", "value": [1]}',
        b'{"letter": 5, "value": {}}',
        b'{"letter": "0:0", "value": {}, "vale": 1}',
        b'{"letter": "0:0", "value": {"a": "\xff"}}',
        b'{"letter": "0:0", "value": ' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001,
        b'{"letter": "0-0", "value": {}}',
        b'{"letter": "0:77", "value": {}}',
        b'{"letter": "9:0", "value": {}}',
    ],
)
def test_lines_that_are_not_as_expected_are_refused_with_their_number(repair, world, line):
    there = [letter(event()), letter(event(), offset=1)]
    fine = {"letter": "0:1", "value": good()}
    status, found = repair(there, fine, b"", line)
    assert (status, found["sent"], found["lines_refused"]) == (1, 1, 1)
    assert "repaired.jsonl:3: expected" in world.err


def test_a_letter_is_repaired_once(repair, world):
    line = {"letter": "0:0", "value": good()}
    status, found = repair([letter(event())], line, line)
    assert (status, found["sent"], found["lines_refused"]) == (1, 1, 1)
    assert "repaired.jsonl:2: expected each letter once" in world.err


def test_a_file_that_is_not_there_and_a_filter_beside_it_are_refused(world, tmp_path):
    with pytest.raises(ToolError, match="expected a file, got No such file"):
        world([], "replay", "--file", str(tmp_path / "none"))
    with pytest.raises(ToolError, match="expected a file, got Is a directory"):
        world([], "replay", "--file", str(tmp_path))
    with pytest.raises(SystemExit):
        world([], "replay", "--file", "x", "--code", "late")


def test_an_outcome_is_complete_where_there_were_letters_and_all_are_sent():
    outcome = Outcome()
    assert not outcome.complete
    outcome.note(Verdict(SENT))
    assert outcome.complete
    outcome.failed("timed out", 2)
    assert not outcome.complete
    assert outcome.figures()["failures"] == {"timed out": 2}


# ---- what reads and sends ------------------------------------------------------------------------


class Received:
    """A message of the client: a record, or the end of a partition."""

    def __init__(self, partition, offset, *, end=False):
        self._at, self._end = (partition, offset), end

    def partition(self):
        return self._at[0]

    def offset(self):
        return self._at[1]

    def error(self):
        return KafkaError(KafkaError._PARTITION_EOF) if self._end else None

    def timestamp(self):
        return (1, NOW)

    def key(self):
        return None

    def value(self):
        return b"{}"

    def headers(self):
        return None


@pytest.fixture
def reading(monkeypatch):
    """Return a function that reads a topic whose consumer receives some messages."""
    paused = []

    def run(bounds, *received):
        told = list(received)

        class Client:
            assigned = ()

            def assign(self, partitions):
                self.assigned = partitions

            def assignment(self):
                return self.assigned

            def consume(self, *_):
                return told.pop(0) if told else []

            def pause(self, partitions):
                paused.extend(one.partition for one in partitions)

        @contextmanager
        def consumer(*_, **__):
            yield Client()

        monkeypatch.setattr(letters, "consumer", consumer)
        monkeypatch.setattr(letters, "SILENT_SECONDS", 0.0)
        passed = []
        found = [
            one.name for some in letters.read(None, "t", bounds, passed.append) for one in some
        ]
        return found, passed

    run.paused = paused
    return run


def test_a_topic_is_read_to_the_end_it_had(reading):
    """Whatever comes after it; a marker of a transaction may be the last offset."""
    first = [Received(0, 0), Received(1, 5), Received(0, 1), Received(0, 2)]
    found, passed = reading({0: (0, 2), 1: (5, 9), 2: (4, 4)}, first, [Received(1, 9)])
    assert found == ["0:0", "1:5", "0:1"]
    assert passed[-1] == 2 + 4
    assert set(reading.paused) == {0, 1}


def test_an_open_transaction_and_an_empty_topic_end_the_reading(reading):
    found, _ = reading({0: (0, 9)}, [Received(0, 0)], [Received(0, 1, end=True)])
    assert found == ["0:0"]
    assert reading({0: (3, 3)})[0] == []


def test_a_broker_that_says_nothing_more_is_an_error_in_words(reading):
    with pytest.raises(ToolError, match="t: expected more records within 0 s, got none"):
        reading({0: (0, 9)}, [Received(0, 0)])


def test_what_cannot_be_sent_is_counted_with_the_reason():
    outcome = Outcome()
    sender = Sender(KafkaAddress("127.0.0.1:1"), "input", 1_000, outcome)
    sender.send(Letter(0, 0, NOW, b"anna", bytes(2 << 20)))
    sender.close()
    assert (outcome.letters, outcome.kinds["failed"]) == (1, 1)
    ((reason, count),) = outcome.failures.items()
    assert count == 1
    assert "size" in reason.lower()


# ---- encrypted letters ---------------------------------------------------------------------------

KEY, FORMER = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def keys(tmp_path):
    """Return a function that writes a key to a file and returns the option that names it."""

    def option(*some):
        words = []
        for key in some:
            file = tmp_path / key.hex()[:8]
            file.write_text(f"{key.hex()}\n")
            words += ["--key-file", str(file)]
        return words

    return option


def encrypted(record, key=KEY, code="unknown_event_type", *, offset=0):
    """Return a letter as the job writes it with a key."""
    write = DeadLetters(TOPIC, "1", 1 << 16, 960 << 10, Seal(key))
    batch = MicroBatch(0, [record.key], [record.value], [5 << OFFSET_BITS | offset], [NOW])
    ((k, v, headers),) = write([Rejected(0, code, "event_type", "expected a weight")], batch)
    return Letter(0, offset, NOW, k, v, tuple(headers.items()))


def test_without_the_key_letters_are_counted_and_told_to_be_encrypted(world):
    there = [encrypted(event(kind="wish")), letter(event(), "late", offset=1)]
    status, found = world(there, "list", "--json")
    assert (status, found["letters"]) == (0, 2)
    assert {one["code"] for one in found["groups"]} == {"unknown_event_type", "late"}
    plain, locked = found["examples"] if found["examples"][0]["key"] else found["examples"][::-1]
    assert (plain["key"], plain["encrypted"], plain["locked"]) == ("anna", None, None)
    assert (locked["key"], locked["value"], locked["encrypted"]) == (None, None, Seal(KEY).id)
    why = f"encrypted with key {Seal(KEY).id}, which is not at hand"
    assert f"  value  {why}" in world(there, "list")[1]
    out = world(there, "show", "0:0")[1]
    assert out.count(why) == 2
    assert "err.code       unknown_event_type" in out
    assert "src.partition  5" in out
    with pytest.raises(ToolError, match=f"{why}; give its key by --key-file"):
        world(there, "show", "0:0", "--raw")


def test_with_the_key_letters_are_shown_as_they_were(world, keys):
    record = event(kind="wish")
    there = [encrypted(record)]
    found = world(there, "show", "0:0", "--json", *keys(KEY))[1]
    assert (found["key"], found["value"]) == ("anna", record.value.decode())
    assert (found["encrypted"], found["locked"]) == (Seal(KEY).id, None)
    assert world(there, "show", "0:0", "--raw", *keys(KEY))[1].encode() == record.value
    assert "anna" in world(there, "list", *keys(KEY))[1]
    file = keys(KEY)[1]
    own = ("--set", f"privacy.dead_letter_key=${{file:{file}}}")
    assert world(there, "show", "0:0", "--json", *own)[1]["key"] == "anna"


def test_a_configuration_whose_key_is_elsewhere_is_read_all_the_same(world, tmp_path):
    gone = ("--set", f"privacy.dead_letter_key=${{file:{tmp_path}/gone}}")
    assert world([encrypted(event())], "list", "--json", *gone)[1]["letters"] == 1


def test_letters_of_several_keys_and_of_none_are_sent_byte_for_byte(world, keys):
    records = [event(user, kind="wish") for user in ("anna", "ben", "carl")]
    there = [
        letter(records[0]),
        encrypted(records[1], FORMER, offset=1),
        encrypted(records[2], KEY, offset=2),
    ]
    more = ("--json", "--set", "events.weights.wish=1")
    status, found = world(there, "replay", *more, *keys(KEY, FORMER))
    assert (status, found["sent"], found["locked"]) == (0, 3, 0)
    assert [(one.key, one.value) for one in world.sent] == [(r.key, r.value) for r in records]


@pytest.mark.parametrize("more", [(), ("--all",), ("--dry-run",)])
def test_letters_of_a_key_that_is_not_at_hand_are_counted_and_never_sent(world, keys, more):
    there = [encrypted(event(kind="wish")), letter(event(), offset=1)]
    there += [encrypted(event(kind="wish"), FORMER, offset=2)]
    broken = encrypted(event(kind="wish"), offset=3)
    there += [Letter(0, 3, NOW, broken.key, broken.value[:-1] + b"?", broken.headers)]
    status, found = world(there, "replay", "--json", *more, *keys(FORMER, KEY)[:2])
    assert (status, found["locked"], found["letters"]) == (1, 2, 4)
    assert found["locked_by_reason"] == {
        f"encrypted with key {Seal(KEY).id}, which is not at hand": 2
    }
    assert not {one.offset for one in world.sent} & {0, 3}
    found = world(there, "replay", "--json", *more, *keys(KEY, FORMER))[1]
    assert found["locked"] == 1
    ((reason, _),) = found["locked_by_reason"].items()
    assert reason.startswith("encrypted and damaged: not encrypted with key")
    assert "1 (encrypted and damaged" in world(there, "replay", *more, *keys(KEY, FORMER))[1]


def test_an_encrypted_letter_is_judged_and_repaired_as_it_was_refused(repair, world, keys):
    there = [encrypted(event(user="null"), code="sentinel_id")]
    found = world(there, "replay", "--json", *keys(KEY))[1]
    assert found["refused_by_code"] == {"sentinel_id": 1}
    line = {"letter": "0:0", "value": good(user="null", kind="view")}
    assert repair(there, line, more=keys(KEY))[1]["refused"] == 1
    kept = [encrypted(event(kind="vieww"))]
    line = {"letter": "0:0", "value": good()}
    assert repair(kept, line, more=keys(KEY))[1]["sent"] == 1
    assert world.sent[0].key == b"anna"
    status, found = repair(kept, line)
    assert (status, found["locked"], world.sent) == (1, 1, [])


def test_a_file_without_a_key_is_an_error_that_does_not_repeat_it(world, tmp_path):
    (tmp_path / "key").write_text("hunter2")
    for command in (["list"], ["show", "0:0"], ["replay"]):
        with pytest.raises(ToolError, match=r"expected a 256-bit key .* got text of 7") as told:
            world([letter(event())], *command, "--key-file", str(tmp_path / "key"))
        assert "hunter2" not in str(told.value)
        assert told.value.code == 2


def test_what_pretends_to_be_encrypted_ends_in_words(world, keys):
    names = ("enc", "enc.key", "enc.src.key", "src.partition", "src.offset")
    values = (None, b"", b"A256GCM", b"\xff\x1b[2J", b"5", Seal(KEY).id.encode(), b"x" * 900)
    there = []
    for n in range(200):
        headers = [(JUNK.choice(names), JUNK.choice(values)) for _ in range(5)]
        key, value = JUNK.choice((None, b"ab")), JUNK.choice((None, b"", b"x" * 50))
        there.append(Letter(0, n, NOW, key, value, (("enc", b"A256GCM"), *headers)))
    for command in (["list"], ["list", "--json"], ["replay", "--all", "--json"]):
        found = world(there, *command, *keys(KEY))[1]
    assert found["letters"] == 200 == found["locked"] + found["without_value"] + found["sent"]
    for one in there[:50]:
        out = world(there, "show", one.name, *keys(KEY))[1]
        assert all(line.isprintable() for line in out.splitlines())
