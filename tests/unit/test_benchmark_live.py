from itertools import islice

from scripts.tools.benchmarks.live import cut, endless
from scripts.tools.benchmarks.throughput import KINDS, LIMIT, USUAL, chosen
from scripts.tools.data.generator import GeneratorParams


def test_blocks_are_cut_and_nothing_is_lost():
    whole = list(islice(endless(GeneratorParams()), 2))
    parts = list(cut(whole, 700))
    assert max(map(len, parts)) == 700
    ids = [name for block in whole for name in block.event_ids]
    assert [name for block in parts for name in block.event_ids] == ids
    assert [at for block in parts for at in block.times] == [at for b in whole for at in b.times]


def test_a_deep_model_is_served_on_request_only():
    assert "full_deep" not in USUAL
    assert chosen("full_deep") == [LIMIT, "full_deep"]
    assert "deep.enabled=false" not in KINDS["full_deep"].settings
