"""The rehearsal walks through everything that events will: nothing is compiled later."""

from unittest import mock

import pytest

from operators.learn_users.rehearsal import rehearse
from operators.learn_users.stages.learn import Learn
from tests.builders import OBJECTIVES, learn_users, learning


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_learns_tells_applies_and_publishes(objective: str) -> None:
    with (
        mock.patch.object(Learn, "apply", autospec=True, side_effect=Learn.apply) as apply,
        mock.patch.object(Learn, "receive", autospec=True, side_effect=Learn.receive) as receive,
    ):
        rehearse(learn_users(learning=learning(objective=objective)))
    assert apply.call_count == 2
    assert receive.call_count >= 1
    items = apply.call_args.args[0].items
    assert items.count.sum() == 6
