"""From a Java stack trace of many screens to the line that says what went wrong."""

_PYTHON = "Traceback (most recent call last):"


def innermost_cause(text: str) -> str:
    r"""Return the innermost exception of the last trace in `text`.

    Where it quotes a Python traceback (PyFlink's client and workers do), that one's last line.

    Examples
    --------
    >>> innermost_cause("a.B: outer\n\tat x.y(Z.java:1)\nCaused by: c.D: inner\n\t... 2 more")
    'c.D: inner'
    >>> innermost_cause("a.B: Traceback (most recent call last):\n  File x\nKeyError: 1\n\tat y")
    'KeyError: 1'
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    tracebacks = [number for number, line in enumerate(lines) if line.endswith(_PYTHON)]
    if tracebacks:
        after = lines[tracebacks[-1] + 1 :]
        return next((line for line in after if not line.startswith((" ", "\t"))), lines[-1])
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    if causes:
        return causes[-1]
    return next((line for line in lines if not line.startswith((" ", "\t"))), "")
