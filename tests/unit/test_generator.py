"""Generated behaviour: the same for everybody, and worth learning from."""

import numpy as np
import pytest

from scripts.tools.data.generator import EVENT_TYPES, Generator, GeneratorParams

SMALL = {"users": 200, "clusters": 5, "places": 20, "sessions": 20, "birth": 50}


def concatenated(blocks):
    return [np.concatenate(column) for column in zip(*blocks, strict=True)]


def same(one, other):
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(one, other, strict=True)
    )


def test_the_same_seed_gives_the_same_events_in_blocks_of_any_size():
    whole = Generator(GeneratorParams(seed=3, **SMALL)).block(1_000)
    pieces = Generator(GeneratorParams(seed=3, **SMALL))
    assert same(whole, concatenated([pieces.block(n) for n in (1, 299, 0, 700)]))


def test_another_seed_gives_other_events():
    one = Generator(GeneratorParams(seed=1, **SMALL)).block(500)
    other = Generator(GeneratorParams(seed=2, **SMALL)).block(500)
    assert not same(one, other)


def test_columns_are_in_range_and_time_goes_forward():
    generator = Generator(GeneratorParams(**SMALL))
    block = generator.block(5_000)
    assert block.user.min() >= 0
    assert block.user.max() < 200
    assert block.item.min() >= 0
    assert block.item.max() < generator.items
    assert set(np.unique(block.event_type)) == set(range(len(EVENT_TYPES)))
    assert (np.diff(block.time) >= 0).all()
    assert block.time[0] >= GeneratorParams().start_ms


def test_only_ratings_have_a_value_and_it_is_one_of_the_scale():
    block = Generator(GeneratorParams(**SMALL)).block(5_000)
    rated = block.event_type == EVENT_TYPES.index("rating")
    assert np.isnan(block.value[~rated]).all()
    assert set(block.value[rated] * 2) <= set(range(2, 11))


def test_new_items_appear_and_are_taken():
    generator = Generator(GeneratorParams(**SMALL))
    before = generator.items
    block = generator.block(5_000)
    assert generator.items == before + 5_000 // 50
    assert (np.unique(block.item) >= before).sum() > 50


def test_popularity_is_uneven_but_no_item_is_everything():
    block = Generator(GeneratorParams()).block(50_000)
    counts = np.sort(np.bincount(block.item))[::-1]
    share = counts[: len(counts) // 10].sum() / counts.sum()
    assert 0.25 < share < 0.75


def test_the_order_inside_a_session_tells_the_next_item_far_better_than_popularity():
    block = Generator(GeneratorParams()).block(60_000)
    last, followers, counts = {}, {}, np.zeros(10_000)
    hits = popular = scored = 0
    for n, (user, item) in enumerate(zip(block.user.tolist(), block.item.tolist(), strict=True)):
        before = last.get(user)
        if before is not None and n > 30_000 and user % 20 == 0:
            best = sorted(followers.get(before, {}).items(), key=lambda pair: -pair[1])[:10]
            hits += item in dict(best)
            popular += item in np.argpartition(counts, -10)[-10:]
            scored += 1
        if before is not None:
            row = followers.setdefault(before, {})
            row[item] = row.get(item, 0) + 1
        last[user] = item
        counts[item] += 1
    assert hits / scored > 0.2
    assert hits > 5 * popular


def test_what_is_popular_changes():
    generator = Generator(GeneratorParams(drift=0.5))
    early = np.bincount(generator.block(20_000).item, minlength=6_000)
    generator.block(60_000)
    late = np.bincount(generator.block(20_000).item, minlength=6_000)[:6_000]
    assert np.corrcoef(early[:4_000], late[:4_000])[0, 1] < 0.6


def test_sessions_are_short_and_users_come_back():
    block = Generator(GeneratorParams(users=3_000, sessions=50)).block(100_000)
    busiest = np.argsort(np.bincount(block.user))[::-1][:200]
    times = [block.time[block.user == user] for user in busiest.tolist()]
    sessions = [1 + int((np.diff(mine) > 1_800_000).sum()) for mine in times]
    lengths = sum(map(len, times)) / sum(sessions)
    assert 5 < lengths < 15
    assert min(sessions) > 2


@pytest.mark.parametrize("wrong", [{"users": 10, "sessions": 20}, {"places": 0}, {"birth": 0}])
def test_an_impossible_world_is_refused(wrong):
    with pytest.raises(ValueError, match="GeneratorParams: expected"):
        GeneratorParams(**wrong)
