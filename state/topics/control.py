"""Commands to the running job (`control`) and their answers (`control_results`), JSON.

The key of a command is its id: a command that comes twice is carried out once.
"""

from typing import Literal

import msgspec

from state.codec import json_codec
from state.codec.json_codec import Count
from state.codec.sealed import SKIP

COMMANDS = ("fine_tune_now", "rollback_model", "promote_model")


class Command(msgspec.Struct, frozen=True):
    """A command of an operator."""

    command: Literal["fine_tune_now", "rollback_model", "promote_model"]
    model: Count | None = None
    """Version to promote."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to a command."""

    id: str
    command: str
    ok: bool
    message: str
    answered_at: int
    version: int = 1


def decode(value: bytes | None) -> Command:
    """Read a command.

    Raises
    ------
    StateError
        With what was expected.
    """
    expected = f"JSON with a command of {', '.join(COMMANDS)}"
    return json_codec.decode(value, Command, "control", expected=expected, remedy=SKIP)


def encode(answer: Answer) -> tuple[bytes, bytes]:
    """Return key and value of an answer."""
    return answer.id.encode(), msgspec.json.encode(answer)
