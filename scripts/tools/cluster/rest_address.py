"""The address of a JobManager as people write it: without a scheme, behind a path, with a login."""

import base64
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Self

from scripts.tools.console import ToolError

_MASK = "********"
_SCHEMES = ("http", "https")
_LOGIN = re.compile(r"((?:^|=|://)[^/:=\s]*):(?!//)\S*@")


@dataclass(frozen=True)
class RestAddress:
    """Where to ask, and as whom.

    Parameters
    ----------
    base
        Scheme, host, port and path, without a slash at the end and without a login.
    shown
        The same for people: with the user, and a mask for the password.
    authorization
        Value of the header of that name, None without a login.

    Examples
    --------
    >>> RestAddress.parse("flink.example.org/jobs-of-ours/").base
    'http://flink.example.org/jobs-of-ours'
    >>> RestAddress.parse("https://ann:pw-1@flink.example.org:8443/#/overview")
    RestAddress(base='https://flink.example.org:8443', shown='https://ann:********@flink.example.org:8443')
    """

    base: str
    shown: str
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take an address apart.

        Raises
        ------
        ToolError
            If it is none.
        """
        written = text.strip()
        whole = written if "://" in written else f"http://{written}"
        try:
            parts = urllib.parse.urlsplit(whole)
            host, _ = parts.hostname, parts.port  # a port that is no number raises
        except ValueError:
            host = None
        if not host or parts.scheme not in _SCHEMES or not _is_plain(whole):
            raise ToolError(
                f"{masked(text)}: expected the address of Flink's REST interface, got something"
                " else; pass one as http://HOST:8081 or https://USER:PASSWORD@HOST/PATH, signs in"
                " a password as %2F"
            )
        login, _, place = parts.netloc.rpartition("@")
        at = f"{place}{parts.path.rstrip('/')}"  # what follows # and ? is a browser's
        user = f"{login.partition(':')[0]}{f':{_MASK}' if ':' in login else ''}@" if login else ""
        return cls(
            f"{parts.scheme}://{at}",
            f"{parts.scheme}://{user}{at}",
            _basic(login) if login else None,
        )


def masked(text: str) -> str:
    """Return an address that may not be one, without what may be a password.

    >>> masked("http://ann:p/w@host:x")
    'http://********@host:x'
    """
    scheme, mark, rest = text.rpartition("://")
    return f"{scheme}{mark}{_MASK}@{rest.rpartition('@')[2]}" if "@" in rest else text


def without_password(argument: str) -> str:
    """Return an argument of a command line with a mask for the password of an address in it.

    >>> without_password("--flink=https://ann:pw-1@host/flink"), without_password("ann:p/w@host")
    ('--flink=https://ann:********@host/flink', 'ann:********@host')
    >>> without_password("https://ann@corp.com:pw-1@host")
    'https://ann@corp.com:********@host'
    """
    return _LOGIN.sub(rf"\1:{_MASK}@", argument)


def _is_plain(text: str) -> bool:
    """Return whether an address has nothing in it that a request line must not have."""
    return text.isascii() and re.search(r"[\x00-\x20\x7f]", text) is None


def _basic(login: str) -> str:
    user, _, password = login.partition(":")
    plain = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    return f"Basic {base64.b64encode(plain.encode()).decode()}"
