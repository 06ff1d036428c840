"""Bytes of what is kept for feedback, of gates, descriptions and switches are read, and written
the same again."""

from pathlib import Path

import pytest

from models.catalogue.catalogue import Facts
from models.params.names import NameParams
from state.codec.sealed import StateError
from state.keyed import described, gates
from state.keyed.feedback_counts import Fate, FeedbackCounts
from state.keyed.gates import Gates, Left, Waiting
from state.topics import forgotten, switches
from state.topics.forgotten import Forgotten
from state.topics.switches import Switch
from state.users import feedback
from state.users.feedback import Action, Ignored, Pending, Served, UserFeedback
from state.users.name_seal import NameSeal
from state.users.names import Names

FOLDER = Path(__file__).parent / "state"


def of_a_user() -> bytes:
    served = Served(2**64 - 1, "online-ranking-1+recurrent-7", "bold", [11, 2**63], [0, 7],
                    [0.5, 0.25], [1])  # fmt: skip
    pending = Pending(
        key=2**64 - 1, item=2**63, item_id="tea \u00e9", position=2, reason=7,
        model="online-ranking-1", arm="bold", propensity=0.25, shown_at=1_700_000_000_001,
        received_at=1_700_000_000_002, partition=3, action="click", reward=0.2, value=1.5,
        delay_ms=7,
    )  # fmt: skip
    waits = Pending(1, 2, "cup", 1, 0, "m", "", 1.0, 3, 4, 5)
    action = Action(11, "purchase", 1_700_000_000_003, 1.0, 9.5, counted=True)
    shown = [feedback.encode_pending(one) for one in (pending, waits)]
    return feedback.encode(
        UserFeedback([feedback.encode_served(served)], shown, [action], [Ignored(11, 1.5, 12)])
    )


def of_a_bucket() -> bytes:
    counts = FeedbackCounts.start(5)
    counts.note(Fate.JOINED, 3)
    counts.decide("bold", 2, "explored", "online-ranking-1", "purchase", 1.0, 9.5)
    counts.decide("", 1, "transition", "online-ranking-1", None, 0.0, 0.0)
    counts.lineage = "run"
    return counts.to_state()


def of_gates() -> bytes:
    return gates.encode(
        Gates(
            {2**64 - 1: 1_700_000_000_000},
            {7: 8},
            [(2**64 - 1, 2**32 - 1)],
            {9: (-1, 5)},
            {2**64 - 1: [1, 2]},
            [Waiting(b"id", "guest", "tea \u00e9", 1_700_000_000_000, 2**40, "17", [3, 2**64 - 1])],
            [2**64 - 1],
            {5: Left("~abc", 1_700_000_000_000, 2**40, "17", [3], 1_700_000_000_001)},
            2**63,
        )
    )


PSEUDONYM = Names(NameParams(key=bytes(range(32)))).of("tea \u00e9")
MADE = {
    "feedback-v1": of_a_user,
    "feedback-counts-v1": of_a_bucket,
    "gates-v2": of_gates,
    "forgotten-v1": lambda: forgotten.encode(Forgotten(7, 2**63, [11, 2**64 - 1])),
    "switch-v1": lambda: switches.encode(
        Switch(7, "setting/recommend.arms", {"a": {"share": 0.5}}, 1_700_000_000_000, 2**40)
    ),
    "name-v1": lambda: NameSeal(bytes(range(32))).encrypt(PSEUDONYM, "tea \u00e9"),
    "described-v1": lambda: described.encode(
        Facts("de", ("tea \u00e9", "cups"), (("brand", "acme"), ("size", "5")))
    ),
}
READ = {
    "feedback-v1": lambda value: feedback.encode(feedback.decode(value)),
    "feedback-counts-v1": lambda value: FeedbackCounts.from_state(value).to_state(),
    "gates-v2": lambda value: gates.encode(gates.decode(value)),
    "forgotten-v1": lambda value: forgotten.encode(forgotten.decode(value)),
    "switch-v1": lambda value: switches.encode(switches.decode(value)),
    "name-v1": lambda value: NameSeal(bytes(range(32))).encrypt(
        PSEUDONYM, NameSeal(bytes(range(32))).decrypt(PSEUDONYM, value) or ""
    ),
    "described-v1": lambda value: described.encode(described.decode(value)),
}


@pytest.mark.parametrize("name", MADE)
def test_the_bytes_are_those_that_were_released(name: str) -> None:
    value = bytes.fromhex((FOLDER / f"{name}.hex").read_text())
    assert MADE[name]() == value
    assert READ[name](value) == value


def test_pseudonyms_are_those_that_were_released() -> None:
    assert PSEUDONYM == "~K8KtDhY-JOo-iAKYtOByKA"


def test_gates_of_before_merges_are_read() -> None:
    found = gates.decode(bytes.fromhex((FOLDER / "gates-v1.hex").read_text()))
    assert found.lifted == {9: (-1, 5)}
    assert (found.merged, found.merging) == ({}, [])


@pytest.mark.parametrize("name", MADE)
def test_damage_is_found(name: str) -> None:
    value = bytearray(MADE[name]())
    for at in range(len(value)):
        value[at] ^= 1
        with pytest.raises(StateError):
            READ[name](bytes(value))
        value[at] ^= 1
    with pytest.raises(StateError):
        READ[name](bytes(value[:-1]))
