"""Secrets: those of Kafka's client properties, and the keys of `privacy`.

They are never written into a configuration file: they are referenced as `${env:NAME}` or
`${file:PATH}`, resolved by `conf.loader` alone and masked wherever the configuration is printed.
"""

import re

from conf.client import jaas

MASK = "********"

REFERENCE = re.compile(r"\$\{(env|file):([^{}]+)\}")
_SECRET = re.compile(r"password|passphrase|secret|token|credential|\.key$|private", re.IGNORECASE)
# about a secret: where it lies, where one is asked for, who asks
_ABOUT = re.compile(r"\.(algorithm|class|file|id|location|ms|name|scope|seconds|type|url)$")


_SPEAKS = re.compile(
    "passw|passphrase|secret|token|credential|jaas|private|letter_key|pseudonym_key", re.IGNORECASE
)


class Secret(str):
    """Text that came from a reference: usable as it is, but not shown by `repr` or in YAML."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a mask."""
        return MASK


def may_hold_secret(text: str) -> bool:
    """Return whether a text speaks of secrets, so that it is better not shown.

    >>> may_hold_secret('a password="b"'), may_hold_secret("recommend.k=20")
    (True, False)
    """
    return _SPEAKS.search(text) is not None


def is_secret(name: str, value: str = "") -> bool:
    """Return whether a property holds a secret.

    >>> is_secret("ssl.key.password"), is_secret("sasl.oauthbearer.token.endpoint.url")
    (True, False)
    """
    if name == "sasl.jaas.config":
        login = jaas.parse(value)
        return login is None or login.has_secrets
    return _SECRET.search(name) is not None and _ABOUT.search(name) is None
