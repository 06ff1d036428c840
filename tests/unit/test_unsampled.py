"""Bundles of a Python worker begin and end without Beam's sampling thread."""

import threading

import pytest
from apache_beam.runners.worker import statesampler
from apache_beam.utils.counters import CounterFactory

from operators.learn_users.unsampled import ORIGINAL, leave_out_sampler


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> statesampler.StateSampler:
    for name, original in zip(("start", "stop"), ORIGINAL, strict=True):
        monkeypatch.setattr(statesampler.StateSampler, name, original)
    return statesampler.StateSampler("worker", CounterFactory())


def test_bundles_begin_and_end_without_a_thread(sampler: statesampler.StateSampler) -> None:
    leave_out_sampler()
    before = threading.active_count()
    for _ in range(3):
        sampler.start()
        with sampler.scoped_state("step", "process"):
            assert threading.active_count() == before
            assert statesampler.get_current_tracker() is sampler
        sampler.stop_if_still_running()
        assert statesampler.get_current_tracker() is None
        sampler.reset()


def test_a_bundle_that_had_begun_ends_as_it_began(sampler: statesampler.StateSampler) -> None:
    sampler.start()
    during = threading.active_count()
    leave_out_sampler()
    sampler.stop_if_still_running()
    assert threading.active_count() < during
