"""Kafka client properties: which are accepted.

A property is an entry point into the client's process (class names, programs to run, JNDI
look-ups), so only those are accepted that are known not to load code, and of what does only classes
that are known.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from conf.client import jaas
from conf.client.classes import HANDLERS, MODULES, known
from conf.client.names import NAMES
from conf.client.secrets import Secret, is_secret
from conf.section import Problem, refuse

_OWN = {"max.request.size": "kafka.max_record_bytes", "buffer.memory": "kafka.max_record_bytes"}
"""Properties that follow from a key of the configuration."""


_CLASS = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)+")
_PROPERTY = re.compile(r"[a-z]+(\.[a-z0-9]+)*")


def checked_properties(value: object) -> dict[str, str]:
    """Return Kafka properties after checking every one of them.

    Raises
    ------
    PydanticCustomError
        With all problems.
    """
    if not isinstance(value, Mapping):
        refuse([Problem("", "a mapping of property to text", _kind(value))])
        return {}
    found = [_problem(str(name), content) for name, content in value.items()]
    refuse(problem for problem in found if problem is not None)
    return dict(value)


def _problem(name: str, value: object) -> Problem | None:
    if name in _OWN:
        return Problem(name, f"the key {_OWN[name]}, from which it follows", "the property")
    if name not in NAMES and name not in HANDLERS:
        close = get_close_matches(name, NAMES, n=1, cutoff=0.8)
        hint = f"did you mean '{close[0]}'?" if close else None
        expected = "a property of Kafka's clients that is known not to load code"
        return Problem(_name(name), f"{expected} (conf/client/names.py)", "another", hint)
    if not isinstance(value, str):
        return Problem(name, 'text (quote it: "…")', _kind(value))
    if is_secret(name, value) and not isinstance(value, Secret):
        return Problem(name, "a reference ${env:NAME} or ${file:PATH}", "the secret itself")
    return _problem_of_code(name, value)


def _problem_of_code(name: str, value: str) -> Problem | None:
    if name in HANDLERS:
        return _unless_known(name, known(value), HANDLERS[name])
    if name == "sasl.jaas.config":
        login = jaas.parse(value)
        if login is None:  # the line is not shown: it may hold a secret
            return Problem(name, jaas.SHAPE, "a line of another form")
        return _unless_known(name, known(login.module), MODULES)
    return None


def _unless_known(name: str, got: str, allowed: tuple[str, ...]) -> Problem | None:
    if got in allowed:
        return None
    expected = f"a class that is known, as it would load code: {', '.join(allowed)}"
    return Problem(name, expected, got if _CLASS.fullmatch(got) else "no name of a class")


def _kind(value: object) -> str:
    """Return what a value is; not the value, which may be a secret."""
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
    kinds |= {str: "text", dict: "a mapping", type(None): "nothing"}
    return kinds.get(type(value), "something else")


def _name(name: str) -> str:
    """Return the name of a property; of what is none, nothing: it may be a whole line."""
    return name if _PROPERTY.fullmatch(name) else "(no name of a property)"
