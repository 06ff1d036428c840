"""What a submission does before the job runs."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobs import recommend
from scripts.tools.cluster.paths import LOCAL_CONFIG
from state.topics.lease import Lease

MINE = Lease(run="run", job="streamrec", epoch=1, at=1)


@pytest.mark.parametrize("state", [True, False])
def test_only_a_start_without_state_ends_what_others_left_open(
    monkeypatch: pytest.MonkeyPatch, *, state: bool
) -> None:
    ended: list[int] = []

    def generation(_: object, *, take_over: bool) -> int:
        return 7 if take_over else 3

    def returning(value: Any) -> Any:
        return lambda *_, **__: value

    env = SimpleNamespace(execute=lambda _: None)
    monkeypatch.setattr(recommend, "check_topics", returning(None))
    monkeypatch.setattr(recommend, "check_there", returning(None))
    monkeypatch.setattr(recommend, "claim", returning(MINE))
    monkeypatch.setattr(recommend, "environment", returning((env, None)))
    monkeypatch.setattr(recommend, "topic_ids", returning({}))
    monkeypatch.setattr(recommend, "build", returning(None))
    monkeypatch.setattr(recommend, "may_have_state", returning(state))
    monkeypatch.setattr(recommend.transactions, "generation", generation)
    monkeypatch.setattr(recommend.transactions, "end_others", lambda _, n: ended.append(n))
    assert recommend.main(["--config", str(LOCAL_CONFIG), "--take-over"]) == 0
    assert ended == ([] if state else [7])
