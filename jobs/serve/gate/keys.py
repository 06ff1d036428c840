"""API keys: a file of names, hashes and rights."""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

Right = Literal["read", "events", "operate"]
"""Lists and items; sending events; what the job reports, its dead letters and commands."""
_BYTES = 32


class KeyFileError(ValueError):
    """A file of keys that cannot be used.

    Operator action: correct what is named, then start again.
    """


class Key(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One key, as the file has it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    """Whose it is."""
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """Of the key itself, which is kept nowhere."""
    rights: Annotated[tuple[Right, ...], msgspec.Meta(min_length=1)] = ("read",)
    jobs: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None = None
    """Names of jobs; None: all that are served."""
    rate: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Requests a second; None: any number."""


def read(path: Path) -> dict[str, Key]:
    """Return the keys of a file by their hash.

    Raises
    ------
    KeyFileError
        Where it cannot be read, or holds something else.
    """
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=list[Key])
    except OSError as error:
        msg = f"{path}: expected a readable file, got: {error.strerror}"
        raise KeyFileError(msg) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # of broken YAML only the kind of fault: its lines are shown to nobody
        told = str(error) if isinstance(error, msgspec.ValidationError) else type(error).__name__
        msg = f"{path}: expected a list of keys, each with name, sha256 and rights, got: {told}"
        raise KeyFileError(msg) from None
    if any(key.sha256 == hash_of(b"") for key in found):
        msg = f"{path}: expected hashes of keys, got that of an empty one"
        raise KeyFileError(msg)
    names = [key.name for key in found]
    if len(set(names)) < len(names) or len({key.sha256 for key in found}) < len(names):
        msg = f"{path}: expected each name and each hash once, got one of them twice"
        raise KeyFileError(msg)
    return {key.sha256: key for key in found}


def check_jobs(keys: Iterable[Key], jobs: Collection[str], path: Path) -> None:
    """Refuse keys of jobs that are not served.

    Raises
    ------
    KeyFileError
    """
    for key in keys:
        for name in key.jobs or ():
            if name not in jobs:
                known = ", ".join(jobs)
                msg = f"{path}: key {key.name}: expected names of jobs served ({known}), got {name}"
                raise KeyFileError(msg)


def new(name: str) -> tuple[str, str]:
    """Return a new key, and its entry for the file (YAML)."""
    key = secrets.token_urlsafe(_BYTES)
    entry = {"name": name, "sha256": hash_of(key.encode()), "rights": ["read"]}
    return key, msgspec.yaml.encode([entry]).decode()


def hash_of(key: bytes) -> str:
    """Return what the file has of a key."""
    return hashlib.sha256(key).hexdigest()
