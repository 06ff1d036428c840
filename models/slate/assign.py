"""Which arm of an experiment a user is in: by a salted hash, the same on every machine."""

from itertools import accumulate

from models.keys import key_of
from models.params.slate import SlateParams

_KEYS = float(1 << 64)


class Assign:
    """Assigns users to arms, in proportion to the shares of these.

    Parameters
    ----------
    params : SlateParams
    """

    def __init__(self, params: SlateParams) -> None:
        total = sum(arm.share for arm in params.arms)
        self._ends = list(accumulate(arm.share / total for arm in params.arms))
        self._salt = params.salt

    def __call__(self, user: str) -> int:
        """Return the number of the user's arm.

        >>> from models.params.slate import Arm
        >>> arms = (Arm(name="a", share=3), Arm(name="b", share=1))
        >>> assign = Assign(SlateParams(arms=arms, salt="2026"))
        >>> [sum(assign(f"user-{n}") == arm for n in range(1000)) for arm in (0, 1)]
        [750, 250]
        """
        if len(self._ends) == 1:
            return 0
        at = key_of(f"{self._salt}\n{user}") / _KEYS
        return next((n for n, end in enumerate(self._ends) if at < end), len(self._ends) - 1)
