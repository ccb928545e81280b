"""What all optimizers share: learning rate, factors, clipping, averages, step counter and slots."""

import inspect
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypedDict, Unpack

import tensorflow as tf

from tftrain.errors import InputError, number, unknown
from tftrain.optimizers.clipping import clip_by_global_norm, clip_by_value
from tftrain.optimizers.factors import checked, resolved
from tftrain.optimizers.schedules import Constant, Schedule, rate_of

Tensor: TypeAlias = tf.Tensor
Slots: TypeAlias = dict[str, Tensor]
Change: TypeAlias = tuple[Tensor, Slots]
"""What is added to a parameter, and its new slots."""


class Shared(TypedDict, total=False):
    """The settings that every optimizer has."""

    clip_value: float | None
    clip_norm: float | None
    factors: Mapping[str, float] | None
    average: float | None


AVERAGE = "average"
"""Name of the slot that holds the moving average of a parameter."""


class Optimizer(tf.Module):
    """Turns gradients into new parameters.

    A subclass names its slots (running state of the same shape as a parameter, starting at zero)
    in `slot_names` and says in `update` what one step changes: a pure function, so that it can be
    read beside its equation and compared with another derivation of it.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        shared: `clip_value`, limit on the absolute value of each gradient element, applied
            first; `clip_norm`, limit on the global norm of all gradients together; `factors`, by
            pattern of parameter names such as `layers.0.*` or `*.bias`, what multiplies their
            learning rate: of several patterns that match, the first counts, and where none does
            the factor is 1. So it multiplies all that the learning rate does, weight decay
            included; 0 freezes a parameter. Clipping sees all gradients, before any factor.
            `average`, decay `d` of an exponential moving average of the parameters, with which
            `fit` validates and ends: `m' = d m + (1 - d) w'` after each step, and
            `m' / (1 - d^t)` is the average after `t` steps. Source: Kingma and Ba (2015), section
            7.2. Below 1; often 0.99 to 0.9999.

    Attributes:
        step: int64 variable, the number of updates made.
        slots: for each parameter the variables of its slots by name, after `build`.

    Raises:
        InputError: there is no such setting, or its value is out of range.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate: float | Schedule,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__()
        self.schedule = (
            learning_rate if isinstance(learning_rate, Schedule) else Constant(learning_rate)
        )
        for name in shared:
            if name not in Shared.__annotations__:
                raise unknown(f"setting of {type(self).__name__}", name, self._settings())
        self.clip_value = _limit("clip_value", shared.get("clip_value"))
        self.clip_norm = _limit("clip_norm", shared.get("clip_norm"))
        self.factors = checked(shared.get("factors"))
        average = shared.get("average")
        self.average = None if average is None else number(AVERAGE, average, positive=True, below=1)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.slots: list[dict[str, tf.Variable]] = []
        self._built_for: frozenset[tuple[int, object]] = frozenset()
        self._factors: Sequence[float] = ()

    @classmethod
    def _settings(cls) -> list[str]:
        """Return the names of all settings: those of the class itself, and the shared ones."""
        _, *own = inspect.signature(cls.__init__).parameters.values()
        named = [setting.name for setting in own if setting.kind != setting.VAR_KEYWORD]
        return [*named, *Shared.__annotations__]

    def build(self, parameters: Sequence[tf.Variable], names: Sequence[str] | None = None) -> None:
        """Create the slots for `parameters`. Called once; `apply` does it where you do not.

        Args:
            parameters: the variables that are updated.
            names: one for each, as `nn.parameter_names` returns them; only `factors` needs them.

        Raises:
            InputError: the optimizer was built for other parameters before, or a pattern of
                `factors` decides about none of these.
        """
        wanted = frozenset((i, parameter.ref()) for i, parameter in enumerate(parameters))
        if wanted == self._built_for:
            return
        if self._built_for:
            raise InputError(
                "this optimizer holds the slots of another network: make a new one for each network"
            )
        self._factors = resolved(self.factors, parameters, names)
        self._built_for = wanted
        slot_names = [*self.slot_names, *([AVERAGE] if self.average else [])]
        for parameter in parameters:  # appended, so that a checkpoint restored earlier fills them
            self.slots.append(
                {
                    slot: tf.Variable(tf.zeros_like(parameter), trainable=False, name=slot)
                    for slot in slot_names
                }
            )

    def apply(self, gradients: Sequence[tf.Tensor], parameters: Sequence[tf.Variable]) -> None:
        """Update `parameters` in place by one step along `gradients` (same order and shapes)."""
        self.build(parameters)
        if self.clip_value is not None:
            gradients = clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            gradients = clip_by_global_norm(gradients, self.clip_norm)
        rate = rate_of(self.schedule, self.step)
        self.step.assign_add(1)
        for gradient, parameter, slots, factor in zip(
            gradients, parameters, self.slots, self._factors, strict=True
        ):
            change, new_slots = self.update(
                gradient,
                parameter.read_value(),
                {name: slots[name].read_value() for name in self.slot_names},
                tf.cast(rate if factor == 1 else factor * rate, parameter.dtype),
                tf.cast(self.step, tf.float64),
            )
            parameter.assign_add(change)
            for name, value in new_slots.items():
                slots[name].assign(value)
            if self.average:
                slots[AVERAGE].assign(
                    self.average * slots[AVERAGE] + (1 - self.average) * parameter
                )

    def averages(self) -> list[Tensor]:
        """Return the average of each parameter over the steps made, at least one."""
        assert self.average is not None
        seen = one_minus_power(self.average, tf.cast(self.step, tf.float64))
        return [slots[AVERAGE] / tf.cast(seen, slots[AVERAGE].dtype) for slots in self.slots]

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        """Return the change of one parameter and its new slots.

        Args:
            gradient: gradient of the loss, after clipping; shape and dtype of `parameter`.
            parameter: value before the update.
            slots: slot values before the update, by name.
            learning_rate: scalar of the parameter's dtype, its factor included.
            step: number of this update, counted from 1, as a float64 scalar.
        """
        raise NotImplementedError

    def decaying(self, parameter: Tensor) -> Tensor:
        """Return what weight decay acts on: weights (rank 2 or more), but zeros for the rest.

        A bias, or the gain of a norm, says where a unit lies and not how steep it is: decay would
        move it without making the network smoother. A subclass may choose otherwise.
        """
        return parameter if parameter.shape.rank >= 2 else tf.zeros_like(parameter)


def _limit(name: str, value: float | None) -> float | None:
    return None if value is None else number(name, value, positive=True)


def one_minus_power(beta: float, step: Tensor) -> Tensor:
    """Return `1 - beta ** step` in float64: in float32 the difference would lose digits."""
    return 1 - tf.pow(tf.constant(beta, tf.float64), step)
