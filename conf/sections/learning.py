"""Keys of learning: the objective and its models."""

from typing import Literal

from pydantic import Field

from conf.section import Section
from conf.sections.ranking import NeighbourRules, RankingRules, Transitions
from conf.sections.rating import RatingRules


class Learning(Section):
    """The objective, and the parameters of its models."""

    objective: Literal["ranking", "rating"] = Field(
        default="ranking", description="Order items by what comes next, or predict the rating."
    )
    transitions: Transitions = Transitions()
    ranking: RankingRules = RankingRules()
    neighbours: NeighbourRules = NeighbourRules()
    rating: RatingRules = RatingRules()
