"""Everything runs once on made-up events, so that no worker stops to compile when events wait."""

import msgspec

from operators.learn_items.authority import ItemAuthority
from operators.learn_users.inbox import Inbox, LoopRecord
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from operators.learn_users.receiver import Receiver
from operators.params import LearnItemsParams, LearnUsersParams


def rehearse(params: LearnUsersParams) -> None:
    """Walk made-up events through throw-away operators; compiled code is cached for later."""
    now_ms = params.policy.earliest_ms
    learner, listener = (Pipeline(params, clock_ms=lambda: now_ms) for _ in range(2))
    catalogue, restored = (ItemAuthority(_items_params(params)) for _ in range(2))
    catalogue.open(0, [])
    memory, inbox = _Notebook(), Inbox(Receiver(listener, params).handlers())
    values = _events(params)
    for half in (slice(0, 4), slice(4, 6)):
        at = list(range(half.start, half.stop))
        keys: list[bytes | None] = [b"u", b"v"] * (len(at) // 2)
        batch = MicroBatch(0, keys, values[half], at, [now_ms] * len(at))
        outcome = learner.process(batch, memory)
        if outcome.accepted:
            inbox.take(LoopRecord("accepted_events", b"", outcome.accepted[0]))
            restored.open(
                0, [record for _, record in catalogue.learn(0, outcome.accepted) if record]
            )
    learner.learn.deep.rehearse()
    for _, chunk in catalogue.due(0, now_ms):
        inbox.take(LoopRecord("model_updates", b"items/0", chunk))


def _events(params: LearnUsersParams) -> list[bytes | None]:
    policy = params.policy
    kind = max(policy.weights, key=lambda name: policy.weights[name])
    if params.learning.objective == "rating":  # which nothing else teaches
        kind = policy.rating_type
    event = {"event_type": kind, "timestamp": policy.earliest_ms, "value": policy.highest_rating}
    return [
        msgspec.json.encode({"user_id": user, "item_id": item, **event})
        for item in ("a", "b", "c")
        for user in ("u", "v")
    ]


def _items_params(params: LearnUsersParams) -> LearnItemsParams:
    return LearnItemsParams(
        learning=params.learning,
        keys=(0,),
        chunks=1,
        publish_interval_ms=1,
        publish_bytes_per_second=1 << 40,
        restore_bytes_per_second=1 << 40,
        max_record_bytes=params.max_record_bytes,
    )


class _Notebook(dict[str, bytes]):
    """Memory of a rehearsal."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value

    def remove(self, key: str) -> None:
        del self[key]
