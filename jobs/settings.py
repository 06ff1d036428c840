"""What may be set while the job runs: the keys below `recommend` that only lists depend on."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from conf.parameters import slate_by
from conf.sections.serving import Recommend
from conf.written import as_mapping
from models.params.slate import SlateParams

SETTABLE = (
    "recommend.arm_salt",
    "recommend.arms",
    "recommend.exploration",
    "recommend.rules",
    "recommend.rules.boosts",
    "recommend.rules.hide",
    "recommend.rules.most_per_category",
    "recommend.rules.only",
)


class Settings:
    """Checks what is set as the file is checked, and returns how lists are then made.

    Parameters
    ----------
    recommend : Recommend
        As the file has it.
    ignored_weight : float
        `feedback.ignored_weight`.
    """

    def __init__(self, recommend: Recommend, ignored_weight: float) -> None:
        self._written, self._ignored_weight = as_mapping(recommend), ignored_weight

    def __call__(self, values: Mapping[str, Any]) -> SlateParams:
        """Return the parameters of lists with values by key, over those of the file.

        Raises
        ------
        ValueError
            For a key that cannot be set, or a value that the file could not have.
        """
        tree = deepcopy(self._written)  # what is set must stay as it was sent
        for key, value in sorted(values.items()):
            if key not in SETTABLE:
                message = f"set: expected a key of {', '.join(SETTABLE)}, got {key[:80]!r}"
                raise ValueError(message)
            if value is not None:
                *parents, last = key.split(".")[1:]
                section = tree[parents[0]] if parents else tree
                if not isinstance(section, dict):
                    message = (
                        f"set: recommend.{parents[0]}: expected keys and values, got {section!r}"
                    )
                    raise ValueError(message[:300])
                section[last] = deepcopy(value)
        try:
            return slate_by(Recommend.model_validate(tree), self._ignored_weight)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, ("recommend", *first["loc"])))
            got = repr(first["input"])[:80]
            message = f"set: {place}: {first['msg']}, got {got}"
            raise ValueError(message) from None
