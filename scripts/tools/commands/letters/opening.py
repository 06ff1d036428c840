"""Encrypted letters: opened by the keys that are at hand, or told to be locked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from conf.client import letter_key
from scripts.tools.console import ToolError
from scripts.tools.kafka.letters import Letter
from state.topics import dead_letter
from state.topics.sealed_letter import Seal, SealError, opened

_LARGEST = 4_096
"""Bytes of a file that is read for a key."""


class Opener:
    """Opens encrypted letters; others stay as they are.

    Parameters
    ----------
    keys
        Those of the configuration and of files. A letter says which one it needs.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._seals: dict[str, list[Seal]] = {}
        for key in dict.fromkeys(keys):
            seal = Seal(key)
            self._seals.setdefault(seal.id, []).append(seal)

    def __call__(self, letter: Letter) -> Letter:
        """Return a letter with key and value as they were refused; without them where locked."""
        if not letter.encrypted:
            return letter
        headers = dict(letter.headers)
        if headers[dead_letter.ENCRYPTION] != dead_letter.ALGORITHM:
            return _locked(letter, "encrypted in a way that this version does not know")
        seals = self._seals.get(letter.key_id)
        if not seals:
            return _locked(letter, f"encrypted with key {letter.key_id}, which is not at hand")
        reason = ""
        for seal in seals:
            try:
                key, value = opened(seal, letter.value, headers)
            except SealError as error:
                reason = f"encrypted and damaged: {error}"
            else:
                return replace(letter, key=key, value=value)
        return _locked(letter, reason)


def _locked(letter: Letter, why: str) -> Letter:
    return replace(letter, key=None, value=None, locked=why)


def key_of(path: Path) -> bytes:
    """Return the key in a file.

    Raises
    ------
    ToolError
        If there is none; never with what is there.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("ascii", "replace").strip()
    except OSError as error:
        message = f"{path}: expected {letter_key.EXPECTED}, got {error.strerror}"
        raise ToolError(message, code=2) from None
    found = letter_key.bytes_of(text)
    if found is None:
        message = f"{path}: expected {letter_key.EXPECTED}, got {letter_key.kind_of(text)}"
        raise ToolError(f"{message}; {letter_key.HINT}", code=2)
    return found
