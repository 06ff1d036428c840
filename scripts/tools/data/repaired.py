"""Files of repaired values: one JSON object a line, with a letter's name and its new value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scripts.tools.console import ToolError

LARGEST = 1 << 30
"""Bytes of a file that is read."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    letter: str
    value: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True, slots=True)
class Repair:
    """One line."""

    where: str
    """File and line, for messages."""
    letter: str
    value: bytes
    """The object as it stands in the file."""


def repairs(path: Path) -> tuple[list[Repair], list[str]]:
    """Return the lines of a file that have the form, and what is wrong with the others.

    Raises
    ------
    ToolError
        If the file cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST:
            message = f"{path}: expected up to {LARGEST >> 20} MiB, got more; split the file"
            raise ToolError(message, code=2)
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ToolError(f"{path}: expected a file, got {error.strerror}", code=2) from None
    found: list[Repair] = []
    objections: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            found.append(_repair(where, line))
        except (ValueError, msgspec.MsgspecError, RecursionError) as error:
            objections.append(
                f'{where}: expected {{"letter": "PARTITION:OFFSET", "value": {{…}}}}, got {error}'
            )
    return found, objections


def _repair(where: str, line: bytes) -> Repair:
    line.decode()  # msgspec looks at the bytes of a value only where it reads them
    read = _decode(line)
    value = bytes(read.value)
    msgspec.json.decode(value, type=dict[str, Any])
    return Repair(where, read.letter, value)
