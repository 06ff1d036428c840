"""Commands to the running job (`control`) and their answers (`control_results`), JSON.

The key of a command is its id: a command that comes twice is carried out once.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from state.codec import json_codec
from state.codec.json_codec import Count
from state.codec.sealed import SKIP, StateError

MODEL_COMMANDS = ("fine_tune_now", "rollback_model", "promote_model")
"""Carried out by fine-tune."""
USER_COMMANDS = ("forget_user", "readmit_user", "block_user", "unblock_user")
"""Carried out where the user's state is."""
MERGE = "merge_user"
"""Carried out where the guest's state is, then where the user's is."""
HAND_OVER, FORGET_KEYS = "hand_over", "forget_keys"
"""Written by the job itself: what a guest leaves to a user; hashes of users to forget."""
ITEM_COMMANDS = ("block_item", "unblock_item")
JOB_COMMANDS = (*ITEM_COMMANDS, "pause_learning", "resume", "set")
"""Carried out by one worker, and told all others."""
COMMANDS = (*MODEL_COMMANDS, *USER_COMMANDS, MERGE, *JOB_COMMANDS)
_OF_LEARN_USERS = frozenset((*JOB_COMMANDS, MERGE, HAND_OVER))
_ID_LENGTH = 200
_T = TypeVar("_T")


_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class Command(msgspec.Struct, frozen=True):
    """A command of an operator."""

    command: Literal["fine_tune_now", "rollback_model", "promote_model"]
    model: Count | None = None
    """Version to promote."""


class UserCommand(msgspec.Struct, frozen=True):
    """A command about a user."""

    command: Literal["forget_user", "readmit_user", "block_user", "unblock_user"]
    user: _Id


class MergeCommand(msgspec.Struct, frozen=True):
    """A guest is a user whom the job knows, or will."""

    command: Literal["merge_user"]
    guest: _Id = msgspec.field(name="from")
    user: _Id = msgspec.field(name="to")


class HandOver(msgspec.Struct, frozen=True):
    """What a guest leaves to a user."""

    user: str
    guest: str
    id: str
    """Of the command, which is answered by whoever takes it."""
    profile: bytes | None = None
    """The guest's record."""
    merged: list[int] = []
    """Keys of guests that the guest had taken over."""
    origin: int = 0
    """Of the job, see `models.keys.origin_of`: others may read the same commands."""
    at: int = 0
    """When the last command was written that sent it on, ms."""
    order: int = 0
    """Of commands that were written at one time."""
    route: str = ""
    """An id in the user's bucket; "" where `user` is one."""
    formers: list[int] = []
    """Keys that the user may have had before."""
    command: Literal["hand_over"] = "hand_over"


class ForgetKeys(msgspec.Struct, frozen=True):
    """Users whom fine-tune is to forget."""

    keys: list[int]
    command: Literal["forget_keys"] = "forget_keys"


class ItemCommand(msgspec.Struct, frozen=True):
    """A command about an item."""

    command: Literal["block_item", "unblock_item"]
    item: _Id


class JobCommand(msgspec.Struct, frozen=True):
    """A command about all users and items."""

    command: Literal["pause_learning", "resume", "set"]
    key: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """What is set."""
    value: Any = None
    """What it is set to; null for what the configuration file says."""


class _Kind(msgspec.Struct):
    command: str = ""


class Answer(msgspec.Struct, frozen=True):
    """The answer to a command."""

    id: str
    command: str
    ok: bool
    message: str
    answered_at: int
    version: int = 1
    details: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """What was done, as fields of their own."""


def id_of(key: bytes | None) -> str:
    """Return the id of a command, from its key."""
    return (key or b"").decode(errors="replace")[:_ID_LENGTH]


def kind_of(value: bytes | None) -> str:
    """Return which command a value says it is; "" where it says nothing."""
    try:
        return msgspec.json.decode(value or b"", type=_Kind).command
    except (ValueError, RecursionError):  # DecodeError and UnicodeDecodeError are the former
        return ""


def decode_user(value: bytes | None) -> UserCommand:
    """Read a command about a user.

    Raises
    ------
    StateError
        With what was expected.
    """
    return _read(value, UserCommand, f"a command of {', '.join(USER_COMMANDS)}, and a user")


def is_of_learn_users(value: bytes | None) -> bool:
    """Return whether a command is none of fine-tune's, nor about a user that it forgets."""
    return kind_of(value) in _OF_LEARN_USERS


def decode_merge(value: bytes | None) -> MergeCommand:
    """Read a command to merge users.

    Raises
    ------
    StateError
        With what was expected.
    """
    return _read(value, MergeCommand, "the command merge_user, from and to")


def decode_hand_over(value: bytes | None) -> HandOver:
    """Read what a guest leaves to a user.

    Raises
    ------
    StateError
        With what was expected.
    """
    found = _read(value, HandOver, "a guest's record")
    if not _are_keys([*found.merged, *found.formers]):
        message = f"control: expected keys of 64 bits in a guest's record, got others; {SKIP}"
        raise StateError(message)
    return found


def _read(value: bytes | None, kind: type[_T], expected: str) -> _T:
    told = f"JSON with {expected}"
    return json_codec.decode(value, kind, "control", expected=told, remedy=SKIP)


def _are_keys(numbers: list[int]) -> bool:
    return all(0 <= number < 1 << 64 for number in numbers)


def keys_of(value: bytes | None) -> list[int]:
    """Return the users that fine-tune is to forget; none of any other value."""
    if kind_of(value) != FORGET_KEYS:
        return []
    try:
        keys = _read(value, ForgetKeys, "keys").keys
    except ValueError:
        return []
    return keys if _are_keys(keys) else []


def decode_item(value: bytes | None) -> ItemCommand:
    """Read a command about an item.

    Raises
    ------
    StateError
        With what was expected.
    """
    return _read(value, ItemCommand, f"a command of {', '.join(ITEM_COMMANDS)}, and an item")


def decode_job(value: bytes | None) -> JobCommand:
    """Read a command about all users and items.

    Raises
    ------
    StateError
        With what was expected.
    """
    return _read(value, JobCommand, "pause_learning, resume, or set with a key and a value")


def user_of(value: bytes | None, command: str) -> str:
    """Return the user that a command is about; "" of any other value."""
    if kind_of(value) != command:
        return ""
    try:
        return decode_user(value).user
    except ValueError:
        return ""


def decode(value: bytes | None) -> Command:
    """Read a command.

    Raises
    ------
    StateError
        With what was expected.
    """
    return _read(value, Command, f"a command of {', '.join(MODEL_COMMANDS)}")


def encode_own(name: bytes, command: HandOver | ForgetKeys) -> tuple[bytes, bytes]:
    """Return key and value of a command of the job itself."""
    return name, msgspec.json.encode(command)


def encode(answer: Answer) -> tuple[bytes, bytes]:
    """Return key and value of an answer."""
    return answer.id.encode(), msgspec.json.encode(answer)
