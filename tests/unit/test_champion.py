"""What a first model is expected to bring counts until ranked events know better."""

import pytest

from models.arrays.weights import WEIGHTS
from models.deep.shape import Shape
from operators.fine_tune.champion import Champion
from state.keyed.tuner_state import TunerState
from state.store.model_store import WEIGHTS as FILE
from state.store.model_store import Manifest, StoredFile
from state.store.round_files import Expected

SHAPE = Shape(dim=8, width=8)
HELPS = Expected(
    [1_000.0],
    [15.0, 20.0, 20.0, 20.0, 30.0, 40.0, 50.0, 60.0, 60.0],
    [10.0] * WEIGHTS,
    [10.0] * WEIGHTS,
)


def champion(state: TunerState, *, rated: bool = False) -> Champion:
    return Champion(
        state, shape=SHAPE, store="s", job="j", run="r", rated=rated, clock_ms=lambda: 1_000
    )


def manifest(version: int, parent: int = 0) -> Manifest:
    return Manifest(
        version=version, parent=parent, root=version, shape=SHAPE.to_dict(), created_at=1, events=1,
        items=5, steps=1, seconds=0.1, files={FILE: StoredFile(1, "0" * 64)},
    )  # fmt: skip


def test_the_first_model_serves_at_once_where_it_should_help() -> None:
    state = TunerState()
    champion(state).serve(manifest(1), HELPS)
    assert state.deep == pytest.approx(0.3)
    champion(state).serve(manifest(2, parent=1), HELPS)  # what is known goes on
    assert state.deep == pytest.approx(0.3)
    assert state.judged == pytest.approx(300)


def test_after_a_rollback_only_ranked_events_are_believed() -> None:
    state = TunerState()
    first = champion(state)
    first.serve(manifest(1), HELPS)
    first.roll_back("it was worse", {})
    assert state.deep == 0
    champion(state).serve(manifest(2), HELPS)
    assert (state.deep, state.judged) == (0, 0)


@pytest.mark.parametrize("expected", [None, Expected(), Expected([1.0], [9.0], [9.0], [9.0])])
def test_without_expectations_a_model_begins_at_nothing(expected: Expected | None) -> None:
    state = TunerState()
    champion(state).serve(manifest(1), expected)
    assert state.deep == 0


def test_a_model_of_ratings_has_no_such_expectations() -> None:
    state = TunerState()
    champion(state, rated=True).serve(manifest(1), HELPS)
    assert state.deep == 0
