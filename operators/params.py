"""Parameters of the operators: frozen, picklable, free of configuration files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from models.deep.shape import Shape
from models.items.differences import width_of
from models.params.events import EventPolicy
from models.params.feedback import FeedbackParams
from models.params.names import NameParams
from models.params.neighbours import NeighbourParams
from models.params.ranking import RankingParams
from models.params.rating import KalmanParams, RatingParams
from models.params.refit import RefitParams
from models.params.slate import SlateParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from models.rating.stars import Stars
from state.events.consent import Consent
from state.keyed.lineage import Lineage
from state.topics.lease import Lease


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningParams:
    """The online model: which objective, with which knobs."""

    objective: Literal["ranking", "rating"]
    users: UserParams
    transitions: TransitionParams
    ranking: RankingParams
    rating: RatingParams | KalmanParams
    """Learnt by SGD, or by a Kalman filter; the range is that of the ratings as they are sent."""
    deep: Shape
    neighbours: NeighbourParams = field(default_factory=NeighbourParams)
    item_limit: int
    """Most items a worker holds; the least popular make room for new ones."""
    admission: int = 1
    """Sightings after which an item that is new gets a row."""
    half_life_ms: int = 7 * 86_400_000
    """Of an item's popularity."""
    item_buckets: int = 1
    """Item buckets of the job."""
    delta_ms: int = 1000
    """Processing time between two publications of what was learnt of items."""
    delta_bytes_per_second: int = 1 << 19
    """Budget of a worker for them."""
    delta_bytes: int = 1 << 19
    """Budget of one of them: it travels in a record with events."""
    origin: int = 0
    """Of the records on the loop, see `models.keys.origin_of`; 0 takes those of every job."""

    @property
    def factors(self) -> int:
        """Length of a factor vector."""
        return self.ranking.factors if self.objective == "ranking" else self.rating.factors

    @property
    def sequences(self) -> NeighbourParams | None:
        """Of the sequences that neighbours are found by; None in a model without."""
        wanted = self.objective == "ranking" and self.ranking.neighbour_weight > 0
        return self.neighbours if wanted else None

    @property
    def filter(self) -> KalmanParams | None:
        """Of the filter that learns ratings; None where there is none."""
        if self.objective == "rating" and isinstance(self.rating, KalmanParams):
            return self.rating
        return None

    @property
    def stars(self) -> Stars | None:
        """Return how ratings are turned into what is learnt; None where no ratings are."""
        if self.objective != "rating":
            return None
        return Stars(self.rating.lowest, self.rating.highest)

    @property
    def scale(self) -> tuple[float, float] | None:
        """Least and most stars; None where no ratings are learnt."""
        return self.stars.limits if self.stars else None

    @property
    def rating_in_stars(self) -> RatingParams | KalmanParams:
        """Return what the model of ratings is made with: it is given and predicts stars."""
        if self.scale is None:
            return self.rating
        lowest, highest = self.scale
        return replace(self.rating, lowest=lowest, highest=highest)

    @property
    def refit(self) -> RefitParams | None:
        """Of the model of ratings that is refitted beside the filter; None without."""
        if self.scale is None or self.deep.network != "mf":
            return None
        lowest, highest = self.scale
        return RefitParams(factors=self.deep.dim, lowest=lowest, highest=highest)

    @property
    def context(self) -> bool:
        """Return whether items have factors as context, too."""
        if self.filter:
            return self.filter.history > 0
        return self.objective == "ranking" and self.ranking.context > 0

    @property
    def variances(self) -> int:
        """Variances of a user, and of an item: of its factors and its bias; 0 without a filter."""
        return self.factors + 1 if self.filter else 0

    @property
    def rated(self) -> int:
        """Last ratings of a user that are kept for the filter."""
        return self.filter.history if self.filter else 0

    @property
    def differences(self) -> int:
        """Numbers of a row that travel as differences, 0 where events carry what they moved."""
        return width_of(self.factors, self.factors if self.context else 0, self.variances)

    @property
    def seed(self) -> int:
        """Seed of every initial factor and of the negatives."""
        return self.ranking.seed if self.objective == "ranking" else self.rating.seed


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnUsersParams:
    """Parameters of the learn-users operator."""

    policy: EventPolicy
    learning: LearningParams
    deep: bool
    """Whether a deep model is served and fine-tuned."""
    recommend: bool
    """Whether recommendations are made at all."""
    k: int
    """Recommended items a user."""
    evaluation_share: float
    """Share of users (by hash) whose events are ranked before they are learnt."""
    evaluation_first: int
    """Accepted events of the job until which the share is several times as large."""
    evaluation_k: int
    trending_window_ms: int
    """A list of trending items that is older than this against the newest event is of the past."""
    trending_lateness_ms: int
    """Events that lag further behind the newest of their micro-batch are not reported to it."""
    trending_sample: int
    """Events of a micro-batch reported to the trending window, at most."""
    source_topic: str
    job_version: str
    max_record_bytes: int
    """Largest record written, as Kafka counts it."""
    loop_topics: Mapping[str, str]
    """What the job calls the loop's topics, by their names in Kafka."""
    lease: Lease | None = None
    """This submission's right to write; None where nobody is asked (files, tests)."""
    lineage: Lineage | None = None
    """What the job's state belongs to; None where nobody compares."""
    user_ttl_ms: int
    """Processing time without events after which a user is forgotten."""
    slate: SlateParams = field(default_factory=SlateParams)
    """How lists are made of what the model says."""
    slate_of: Callable[[Mapping[str, Any]], SlateParams] | None = None
    """The same with some keys of the configuration set otherwise; None: none can be."""
    feedback: FeedbackParams | None = None
    """How impressions are joined with what users do next; None: they are counted only."""
    consent: Consent | None = None
    """How events say that they may not be learnt or kept; None: all may be."""
    names: NameParams = field(default_factory=NameParams)
    """What users are called."""
    letter_key: bytes | None = field(default=None, repr=False)
    """Dead letters are encrypted with it; None: they are not."""
    counted_items: int | None = None
    """Distinct items of a user that a trending window counts, at most; None: all, see
    `operators.learn_users.stages.sightings`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnItemsParams:
    """Parameters of the learn-items operator."""

    learning: LearningParams
    keys: tuple[int, ...]
    """Flink key of each item bucket (item key modulo their number); fixed for the state's life."""
    chunks: int
    """Chunks the catalogue is published in; fixed for the life of the topic."""
    lease: Lease | None = None
    """This submission's right to write."""
    lineage: Lineage | None = None
    """What the job's state belongs to; None where nobody compares."""
    lease_interval_ms: int = 5_000
    """Processing time after which it is renewed."""
    publish_interval_ms: int
    publish_bytes_per_second: int
    restore_bytes_per_second: int
    """The same until a catalogue that was restored is published whole."""
    max_record_bytes: int
    """Largest record written, as Kafka counts it."""

    @property
    def buckets(self) -> int:
        """Number of item buckets."""
        return len(self.keys)
