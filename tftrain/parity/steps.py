"""The steps at which an optimizer and its schedule are checked.

Where a schedule changes cannot be seen from outside. But any number among its settings may be a
length in steps: so the steps about all of these are looked at, besides the first ones, some late
ones and a seeded sample of those between.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tftrain.optimizers import Optimizer, Schedule
from tftrain.streams import Purpose, stream

FIRST = 3
"""Updates that are checked: slots start at zero, so that the first one shows little."""

LATE = {100, 10_000}
"""Steps whose update is checked besides."""

SAMPLED = 6
"""Steps whose update is checked besides, drawn from the first million, small ones more often."""

MOST_UPDATES = 40
"""Steps about which a setting may change something, at most, whose whole update is checked."""

MOST_RATES = 4_000
"""Steps at which the learning rate alone is checked, at most."""

MOST_NUMBERS = 2_000
"""Numbers of one setting that are taken for lengths, at most."""

MOST_SUMS = 100_000
"""Sums of a length and one of a schedule inside, at most."""

MOST_STEPS = 2**53
"""Steps that float64, in which schedules are computed, can count."""


class Steps(NamedTuple):
    """Steps to look at, counted from 0 and in order, and how many more there would be."""

    chosen: list[int]
    left_out: int

    @classmethod
    def of(cls, thing: Optimizer | Schedule, most: int) -> "Steps":
        """Return the steps about which something may change what it does: the first and the last.

        Second ends are taken only while there is room.
        """
        once, twice, lost = _ends(thing, ())
        once, twice = _about(once), _about(twice)
        twice = np.setdiff1d(twice, once)
        chosen = _first_and_last(once, most)
        more = _first_and_last(twice, most - len(chosen))
        return cls(sorted([*chosen.tolist(), *more.tolist()]), lost + len(once) - len(chosen))


def _about(ends: np.ndarray) -> np.ndarray:
    """Return the last step before each of these and the first after it."""
    found = np.unique([ends - 1, ends])
    return found[(found >= 0) & (found < MOST_STEPS)]


def steps_of_updates(optimizer: Optimizer) -> Steps:
    """Return the steps beyond the first whose whole update is checked."""
    sample = np.exp(stream(0, Purpose.STEPS).uniform(np.log(FIRST), np.log(1e6), SAMPLED))
    found = Steps.of(optimizer, MOST_UPDATES)
    of_schedule = Steps.of(optimizer.schedule, MOST_UPDATES)
    chosen = {*LATE, *sample.astype(int).tolist(), *found.chosen, *of_schedule.chosen}
    return Steps(sorted(chosen - set(range(FIRST))), found.left_out)


def steps_of_rates(schedule: Schedule) -> Steps:
    """Return the steps at which the learning rate is checked."""
    return Steps.of(schedule, MOST_RATES)


def _ends(thing: Optimizer | Schedule, outer: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return where something may end that settings name, once and twice as far.

    A length may be counted twice, as in a triangle; and a schedule inside may begin when a length
    of the outer one is over.

    Args:
        thing: whose settings they are. An optimizer's own schedule is left to itself.
        outer: what is around it: a schedule may hold itself.

    Returns:
        The ends, those of lengths that are counted twice, and how many numbers are left out.
    """
    apart = ("schedule", "step", "slots") if isinstance(thing, Optimizer) else ()
    settings = [value for name, value in vars(thing).items() if name not in apart]
    lengths, inner, lost = _numbers_of(settings)
    once, twice = [lengths], [2 * lengths]
    for schedule in inner:
        if schedule is thing or any(schedule is one for one in outer):
            continue
        first, second, more = _ends(schedule, [*outer, thing])
        begins = _first_and_last(np.array([0, *lengths]), MOST_SUMS // max(len(first), 1) + 1)
        once.append(np.add.outer(begins, first).reshape(-1))
        twice.append(np.add.outer(begins, second).reshape(-1))
        lost += more + (len(lengths) + 1 - len(begins)) * len(first)
    return np.unique(np.concatenate(once)), np.unique(np.concatenate(twice)), lost


def _numbers_of(values: Sequence[Any]) -> tuple[np.ndarray, list[Schedule], int]:
    """Return the numbers above 1 among settings, rounded up, and the schedules among them.

    And how many numbers are left out, where a setting has too many.
    """
    numbers: list[int] = []
    schedules: list[Schedule] = []
    lost = 0
    left = list(values)
    seen: set[int] = set()
    while left:
        value = left.pop()
        if isinstance(value, Schedule):
            schedules.append(value)
        elif isinstance(value, (dict, list, tuple, set)):
            if id(value) not in seen:
                seen.add(id(value))
                left += [*value, *value.values()] if isinstance(value, dict) else value
        elif isinstance(value, range) and len(value) > MOST_NUMBERS:
            left += [value[: MOST_NUMBERS // 2], value[-MOST_NUMBERS // 2 :]]
            lost += len(value) - MOST_NUMBERS
        elif isinstance(value, (int, float, range, np.number, np.ndarray, tf.Tensor, tf.Variable)):
            given = np.asarray(value)
            if given.dtype.kind in "iuf":
                given = given[(given > 1) & (given < MOST_STEPS)]
                taken = _first_and_last(np.sort(given, axis=None), MOST_NUMBERS)
                numbers += np.ceil(taken).astype(np.int64).tolist()
                lost += given.size - taken.size
    return np.unique(np.array(numbers, np.int64)), schedules, lost


def _first_and_last(values: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many values of an array, half from its beginning and half from its end."""
    if len(values) <= most:
        return values
    last = most - most // 2
    return np.concatenate([values[: most // 2], values[len(values) - last :]])
