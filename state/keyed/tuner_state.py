"""State of fine-tune besides its blocks: one sealed JSON object (magic `FT`).

Fields at their defaults are left out. Version 4 knows users that are forgotten. Version 3 knows the
champion by its checksum, too, and keeps commands until they are answered. Version 2 has the gains
of weights of the blend. Version 1 had two weights and the curvature of a likelihood instead: they
are passed over, and the deep model weighs nothing until it has shown to help.
"""

import msgspec

from models.deep.privacy import Spend
from state.codec import json_codec
from state.codec.sealed import open_sealed, seal

MAGIC = b"FT"
VERSION = 4
READ_VERSIONS = (1, 2, 3, 4)
_WHERE = "state of fine-tune"


class RoundState(msgspec.Struct):
    """A round that was begun and has not ended."""

    version: int
    reason: str
    """What triggered it."""
    started_at: int
    events: int
    """Events of the ring it trains from."""
    failures: int = 0
    parent: int = 0
    """Version that served when it began, which it is judged against; 0: none."""
    new_events: int = 0
    """Those of its events that no accepted model was trained from."""
    offsets: dict[str, list[int]] = {}
    """First and last offset of these, by partition."""


class Waiting(msgspec.Struct):
    """A command that waits for the store before it is answered."""

    id: str
    command: str
    model: int = 0


class TunerState(msgspec.Struct, omit_defaults=True):
    """Counters, triggers, the models, the blend."""

    blocks: dict[str, int] = {}
    """Events by block name, in their order: the reservoir's begin with `a`, the ring's with `b`."""
    next_block: int = 0
    share: float = 1.0
    """Share of users whose events are kept."""
    since_share: int = 0
    """Events kept since the last round began or the share was halved."""
    old_share: float = 1.0
    """Share of users whose events go from the ring into the reservoir."""
    forgotten: list[int] = []
    """Keys of users whose events are not taken."""
    events: int = 0
    """Positive events ever taken."""
    since_round: int = 0
    """Events since the last round began."""
    new_events: int = 0
    """Events in the ring that no accepted model was trained from."""
    last_round_ms: int = 0
    trigger: str = ""
    """Why the next round begins; at most one trigger waits."""
    round: RoundState | None = None
    version: int = 0
    """Newest version ever begun."""
    champion: int = 0
    """Version served; 0: none."""
    champion_sha256: str = ""
    """Of its weights; unknown where version 2 of this state was read."""
    store: str = ""
    """Where it lies; unknown where version 2 of this state was read."""
    stores: int = 0
    """How often that has changed: versions and roots are numbers of one store."""
    root: int = 0
    """First version of the line that served last."""
    previous: list[int] = []
    """Champions before it, newest last."""
    sequence: int = 0
    """Of the newest model pointer."""
    offsets: dict[str, list[int]] = {}
    """First and last offset since the last accepted model, by partition."""
    deep: float = 0.0
    """Weight of the deep score, see `models.weights.blend`."""
    judged: float = 0.0
    """Ranked events that it is learnt from."""
    gains: list[float] = []
    squares: list[float] = []
    proof: list[float] = []
    """Of the test whether a weight helps; without it, as before there was one, it begins anew."""
    wealth: float = 1.0
    """Of the test whether the blend is worse than online alone, see `models.deep.watch`."""
    losses: list[float] = []
    """Mean losses of windows since the model was swapped, newest last, for the drift alarm."""
    verdict: str = ""
    """What the gate said last."""
    rejected: int = 0
    failed: int = 0
    rollbacks: int = 0
    commands: list[str] = []
    """Ids of the last commands carried out, or that wait."""
    waiting: list[Waiting] = []
    """Commands that wait for the store, in their order."""
    privacy: list[Spend] = []
    """What private rounds spent, in their order, equal neighbours as one."""
    epsilon: float = 0.0
    """What all of it amounts to."""
    exhausted: dict[str, float] = {}
    """Privacy settings under which no step fits any more."""


def encode(state: TunerState) -> bytes:
    """Return the sealed bytes."""
    return seal(MAGIC, VERSION, msgspec.json.encode(state))


def decode(data: bytes) -> TunerState:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged or of an unknown version.
    """
    version, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE)
    state = json_codec.decode(bytes(payload), TunerState, _WHERE)
    if version == 1:
        state.deep = state.judged = 0.0
    return state
