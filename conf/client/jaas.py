"""One line of JAAS: `module required name="value" …;`, as Kafka's clients read it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_FLAG = "required|requisite|sufficient|optional"
_VALUE = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;"'=]+"""
_OPTION = re.compile(rf"\s*([\w.$-]+)\s*=\s*({_VALUE})", re.DOTALL)
_HEAD = re.compile(rf"\s*([\w.$]+)\s+(?:{_FLAG})\b", re.IGNORECASE)
_SECRETS = re.compile(r"password|secret|token|credential|private|assertion", re.IGNORECASE)

SHAPE = 'one login module: `class required name="value" …;`, a " or \\ in a value after a \\'
"""What a line looks like, for messages."""


@dataclass(frozen=True)
class Login:
    """Who logs in, and how."""

    module: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_secrets(self) -> bool:
        """Return whether an option holds one: a line without may stand in a configuration file."""
        return any(_SECRETS.search(name) for name in self.options)


def parse(line: str) -> Login | None:
    r"""Return what a line says, None where it is none that Kafka's clients would read.

    >>> parse('PlainLoginModule required username="ann" password="a\\"b";')
    Login(module='PlainLoginModule', options={'username': 'ann', 'password': 'a"b'})
    >>> parse("PlainLoginModule required username=") is None
    True
    """
    head = _HEAD.match(line)
    if head is None:
        return None
    at, options = head.end(), {}
    while option := _OPTION.match(line, at):
        options[option[1]] = _unquoted(option[2])
        at = option.end()
    return Login(head[1], options) if line[at:].strip() == ";" else None


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value[0] in "\"'" else value
