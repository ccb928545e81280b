import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from tftrain.errors import InputError
from tftrain.nn import ACTIVATIONS, Activation

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848  # Klambauer et al. (2017)


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, x / 100),
    "elu": elu,
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * elu(x)),
    "gelu": lambda x: x * special.ndtr(x),
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * special.expit(x),
    "tanh": lambda x: 2 * special.expit(2 * x) - 1,
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "relu6": lambda x: np.clip(x, 0, 6),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softmax": special.softmax,
}

POINTS = np.array(
    [-1e4, -100, -20, -5, -2.5, -1, -0.3, -1e-3, -1e-6, 0, 1e-6, 1e-3, 0.3, 1, 2.5, 5, 20, 100, 1e4]
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_against_its_formula_within_eight_ulps(name: str, dtype: str) -> None:
    x = POINTS.astype(dtype)
    y = Activation(name)(tf.constant(x)).numpy()
    tolerance = 8 * np.finfo(dtype).eps
    assert y.dtype == dtype
    np.testing.assert_allclose(
        y, FORMULAS[name](x.astype(np.float64)), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", ["leaky_relu", "gelu", "silu", "sigmoid", "softplus"])
def test_negative_tail_keeps_its_relative_precision(name: str) -> None:
    x = np.array([-30.0, -20.0, -8.0, -5.0])
    y = Activation(name)(tf.constant(x)).numpy()
    np.testing.assert_allclose(y, FORMULAS[name](x), rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_are_finite_everywhere(name: str) -> None:
    x = tf.constant(POINTS, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = Activation(name)(x)
    assert np.isfinite(tape.gradient(y, x)).all()


def test_has_no_variables_and_any_shape() -> None:
    layer = Activation("tanh")
    assert layer.variables == ()
    assert layer(tf.zeros([2, 3, 4])).shape == [2, 3, 4]


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="did you mean sigmoid"):
        Activation("sigmoit")
