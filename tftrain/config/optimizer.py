"""Config of the optimizer and of its learning-rate schedule."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from tftrain.config.base import BY_KIND, BelowOne, Fraction, NonNegative, Positive, Section, Short
from tftrain.config.custom import Custom


class ScheduleSection(Section):
    """What all schedules have."""

    warmup: NonNegative = 0.0
    """Epochs of a linear rise in front of the schedule."""


class ConstantSchedule(ScheduleSection):
    """The same learning rate throughout."""

    kind: Literal["constant"]


class DecaySchedule(ScheduleSection):
    """Times `decay` every `every` epochs, suddenly (step) or a little each step (exponential)."""

    kind: Literal["step", "exponential"]
    every: Positive = 10.0
    """Epochs for one decay."""
    decay: Positive = 0.5
    """Factor on the learning rate."""


class CosineSchedule(ScheduleSection):
    """Half a cosine down to `final` times the learning rate."""

    kind: Literal["cosine"]
    epochs: Positive | None = None
    """Length of the descent; by default all of training after the warm-up."""
    final: Fraction = 0.0
    """Last learning rate as a fraction of the first."""


ScheduleConfig = Annotated[
    ConstantSchedule | DecaySchedule | CosineSchedule, BY_KIND, Short("constant")
]


class OptimizerSection(Section):
    """What all optimizers have."""

    schedule: ScheduleConfig = ConstantSchedule(kind="constant")
    """How the learning rate changes over training."""
    clip_value: Positive | None = None
    """Limit on the absolute value of each gradient element."""
    clip_norm: Positive | None = None
    """Limit on the global norm of the gradient."""
    factors: dict[str, NonNegative] | None = None
    """Factors on the learning rate by pattern of parameter names, such as `"layers.0.*": 0.1` or
    `"*.bias": 2`. The first pattern that matches counts, 0 freezes."""


class SgdConfig(OptimizerSection):
    """Gradient descent; with momentum the form of the 1986 paper."""

    kind: Literal["sgd"]
    learning_rate: Positive = 0.01
    momentum: BelowOne = 0.0
    """Part of the last change that is added to the next one."""
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class AdagradConfig(OptimizerSection):
    """Adagrad."""

    kind: Literal["adagrad"]
    learning_rate: Positive = 0.01
    epsilon: Positive = 1e-10


class RmspropConfig(OptimizerSection):
    """RMSprop."""

    kind: Literal["rmsprop"]
    learning_rate: Positive = 0.001
    rho: BelowOne = 0.9
    epsilon: Positive = 1e-8


class AdamSection(OptimizerSection):
    """What Adam and its variants have."""

    learning_rate: Positive = 0.001
    beta_1: BelowOne = 0.9
    beta_2: BelowOne = 0.999
    epsilon: Positive = 1e-8


class AdamConfig(AdamSection):
    """Adam."""

    kind: Literal["adam"]


class AdamwConfig(AdamSection):
    """Adam with decoupled weight decay."""

    kind: Literal["adamw"]
    weight_decay: NonNegative = 0.01
    """Fraction of a weight, but not of a bias, that is lost per unit of learning rate."""


class NadamConfig(AdamSection):
    """Adam with Nesterov momentum."""

    kind: Literal["nadam"]


class LambConfig(AdamSection):
    """Adam for large batches: each parameter moves by a fraction of its own norm."""

    kind: Literal["lamb"]
    epsilon: Positive = 1e-6
    weight_decay: NonNegative = 0.01
    """Fraction of a weight, but not of a bias, that is added to the direction of the step."""


class LionConfig(OptimizerSection):
    """Every element moves by the learning rate, up or down: take a tenth of what Adam takes."""

    kind: Literal["lion"]
    learning_rate: Positive = 0.0001
    beta_1: BelowOne = 0.9
    beta_2: BelowOne = 0.99
    weight_decay: NonNegative = 0.1
    """Fraction of a weight, but not of a bias, that is lost per unit of learning rate."""


class CustomOptimizer(Custom):
    """An optimizer of one's own: `build(learning_rate)` returns a `tftrain.optimizers.Optimizer`.

    The learning rate is a schedule, of steps.
    """

    kind: Literal["custom"]
    learning_rate: Positive = 0.001
    schedule: ScheduleConfig = ConstantSchedule(kind="constant")
    """How the learning rate changes over training."""


OptimizerConfig = Annotated[
    SgdConfig
    | AdagradConfig
    | RmspropConfig
    | AdamConfig
    | AdamwConfig
    | NadamConfig
    | LambConfig
    | LionConfig
    | CustomOptimizer,
    BY_KIND,
    Short("adam"),
]
