"""Parameters of lists: exploration, the discount of ignored items, and arms of an experiment."""

from dataclasses import dataclass, field
from typing import Literal

from models.params.checks import require

Source = Literal["model", "popular", "random"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What lists may hold; conditions are `category=NAME` or `ATTRIBUTE=VALUE`.

    Raises
    ------
    ValueError
        For rules that make no sense.
    """

    hide: tuple[str, ...] = ()
    """Items for which any of these holds are in no list."""
    only: tuple[str, ...] = ()
    """Where there are some: nor are those for which none of these holds."""
    boosts: tuple[tuple[str, float], ...] = ()
    """Conditions, and what each adds to a score."""
    most_per_category: int = 0
    """Items of one category in a list; 0: as many as come."""

    def __post_init__(self) -> None:
        """Refuse rules that make no sense."""
        conditions = (*self.hide, *self.only, *(one for one, _ in self.boosts))
        checks = (
            ("most_per_category", ">= 0", self.most_per_category >= 0),
            ("hide", "conditions NAME=VALUE", all(one.find("=") > 0 for one in conditions)),
        )
        require(self, checks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """How lists of some users are made.

    Raises
    ------
    ValueError
        For parameters that make no sense.
    """

    name: str = ""
    share: float = 1.0
    """Of all users, relative to that of other arms."""
    source: Source = "model"
    """Whether the model makes the lists, or one of two yardsticks: most popular items, or any."""
    deep: bool = True
    """Whether the deep model has a say, where there is one."""
    exploration: float = 0.0
    """Probability with which the item of a place is drawn instead of ranked."""
    ignored_weight: float = 0.0
    """What each time that the user was shown an item and ignored it takes from its score."""
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        checks = (
            ("share", "> 0", self.share > 0),
            ("exploration", "from 0 to 1", 0 <= self.exploration <= 1),
            ("ignored_weight", ">= 0", self.ignored_weight >= 0),
        )
        require(self, checks)


@dataclass(frozen=True, kw_only=True, slots=True)
class SlateParams:
    """How the lists of all users are made.

    Raises
    ------
    ValueError
        For parameters that make no sense.
    """

    arms: tuple[Arm, ...] = (Arm(),)
    salt: str = ""
    """Another one assigns users anew."""
    candidates: int = 40
    """Least number of items beyond those of a list, and at least as many as a list has: drawn ones
    come from them, and they move up for ignored ones and by rules."""
    new_item_impressions: int = 0
    """Lists that each described item which is new is put into, at least; 0: none."""

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        names = [arm.name for arm in self.arms]
        checks = (
            ("arms", "at least one", len(self.arms) > 0),
            ("arms", "a name of its own for each", len(set(names)) == len(names)),
            ("candidates", ">= 1", self.candidates >= 1),
            ("new_item_impressions", ">= 0", self.new_item_impressions >= 0),
        )
        require(self, checks)

    @property
    def plain(self) -> bool:
        """Return whether lists are what the model says, of everybody."""
        return len(self.arms) == 1 and self.arms[0] == Arm(name=self.arms[0].name)

    @property
    def notes_ignored(self) -> bool:
        """Return whether it must be kept what users ignored."""
        return any(arm.ignored_weight > 0 for arm in self.arms)
