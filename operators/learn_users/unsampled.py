"""Beam's sampler, left out of Python workers: bundles of milliseconds would wait for its thread.

Beam starts a thread a bundle that notes every few milliseconds which step is at work, for metrics
that Flink does not read, and at the end of the bundle waits until that thread wakes up: about a
tenth of a small bundle's time.
"""

import threading

from apache_beam.runners.worker import statesampler

ORIGINAL = statesampler.StateSampler.start, statesampler.StateSampler.stop


def leave_out_sampler() -> None:
    """Let bundles of this process begin and end without a sampling thread."""
    sampler = statesampler.StateSampler
    sampler.start, sampler.stop = _start, _stop  # type: ignore[method-assign]


def _start(self: statesampler.StateSampler) -> None:
    self.tracked_thread = threading.current_thread()
    statesampler.set_current_tracker(self)  # type: ignore[no-untyped-call]
    self.started = self.unsampled = True


def _stop(self: statesampler.StateSampler) -> None:
    if not getattr(self, "unsampled", False):  # the bundle had begun before
        ORIGINAL[1](self)
        return
    statesampler.set_current_tracker(None)  # type: ignore[no-untyped-call]
    self.finished = True
