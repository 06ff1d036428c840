"""Kafka client properties: which are accepted.

A property is an entry point into the client's process (class names, programs to run, JNDI
look-ups), so only known families are accepted, and of what loads code only what is known.
"""

from collections.abc import Mapping

from conf import jaas
from conf.kafka_classes import HANDLERS, MODULES, known
from conf.secrets import Secret, is_secret
from conf.section import Problem, refuse

PREFIXES = (
    "security.", "sasl.", "ssl.", "client.", "fetch.", "max.", "request.", "session.",
    "heartbeat.", "metadata.", "reconnect.", "retry.", "connections.", "send.", "receive.",
    "compression.", "linger.", "batch.", "buffer.", "delivery.", "socket.", "default.",
    "partition.",
)  # fmt: skip
"""Families of Kafka client properties a configuration may set."""

_OWN = {"max.request.size": "kafka.max_record_bytes", "buffer.memory": "kafka.max_record_bytes"}
"""Properties that follow from a key of the configuration."""
_CODE = ("security.providers", "sasl.kerberos.kinit.cmd")
"""Load classes or run programs, and do not say so in their names."""


def checked_properties(value: object) -> dict[str, str]:
    """Return Kafka properties after checking every one of them.

    Raises
    ------
    PydanticCustomError
        With all problems.
    """
    if not isinstance(value, Mapping):
        refuse([Problem("", "a mapping of property to text", repr(value))])
        return {}
    found = [_problem(str(name), content) for name, content in value.items()]
    refuse(problem for problem in found if problem is not None)
    return dict(value)


def _problem(name: str, value: object) -> Problem | None:
    if not name.startswith(PREFIXES):
        families = ", ".join(f"{prefix}*" for prefix in PREFIXES)
        return Problem(name, f"a property of the families {families}", repr(name))
    if name in _OWN:
        return Problem(name, f"the key {_OWN[name]}, from which it follows", "the property")
    if not isinstance(value, str):
        return Problem(name, 'text (quote it: "…")', repr(value))
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
    if name in _CODE or name.endswith((".class", ".classes")):
        return Problem(name, "no such property: it would load code")
    return None


def _unless_known(name: str, got: str, allowed: tuple[str, ...]) -> Problem | None:
    if got in allowed:
        return None
    return Problem(name, f"a class that is known, as it would load code: {', '.join(allowed)}", got)
