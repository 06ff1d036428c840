"""Kafka client properties: which are accepted, and how secrets get into them.

A property is an entry point into the client's process (class names, JNDI look-ups), so only known
families are accepted. Secrets are never written into a configuration file: they are referenced as
`${env:NAME}` or `${file:PATH}`, resolved by `conf.loader` alone and masked wherever the
configuration is printed.
"""

import re
from collections.abc import Mapping

from conf.section import Problem, refuse

PREFIXES = (
    "security.", "sasl.", "ssl.", "client.", "fetch.", "max.", "request.", "session.",
    "heartbeat.", "metadata.", "reconnect.", "retry.", "connections.", "send.", "receive.",
    "compression.", "linger.", "batch.", "buffer.", "delivery.", "socket.", "default.",
    "partition.",
)  # fmt: skip
"""Families of Kafka client properties a configuration may set."""

MASK = "********"

REFERENCE = re.compile(r"\$\{(env|file):([^{}]+)\}")
_OWN = {"max.request.size": "kafka.max_record_bytes", "buffer.memory": "kafka.max_record_bytes"}
"""Properties that follow from a key of the configuration."""
_SECRET = re.compile(r"password|secret|token|jaas|credential|\.key$|private", re.IGNORECASE)
_CODE = re.compile(r"\.class(es)?$|(Jndi|Ldap)LoginModule")


class Secret(str):
    """Text that came from a reference: usable as it is, but not shown by `repr` or in YAML."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a mask."""
        return MASK


def is_secret(name: str) -> bool:
    """Return whether a property of this name holds a secret."""
    return _SECRET.search(name) is not None


def _problem(name: str, value: object) -> Problem | None:
    if not name.startswith(PREFIXES):
        families = ", ".join(f"{prefix}*" for prefix in PREFIXES)
        return Problem(name, f"a property of the families {families}", repr(name))
    if name in _OWN:
        return Problem(name, f"the key {_OWN[name]}, from which it follows", "the property")
    if not isinstance(value, str):
        return Problem(name, 'text (quote it: "…")', repr(value))
    if _CODE.search(name) or _CODE.search(value):
        return Problem(name, "no class name or JNDI/LDAP login module, which would load code")
    if is_secret(name) and not isinstance(value, Secret):
        return Problem(name, "a reference ${env:NAME} or ${file:PATH}", "the secret itself")
    return None


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
