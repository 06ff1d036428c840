"""Which operators of the job have state, under which uids, and under which they had it before.

SQL operators are numbered in the order of their statements. Until fine-tune was declared last for
every objective, jobs of `ranking` had it before the sinks: `moves` says what became of their uids.
"""

import re
from collections.abc import Mapping

_KAFKA = "Source: KafkaSource-default_catalog.default_database"
_SOURCE, _WINDOW = "table-source-scan_2_kafka", "window-aggregate_1_window-aggregate"
_GLOBAL = "global-window-aggregate_1_global-window-aggregate"
_RANK, _SINK = "window-rank_1_window-rank", "sink_2_sink"

_INPUT = ((1, _SOURCE, f"{_KAFKA}.events"), (4, _WINDOW, "WindowAggregate"))
_LOOP = (9, _SOURCE, f"{_KAFKA}.loop_records")
_SERVING = (
    (18, _WINDOW, "WindowAggregate"),
    (26, _SINK, "recommendations"),
    (29, _SINK, "dead_letter"),
    (32, _SINK, "accepted_events"),
    (37, _WINDOW, "WindowAggregate"),
    (40, _SINK, "recommendation_metrics"),
    (46, _GLOBAL, "GlobalWindowAggregate"),
    (49, _RANK, "WindowRank"),
    (53, _GLOBAL, "GlobalWindowAggregate"),
    (56, _SINK, "model_updates"),
)
"""Number of one item bucket, kind and name; with more buckets, numbers from here on are larger."""
_FINE_TUNE = (
    (62, _WINDOW, "WindowAggregate"),
    (64, _SOURCE, f"{_KAFKA}.commands"),
    (70, _SINK, "tuned_updates"),
    (72, _SINK, "tuned_metrics"),
    (74, _SINK, "control_results"),
)
_AVAILABILITY = ((_SOURCE, f"{_KAFKA}.descriptions"), (_SINK, "availability"))
"""Of what reads the catalogue: kind and name; these have a word in place of a number."""
_FEEDBACK = ((_SINK, "feedback"),)
"""Of what a job with feedback has besides, in the same way."""
_BEFORE = {
    26: 62,
    28: 64,
    37: 26,
    40: 29,
    43: 32,
    48: 37,
    53: 40,
    59: 46,
    62: 49,
    66: 53,
    70: 56,
    72: 74,
}
"""Numbers of a job of `ranking` with a deep model until then, and what they are now."""
_COMMANDS_BEFORE = 28
_NUMBER = re.compile(r"\d+(?=_stream)")


def operators(item_buckets: int, *, deep: bool, feedback: bool = False) -> dict[str, str]:
    """Return the name of every operator with state, by its uid.

    Parameters
    ----------
    item_buckets
        `items.buckets`: each has a statement of its own.
    deep
        Whether the job has a deep model, and with it fine-tune.
    feedback
        Whether it joins impressions with actions.
    """
    shift = 3 * (item_buckets - 1) + 1 if item_buckets > 1 else 0
    found = {"learn-users": "learn-users", "learn-items": "learn-items"}
    for number, kind, name in (*_INPUT, _LOOP):
        found |= _named(number, kind, name)
    for number, kind, name in _SERVING:
        found |= _named(number + shift, kind, name)
    for kind, name in _AVAILABILITY:
        found |= _named("availability", kind, name)
    found |= _named("answers", _SINK, "user_answers")
    found |= _named("orders", _SINK, "orders")
    if feedback:
        for kind, name in _FEEDBACK:
            found |= _named("feedback", kind, name)
    if deep:
        found["fine-tune"] = "fine-tune"
        for number, kind, name in _FINE_TUNE:
            found |= _named(number + shift, kind, name)
    return found


def optional(item_buckets: int) -> dict[str, str]:
    """Return those that only a job with a deep model has, or one with feedback."""
    alone = operators(item_buckets, deep=False)
    every = operators(item_buckets, deep=True, feedback=True)
    return {uid: name for uid, name in every.items() if uid not in alone}


def moves(found: Mapping[str, str]) -> dict[str, str]:
    """Return the uids of now, by the uids of before, of operators with state that have moved.

    Parameters
    ----------
    found
        Name of every operator in a savepoint, by its uid, without Flink's number.

    Returns
    -------
    dict
        Empty where the savepoint has the uids of now.
    """
    place = {name: _number(uid) for uid, name in found.items()}
    commands = place.get(f"{_KAFKA}.commands")
    sink = place.get("recommendations: Writer")
    if commands is None or sink is None or commands > sink:
        return {}
    shift = commands - _COMMANDS_BEFORE
    stateful = (_WINDOW, _SOURCE, _SINK, _GLOBAL, _RANK)
    moved = {}
    for uid in found:
        number = _number(uid)
        now = _BEFORE.get(-1 if number is None else number - shift)
        if now is not None and uid.endswith(stateful):
            moved[uid] = _NUMBER.sub(str(now + shift), uid)
    return moved


def _named(number: int | str, kind: str, name: str) -> dict[str, str]:
    uid = f"{number}_stream-exec-{kind}"
    if kind != _SINK:
        return {uid: name}
    return {uid: f"{name}: Writer", f"Sink Committer: {uid}": f"{name}: Committer"}


def _number(uid: str) -> int | None:
    found = _NUMBER.search(uid)
    return int(found[0]) if found else None
