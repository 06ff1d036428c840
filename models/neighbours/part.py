"""Session neighbours as a component of the ranking model.

>>> from models.example import Example
>>> from models.params.ranking import RankingParams
>>> from models.params.transitions import TransitionParams
>>> both = RankingParams(neighbour_weight=1.0), TransitionParams(backward=0)
>>> example = Example(both[0], transitions=both[1])
>>> example.learn([("ann", item, "view", n) for n, item in enumerate(("pot", "tea", "cup"))])
>>> example.learn([("cat", "mug", "view", 12), ("ben", "tea", "view", 20)])
>>> example.recommend("ben", k=2)  # the pot came before the tea, where only neighbours look
[('cup', 15.84, 'transition'), ('pot', 6.12, 'neighbours')]
"""

from models.arrays.items import SIZE
from models.arrays.work import Work
from models.columns.lists import BY_NEIGHBOURS
from models.compiled import Integer, kernel
from models.components import NEIGHBOURS
from models.index.lookup import row_of
from models.lists import Lists
from models.neighbours import share


@kernel
def find(work: Work, u: Integer) -> None:
    """Find the neighbours of a user by its last items that have a row."""
    recent, users, held = work.scratch.recent, work.users, 0
    newest: Integer = users.history_length[u]
    for at in range(max(0, newest - len(recent)), newest):
        row = row_of(work.items, users.history[u, at])
        if row >= 0:
            recent[held] = row
            held += 1
    share.find(work.neighbours, recent[:held], users.key[u])
    work.scratch.found[0] = held


@kernel
def fill(work: Work, u: Integer) -> None:
    """Set the scores of all items."""
    find(work, u)
    size, part = work.items.counters[SIZE], work.scratch.parts[NEIGHBOURS]
    share.fill(work.neighbours, size, part, work.knobs.neighbour_smoothing)


@kernel
def set_sources(work: Work, lists: Lists, u: Integer) -> None:
    """Set the user's items that neighbours' items on a list are there for; `find` first."""
    scratch, wanted, reasons = work.scratch, lists.wanted, lists.reasons
    some = False
    for at in range(len(wanted)):
        wanted[at] = lists.rows[u, at] >= 0 and reasons[u, at] == BY_NEIGHBOURS
        some |= wanted[at]
    if some:
        recent = scratch.recent[: scratch.found[0]]
        share.sources_of(
            work.neighbours, recent, lists.rows[u], wanted, scratch.boost, lists.given,
            lists.sources[u],
        )  # fmt: skip
