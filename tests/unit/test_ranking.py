"""The ranking objective against its equations, and what must hold whatever it has learnt."""

from dataclasses import fields, replace

import numpy as np
import pytest

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.columns.events import Events
from models.columns.learnt import NOT_SCORED, UNKNOWN, Learnt
from models.columns.lists import BY_FACTORS, BY_NEW, BY_POPULAR, BY_TRANSITION, BY_TRENDING
from models.columns.users import Users
from models.items.table import Items
from models.params.ranking import RankingParams
from models.params.users import UserParams
from models.ranking.model import Ranking
from tests import columns
from tests.columns import TRANSITIONS, accepted, events, key, new_items, new_users, rows_of
from tests.kernels import weight_of

PARAMS = RankingParams(factors=columns.FACTORS, negatives=3, rate=0.2, bias_rate=0.1)
NONE = DeepArrays.none()


def objective(**changes: float) -> Ranking:
    return Ranking(replace(PARAMS, **changes), users=UserParams(), transitions=TRANSITIONS)


def learn(
    items: Items,
    users: Users,
    batch: Events,
    *,
    model: Ranking | None = None,
    fresh: bool = True,
    sampled: bool = False,
) -> Learnt:
    return (model or objective()).learn(
        items,
        users,
        Lesson(
            batch,
            rows_of(items, batch),
            bucket=0,
            fresh=np.full(len(batch), fresh),
            scored=np.full(len(batch), sampled),
            gap=np.zeros(len(batch), np.uint8),
            deep=DeepArrays.none(),
        ),
    )


def stream(n: int, users: int = 6, catalogue: int = 30, seed: int = 1) -> list[tuple[int, int]]:
    """Users walk through the catalogue in steps of one or two, with jumps."""
    random = np.random.default_rng(seed)
    place = random.integers(0, catalogue, users)
    rows = []
    for _ in range(n):
        user = int(random.integers(users))
        jump = random.random() < 0.1
        step = random.integers(catalogue) if jump else random.integers(1, 3)
        place[user] = (place[user] + step) % catalogue
        rows.append((user, int(place[user])))
    return rows


def counted(items: Items, x: int, b: int) -> float:
    rows = items.rows(np.array([key(x), key(b)], np.uint64), register=False)
    return float(weight_of(items.transitions.arrays, rows[0], rows[1]))


def scores(items: Items, users: Users, u: int) -> np.ndarray:
    """Scores of all items by the equations of `models.components`, in plain numpy."""
    a, n = items.arrays, items.size
    history = users.history[u, : users.history_length[u]]
    rows = items.rows(history[-TRANSITIONS.window :], register=False)[::-1]
    known = np.maximum(items.count, 1.0)
    matrix = np.array([[weight_of(items.transitions.arrays, x, b) for b in range(n)] for x in rows])
    c = TRANSITIONS.decay ** np.arange(len(rows)) * known[rows] ** -TRANSITIONS.norm
    with np.errstate(invalid="ignore"):
        share = c @ matrix / (c @ matrix.sum(1))
    product = a.factors[:n] @ users.factors[u]
    offset = np.log(PARAMS.smoothing + share) - np.log(PARAMS.smoothing)
    return product + a.bias[:n] + offset - TRANSITIONS.norm * np.log(known)


def own(items: Items, users: Users, u: int) -> np.ndarray:
    """Rows of a user's past and exclusions."""
    past = set(users.past[u, : users.past_length[u]].tolist())
    excluded = set(users.excluded[u, : users.excluded_length[u]].tolist())
    return np.array(
        [
            row
            for row, key in enumerate(items.keys.tolist())
            if key & 0xFFFFFFFE in {short & 0xFFFFFFFE for short in past} or key in excluded
        ],
        np.int64,
    )


def test_an_item_is_counted_after_the_last_items_the_nearest_most() -> None:
    items, users = new_items(), new_users(1)
    learn(items, users, events((0, 1), (0, 2), (0, 3), (0, 4), (0, 5)))
    assert counted(items, 4, 5) == 1
    assert counted(items, 3, 5) == pytest.approx(0.8)
    assert counted(items, 2, 5) == pytest.approx(0.64)
    assert counted(items, 1, 5) == 0
    assert counted(items, 5, 4) == 0


def test_what_came_before_counts_as_well_where_that_is_asked() -> None:
    items, users = new_items(), new_users(1)
    both = replace(TRANSITIONS, backward=0.5)
    model = Ranking(PARAMS, users=UserParams(), transitions=both)
    learn(items, users, events((0, 1), (0, 2), (0, 3)), model=model)
    assert counted(items, 2, 3) == 1
    assert counted(items, 3, 2) == pytest.approx(0.5)
    assert counted(items, 3, 1) == pytest.approx(0.4)
    assert counted(items, 1, 3) == pytest.approx(0.8)


def test_an_item_follows_itself_where_items_may_come_back() -> None:
    items, users = new_items(), new_users(1)
    model = Ranking(PARAMS, users=UserParams(), transitions=replace(TRANSITIONS, repeats=True))
    learn(items, users, events((0, 1), (0, 1), (0, 2)), model=model)
    assert counted(items, 1, 1) == 1
    assert counted(items, 1, 2) == 1
    other = new_items()
    learn(other, new_users(1), events((0, 1), (0, 1), (0, 2)))
    assert counted(other, 1, 1) == 0


def test_others_hear_of_users_not_of_strengths() -> None:
    items, users = new_items(), new_users(2)
    learn(items, users, events((0, 1), (0, 2), (1, 1), (1, 2), weight=[1.0, 5.0, 1.0, 0.5]))
    assert counted(items, 1, 2) == 1.5
    assert items.count.tolist() == [2, 2]


def test_what_came_before_the_last_time_is_not_counted_again() -> None:
    items, users = new_items(), new_users(1)
    learn(items, users, events((0, 1), (0, 2), (0, 3), (0, 2)))
    assert counted(items, 1, 2) == 1
    assert counted(items, 3, 2) == 1 + TRANSITIONS.backward * (TRANSITIONS.backward > 0)


def test_users_do_not_mix() -> None:
    items, users = new_items(), new_users(2)
    learn(items, users, events((0, 1), (1, 2), (0, 3)))
    assert counted(items, 1, 3) == 1
    assert counted(items, 2, 3) == counted(items, 1, 2) == 0


def test_a_repeated_item_moves_to_the_end_of_the_history_and_does_not_follow_itself() -> None:
    items, users = new_items(), new_users(1)
    learn(items, users, events((0, 1), (0, 2), (0, 1)))
    assert users.history[0, : users.history_length[0]].tolist() == [key(2), key(1)]
    assert counted(items, 1, 1) == 0
    assert counted(items, 2, 1) == 1


def test_the_oldest_item_falls_out_of_a_full_history() -> None:
    items, users = new_items(), new_users(1, history=3)
    learn(items, users, events(*((0, item) for item in range(5))))
    assert users.history[0].tolist() == [key(2), key(3), key(4)]


def test_weightless_events_only_count_and_negative_ones_exclude() -> None:
    items, users = new_items(), new_users(1)
    learnt = learn(
        items, users, events((0, 1), (0, 2), (0, 3), weight=[1.0, 0.0, -1.0]), sampled=True
    )
    assert users.events[0] == 3
    assert users.history[0, : users.history_length[0]].tolist() == [key(1)]
    assert users.excluded[0, : users.excluded_length[0]].tolist() == [key(3)]
    assert items.count.tolist() == [1, 0, 0]
    assert learnt.rank.tolist() == [NOT_SCORED] * 3


def test_batches_cut_anywhere_teach_the_same() -> None:
    rows = stream(120)
    whole, parts = new_items(), new_items()
    users, others = new_users(6), new_users(6)
    learn(whole, users, events(*rows))
    for begin in range(0, 120, 7):
        learn(parts, others, events(*rows[begin : begin + 7], first=begin))
    for column in fields(Users):
        assert np.array_equal(getattr(users, column.name), getattr(others, column.name)), column
    assert np.array_equal(whole.arrays.factors, parts.arrays.factors)
    assert np.array_equal(whole.transitions.arrays.total, parts.transitions.arrays.total)


def test_a_replay_draws_the_same_negatives() -> None:
    items, users, batch = new_items(), new_users(6), events(*stream(200))
    learn(items, users, batch)
    again = [learn(items, new_users(6), batch, fresh=False) for _ in range(2)]
    assert np.array_equal(again[0].negatives, again[1].negatives)
    assert (again[0].negatives >= 0).any()


def test_negatives_are_known_items_the_user_has_not_had() -> None:
    items, users, rows = new_items(), new_users(6, history=40), stream(300)
    for n, row in enumerate(rows):
        known = set(np.flatnonzero(items.count).tolist())
        had = set(own(items, users, row[0]).tolist())
        learnt = learn(items, users, events(row, first=n))
        drawn = set(learnt.negatives[0].tolist()) - {-1}
        assert drawn <= known - had


def test_an_event_that_is_not_fresh_teaches_the_user_only() -> None:
    items, users = new_items(), new_users(6)
    learn(items, users, events(*stream(100)))
    counts, factors = items.count.copy(), items.arrays.factors.copy()
    totals, before = items.transitions.arrays.total.copy(), users.factors.copy()
    learn(items, users, events(*stream(50, seed=2), first=100), fresh=False)
    assert np.array_equal(items.count, counts)
    assert np.array_equal(items.arrays.factors, factors)
    assert np.array_equal(items.transitions.arrays.total, totals)
    assert not np.array_equal(users.factors, before)
    assert users.events.sum() == 150


def test_one_step_is_the_pairwise_gradient_with_adagrad() -> None:
    items, users, model = new_items(), new_users(2), objective(negatives=1)
    learn(items, users, events(*((1, item) for item in range(20))), model=model)
    learn(items, users, events((0, 0), (0, 1), first=20), model=model)
    a, before, rate = items.arrays, users.factors[0].copy(), PARAMS.rate
    target = items.rows(np.array([key(4)], np.uint64))[0]
    q, sums = a.factors.copy(), a.gradient_sum.copy()
    logits, user_sum = scores(items, users, 0), users.gradient_sum[0]
    learnt = learn(items, users, events((0, 4), first=22), model=model)
    other = learnt.negatives[0, 0]
    g = 1 / (1 + np.exp(logits[target] - logits[other]))
    assert learnt.gradients[0] == pytest.approx([g, -g], rel=1e-4)
    grown = sums[target] + g**2 * (before @ before) / columns.FACTORS
    step = rate * g / np.sqrt(0.1 + grown)
    assert a.factors[target] == pytest.approx(q[target] + step * before, rel=1e-4)
    pull = g * (q[target] - q[other])
    user_step = rate / np.sqrt(0.1 + user_sum + pull @ pull / columns.FACTORS)
    assert users.factors[0] == pytest.approx(before + user_step * pull, rel=1e-4)


def test_the_rank_is_among_all_known_items_that_are_not_the_users_own() -> None:
    items, users = new_items(), new_users(6, history=5)
    scored = 0
    for n, row in enumerate(stream(150)):
        batch = events(row, first=n)
        target = rows_of(items, batch)[0]
        u, mine = row[0], own(items, users, row[0])
        score = scores(items, users, u) if len(mine) else np.full(items.size, np.nan)
        others = np.setdiff1d(np.flatnonzero(items.count), [*mine, target])
        popular = (items.count[others] > items.count[target]).sum()
        level = 1 + (items.count[others] == items.count[target]).sum()
        learnt = learn(items, users, batch, sampled=True)
        if len(mine) == 0:
            assert learnt.rank[0] == learnt.popularity_rank[0] == NOT_SCORED
        elif target in mine or items.count[target] == 1:  # it is not recommended again
            assert learnt.rank[0] == learnt.popularity_rank[0] == UNKNOWN
        else:
            assert learnt.popularity_rank[0] == popular + level // 2
            if np.isfinite(score).all():
                scored += 1
                assert learnt.rank[0] == (score[others] > score[target]).sum()
    assert scored > 50


def test_a_user_of_whom_nothing_follows_is_ranked_as_served() -> None:
    items, users = new_items(), new_users(4)
    learn(items, users, events((0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (3, 4), first=0))
    learn(items, users, events((1, 3), first=10))
    items.trending = np.array([key(3), key(2)], np.uint64)
    # item 4 has no successors, so that user 3 would be served trending items, then popular ones
    ranks = {}
    for item in (1, 2, 3):
        these = columns_of(users)
        learnt = learn(copied(items), these, events((3, item), first=20 + item), sampled=True)
        ranks[item] = int(learnt.rank[0])
    assert ranks == {3: 0, 2: 1, 1: 2}


def columns_of(users: Users) -> Users:
    return users.take(np.arange(len(users), dtype=np.int32))


def copied(items: Items) -> Items:
    other = new_items()
    other.replace(items.export(np.arange(items.size, dtype=np.int32)), only_newer=False)
    other.trending = items.trending
    return other


def test_an_event_is_ranked_before_it_is_learnt() -> None:
    items, users = new_items(), new_users(1)
    learnt = learn(items, users, events((0, 1), (0, 2)), sampled=True)
    assert learnt.rank.tolist() == [NOT_SCORED, UNKNOWN]


def test_another_worker_learns_the_same_counts_from_what_travels() -> None:
    here, there, users, model = new_items(), new_items(), new_users(6), objective(rate=0.05)
    for begin in range(0, 200, 40):
        batch = events(*stream(240)[begin : begin + 40], first=begin)
        learnt = learn(here, users, batch, model=model)
        message = accepted(batch, here.rows(batch.item), learnt, here)
        rows = there.rows(message.keys)
        model.apply(there, message, rows, fresh=np.ones(40, np.bool_))
    assert np.array_equal(here.count, there.count)
    assert here.transitions.arrays.total == pytest.approx(there.transitions.arrays.total)
    # other workers move items along the users' factors as of the batch's start
    assert here.arrays.factors == pytest.approx(there.arrays.factors, abs=0.1)
    assert np.corrcoef(here.arrays.bias[:30], there.arrays.bias[:30])[0, 1] > 0.99


def test_what_was_applied_before_is_context_only() -> None:
    here, there, users, model = new_items(), new_items(), new_users(1), objective()
    batch = events((0, 1), (0, 2), (0, 3))
    message = accepted(batch, rows_of(here, batch), learn(here, users, batch), here)
    fresh = np.array([False, False, True])
    model.apply(there, message, there.rows(message.keys), fresh=fresh)
    assert there.count.tolist() == [0, 0, 1]
    assert counted(there, 2, 3) == 1
    assert counted(there, 1, 2) == 0


def test_only_owned_rows_change() -> None:
    here, users, model = new_items(), new_users(6), objective()
    batch = events(*stream(100))
    message = accepted(batch, rows_of(here, batch), learn(here, users, batch), here)
    halves = [new_items(), new_items()]
    everything = np.ones(100, np.bool_)
    for part, half in enumerate(halves):
        owned = message.keys % np.uint64(2) == part
        rows = half.rows(message.keys)
        before = half.arrays.factors[rows[~owned]].copy()
        model.apply(half, message, rows, fresh=everything, owned=owned)
        assert not half.count[~owned].any()
        assert not half.transitions.arrays.total[rows[~owned]].any()
        assert np.array_equal(half.arrays.factors[rows[~owned]], before)
    assert np.array_equal(halves[0].count + halves[1].count, here.count)
    total = halves[0].transitions.arrays.total + halves[1].transitions.arrays.total
    assert total == pytest.approx(here.transitions.arrays.total)


def test_received_bytes_may_be_read_only() -> None:
    here, there, users, model = new_items(), new_items(), new_users(6), objective()
    batch = events(*stream(30))
    message = accepted(batch, rows_of(here, batch), learn(here, users, batch), here)
    for name in ("context", "factors", "weight", "gradients"):
        getattr(message, name).flags.writeable = False
    model.apply(there, message, there.rows(message.keys), fresh=np.ones(30, np.bool_))
    assert np.array_equal(here.count, there.count)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e30])
def test_a_poisoned_gradient_cannot_spoil_the_items(poison: float) -> None:
    here, there, users, model = new_items(), new_items(), new_users(6), objective()
    batch = events(*stream(60))
    message = accepted(batch, rows_of(here, batch), learn(here, users, batch), here)
    message.gradients[::3] = poison
    message.factors[:] *= np.float32(1e3)
    model.apply(there, message, there.rows(message.keys), fresh=np.ones(60, np.bool_))
    assert np.isfinite(there.arrays.factors).all()
    assert np.isfinite(there.arrays.bias).all()
    assert np.linalg.norm(there.arrays.factors, axis=1).max() <= PARAMS.radius * 1.001
    assert np.array_equal(here.count, there.count)
    assert there.skipped > 0


def test_the_heaviest_events_cannot_leave_the_ball() -> None:
    items, users = new_items(), new_users(6)
    model = objective(rate=1.0, bias_rate=1.0)
    learn(items, users, events(*stream(400), weight=1e6), model=model)
    assert np.linalg.norm(users.factors, axis=1).max() <= PARAMS.radius * 1.001
    assert np.linalg.norm(items.arrays.factors, axis=1).max() <= PARAMS.radius * 1.001
    assert np.abs(items.arrays.bias).max() <= PARAMS.radius


def test_recommended_are_the_best_scores_and_nothing_of_the_users_own() -> None:
    items, users, model = new_items(), new_users(6, history=5), objective()
    learn(items, users, events(*stream(90)), model=model)
    learn(items, users, events((0, 7), (1, 8), first=400, weight=-1.0), model=model)
    lists = model.recommend(items, users, 4, NONE)
    for u in range(6):
        score, mine = scores(items, users, u), own(items, users, u)
        score[mine] = -np.inf
        best = np.argsort(-score, kind="stable")[: min(4, int(np.isfinite(score).sum()))]
        assert lists.rows[u].tolist() == [*best.tolist(), *[-1] * (4 - len(best))]
        assert lists.scores[u, : len(best)] == pytest.approx(score[best], rel=1e-3, abs=1e-3)


def test_a_transition_names_the_item_it_comes_from() -> None:
    items, users, model = new_items(), new_users(3), objective()
    learn(items, users, events((0, 1), (0, 2), (1, 5), (1, 6)), model=model)
    learn(items, users, events((2, 1), first=4), model=model)
    lists = model.recommend(items, users, 1, NONE)
    rows = items.rows(np.array([key(1), key(2)], np.uint64))
    assert (lists.rows[2, 0], lists.reasons[2, 0]) == (rows[1], BY_TRANSITION)
    assert lists.sources[2, 0] == rows[0]


def test_items_that_did_not_follow_are_there_for_their_factors_or_because_they_are_new() -> None:
    items, users, model = new_items(), new_users(8), objective()
    learn(items, users, events(*((user, 9) for user in range(6))), model=model)
    learn(items, users, events((6, 1), (6, 2), (7, 1), first=6), model=model)
    lists = model.recommend(items, users, 3, NONE)
    reasons = dict(zip(lists.rows[7].tolist(), lists.reasons[7].tolist(), strict=True))
    nine, two = items.rows(np.array([key(9), key(2)], np.uint64)).tolist()
    assert reasons == {two: BY_TRANSITION, nine: BY_FACTORS, -1: 0}
    learn(items, users, events((0, 3), first=9), model=model)
    lists = model.recommend(items, users, 3, NONE)
    reasons = dict(zip(lists.rows[7].tolist(), lists.reasons[7].tolist(), strict=True))
    assert reasons[items.rows(np.array([key(3)], np.uint64)).tolist()[0]] == BY_NEW


def test_without_a_past_trending_items_come_first_and_popular_ones_after() -> None:
    items, users, model = new_items(), new_users(6), objective()
    learn(items, users, events((0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (0, 3)), model=model)
    rows = items.rows(np.array([key(1), key(2), key(3)], np.uint64))
    items.trending = np.array([key(3), key(99), key(3)], np.uint64)
    lists = model.recommend(items, new_users(1), 5, NONE)
    assert lists.rows[0].tolist() == [rows[2], rows[0], rows[1], -1, -1]
    assert lists.reasons[0, :3].tolist() == [BY_TRENDING, BY_POPULAR, BY_POPULAR]
    assert (np.diff(lists.scores[0, :3]) < 0).all()


def test_items_without_a_name_or_an_event_are_never_recommended() -> None:
    items, users, model = new_items(), new_users(2), objective()
    batch = events((0, 1), (0, 2), (0, 3))
    rows = items.rows(batch.item)
    items.name(rows[:2], ["one", "two"])
    model.learn(
        items,
        users,
        Lesson(
            batch,
            rows,
            bucket=0,
            fresh=np.ones(3, np.bool_),
            scored=np.zeros(3, np.bool_),
            gap=np.zeros(3, np.uint8),
            deep=NONE,
        ),
    )
    items.name(items.rows(np.array([key(4)], np.uint64)), ["four"])
    learn(items, users, events((1, 1), first=3), model=model)
    items.trending = items.keys.copy()
    lists = model.recommend(items, users, 5, NONE)
    assert set(lists.rows[1].tolist()) == {rows[1], -1}


def test_a_full_catalogue_learns_on_with_what_it_has() -> None:
    items, users = new_items(limit=3), new_users(1)
    learnt = learn(items, users, events(*((0, item) for item in range(6))), sampled=True)
    assert items.count.tolist() == [1, 1, 1]
    assert users.history_length[0] == 6
    assert learnt.rank[3:].tolist() == [UNKNOWN] * 3
    assert learn(items, users, events((0, 6), first=6)).context.size == 0


def test_nothing_is_recommended_from_nothing() -> None:
    lists = objective().recommend(new_items(), new_users(2), 3, NONE)
    assert (lists.rows == -1).all()
    assert objective().recommend(new_items(), new_users(0), 3, NONE).rows.shape == (0, 3)


def test_of_many_items_fewer_users_are_ranked_and_always_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.ranking.model.RANKED", 15)
    rows = stream(600)
    few, all_of_them = objective(), objective()
    all_of_them.ranked = np.inf
    found = []
    for model in (few, all_of_them):
        items, users = new_items(), new_users(6)
        users.key[:] = np.arange(6) * ((1 << 32) // 6) + 1000
        users.key[:] <<= np.uint64(32)
        found.append(learn(items, users, events(*rows), model=model, sampled=True))
        assert items.size == 30
    user = np.array([user for user, _ in rows])
    ranked, whole = (learnt.rank != NOT_SCORED for learnt in found)
    late = np.arange(len(rows)) > 300  # all items are known by then
    # 15 of 30 items: the half of the users whose keys are lowest
    np.testing.assert_array_equal(ranked[late], whole[late] & (user[late] < 3))
    assert ranked[~late].sum() > ranked[late].sum(), "few items were known at the beginning"
    np.testing.assert_array_equal(found[0].rank[ranked], found[1].rank[ranked])
