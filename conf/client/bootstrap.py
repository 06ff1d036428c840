"""The list of brokers that a client asks first."""

import re
from typing import Any

from conf.section import refusal

_NAME, _V6, _PORT = r"[^\s,:\[\]]+", r"\[[0-9A-Fa-f:.]+(?:%\w+)?\]", r"[0-9]{1,5}"
_BROKER = rf"(?:{_NAME}|{_V6}):{_PORT}"
_BROKERS = re.compile(rf"{_BROKER}(?:,{_BROKER})*")


def without_blanks(text: str) -> str:
    """Return a list without blanks around its commas, as not every client reads those.

    >>> without_blanks(" one:9092, [::1]:9092 ")
    'one:9092,[::1]:9092'
    """
    return re.sub(r"\s*,\s*", ",", text.strip())


def brokers(value: Any) -> Any:
    """Check a list of brokers.

    Raises
    ------
    PydanticCustomError
        If it is none.
    """
    if not isinstance(value, str):
        return value
    text = without_blanks(value)
    if _BROKERS.fullmatch(text) is None:
        words = 'brokers such as "one:9092, two:9092", an IPv6 address in brackets'
        raise refusal(words)
    return text
