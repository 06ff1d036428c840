"""Records of the loop that cannot be used: each is counted, few are logged."""

import logging

import pytest

from operators.learn_users.inbox import Inbox, LoopRecord
from state.codec.sealed import CorruptError


def refuse(_: bytes, __: bytes) -> None:
    message = "expected something, got something else"
    raise CorruptError(message)


def test_many_bad_records_are_one_warning_with_a_count(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox({"loop": {b"": refuse}})
    with caplog.at_level(logging.WARNING):
        for _ in range(1_200):
            inbox.take(LoopRecord("loop", b"", b"bad"))
        inbox.take(LoopRecord("elsewhere", b"", b"bad"))
    assert inbox.skipped == {"loop": 1_200, "elsewhere": 1}
    assert len(caplog.records) == 1


def test_the_key_up_to_a_slash_says_who_takes_a_record() -> None:
    taken: list[tuple[bytes, bytes]] = []
    inbox = Inbox({"loop": {b"items": lambda key, value: taken.append((key, value))}})
    inbox.take(LoopRecord("loop", b"items/3/1", b"x"))
    inbox.take(LoopRecord("loop", b"other", b"y"))
    assert taken == [(b"items/3/1", b"x")]
    assert inbox.skipped == {"loop": 1}
