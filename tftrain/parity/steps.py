"""The steps at which an optimizer and its schedule are checked.

Where a schedule changes cannot be seen from outside. But any number among its settings may be a
length in steps: so the steps about all of these are looked at, besides the first ones, some late
ones and a seeded sample of those between.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tftrain.optimizers import Optimizer, Schedule
from tftrain.streams import Purpose, stream
from tftrain.training.settings import (
    array_of,
    leaves_of,
    methods_of,
    settings_of,
)

FIRST = 3
"""Updates that are checked: slots start at zero, so that the first one shows little."""

LATE = {100, 10_000}
"""Further steps whose update is checked."""

SAMPLED = 6
"""Further steps whose update is checked, drawn from the first million, mostly small ones."""

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
    """Steps to look at.

    Attributes:
        chosen: the steps, counted from 0 and in order.
        left_out: how many more there would be, at least.
        unread: type names of settings that may hold numbers, but cannot be read.
    """

    chosen: list[int]
    left_out: int
    unread: list[str]

    @classmethod
    def of(cls, thing: Optimizer | Schedule, most: int) -> "Steps":
        """Return the steps about which something may change what it does: the first and the last.

        Where a length ends the second time is looked at only if there is room.
        """
        ends = _ends_of(thing, ())
        once, twice = _about(ends.once), _about(ends.twice)
        twice = np.setdiff1d(twice, once)
        chosen = _first_and_last(once, most)
        more = _first_and_last(twice, most - len(chosen))
        left_out = 2 * ends.left_out + len(once) - len(chosen)
        unread = list(dict.fromkeys(ends.unread))
        return cls(sorted([*chosen.tolist(), *more.tolist()]), left_out, unread)


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
    return found._replace(chosen=sorted(chosen - set(range(FIRST))))


def steps_of_rates(schedule: Schedule) -> Steps:
    """Return the steps at which the learning rate is checked."""
    return Steps.of(schedule, MOST_RATES)


class Plan(NamedTuple):
    """The steps at which an optimizer's updates are checked, and those of its learning rate."""

    updates: Steps
    rates: Steps

    @classmethod
    def of(cls, optimizer: Optimizer) -> "Plan":
        """Return the plan for an optimizer and its schedule."""
        return cls(steps_of_updates(optimizer), steps_of_rates(optimizer.schedule))


class _Ends(NamedTuple):
    """Where something may end that settings name.

    Attributes:
        once: in steps, in order.
        twice: those of lengths that are counted twice, as in a triangle.
        left_out: how many more there would be.
        unread: type names of settings that may hold numbers, but cannot be read.
    """

    once: np.ndarray
    twice: np.ndarray
    left_out: int
    unread: list[str]


def _ends_of(thing: Optimizer | Schedule, outer: Sequence[Any]) -> _Ends:
    """Return where something may end that settings name, or numbers in the user's own methods.

    A schedule inside may begin when a length of the outer one is over.

    Args:
        thing: whose settings they are. An optimizer's own schedule is left to itself.
        outer: what is around it: a schedule may hold itself.
    """
    settings = settings_of(thing)
    if isinstance(thing, Optimizer):
        settings.pop("schedule", None)
    lengths = _lengths_in([settings, methods_of(thing)])
    once, twice = [lengths.values], [2 * lengths.values]
    left_out, unread = lengths.left_out, lengths.unread
    for schedule in lengths.schedules:
        if schedule is thing or any(schedule is one for one in outer):
            continue
        inner = _ends_of(schedule, [*outer, thing])
        most = MOST_SUMS // max(len(inner.once), 1) + 1
        begins = _first_and_last(np.array([0, *lengths.values]), most)
        once.append(np.add.outer(begins, inner.once).reshape(-1))
        twice.append(np.add.outer(begins, inner.twice).reshape(-1))
        left_out += inner.left_out + (len(lengths.values) + 1 - len(begins)) * len(inner.once)
        unread = [*unread, *inner.unread]
    ends = np.unique(np.concatenate(once)), np.unique(np.concatenate(twice))
    return _Ends(*ends, left_out, unread)


class _Lengths(NamedTuple):
    """The possible lengths, in steps, among settings.

    Attributes:
        values: numbers above 1, rounded up, in order.
        schedules: found among the settings, which have lengths of their own.
        left_out: how many numbers are left out, where a setting has too many.
        unread: type names of settings that may hold numbers, but cannot be read.
    """

    values: np.ndarray
    schedules: list[Schedule]
    left_out: int
    unread: list[str]


def _lengths_in(settings: Any) -> _Lengths:
    """Return the possible lengths, in steps, among settings."""
    found: list[np.ndarray] = []
    schedules, unread, left_out = [], [], 0
    for value in leaves_of(settings, closed=Schedule):
        if issubclass(type(value), Schedule):
            schedules.append(value)
            continue
        read = _ends_of_range(value) if issubclass(type(value), range) else array_of(value)
        numbers = None if read is None else _as_floats(read)
        if numbers is None:
            known = read is not None or issubclass(type(value), WITHOUT_NUMBERS)
            unread += [] if known else [type(value).__name__]
            continue
        left_out += len(value) - numbers.size if issubclass(type(value), range) else 0
        given = numbers[(numbers > 1) & (numbers < MOST_STEPS)]
        taken = _first_and_last(np.sort(given, axis=None), MOST_NUMBERS)
        found.append(np.ceil(taken).astype(np.int64))
        left_out += given.size - taken.size
    values = np.unique(np.concatenate(found)) if found else np.array([], np.int64)
    return _Lengths(values, schedules, left_out, unread)


WITHOUT_NUMBERS = (
    *(type(None), str, bytes, bool, complex, type, ModuleType, BuiltinFunctionType, FunctionType),
    *(tf.DType, np.dtype, np.ufunc, PurePath),
)
"""Types of settings that hold no lengths in steps."""


def _ends_of_range(value: range) -> np.ndarray:
    """Return the numbers of a range, which may have too many to be held."""
    half = MOST_NUMBERS // 2
    return np.asarray(value if len(value) <= MOST_NUMBERS else [*value[:half], *value[-half:]])


def _as_floats(values: np.ndarray) -> np.ndarray | None:
    """Return real numbers as float64, or None for anything else."""
    if values.dtype.kind not in "iufV":  # V: bfloat16 and its like
        return None
    with suppress(ValueError):
        return values.astype(np.float64)
    return None


def _first_and_last(values: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` values of an array, half from its beginning and half from its end."""
    if len(values) <= most:
        return values
    last = most - most // 2
    return np.concatenate([values[: most // 2], values[len(values) - last :]])
