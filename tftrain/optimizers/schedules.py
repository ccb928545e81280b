"""Learning-rate schedules: the learning rate as a function of the step, counted from 0."""

import math
from contextlib import suppress
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.errors import InputError, number, of_type


class Schedule:
    """A learning rate that may change from step to step.

    Args:
        learning_rate: the rate that the schedule starts from, positive.
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = number("the learning rate", learning_rate, positive=True)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Return the learning rate of step `step` (any integer dtype) as a float64 scalar."""
        return self.learning_rate * self.factor(tf.cast(step, tf.float64))

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        """Return the factor on the learning rate at `step`, a float64 scalar."""
        raise NotImplementedError


def rate_of(schedule: Schedule, step: tf.Tensor) -> tf.Tensor:
    """Return the learning rate of a step as a tensor.

    A schedule of one's own may return a plain number, which `tf.cast` would round to float32.

    Raises:
        InputError: it returns anything but one number.
    """
    rate = schedule(step)
    if not tf.is_tensor(rate):
        with suppress(Exception):  # a user's object may raise anything
            rate = tf.constant(_number(rate))
    kind = rate.dtype.name + " tensor" if tf.is_tensor(rate) else type(rate).__name__
    about = f"the learning rate of the schedule {type(schedule).__name__}"
    if not tf.is_tensor(rate) or not (rate.dtype.is_floating or rate.dtype.is_integer):
        raise InputError(f"{about} must be a number, got a {kind}")
    if rate.shape.rank not in (0, None):
        raise InputError(f"{about} must be one number, got shape {tuple(rate.shape)}")
    return rate if rate.dtype.is_floating else tf.cast(rate, tf.float64)


def _number(rate: Any) -> Any:
    """Return a plain number as float64, an array of NumPy's as it is."""
    if isinstance(rate, (Real, Decimal)):
        return np.float64(rate)
    return rate if isinstance(rate, (np.generic, np.ndarray)) else None


class Constant(Schedule):
    """The same learning rate at every step."""

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        return tf.ones_like(step)


class StepDecay(Schedule):
    """`learning_rate * decay ** floor(step / every)`: constant, then suddenly smaller.

    Args:
        learning_rate: rate of the first `every` steps.
        every: number of steps between two changes, positive.
        decay: factor of each change, positive.
    """

    def __init__(self, learning_rate: float, every: float, decay: float = 0.5) -> None:
        super().__init__(learning_rate)
        self.every = number("schedule: every", every, positive=True)
        self.decay = number("schedule: decay", decay, positive=True)

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        return tf.pow(tf.constant(self.decay, tf.float64), self.periods(step))

    def periods(self, step: tf.Tensor) -> tf.Tensor:
        """Return how many changes have happened: the largest `k` with `k * every <= step`.

        The quotient is rounded (compilers multiply by `1 / every`), so its floor may be off by one.
        It is put right by exact arithmetic: `every` is the sum of two numbers of few digits, whose
        products with `k` need no rounding (Dekker 1971, "A floating-point technique for extending
        the available precision").
        """
        high, low = _halves(self.every)

        def too_many(k: tf.Tensor) -> tf.Tensor:
            return (k * high - step) + k * low > 0

        k = tf.floor(step / self.every)
        k = tf.where(too_many(k), k - 1, k)
        return tf.where(too_many(k + 1), k, k + 1)


def _halves(value: float) -> tuple[float, float]:
    """Return two numbers of at most 27 binary digits that sum to `value`."""
    mantissa, exponent = math.frexp(value)
    high = math.ldexp(math.floor(math.ldexp(mantissa, 26)), exponent - 26)
    return high, value - high


class Exponential(StepDecay):
    """`learning_rate * decay ** (step / every)`: a little smaller at every step."""

    def periods(self, step: tf.Tensor) -> tf.Tensor:
        return step / self.every


class Cosine(Schedule):
    """Half a cosine from `learning_rate` down to `final * learning_rate`, constant after that.

    The factor is `final + (1 - final) * (1 + cos(pi * min(step / steps, 1))) / 2`.
    Source: Loshchilov and Hutter (2017), "SGDR", equation 5, without restarts.

    Args:
        learning_rate: rate at step 0.
        steps: number of steps to the final rate, positive.
        final: the final rate as a fraction of the first, 0 to 1.
    """

    def __init__(self, learning_rate: float, steps: float, final: float = 0.0) -> None:
        super().__init__(learning_rate)
        self.steps = number("schedule: steps", steps, positive=True)
        self.final = number("cosine: final", final)
        if self.final > 1:
            raise InputError(f"cosine: final must be at most 1, got {final}")

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        elapsed = tf.minimum(step / self.steps, 1.0)
        return self.final + (1 - self.final) * (1 + tf.cos(math.pi * elapsed)) / 2


class Warmup(Schedule):
    """A linear rise over the first `steps` steps, then `schedule` counted from there.

    The factor at step `s < steps` is `(s + 1) / (steps + 1)`, so no step is lost on a rate of
    zero and the first step after the rise is the first of `schedule`.

    Args:
        schedule: the schedule that follows.
        steps: length of the rise, zero or more.
    """

    def __init__(self, schedule: Schedule, steps: float) -> None:
        of_type("warm-up: schedule", schedule, Schedule, "a Schedule such as Constant(0.01)")
        super().__init__(schedule.learning_rate)
        self.schedule = schedule
        self.steps = number("warm-up: steps", steps)

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        rise = (step + 1) / (self.steps + 1)
        after = self.schedule.factor(tf.maximum(step - self.steps, 0.0))
        return tf.where(step < self.steps, rise, after)
