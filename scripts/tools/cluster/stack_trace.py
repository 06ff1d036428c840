"""From a Java stack trace of many screens to the line that says what went wrong."""

_PYTHON = "Traceback (most recent call last):"
_JAVA = "py4j.protocol.Py4JJavaError"
"""Ends a Python traceback whose cause is in Java: the lines after it."""


def innermost_cause(text: str) -> str:
    r"""Return the innermost exception of the last trace in `text`.

    Where it quotes a Python traceback (PyFlink's client and workers do), that one's last line,
    unless that says no more than that Java failed.

    Examples
    --------
    >>> innermost_cause("a.B: outer\n\tat x.y(Z.java:1)\nCaused by: c.D: inner\n\t... 2 more")
    'c.D: inner'
    >>> innermost_cause("a.B: Traceback (most recent call last):\n  File x\nKeyError: 1\n\tat y")
    'KeyError: 1'
    >>> innermost_cause(
    ...     "Traceback (most recent call last):\n  File x\n"
    ...     "py4j.protocol.Py4JJavaError: An error\n: a.B: outer\n\tat y\nCaused by: c.D: inner"
    ... )
    'c.D: inner'
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    tracebacks = [number for number, line in enumerate(lines) if line.endswith(_PYTHON)]
    if tracebacks:
        after = lines[tracebacks[-1] + 1 :]
        at = next((n for n, line in enumerate(after) if not line.startswith((" ", "\t"))), -1)
        if after and after[at].startswith(_JAVA) and len(after) > at + 1 > 0:
            return _innermost(after[at + 1 :])
        return after[at] if after else lines[-1]
    return _innermost(lines)


def _innermost(lines: list[str]) -> str:
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    if causes:
        return causes[-1]
    outer = next((line for line in lines if not line.startswith((" ", "\t"))), "")
    return outer.removeprefix(": ")
