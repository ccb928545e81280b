"""Initial weights, drawn in NumPy as a pure function of the seed.

For a weight of shape `(fan_in, fan_out)` the variance is

| name   | variance                  | source                                             |
|--------|---------------------------|----------------------------------------------------|
| glorot | 2 / (fan_in + fan_out)    | Glorot and Bengio (2010), equation 16              |
| he     | 2 / fan_in                | He, Zhang, Ren and Sun (2015), equation 10         |
| lecun  | 1 / fan_in                | LeCun, Bottou, Orr and Mueller (1998), section 4.6 |

and the uniform distribution with variance `v` reaches from `-sqrt(3 v)` to `sqrt(3 v)`.
"""

import math
from collections.abc import Callable

import numpy as np

from tftrain.errors import entry
from tftrain.nn.activation import ACTIVATIONS

Shape = tuple[int, ...]
Initializer = Callable[[np.random.Generator, Shape], np.ndarray]


def zeros() -> Initializer:
    """All zeros."""
    return lambda rng, shape: np.zeros(shape)


def uniform(range: float = 0.05) -> Initializer:
    """Uniform between `-range` and `range`."""
    return lambda rng, shape: rng.uniform(-range, range, shape)


def normal(stddev: float = 0.05) -> Initializer:
    """Normal with mean zero and standard deviation `stddev`."""
    return lambda rng, shape: stddev * rng.standard_normal(shape)


def _scaled(
    variance: Callable[[int, int], float], draw: Callable[[float], Initializer]
) -> Callable[[], Initializer]:
    """Return an initializer whose spread depends on the fans of the shape."""

    def initializer() -> Initializer:
        return lambda rng, shape: draw(variance(shape[0], shape[-1]))(rng, shape)

    return initializer


def _uniform_with(variance: float) -> Initializer:
    return uniform(math.sqrt(3 * variance))


def _normal_with(variance: float) -> Initializer:
    return normal(math.sqrt(variance))


def _glorot(fan_in: int, fan_out: int) -> float:
    return 2 / (fan_in + fan_out)


def _he(fan_in: int, fan_out: int) -> float:
    return 2 / fan_in


def _lecun(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in


INITIALIZERS: dict[str, Callable[..., Initializer]] = {
    "zeros": zeros,
    "uniform": uniform,
    "normal": normal,
    "glorot_uniform": _scaled(_glorot, _uniform_with),
    "glorot_normal": _scaled(_glorot, _normal_with),
    "he_uniform": _scaled(_he, _uniform_with),
    "he_normal": _scaled(_he, _normal_with),
    "lecun_uniform": _scaled(_lecun, _uniform_with),
    "lecun_normal": _scaled(_lecun, _normal_with),
}


def get(initializer: str | Initializer) -> Initializer:
    """Return `initializer` itself, or the initializer of that name."""
    if callable(initializer):
        return initializer
    return entry("initializer", initializer, INITIALIZERS)()


def suited_to(activation: str) -> str:
    """Return the name of the initializer that the literature pairs with an activation."""
    return (
        "he_uniform"
        if activation == "prelu"
        else entry("activation", activation, ACTIVATIONS).initializer
    )
