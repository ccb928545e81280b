"""Steps at which optimizers and schedules are checked: every one that a setting may name."""

from array import array
from collections import UserDict, UserList, deque
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain import nn, optimizers, reference
from tftrain.errors import InputError
from tftrain.optimizers.schedules import rate_of
from tftrain.parity.steps import steps_of_rates

X, Y = np.ones((4, 3)), np.ones((4, 1))


class Falls(optimizers.Schedule):
    """Half at each boundary; off at step `off`."""

    def __init__(self, boundaries: Any, off: int = -1) -> None:
        super().__init__(0.1)
        self.boundaries, self.off = boundaries, off
        self.itself = self

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        given = list(self.boundaries) if isinstance(self.boundaries, range) else self.boundaries
        limits = tf.cast(tf.convert_to_tensor(given), tf.float64)
        passed = tf.reduce_sum(tf.cast(step >= limits, tf.float64))
        factor = tf.pow(tf.constant(0.5, tf.float64), passed)
        return tf.where(step == self.off, 1.001 * factor, factor)


@reference.register(Falls)
@dataclass
class FallsReference(reference.Schedule):
    learning_rate: float
    boundaries: Any

    def factor(self, step: Any) -> Any:
        return 0.5 ** float(np.sum(float(step.value) >= np.asarray(self.boundaries)))


def report_of(schedule: optimizers.Schedule, made: int = 0) -> Any:
    network, optimizer = nn.Dense(3, 1, dtype="float64"), optimizers.SGD(schedule)
    optimizer.step.assign(made)
    return tftrain.gradcheck(network, X, Y, optimizer=optimizer, modes=["graph"])


@pytest.mark.parametrize(
    "boundaries",
    [
        range(100, 1000, 9),
        pytest.param("variable", id="a variable"),
        slow(list(range(100, 1000, 9))),
        slow(tuple(np.arange(100, 1000, 9.5))),
        slow(np.arange(100, 1000, 9)),
        slow(tf.range(100, 1000, 9)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_boundary_is_looked_at(boundaries: Any) -> None:
    if isinstance(boundaries, str):
        boundaries = tf.Variable(tf.range(100, 1000, 9), trainable=False)
    given = boundaries.numpy() if tf.is_tensor(boundaries) else list(boundaries)
    values = np.ceil(given)
    right = report_of(Falls(boundaries))
    assert right.ok, right.verdict
    assert not right.notes
    for off in (values[0], values[len(values) // 2], values[-1] - 1):
        wrong = report_of(Falls(boundaries, off=int(off)))
        assert f"after {int(off):,} updates" in wrong.verdict


class Wrapped:
    """A plain object of a user's class; one value is the class's own."""

    late = 640

    def __init__(self, early: int) -> None:
        self.early = early


@dataclass(frozen=True)
class Phases:
    early: int
    late: int


class OfClass(Falls):
    limits = (100, 640)


class InCode(Falls):
    def phases(self) -> list[int]:
        return [100, 640]


class InProperties(Falls):
    early = property(lambda self: 100)

    @staticmethod
    def phases() -> Any:
        return 7 in {640, 641}


class InDefaults(Falls):
    def phases(self, early: int = 100, late: Any = (640,)) -> None: ...


class Slotted(Falls):
    __slots__ = ("early", "late")

    def __init__(self, boundaries: Any) -> None:
        super().__init__(boundaries)
        self.early, self.late = 100, 640


class Private(Falls):
    __slots__ = ("__late", "early")

    def __init__(self, boundaries: Any) -> None:
        super().__init__(boundaries)
        self.early, self.__late = 100, 640


EARLY, ENDS = 100, [640]


def early_and_late() -> list[int]:
    return [EARLY, *ENDS]


class InGlobals(Falls):
    def phases(self) -> list[int]:
        return early_and_late()


class Phase:
    """An object whose methods name the lengths."""

    def over(self, step: int) -> bool:
        return step > 100

    @property
    def last(self) -> int:
        return 640


class Warmup(NamedTuple):
    early: int
    late: int


class Listed(list):
    pass


class ByName(dict):
    pass


HELD = {
    "a named tuple": Warmup(100, 640),
    "a list of one's own": Listed([100, 640]),
    "a dictionary of one's own": ByName(early=100, late=640),
    "bfloat16 scalars": [tf.constant(100, tf.bfloat16), tf.constant(640, tf.bfloat16)],
    "an object's methods": Phase(),
    "a frozen set": frozenset([100, 640]),
    "an array of Python's": array("d", [100, 640]),
    "a dictionary that can be changed": UserDict(early=UserList([100]), late=640),
    "thousands of numbers": [100, *[0.5] * 5000, 640],
    "a deque": deque([100, 640]),
    "fractions": [Fraction(100), Fraction(1279, 2)],
    "decimals": (Decimal(100), Decimal("639.5")),
    "an array of objects": np.array([100, Fraction(640)], object),
    "bfloat16": tf.constant([100, 640], tf.bfloat16),
    "a ragged tensor": tf.ragged.constant([[100], [640]]),
    "a sparse tensor": tf.sparse.from_dense([0, 100, 640]),
    "a table": pd.Series([100, 640]),
    "an object": Wrapped(100),
    "a frozen dataclass": {"phases": Phases(100, 640)},
    "a namespace": SimpleNamespace(one=100, other=[640]),
    "a closure": [lambda step, early=100: early + 640],
    "a partial function": partial(max, 100, key=640),
}


@pytest.mark.parametrize("held", HELD)
def test_settings_of_every_kind_are_read(held: str) -> None:
    schedule = Falls([100, 640])
    schedule.boundaries = None
    schedule.held = HELD[held]
    steps = steps_of_rates(schedule)
    assert {99, 100, 639, 640} <= set(steps.chosen)
    assert not steps.unread


@pytest.mark.parametrize(
    "kind", [OfClass, InCode, InProperties, InDefaults, InGlobals, Slotted, Private]
)
def test_what_a_class_names_is_read(kind: Any) -> None:
    assert {99, 100, 639, 640} <= set(steps_of_rates(kind(None)).chosen)


def test_what_cannot_be_read_is_noted() -> None:
    schedule = Falls([100])
    schedule.held = iter([640])
    notes = report_of(schedule).notes
    assert len(notes) == 1
    assert "settings of Falls hold a value of the type list_iterator" in notes[0]


def test_what_holds_no_lengths_is_not_noted() -> None:
    schedule = Falls([100])
    texts = np.array(["a"]), np.array([True]), tf.constant("b"), np.array([1j])
    schedule.held = [*texts, tf.float32, np.dtype("f4"), np.cos, tf.cos, PurePath("a")]
    assert not steps_of_rates(schedule).unread


@pytest.mark.parametrize(
    "rate", [None, "0.1", [0.1], np.str_("0.1"), np.array([0.1]), tf.constant([0.1]), 1j, True + 0j]
)
def test_what_is_no_learning_rate(rate: Any) -> None:
    with pytest.raises(InputError, match="the learning rate of the schedule Plain must be"):
        report_of(Plain(rate))


@pytest.mark.parametrize("rate", [1, np.array(0.25), Fraction(1, 4), np.float16(0.25), np.int8(1)])
def test_any_kind_of_number_is_a_learning_rate(rate: Any) -> None:
    found = rate_of(Plain(rate), tf.constant(0))
    assert found.dtype == tf.float64
    assert float(found) == float(rate)


def test_a_tensor_of_a_program_cannot_be_read() -> None:
    schedule, made = Falls([100]), []
    tf.function(lambda: made.append(tf.constant(640) + 1))()
    schedule.held = made
    assert steps_of_rates(schedule).unread == ["SymbolicTensor"]


class Plain(optimizers.Schedule):
    """Returns what it is given: a plain number, or a tensor of any dtype."""

    def __init__(self, rate: Any) -> None:
        super().__init__(0.1)
        self.rate = rate

    def __call__(self, step: tf.Tensor) -> Any:
        return self.rate


@reference.register(Plain)
@dataclass
class PlainReference(reference.Schedule):
    def __call__(self, step: int) -> Any:
        return reference.Bounded.exact(np.float64(0.1), reference.PRECISIONS["float64"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_plain_number_as_learning_rate_keeps_its_digits(dtype: str) -> None:
    network, optimizer = nn.Dense(3, 1, dtype=dtype), optimizers.SGD(Plain(0.1))
    report = tftrain.gradcheck(network, X, Y, optimizer=optimizer)
    assert report.ok, report.verdict


def test_learning_rates_are_float64() -> None:
    with pytest.raises(InputError, match="Plain computes learning rates in float32"):
        report_of(Plain(tf.constant(0.1)))


class WithoutRate(optimizers.Constant):
    pass


@reference.register(WithoutRate)
@dataclass
class WithoutRateReference(reference.Schedule):
    def factor(self, step: Any) -> float:
        return 1.0


def test_a_reference_without_a_learning_rate() -> None:
    with pytest.raises(InputError, match="reference WithoutRateReference has no learning_rate"):
        report_of(WithoutRate(0.1))


@pytest.mark.slow
def test_what_is_left_out_is_noted() -> None:
    notes = report_of(Falls(range(1000, 10_000, 3))).notes
    assert len(notes) == 1
    assert "at least 2,002 steps about which it may change something were not looked at" in notes[0]
    assert notes[0].startswith("The settings of Falls hold more numbers")


def test_updates_are_numbered_from_where_the_optimizer_stands() -> None:
    report = report_of(optimizers.Constant(0.1), made=500)
    assert report.ok
    assert "; updates checked: 501, 502, 503, " in report.verdict
