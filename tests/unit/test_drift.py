"""The drift alarm: it hears a rise, not noise and not an improvement, and can be restored."""

import numpy as np

from operators.drift import DriftAlarm


def losses(*levels: float, each: int = 60) -> list[float]:
    random = np.random.default_rng(1)
    return [level + random.normal(0, 0.15) for level in levels for _ in range(each)]


def alarms(told: list[float]) -> list[int]:
    alarm = DriftAlarm()
    return [n for n, loss in enumerate(told) if alarm.tell(loss)]


def test_a_rise_is_heard_soon() -> None:
    first = alarms(losses(5.5, 8.5))[0]
    assert 60 <= first < 90


def test_noise_and_improvement_are_not() -> None:
    assert alarms(losses(5.5, each=400)) == []
    assert alarms(losses(8.5, 5.5)) == []


def test_a_restored_alarm_hears_what_the_lost_one_would_have() -> None:
    told = losses(5.5, 8.5)
    (first, *_) = alarms(told)
    restored = DriftAlarm(told[:first])
    assert restored.tell(told[first])
