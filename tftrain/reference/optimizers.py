"""Optimizers, schedules and clipping by hand. The references of `tftrain.optimizers`.

An optimizer is a pure function: from a gradient, a parameter and its slots to the new parameter and
the new slots. Sources of the equations are with the references of the same names.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from fractions import Fraction
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from tftrain.errors import InputError, number
from tftrain.reference.bounded import PRECISIONS, Bounded
from tftrain.reference.functions import allow, cos, power, where_zero
from tftrain.reference.layers import Array, Reference, reference_of, register

Slots = Mapping[str, Array]

Equations = tuple[list[str], list[str]]
"""Equations as they are printed, and the values of the letters in them."""


class Schedule(Reference):
    """A learning rate as a function of the step, counted from 0."""

    learning_rate: float

    def __call__(self, step: int) -> Bounded:
        """Return the learning rate of a step, in float64 with its bound.

        Raises:
            InputError: the schedule has no `learning_rate`.
        """
        if not hasattr(self, "learning_rate"):
            raise InputError(
                f"the reference {type(self).__name__} has no learning_rate: declare it as a field, "
                "`learning_rate: float`, or write a __call__ that needs none"
            )
        precision = PRECISIONS["float64"]
        factor = self.factor(Bounded.exact(float(step), precision))
        if not isinstance(factor, Bounded):
            factor = Bounded.exact(factor, precision)
        rate: Bounded = self.learning_rate * factor
        return rate

    def factor(self, step: Bounded) -> Array:
        """Return the factor on the learning rate. A plain number is taken as exact."""
        raise NotImplementedError


@register("tftrain.optimizers.schedules.Constant")
@dataclass
class Constant(Schedule):
    """The same learning rate at every step."""

    learning_rate: float

    def factor(self, step: Bounded) -> Bounded:
        return step * 0 + 1


@register("tftrain.optimizers.schedules.StepDecay")
@dataclass
class StepDecay(Schedule):
    """`decay ^ floor(step / every)`."""

    learning_rate: float
    every: float
    decay: float

    def factor(self, step: Bounded) -> Bounded:
        whole = Fraction(float(step.value)) // Fraction(self.every)
        return power(self.decay, Bounded.exact(float(whole), step.precision))


@register("tftrain.optimizers.schedules.Exponential")
@dataclass
class Exponential(StepDecay):
    """`decay ^ (step / every)`."""

    def factor(self, step: Bounded) -> Bounded:
        return power(self.decay, _share(step, self.every))


@register("tftrain.optimizers.schedules.Cosine")
@dataclass
class Cosine(Schedule):
    """`final + (1 - final) (1 + cos(pi min(step / steps, 1))) / 2`."""

    learning_rate: float
    steps: float
    final: float

    def factor(self, step: Bounded) -> Bounded:
        angle = math.pi * np.minimum(_share(step, self.steps), 1.0)
        return self.final + (1 - self.final) * (1 + cos(angle)) / 2


@register("tftrain.optimizers.schedules.Warmup")
@dataclass
class Warmup(Schedule):
    """`(s + 1) / (steps + 1)` for the first steps, then another schedule counted from there."""

    learning_rate: float
    steps: float
    schedule: Schedule

    @classmethod
    def of(cls, original: Any) -> "Warmup":
        return cls(original.learning_rate, original.steps, reference_of(original.schedule))

    def factor(self, step: Bounded) -> Bounded:
        if step.value < self.steps:
            return _share(step + 1, self.steps + 1)
        return self.schedule.factor(step - self.steps)


def _share(part: Bounded, whole: float) -> Array:
    """Return `part / whole`; compilers multiply by `1 / whole`, which costs a rounding more."""
    return allow(part / whole, 1)


def clip_by_value(gradients: Sequence[Array], limit: float) -> list[Array]:
    """Return the gradients with every element moved into `[-limit, limit]`."""
    return [np.clip(gradient, -limit, limit) for gradient in gradients]


def clip_by_global_norm(gradients: Sequence[Array], limit: float) -> list[Array]:
    """Return the gradients times `limit / max(norm, limit)`, all over what no element exceeds."""
    largest = (np.abs(gradient).max() for gradient in gradients if gradient.size)
    scale = functools.reduce(np.maximum, largest, limit)
    shares = [gradient / scale for gradient in gradients]
    factor = limit / np.maximum(global_norm(shares), limit / scale)
    return [share * factor for share in shares]


def global_norm(gradients: Sequence[Array]) -> Array:
    """Return the square root of the sum of squares over all elements of all gradients."""
    squares = [(gradient * gradient).sum() for gradient in gradients]
    return np.sqrt(sum(squares[1:], start=squares[0]))


@dataclass(kw_only=True)
class Optimizer(Reference):
    """What all optimizers share: the schedule, the factors on its rate, and the clipping.

    Attributes:
        schedule: a schedule, or a number for a constant rate; by default `usual_rate`.
        factors: by pattern of names, what multiplies the learning rate of those parameters.
        average: decay of the moving average of the parameters, if one is kept.
        slot_names: names of the slots that a parameter has.
        usual_rate: the learning rate where none is given.
    """

    schedule: Any = None
    clip_value: float | None = None
    clip_norm: float | None = None
    factors: Mapping[str, float] | None = None
    average: float | None = None
    slot_names: ClassVar[tuple[str, ...]] = ()
    usual_rate: ClassVar[float] = 0.001

    def __post_init__(self) -> None:
        if self.schedule is None:
            self.schedule = self.usual_rate
        if isinstance(self.schedule, Real):
            self.schedule = Constant(number("the learning rate", self.schedule, positive=True))

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep a class that changes the rule from inheriting equations that no longer hold."""
        super().__init_subclass__(**options)
        if "change" in vars(cls) and "equations" not in vars(cls):
            cls.equations = Optimizer.equations  # type: ignore[method-assign]

    @classmethod
    def of(cls, original: Any) -> Self:
        mirrored = super().of(original)
        mirrored.schedule = reference_of(original.schedule)
        return mirrored

    def first_slots(self, parameter: Array) -> Slots:
        """Return the slots of a parameter before the first update: zeros."""
        return {name: np.zeros_like(parameter) for name in self.slot_names}

    def start(self, parameter: Array) -> Slots:
        """Return all that is kept of a parameter before the first update: slots and average."""
        average = {} if self.average is None else {"average": np.zeros_like(parameter)}
        return {**self.first_slots(parameter), **average}

    def clipped(self, gradients: Sequence[Array]) -> list[Array]:
        """Return the gradients as the update takes them: clipped by value, then by norm."""
        if self.clip_value is not None:
            gradients = clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            gradients = clip_by_global_norm(gradients, self.clip_norm)
        return list(gradients)

    def factor(self, name: str) -> float:
        """Return the factor on a parameter's learning rate: of the first pattern that matches."""
        for pattern, factor in (self.factors or {}).items():
            if fnmatchcase(name, pattern):
                return factor
        return 1.0

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        """Return what is added to a parameter, and its new slots.

        Args:
            gradient: after clipping.
            parameter: before the update.
            slots: before the update, by name.
            rate: the learning rate of this parameter.
            step: number of this update, counted from 1.
        """
        raise NotImplementedError

    def decaying(self, parameter: Array) -> Array:
        """Return a parameter where it decays, as weights do (matrices and more), or else zeros."""
        return parameter if parameter.ndim >= 2 else np.zeros_like(parameter)

    def equations(self) -> Equations:
        """Return the equations of `change`, and the values of their letters at the first update.

        The letters are `g` for the gradient, `w` for the parameter, `e` for the learning rate and
        `k` for the step; what is new has a prime. By default only what goes in and what comes out.
        """
        slots = list(self.first_slots(np.zeros(1)))
        arguments = ", ".join(["g", "w", *slots, "e", "k"])
        results = ", ".join(["w' - w", *(f"{slot}'" for slot in slots)])
        shared = {field.name for field in fields(Optimizer)}
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in shared}
        numbers = [f"{name} = {value:g}" for name, value in own.items() if isinstance(value, Real)]
        zeros = [" = ".join([*slots, "0"])] if slots else []
        return [f"{results} = change({arguments})"], [*numbers, "k = 1", *zeros]

    def apply(
        self,
        gradients: Sequence[Array],
        parameters: Sequence[Array],
        slots: Sequence[Slots],
        step: int,
        names: Sequence[str],
    ) -> tuple[list[Array], list[Slots]]:
        """Return the new parameters and slots after update number `step + 1`.

        Args:
            gradients: before clipping.
            parameters: before the update.
            slots: of each parameter, before the update.
            step: number of updates made before.
            names: of the parameters, such as `layers.0.weight`.
        """
        gradients = self.clipped(gradients)
        rate = self.schedule(step)
        factors = map(self.factor, names)
        rates = [rate if factor == 1 else factor * rate for factor in factors]
        changes = [
            self.change(g, p, own, _rate_for(p, e), step + 1)
            for g, p, own, e in zip(gradients, parameters, slots, rates, strict=True)
        ]
        after = [p + change for p, (change, _) in zip(parameters, changes, strict=True)]
        new = [own for _, own in changes]
        if self.average is not None:
            kept = [self.average * own["average"] for own in slots]
            pairs = zip(kept, after, strict=True)
            averages = [old + (1 - self.average) * w for old, w in pairs]
            new = [{**own, "average": m} for own, m in zip(new, averages, strict=True)]
        return after, new


def _rate_for(parameter: Array, rate: Bounded) -> Array:
    """Return the learning rate in the dtype of a parameter."""
    if isinstance(parameter, Bounded):
        return rate.cast(parameter.precision)
    return parameter.dtype.type(rate.value)


@register("tftrain.optimizers.sgd.SGD")
@dataclass(kw_only=True)
class SGD(Optimizer):
    """`v' = a v - e g`, `w' = w + v'`; Nesterov: `w' = w + a v' - e g`."""

    momentum: float = 0.0
    nesterov: bool = False
    slot_names = ("velocity",)
    usual_rate = 0.01

    def first_slots(self, parameter: Array) -> Slots:
        return super().first_slots(parameter) if self.momentum else {}

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        descent = -rate * gradient
        if not self.momentum:
            return descent, {}
        velocity = self.momentum * slots["velocity"] + descent
        if self.nesterov:
            return self.momentum * velocity + descent, {"velocity": velocity}
        return velocity, {"velocity": velocity}

    def equations(self) -> Equations:
        if not self.momentum:
            return ["w' = w - e g"], []
        new = "w' = w + a v' - e g" if self.nesterov else "w' = w + v'"
        return ["v' = a v - e g", new], [f"a = {self.momentum:g} (the momentum)", "v = 0"]


@register("tftrain.optimizers.adagrad.Adagrad")
@dataclass(kw_only=True)
class Adagrad(Optimizer):
    """`s' = s + g^2`, `w' = w - e g / (sqrt(s') + epsilon)`."""

    epsilon: float = 1e-10
    slot_names = ("sum_of_squares",)
    usual_rate = 0.01

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        total = slots["sum_of_squares"] + gradient * gradient
        return _scaled(-rate * gradient, total, self.epsilon), {"sum_of_squares": total}

    def equations(self) -> Equations:
        return ["s' = s + g^2", "w' = w - e g / (sqrt(s') + c)"], [f"c = {self.epsilon:g}", "s = 0"]


@register("tftrain.optimizers.rmsprop.RMSprop")
@dataclass(kw_only=True)
class RMSprop(Optimizer):
    """`s' = rho s + (1 - rho) g^2`, `w' = w - e g / (sqrt(s') + epsilon)`."""

    rho: float = 0.9
    epsilon: float = 1e-8
    slot_names = ("mean_square",)

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        square = self.rho * slots["mean_square"] + (1 - self.rho) * (gradient * gradient)
        return _scaled(-rate * gradient, square, self.epsilon), {"mean_square": square}

    def equations(self) -> Equations:
        equations = ["s' = r s + (1 - r) g^2", "w' = w - e g / (sqrt(s') + c)"]
        return equations, [f"r = {self.rho:g}", f"c = {self.epsilon:g}", "s = 0"]


@register("tftrain.optimizers.adam.Adam")
@dataclass(kw_only=True)
class Adam(Optimizer):
    """Means of gradients and of their squares, both corrected for their start at zero.

    m' = b1 m + (1 - b1) g
    v' = b2 v + (1 - b2) g^2
    w' = w - e (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + epsilon)
       = w - (e c / (1 - b1^t)) m' / (sqrt(v') + epsilon c)    with c = sqrt(1 - b2^t)
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    slot_names = ("mean", "mean_square")

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        mean = self.beta_1 * slots["mean"] + (1 - self.beta_1) * gradient
        square = self.beta_2 * slots["mean_square"] + (1 - self.beta_2) * (gradient * gradient)
        c = np.sqrt(_one_minus_power(self.beta_2, step))
        rate = rate * _rate_for(parameter, c / _one_minus_power(self.beta_1, step))
        change = _scaled(-rate * mean, square, _rate_for(parameter, self.epsilon * c))
        return change, {"mean": mean, "mean_square": square}

    def equations(self) -> Equations:
        equations = [
            "m' = b1 m + (1 - b1) g",
            "v' = b2 v + (1 - b2) g^2",
            "w' = w - e (m' / (1 - b1^k)) / (sqrt(v' / (1 - b2^k)) + c)",
        ]
        betas = [f"b1 = {self.beta_1:g}", f"b2 = {self.beta_2:g}"]
        return equations, [*betas, f"c = {self.epsilon:g}", "k = 1", "m = v = 0"]


def _scaled(descent: Array, square: Array, epsilon: float | Array) -> Array:
    """Return `descent / (sqrt(square) + epsilon)`.

    Without epsilon, compilers may multiply by a reciprocal square root: two roundings more.
    """
    return allow(descent / (np.sqrt(square) + epsilon), 2)


def _one_minus_power(beta: float, step: int) -> Array:
    """Return `1 - beta^t`, computed in float64."""
    return 1 - power(beta, Bounded.exact(float(step), PRECISIONS["float64"]))


@register("tftrain.optimizers.adam.AdamW")
@dataclass(kw_only=True)
class AdamW(Adam):
    """Adam, and `e * weight_decay * w` off every weight."""

    weight_decay: float = 0.01

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        change, new = super().change(gradient, parameter, slots, rate, step)
        return change - rate * self.weight_decay * self.decaying(parameter), new

    def equations(self) -> Equations:
        (*moments, last), settings = super().equations()
        return [*moments, f"{last} - e d w"], [*settings, _decay(self.weight_decay)]


@register("tftrain.optimizers.nadam.Nadam")
@dataclass(kw_only=True)
class Nadam(Adam):
    """Adam, with the mean as it will be at the next step, by the gradient of this one.

    n = b1 m' / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t)
    w' = w - e n / (sqrt(v' / (1 - b2^t)) + epsilon)
    """

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        _, new = super().change(gradient, parameter, slots, rate, step)
        c = np.sqrt(_one_minus_power(self.beta_2, step))
        due = c * self.beta_1 / _one_minus_power(self.beta_1, step + 1)
        now = c * (1 - self.beta_1) / _one_minus_power(self.beta_1, step)
        mean = _rate_for(parameter, due) * new["mean"] + _rate_for(parameter, now) * gradient
        epsilon = _rate_for(parameter, self.epsilon * c)
        return _scaled(-rate * mean, new["mean_square"], epsilon), new

    def equations(self) -> Equations:
        (*moments, _), settings = super().equations()
        mean = "n = b1 m' / (1 - b1^(k+1)) + (1 - b1) g / (1 - b1^k)"
        return [*moments, mean, "w' = w - e n / (sqrt(v' / (1 - b2^k)) + c)"], settings


@register("tftrain.optimizers.lamb.Lamb")
@dataclass(kw_only=True)
class Lamb(Adam):
    """`w' = w - e |w| / |r| r`, where `-r` is AdamW's change at a learning rate of 1."""

    epsilon: float = 1e-6
    weight_decay: float = 0.01

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        change, new = super().change(gradient, parameter, slots, 1.0, step)
        direction = self.weight_decay * self.decaying(parameter) - change
        return -rate * _trust(_norm(parameter), _norm(direction)) * direction, new

    def equations(self) -> Equations:
        (*moments, _), settings = super().equations()
        direction = "r = (m' / (1 - b1^k)) / (sqrt(v' / (1 - b2^k)) + c) + d w"
        last = "w' = w - e |w| / |r| r, where |w| / |r| is 1 if either norm is 0"
        return [*moments, direction, last], [*settings, _decay(self.weight_decay)]


def _norm(values: Array) -> Array:
    """Return the square root of the sum of squares, all over the largest element."""
    largest = np.abs(values).max(initial=0.0)
    scale = where_zero(largest, 1.0, largest)
    return scale * global_norm([values / scale])


def _trust(size: Array, length: Array) -> Array:
    """Return `size / length`, but 1 where either is 0."""
    ratio = size / where_zero(length, 1.0, length)
    return where_zero(length, 1.0, where_zero(size, 1.0, ratio))


@register("tftrain.optimizers.lion.Lion")
@dataclass(kw_only=True)
class Lion(Optimizer):
    """`w' = w - e (sign(b1 m + (1 - b1) g) + weight_decay w)`, `m' = b2 m + (1 - b2) g`."""

    weight_decay: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.99
    slot_names = ("mean",)
    usual_rate = 0.0001

    def change(
        self, gradient: Array, parameter: Array, slots: Slots, rate: Array, step: int
    ) -> tuple[Array, Slots]:
        ahead = self.beta_1 * slots["mean"] + (1 - self.beta_1) * gradient
        direction = where_zero(ahead, 0.0, np.sign(ahead))
        change = -rate * (direction + self.weight_decay * self.decaying(parameter))
        return change, {"mean": self.beta_2 * slots["mean"] + (1 - self.beta_2) * gradient}

    def equations(self) -> Equations:
        return (
            ["w' = w - e (sign(b1 m + (1 - b1) g) + d w)", "m' = b2 m + (1 - b2) g"],
            [
                f"b1 = {self.beta_1:g}",
                f"b2 = {self.beta_2:g}",
                "m = 0",
                _decay(self.weight_decay),
            ],
        )


def _decay(weight_decay: float) -> str:
    return f"d = {weight_decay:g} (0 for biases and norms)"


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": Nadam,
    "lamb": Lamb,
    "lion": Lion,
}
"""By the names that `tftrain.fit` takes."""
