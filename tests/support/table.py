"""Every layer, loss and optimizer, one row each: the checks in tests/conformance run over all rows.

Names are written out, not taken from the registries, so that `test_table_is_complete.py` fails
when something is added without a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tftrain import losses, nn, optimizers

DTYPES = ("float32", "float64")
WIDTH = 3


def inputs(dtype: str, rows: int = 6) -> tf.Tensor:
    """Return inputs that keep away from zero, where some activations have a kink."""
    rng = np.random.default_rng(7)
    values = rng.uniform(0.1, 2, (rows, WIDTH)) * rng.choice([-1, 1], (rows, WIDTH))
    return tf.constant(values, dtype)


def codes(dtype: str, rows: int = 6) -> tf.Tensor:
    """Return codes of `WIDTH` categories; the last does not occur."""
    return tf.constant(np.arange(rows) % (WIDTH - 1), tf.int32)


def several(dtype: str, rows: int = 6) -> tuple[tf.Tensor, tf.Tensor]:
    """Return numbers and codes."""
    return inputs(dtype, rows), codes(dtype, rows)


@dataclass(frozen=True)
class Row:
    """A layer, a loss or an optimizer.

    Attributes:
        name: what tests call it.
        make: `make(dtype)` is a layer, `make()` a loss or an optimizer.
        initializer: the one that it shows.
        inputs: `inputs(dtype, rows)` is what the layer takes: `WIDTH` numbers, unless it must be
            the first layer of a network.
    """

    name: str
    make: Callable[..., Any]
    initializer: str | None = None
    inputs: Callable[..., Any] = inputs


def _dense(label: str, **settings: Any) -> Row:
    return Row(
        f"dense-{label}",
        lambda dtype: nn.Dense(WIDTH, 2, dtype=dtype, seed=3, **settings),
        settings.get("initializer"),
    )


def _activation(name: str) -> Row:
    return Row(name, lambda dtype: nn.Activation(name))


def _mlp(label: str, hidden: list[int], **settings: Any) -> Row:
    return Row(
        f"mlp-{label}",
        lambda dtype: nn.MLP(WIDTH, hidden, 2, dtype=dtype, seed=4, **settings),
    )


def _sequential(dtype: str) -> nn.Sequential:
    return nn.Sequential(
        [
            nn.Dense(WIDTH, 4, dtype=dtype, seed=1),
            nn.Activation("tanh"),
            nn.Dense(4, 2, dtype=dtype, seed=2),
        ]
    )


def _residual(dtype: str) -> nn.Residual:
    return nn.Residual(
        nn.LayerNorm(WIDTH, dtype=dtype),
        nn.Dense(WIDTH, WIDTH, dtype=dtype, seed=5),
        nn.Activation("tanh"),
        nn.Dropout(0.5),
    )


def _fork(dtype: str) -> nn.Fork:
    branches: list[Any] = [[], nn.Dense(WIDTH, 2, dtype=dtype, seed=6), _residual(dtype)]
    return nn.Fork(branches, nn.Concat())


def _parallel(dtype: str) -> nn.Parallel:
    branches: list[Any] = [[], nn.Embedding(WIDTH, 2, dtype=dtype, seed=7)]
    return nn.Parallel(branches, nn.Concat())


def _mlp_of_codes(dtype: str) -> nn.MLP:
    return nn.MLP(WIDTH, [4], 2, embeddings=[(WIDTH, 2)], dtype=dtype, seed=8)


LAYERS = [
    _dense("default"),
    _dense("no-bias", use_bias=False),
    _dense("random-bias", bias_initializer="normal"),
    _dense("zeros", initializer="zeros"),
    _dense("uniform", initializer="uniform"),
    _dense("normal", initializer="normal"),
    _dense("glorot-uniform", initializer="glorot_uniform"),
    _dense("glorot-normal", initializer="glorot_normal"),
    _dense("he-uniform", initializer="he_uniform"),
    _dense("he-normal", initializer="he_normal"),
    _dense("lecun-uniform", initializer="lecun_uniform"),
    _dense("lecun-normal", initializer="lecun_normal"),
    _activation("identity"),
    _activation("relu"),
    _activation("leaky_relu"),
    _activation("elu"),
    _activation("selu"),
    _activation("gelu"),
    _activation("gelu_tanh"),
    _activation("silu"),
    _activation("tanh"),
    _activation("sigmoid"),
    _activation("softplus"),
    _activation("relu6"),
    _activation("mish"),
    _activation("hard_sigmoid"),
    _activation("softsign"),
    _activation("softmax"),
    Row("prelu", lambda dtype: nn.PReLU(WIDTH, dtype=dtype)),
    Row("dropout", lambda dtype: nn.Dropout(0.4)),
    Row("layer-norm", lambda dtype: nn.LayerNorm(WIDTH, dtype=dtype)),
    Row("batch-norm", lambda dtype: nn.BatchNorm(WIDTH, dtype=dtype)),
    Row("residual", _residual),
    Row("fork", _fork),
    Row(
        "embedding",
        lambda dtype: nn.Embedding(WIDTH, 2, initializer="normal", dtype=dtype, seed=7),
        inputs=codes,
    ),
    Row("parallel", _parallel, inputs=several),
    Row("mlp-embeddings", _mlp_of_codes, inputs=several),
    Row("sequential", _sequential),
    _mlp("linear", []),
    _mlp("relu", [5, 4]),
    _mlp("mixed", [5, 4], activation=["selu", "gelu"], output_activation="sigmoid"),
    _mlp("no-bias", [4], activation="tanh", use_bias=False),
]


def pseudo_huber(prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """`sqrt(1 + e^2) - 1`, as a plain function."""
    return tf.sqrt(1 + tf.square(prediction - target)) - 1


LOSSES = [
    Row("mse", losses.MeanSquaredError),
    Row("sum_squared_error", losses.SumSquaredError),
    Row("mae", losses.MeanAbsoluteError),
    Row("huber", losses.Huber),
    Row("huber-narrow", lambda: losses.Huber(delta=0.2)),
    Row("function", lambda: losses.get(pseudo_huber)),
]


def _sgd(label: str, **settings: Any) -> Row:
    return Row(f"sgd-{label}", lambda: optimizers.SGD(0.05, **settings))


def _schedule(label: str, make: Callable[[], optimizers.Schedule]) -> Row:
    return Row(f"sgd-{label}", lambda: optimizers.SGD(make()))


OPTIMIZERS = [
    _sgd("plain"),
    _sgd("momentum", momentum=0.9),
    _sgd("nesterov", momentum=0.9, nesterov=True),
    _sgd("clip-value", clip_value=0.3),
    _sgd("clip-norm", momentum=0.5, clip_norm=0.3),
    _schedule("constant", lambda: optimizers.Constant(0.05)),
    _schedule("step", lambda: optimizers.StepDecay(0.05, every=2, decay=0.5)),
    _schedule("exponential", lambda: optimizers.Exponential(0.05, every=3, decay=0.5)),
    _schedule("cosine", lambda: optimizers.Cosine(0.05, steps=5, final=0.1)),
    _schedule("warmup", lambda: optimizers.Warmup(optimizers.Cosine(0.05, steps=5), steps=2)),
    Row("adagrad", lambda: optimizers.Adagrad(0.05)),
    Row("rmsprop", lambda: optimizers.RMSprop(0.01)),
    Row("adam", lambda: optimizers.Adam(0.05)),
    Row("adam-clipped", lambda: optimizers.Adam(0.05, clip_value=0.5, clip_norm=0.3)),
    Row("adamw", lambda: optimizers.AdamW(0.05, weight_decay=0.1)),
    Row("adam-average", lambda: optimizers.Adam(0.05, average=0.9)),
    Row("adamw-factors", lambda: optimizers.AdamW(0.05, factors={"*.bias": 2, "*": 0.5})),
    Row("nadam", lambda: optimizers.Nadam(0.05)),
    Row("lamb", lambda: optimizers.Lamb(0.05, weight_decay=0.1)),
    Row("lion", lambda: optimizers.Lion(0.05, weight_decay=0.1)),
]


def in_turn(rows: list[Row]) -> pytest.MarkDecorator:
    """Return the mark for a test that takes every row in one dtype, and every dtype in turn."""
    pairs = zip(rows, cycle(DTYPES), strict=False)
    values = [pytest.param(row, dtype, id=f"{row.name}-{dtype}") for row, dtype in pairs]
    return pytest.mark.parametrize(("row", "dtype"), values)


def ulps(count: float, dtype: str) -> float:
    """Return `count` units in the last place of numbers near one."""
    return count * float(np.finfo(dtype).eps)


def assert_close(actual: Any, expected: Any, tolerance: float) -> None:
    """Check arrays of values near one: `tolerance` is relative above one, absolute below."""
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def central_differences(function: Callable[[], tf.Tensor], variable: tf.Variable) -> np.ndarray:
    """Return the gradient of the scalar `function()` by central differences, in float64."""
    start = variable.numpy()
    gradient = np.zeros_like(start)
    for index in np.ndindex(start.shape):
        values = []
        for change in (1e-5, -1e-5):
            moved = start.copy()
            moved[index] += change
            variable.assign(moved)
            values.append(float(function()))
        gradient[index] = (values[0] - values[1]) / 2e-5
    variable.assign(start)
    return gradient
