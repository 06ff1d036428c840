"""Stretches of offsets, `[begin, end)`: sorted, apart from each other."""

from collections.abc import Iterable, Sequence

Range = tuple[int, int]

BEGIN, END = 0, 1 << 62
"""Of every log."""


def common(one: Sequence[Range], other: Sequence[Range]) -> list[Range]:
    """Return what lies in both.

    >>> common([(0, 5), (8, END)], [(3, 10)])
    [(3, 5), (8, 10)]
    """
    found, left, right = [], 0, 0
    while left < len(one) and right < len(other):
        begin, end = max(one[left][0], other[right][0]), min(one[left][1], other[right][1])
        if begin < end:
            found.append((begin, end))
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return found


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges in order, those that touch as one.

    >>> joined([(7, 9), (0, 3), (3, 4)])
    [(0, 4), (7, 9)]
    """
    found: list[Range] = []
    for begin, end in sorted(ranges):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif begin < end:
            found.append((begin, end))
    return found
