"""Which arm of an experiment a user is in: by a salted hash, the same on every machine.

Weighted rendezvous hashing: an arm that is added or taken away moves no user between the others,
and their order means nothing.
"""

from math import log

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
        self._arms = [(f"{params.salt}\n{arm.name}\n", arm.share) for arm in params.arms]

    def __call__(self, user: str) -> int:
        """Return the number of the user's arm.

        >>> from models.params.slate import Arm
        >>> arms = (Arm(name="a", share=3), Arm(name="b", share=1))
        >>> assign = Assign(SlateParams(arms=arms, salt="2026"))
        >>> [sum(assign(f"user-{n}") == arm for n in range(1000)) for arm in (0, 1)]
        [746, 254]
        """
        if len(self._arms) == 1:
            return 0
        lots = [-log((key_of(prefix + user) + 0.5) / _KEYS) / share for prefix, share in self._arms]
        return lots.index(min(lots))
