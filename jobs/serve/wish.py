"""What somebody asks for."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wish:
    """Which items are wanted, and how many.

    Parameters
    ----------
    n
        Items, at most.
    exclude
        Items that are not wanted.
    categories
        Only items of at least one of these; none: of any.
    all_categories
        Only items of all of these.
    described
        Whether the catalogue's words are wanted, too.
    """

    n: int = 10
    exclude: frozenset[str] = field(default_factory=frozenset)
    categories: tuple[str, ...] = ()
    all_categories: tuple[str, ...] = ()
    described: bool = False

    @property
    def filtered(self) -> bool:
        """Whether only items of some categories are wanted."""
        return bool(self.categories or self.all_categories)
