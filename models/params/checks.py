"""The check of a parameter class: the first field that is wrong, by name."""

from collections.abc import Iterable


def require(params: object, checks: Iterable[tuple[str, str, bool]]) -> None:
    """Raise for the first check (field, what is expected of it, whether it holds) that fails."""
    for name, expected, holds in checks:
        if not holds:
            raise ValueError(
                f"{type(params).__name__}.{name}: expected {expected}, "
                f"got {getattr(params, name)!r}; change the configuration"
            )
