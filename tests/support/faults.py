"""A catalogue of planted faults: what `gradcheck` must catch, and the place it must name.

A subclass that registers no reference of its own is checked against its parent's. So a fault is a
subclass of a layer, loss, optimizer or schedule that computes something else than it says, in the
middle of a network that is otherwise right:

    1 Dense  2 tanh  3 Dense  4 silu  5 Dense  6 tanh  7 Dense  8 softplus  9 Dense  10 gelu
    11 Dense

Numbers of cases, inputs, hidden units and outputs all differ, so that sums differ in length.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import tensorflow as tf

import tftrain
from tftrain import losses, nn, optimizers
from tftrain.nn import initializers
from tftrain.optimizers import SGD, Adagrad, Adam, AdamW, Lamb, Lion, Nadam, Optimizer, RMSprop
from tftrain.optimizers import optimizer as optimizer_module
from tftrain.optimizers.factors import resolved
from tftrain.parity import Report

DTYPES = ("float32", "float64")
CASES, FEATURES, WIDTH, UNITS = 5, 3, 6, 2
BIASES = initializers.normal(0.3)
SMALL = {"float32": 1e-4, "float64": 1e-11}
"""The relative fault in a single element that must not escape."""

Tensor = tf.Tensor
Patch = tuple[Any, str, Callable[..., Any]]


@dataclass(frozen=True)
class Case:
    """A network and all that goes with it; `patch` replaces one function while it is checked."""

    network: nn.Sequential
    loss: losses.Loss | str = "mse"
    optimizer: Optimizer | None = None
    weight: np.ndarray | None = None
    l2: float = 0.0
    patch: Patch = (losses.L2, "__call__", losses.L2.__call__)

    def patched(self) -> Any:
        """Return the context in which the fault is present."""
        return patch.object(*self.patch)

    def check(
        self,
        modes: Sequence[str] = ("graph",),
        batch: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Report:
        """Return what `gradcheck` finds, on `data()` or on another batch."""
        x, y = batch or data()
        with self.patched():
            return tftrain.gradcheck(
                self.network,
                x,
                y,
                loss=self.loss,
                optimizer=self.optimizer,
                weight=self.weight,
                l2=self.l2,
                modes=modes,
            )


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes:
        name: tells it from all others.
        wrong: what is wrong, in a line.
        where: node and quantity that the first failing check must name.
        plant: builds the case for a dtype.
        faultless: the key in `FAULTLESS` of such a network without the fault.
        of: `gradient`; `value` where the function itself is wrong, perhaps with the gradient that
            belongs to it; `update` where the optimizer is.
        dtypes: those in which it is a fault.
    """

    name: str
    wrong: str
    where: str
    plant: Callable[[str], Case]
    faultless: str
    of: str = "gradient"
    dtypes: tuple[str, ...] = DTYPES

    @property
    def node(self) -> str:
        """The node to be named, such as `5 FaultyDense`."""
        return self.where.split(":")[0]

    @property
    def everywhere(self) -> bool:
        """Whether all parameters are wrong, of which the first must be named."""
        return self.node == "1 Dense"

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((CASES, FEATURES)), 1.5 * rng.standard_normal((CASES, UNITS))


CASE_WEIGHT = np.array([0.3, 2.0, 0.7, 1.1, 0.9])


# The networks


def network(
    dtype: str,
    *,
    dense: Callable[..., nn.Dense] = nn.Dense,
    activation: Callable[[], Any] = lambda: nn.Activation("tanh"),
    initializer: initializers.Initializer | str = "glorot_uniform",
    bias_initializer: initializers.Initializer = BIASES,
) -> nn.Sequential:
    """Return the network of 11 nodes; node 5 is made by `dense`, node 6 by `activation`."""
    widths = [FEATURES, *[WIDTH] * 5, UNITS]
    layers: list[Any] = [
        (dense if i == 2 else nn.Dense)(
            widths[i],
            widths[i + 1],
            initializer=initializer if i == 2 else "glorot_uniform",
            bias_initializer=bias_initializer if i == 2 else BIASES,
            dtype=dtype,
            counter=i,
        )
        for i in range(6)
    ]
    between = [nn.Activation(name) for name in ("tanh", "silu", "tanh", "softplus", "gelu")]
    between[2] = activation()
    for i, function in enumerate(between):
        layers.insert(2 * i + 1, function)
    return nn.Sequential(layers)


def at_kink(dtype: str, **parts: Any) -> nn.Sequential:
    """Return the network with `z == 0` at the first unit of node 6, in every case."""

    def silent(draw: initializers.Initializer) -> initializers.Initializer:
        return lambda rng, shape: draw(rng, shape) * (np.arange(shape[-1]) > 0)

    glorot = initializers.get("glorot_uniform")
    return network(
        dtype,
        initializer=silent(glorot),
        bias_initializer=silent(BIASES),
        **parts,
    )


def small_network(dtype: str) -> nn.Sequential:
    """Return three affine maps with tanh between, where depth does not matter."""
    return nn.MLP(FEATURES, [4, 4], UNITS, activation="tanh", bias_initializer=BIASES, dtype=dtype)


class FaultyDense(nn.Dense):
    """An affine map that computes what `call(layer, x)` says."""

    def __init__(self, call: Callable[[nn.Dense, Tensor], Tensor], *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.call = call

    def __call__(self, x: Tensor) -> Tensor:
        return self.call(self, x)


class FaultyActivation(nn.Activation):
    """An activation that computes what `call(z)` says."""

    def __init__(self, function: str, call: Callable[[Tensor], Tensor]) -> None:
        super().__init__(function)
        self.call = call

    def __call__(self, x: Tensor) -> Tensor:
        return self.call(x)


def scaled_at(place: tuple[int, ...], factor: float, tensor: Tensor) -> Tensor:
    """Return the tensor with one element multiplied."""
    factors = np.ones(tensor.shape)
    factors[place] = factor
    return tensor * tf.constant(factors, tensor.dtype)


def slightly_off(place: tuple[int, ...], tensor: Tensor) -> Tensor:
    """Return the tensor with one element off by the relative fault that must not escape."""
    return scaled_at(place, 1 + SMALL[tensor.dtype.name], tensor)


def rounded(tensor: Tensor, dtype: str) -> Tensor:
    """Return the tensor rounded to another dtype."""
    return tf.cast(tf.cast(tensor, dtype), tensor.dtype)


def _kind(quantity: str) -> str:
    return "value" if quantity == "y" else "gradient"


# Faults of an affine map: node 5


@dataclass(frozen=True)
class Affine:
    """What the backward pass of `y = x W + b` has at hand, and what it should make of it."""

    x: Tensor
    weight: Tensor
    y: Tensor
    dy: Tensor

    @property
    def gradients(self) -> dict[str, Tensor]:
        """`dx`, `weight` and `bias`, all three right."""
        return {
            "dx": tf.matmul(self.dy, self.weight, transpose_b=True),
            "weight": tf.matmul(self.x, self.dy, transpose_a=True),
            "bias": tf.reduce_sum(self.dy, axis=0),
        }


def affine_with(
    quantity: str, change: Callable[[Affine, Tensor], Tensor | None]
) -> Callable[[nn.Dense, Tensor], Tensor]:
    """Return an affine map that hands back `change(affine, right)` for one of its gradients."""

    def call(layer: nn.Dense, x: Tensor) -> Tensor:
        @tf.custom_gradient
        def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Any:
            y = tf.matmul(x, weight) + bias

            def backward(dy: Tensor) -> list[Tensor | None]:
                here = Affine(x, weight, y, dy)
                right = here.gradients
                return list((right | {quantity: change(here, right[quantity])}).values())

            return y, backward

        return affine(x, tf.convert_to_tensor(layer.weight), tf.convert_to_tensor(layer.bias))

    return call


def _map(
    name: str,
    wrong: str,
    quantity: str,
    call: Callable[[nn.Dense, Tensor], Tensor],
    dtypes: tuple[str, ...] = DTYPES,
) -> Fault:
    """Return a fault of the affine map, which computes `call(layer, x)`."""

    def plant(dtype: str) -> Case:
        return Case(network(dtype, dense=lambda *args, **kw: FaultyDense(call, *args, **kw)))

    return Fault(
        name, wrong, f"5 FaultyDense: {quantity}", plant, "affine", _kind(quantity), dtypes
    )


def _backward(
    name: str,
    wrong: str,
    quantity: str,
    change: Callable[[Affine, Tensor], Tensor | None],
    dtypes: tuple[str, ...] = DTYPES,
) -> Fault:
    """Return a fault in one gradient of the affine map; `change(affine, right)` is what it is."""
    return _map(name, wrong, quantity, affine_with(quantity, change), dtypes)


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return tf.matmul(x, tf.convert_to_tensor(weight)) + bias


def _partly_stopped(x: Tensor) -> Tensor:
    return tf.concat([tf.stop_gradient(x[:, :1]), x[:, 1:]], axis=1)


def _one_case_stopped(x: Tensor) -> Tensor:
    return tf.concat([tf.stop_gradient(x[:1]), x[1:]], axis=0)


BACKWARD = [
    _backward("dx doubled", "factor 2", "dx", lambda a, right: 2 * right),
    _backward("dx halved", "factor 1/2", "dx", lambda a, right: right / 2),
    _backward("dx negated", "sign", "dx", lambda a, right: -right),
    _backward(
        "dx not transposed", "dy W instead of dy W'", "dx", lambda a, _: tf.matmul(a.dy, a.weight)
    ),
    _backward(
        "dx by a stale weight",
        "the weight as it was before a small change",
        "dx",
        lambda a, _: tf.matmul(a.dy, 0.999 * a.weight, transpose_b=True),
    ),
    _backward(
        "dx of the neighbour", "cases shifted by one", "dx", lambda a, right: tf.roll(right, 1, 0)
    ),
    _backward(
        "dx of two inputs exchanged",
        "first two columns swapped",
        "dx",
        lambda a, right: tf.gather(right, [1, 0, *range(2, WIDTH)], axis=1),
    ),
    _backward("dx over cases", "divided by the batch size", "dx", lambda a, right: right / CASES),
    _backward(
        "dx element slightly off",
        "1e-4 in float32, 1e-11 in float64",
        "dx",
        lambda a, right: slightly_off((3, 4), right),
    ),
    _backward("dx NaN", "one element", "dx", lambda a, right: scaled_at((3, 4), math.nan, right)),
    _backward(
        "dx infinite", "one element", "dx", lambda a, right: scaled_at((3, 4), math.inf, right)
    ),
    _backward(
        "dx through float16", "rounded to half", "dx", lambda a, right: rounded(right, "float16")
    ),
    _backward("dx not given", "None", "dx", lambda a, right: None),
    _backward("dW not given", "None", "weight", lambda a, right: None),
    _backward("db not given", "None", "bias", lambda a, right: None),
    _backward("dW doubled", "factor 2", "weight", lambda a, right: 2 * right),
    _backward("dW halved", "factor 1/2", "weight", lambda a, right: right / 2),
    _backward("dW negated", "sign", "weight", lambda a, right: -right),
    _backward("dW transposed", "dy' x", "weight", lambda a, right: tf.transpose(right)),
    _backward(
        "dW mean over cases", "divided by the batch size", "weight", lambda a, right: right / CASES
    ),
    _backward(
        "dW of all cases but one",
        "the last case dropped from the sum",
        "weight",
        lambda a, _: tf.matmul(a.x[:-1], a.dy[:-1], transpose_a=True),
    ),
    _backward(
        "dW of the first case",
        "no sum over the cases",
        "weight",
        lambda a, _: tf.matmul(a.x[:1], a.dy[:1], transpose_a=True),
    ),
    _backward(
        "dW from the output",
        "y' dy instead of x' dy",
        "weight",
        lambda a, _: tf.matmul(a.y, a.dy, transpose_a=True),
    ),
    _backward(
        "dW of shifted cases",
        "each case's input with its neighbour's delta",
        "weight",
        lambda a, _: tf.matmul(a.x, tf.roll(a.dy, 1, 0), transpose_a=True),
    ),
    _backward(
        "dW of two inputs exchanged",
        "first two rows swapped",
        "weight",
        lambda a, right: tf.gather(right, [1, 0, *range(2, WIDTH)]),
    ),
    _backward(
        "dW element slightly off",
        "1e-4 in float32, 1e-11 in float64",
        "weight",
        lambda a, right: slightly_off((1, 2), right),
    ),
    _backward(
        "dW element forgotten", "zero", "weight", lambda a, right: scaled_at((1, 2), 0, right)
    ),
    _backward(
        "dW NaN", "one element", "weight", lambda a, right: scaled_at((1, 2), math.nan, right)
    ),
    _backward(
        "dW through bfloat16", "rounded", "weight", lambda a, right: rounded(right, "bfloat16")
    ),
    _backward(
        "dW through float32",
        "rounded",
        "weight",
        lambda a, right: rounded(right, "float32"),
        ("float64",),
    ),
    _backward(
        "dW clipped",
        "limited within the layer",
        "weight",
        lambda a, right: tf.clip_by_norm(right, 1e-3),
    ),
    _backward("db doubled", "factor 2", "bias", lambda a, right: 2 * right),
    _backward("db negated", "sign", "bias", lambda a, right: -right),
    _backward("db forgotten", "zero", "bias", lambda a, right: 0 * right),
    _backward("db mean over cases", "mean instead of sum", "bias", lambda a, right: right / CASES),
    _backward("db of the first case", "no sum over the cases", "bias", lambda a, _: a.dy[0]),
    _backward(
        "db reversed", "units in the wrong order", "bias", lambda a, right: tf.reverse(right, [0])
    ),
    _backward(
        "db element slightly off",
        "1e-4 in float32, 1e-11 in float64",
        "bias",
        lambda a, right: slightly_off((2,), right),
    ),
    _map(
        "input stopped",
        "stop_gradient on x",
        "dx",
        lambda layer, x: _affine(tf.stop_gradient(x), layer.weight, layer.bias),
    ),
    _map(
        "input partly stopped",
        "stop_gradient on the first column of x",
        "dx",
        lambda layer, x: _affine(_partly_stopped(x), layer.weight, layer.bias),
    ),
    _map(
        "case stopped",
        "stop_gradient on the first case",
        "dx",
        lambda layer, x: _affine(_one_case_stopped(x), layer.weight, layer.bias),
    ),
    _map(
        "weight stopped",
        "stop_gradient on W",
        "weight",
        lambda layer, x: _affine(x, tf.stop_gradient(layer.weight), layer.bias),
    ),
    _map(
        "weight partly stopped",
        "stop_gradient on the first row of W",
        "weight",
        lambda layer, x: _affine(x, _one_case_stopped(layer.weight), layer.bias),
    ),
    _map(
        "bias detached",
        "stop_gradient on b",
        "bias",
        lambda layer, x: _affine(x, layer.weight, tf.stop_gradient(layer.bias)),
    ),
]

FORWARD = [
    _map(
        "bias added twice",
        "y = x W + 2 b",
        "y",
        lambda layer, x: _affine(x, layer.weight, 2 * layer.bias),
    ),
    _map("bias forgotten", "y = x W", "y", lambda layer, x: tf.matmul(x, layer.weight)),
    _map(
        "W transposed",
        "y = x W' + b",
        "y",
        lambda layer, x: _affine(x, tf.transpose(layer.weight), layer.bias),
    ),
    _map(
        "y element slightly off",
        "1e-4 in float32, 1e-11 in float64",
        "y",
        lambda layer, x: slightly_off((2, 3), _affine(x, layer.weight, layer.bias)),
    ),
    _map(
        "y through bfloat16",
        "the product of rounded factors",
        "y",
        lambda layer, x: _affine(
            rounded(x, "bfloat16"), rounded(layer.weight, "bfloat16"), layer.bias
        ),
    ),
    _map(
        "y through float32",
        "the product in single precision",
        "y",
        lambda layer, x: _affine(
            rounded(x, "float32"), rounded(layer.weight, "float32"), layer.bias
        ),
        ("float64",),
    ),
]


# Faults of an activation: node 6


def derivative_of(
    function: str, derivative: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Return an activation whose backward pass takes `derivative(z, y)` for its derivative."""

    @tf.custom_gradient
    def call(z: Tensor) -> Any:
        y = nn.ACTIVATIONS[function](z)
        return y, lambda dy: dy * derivative(z, y)

    return call


def slope_of(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Return the derivative of an activation, as TensorFlow has it."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = function(z)
    return tape.gradient(y, z)


def _function(
    name: str,
    wrong: str,
    function: str,
    call: Callable[[Tensor], Tensor],
    quantity: str,
    build: Callable[..., nn.Sequential] = network,
) -> Fault:
    """Return a fault of an activation, which computes `call(z)`."""

    def plant(dtype: str) -> Case:
        return Case(build(dtype, activation=lambda: FaultyActivation(function, call)))

    faultless = function if build is network else f"{function} at its kink"
    where = f"6 FaultyActivation: {quantity}"
    return Fault(name, wrong, where, plant, faultless, _kind(quantity))


def _slope(
    name: str,
    wrong: str,
    function: str,
    derivative: Callable[[Tensor, Tensor], Tensor],
    build: Callable[..., nn.Sequential] = network,
) -> Fault:
    """Return an activation with a wrong derivative, `derivative(z, y)`."""
    return _function(name, wrong, function, derivative_of(function, derivative), "dx", build)


def _sided(z: Tensor, negative: Any, positive: Any, at_zero: Any) -> Tensor:
    """Return one of three values by the sign of `z`."""
    one = tf.ones_like(z)
    return tf.where(z > 0, positive * one, tf.where(z < 0, negative * one, at_zero * one))


def _normal_cdf(z: Tensor) -> Tensor:
    return 0.5 * tf.math.erfc(-z * math.sqrt(0.5))


def _gelu_tanh_without_three(z: Tensor, y: Tensor) -> Tensor:
    """The derivative of gelu_tanh with `z^2` for the derivative of the cube, instead of `3 z^2`."""
    root = math.sqrt(2 / math.pi)
    t = tf.tanh(root * (z + 0.044715 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * root * (1 + 0.044715 * z * z)


def _outside_tensorflow(z: Tensor) -> Tensor:
    """The right values, by NumPy: TensorFlow finds no path back through it."""
    return tf.ensure_shape(tf.numpy_function(np.tanh, [z], z.dtype), z.shape)


SLOPES = [
    _function(
        "tanh by NumPy", "right values without a gradient", "tanh", _outside_tensorflow, "dx"
    ),
    _slope("tanh without square", "1 - y", "tanh", lambda z, y: 1 - y),
    _slope("tanh at z", "1 - z^2 instead of 1 - y^2", "tanh", lambda z, y: 1 - z * z),
    _slope("tanh as sigmoid", "y (1 - y)", "tanh", lambda z, y: y * (1 - y)),
    _slope(
        "tanh element slightly off",
        "1e-4 in float32, 1e-11 in float64",
        "tanh",
        lambda z, y: slightly_off((0, 5), 1 - y * y),
    ),
    _slope("sigmoid as tanh", "1 - y^2", "sigmoid", lambda z, y: 1 - y * y),
    _slope("sigmoid at z", "z (1 - z) instead of y (1 - y)", "sigmoid", lambda z, y: z * (1 - z)),
    _slope("relu passes negatives", "1 everywhere", "relu", lambda z, y: tf.ones_like(z)),
    _slope("relu leaks", "0.01 below zero", "relu", lambda z, y: _sided(z, 0.01, 1, 0)),
    _slope("relu reversed", "1 where z < 0", "relu", lambda z, y: _sided(z, 1, 0, 0)),
    _slope("leaky_relu as relu", "slope dropped", "leaky_relu", lambda z, y: _sided(z, 0, 1, 0)),
    _slope(
        "leaky_relu slope", "0.1 instead of 0.01", "leaky_relu", lambda z, y: _sided(z, 0.1, 1, 1)
    ),
    _slope("elu without one", "y instead of y + 1", "elu", lambda z, y: _sided(z, y, 1, 1)),
    _slope("elu on both sides", "exp(z) for z > 0 too", "elu", lambda z, y: tf.exp(z)),
    _slope("selu as elu", "scale dropped", "selu", lambda z, y: slope_of(tf.nn.elu, z)),
    _slope(
        "selu without alpha",
        "y + scale below zero",
        "selu",
        lambda z, y: _sided(z, y + 1.0507009873554805, 1.0507009873554805, 1.0507009873554805),
    ),
    _slope("gelu without density", "Phi(z) alone", "gelu", lambda z, y: _normal_cdf(z)),
    _slope(
        "gelu by its tanh form",
        "the derivative of gelu_tanh",
        "gelu",
        lambda z, y: slope_of(nn.ACTIVATIONS["gelu_tanh"], z),
    ),
    _slope("gelu_tanh cube", "factor 3 dropped", "gelu_tanh", _gelu_tanh_without_three),
    _slope("silu without product", "sigmoid(z) alone", "silu", lambda z, y: tf.sigmoid(z)),
    _slope("silu half done", "s + z s", "silu", lambda z, y: tf.sigmoid(z) * (1 + z)),
    _slope("softplus reversed", "sigmoid(-z)", "softplus", lambda z, y: tf.sigmoid(-z)),
    _slope("softplus at y", "sigmoid(y)", "softplus", lambda z, y: tf.sigmoid(y)),
    _slope(
        "identity halved",
        "1/2 instead of 1",
        "identity",
        lambda z, y: tf.fill(z.shape, 0.5 + 0 * z[0, 0]),
    ),
    _slope(
        "relu at its kink",
        "2 at zero, where 0 to 1 is allowed",
        "relu",
        lambda z, y: _sided(z, 0, 1, 2),
        at_kink,
    ),
    _slope(
        "leaky_relu at its kink",
        "0 at zero, where 0.01 to 1 is allowed",
        "leaky_relu",
        lambda z, y: _sided(z, 0.01, 1, 0),
        at_kink,
    ),
    _slope(
        "elu at its kink",
        "0 at zero, where it is smooth",
        "elu",
        lambda z, y: _sided(z, y + 1, 1, 0),
        at_kink,
    ),
]

VALUES = [
    _function("tanh twice", "tanh(tanh(z))", "tanh", lambda z: tf.tanh(tf.tanh(z)), "y"),
    _function(
        "tanh value slightly off",
        "1e-4 in float32, 1e-11 in float64",
        "tanh",
        lambda z: slightly_off((0, 5), tf.tanh(z)),
        "y",
    ),
    _function("gelu approximated", "the tanh form", "gelu", nn.ACTIVATIONS["gelu_tanh"], "y"),
    _function("relu capped", "at 6", "relu", lambda z: tf.nn.relu6(10 * z) / 10, "y"),
]


# Faults of the loss


@dataclass(frozen=True)
class Errors:
    """What the delta of a loss is made from: `prediction - target` and the weights of the cases."""

    error: Tensor
    weight: Tensor | None


def loss_with(
    kind: type[losses.Loss], change: Callable[[Errors, Tensor], Tensor], **settings: Any
) -> losses.Loss:
    """Return a loss whose backward pass begins with `change(errors, right)`."""
    right = kind(**settings)

    class FaultyLoss(kind):  # type: ignore[misc,valid-type]
        def __call__(
            self, prediction: Tensor, target: Tensor, weight: Tensor | None = None
        ) -> Tensor:
            @tf.custom_gradient
            def loss(prediction: Tensor) -> Any:
                delta = slope_of(lambda p: right(p, target, weight), prediction)
                wrong = change(Errors(prediction - target, weight), delta)
                return right(prediction, target, weight), lambda upstream: upstream * wrong

            return loss(prediction)

    return FaultyLoss(**settings)


def _delta(
    name: str,
    wrong: str,
    kind: type[losses.Loss],
    change: Callable[[Errors, Tensor], Tensor],
    weight: np.ndarray | None = None,
    **settings: Any,
) -> Fault:
    """Return a loss with a wrong delta."""

    def plant(dtype: str) -> Case:
        return Case(small_network(dtype), loss_with(kind, change, **settings), weight=weight)

    faultless = kind.__name__ if weight is None else "weights"
    return Fault(name, wrong, "loss: delta", plant, faultless)


def _value(name: str, wrong: str, loss: Callable[[], losses.Loss]) -> Fault:
    """Return a loss of which value and delta are wrong alike."""
    return Fault(
        name,
        wrong,
        "loss: value",
        lambda dtype: Case(small_network(dtype), loss()),
        "MeanSquaredError",
        "value",
    )


class _HalfSquares(losses.MeanSquaredError):
    def term(self, error: Tensor) -> Tensor:
        return tf.square(error) / 2


class _MeanOverCases(losses.MeanSquaredError):
    def scale(self, terms: Tensor) -> Tensor:
        return super().scale(terms) * UNITS


def _per_case(errors: Errors) -> Tensor:
    assert errors.weight is not None
    return errors.weight[:, None]


class _Stopped(losses.MeanSquaredError):
    def term(self, error: Tensor) -> Tensor:
        return super().term(tf.stop_gradient(error))


MSE, MAE, HUBER = losses.MeanSquaredError, losses.MeanAbsoluteError, losses.Huber

LOSS = [
    _delta("mse without 2", "e instead of 2 e", MSE, lambda e, right: right / 2),
    _delta("mse times cases", "off by the batch size", MSE, lambda e, right: CASES * right),
    _delta("mse over cases only", "not over units", MSE, lambda e, right: UNITS * right),
    _delta("mse summed", "sum instead of mean", MSE, lambda e, right: CASES * UNITS * right),
    _delta("mse reversed", "target - prediction", MSE, lambda e, right: -right),
    _delta(
        "mse element slightly off",
        "1e-4 in float32, 1e-11 in float64",
        MSE,
        lambda e, right: slightly_off((2, 1), right),
    ),
    _delta(
        "weights forgotten",
        "in the delta",
        MSE,
        lambda e, right: right / _per_case(e),
        CASE_WEIGHT,
    ),
    _delta(
        "weights squared", "in the delta", MSE, lambda e, right: right * _per_case(e), CASE_WEIGHT
    ),
    _delta(
        "weights of the neighbours",
        "cases shifted by one",
        MSE,
        lambda e, right: right / _per_case(e) * tf.roll(_per_case(e), 1, 0),
        CASE_WEIGHT,
    ),
    _delta("mae without sign", "1 instead of sign(e)", MAE, lambda e, right: tf.abs(right)),
    _delta("mae as mse", "e instead of sign(e)", MAE, lambda e, right: right * tf.abs(e.error)),
    _delta(
        "huber not clipped",
        "e beyond delta",
        HUBER,
        lambda e, right: e.error / (CASES * UNITS),
        delta=0.5,
    ),
    _delta(
        "huber clipped to 1",
        "sign(e) instead of delta sign(e) beyond delta",
        HUBER,
        lambda e, right: tf.where(tf.abs(e.error) > 0.5, 2 * right, right),
        delta=0.5,
    ),
    _delta(
        "sum_squared_error without 1/2",
        "2 e instead of e",
        losses.SumSquaredError,
        lambda e, right: 2 * right,
    ),
    Fault(
        "mse stopped",
        "stop_gradient on the error",
        "loss: delta",
        lambda dtype: Case(small_network(dtype), _Stopped()),
        "MeanSquaredError",
    ),
    _value("mse halved", "e^2 / 2, value and delta", _HalfSquares),
    _value("mse mean over cases", "value and delta", _MeanOverCases),
]


# Faults of the penalty


def _penalty(
    name: str,
    wrong: str,
    where: str,
    penalty: Callable[[Sequence[tf.Variable], float], Tensor],
    of: str = "gradient",
) -> Fault:
    """Return a case in which the training step takes another penalty."""

    def penalised(self: losses.L2, parameters: Sequence[tf.Variable]) -> Tensor:
        return penalty(parameters, self.strength)

    replaced = (losses.L2, "__call__", penalised)
    return Fault(
        name,
        wrong,
        where,
        lambda dtype: Case(small_network(dtype), l2=0.1, patch=replaced),
        "penalty",
        of,
    )


def _right_penalty(
    parameters: Sequence[tf.Variable],
    strength: float,
    right: Callable[..., Tensor] = losses.L2.__call__,
) -> Tensor:
    return right(losses.L2(strength), parameters)


def _half_squares(values: Sequence[Any], strength: float) -> Tensor:
    return strength / 2 * tf.add_n([tf.reduce_sum(tf.square(v)) for v in values])


def _weights(variables: Sequence[tf.Variable]) -> list[Tensor]:
    return [tf.convert_to_tensor(v) for v in variables if v.shape.rank == 2]


def _forgotten_at_node_3(variables: Sequence[tf.Variable], strength: float) -> Tensor:
    weights = _weights(variables)
    weights[1] = tf.stop_gradient(weights[1])
    return _half_squares(weights, strength)


def _off_at_node_3(variables: Sequence[tf.Variable], strength: float) -> Tensor:
    """A gradient of `strength (W + W_12 / 2)` at one element; the value is right."""
    weights = _weights(variables)
    extra = strength / 2 * weights[1][1, 2] ** 2
    return _half_squares(weights, strength) + extra - tf.stop_gradient(extra)


PENALTY = [
    _penalty(
        "penalty without gradient",
        "value right, gradient forgotten",
        "1 Dense: weight",
        lambda variables, strength: tf.stop_gradient(_right_penalty(variables, strength)),
    ),
    _penalty(
        "penalty forgotten at one weight",
        "no gradient of the penalty at node 3",
        "3 Dense: weight",
        _forgotten_at_node_3,
    ),
    _penalty(
        "penalty counts one element twice",
        "value right, gradient doubled at one element of node 3",
        "3 Dense: weight",
        _off_at_node_3,
    ),
    _penalty("penalty on biases", "all variables", "1 Dense: bias", _half_squares, "value"),
    _penalty(
        "penalty doubled",
        "strength times the sum of squares",
        "1 Dense: weight",
        lambda variables, strength: _right_penalty(variables, 2 * strength),
        "value",
    ),
    _penalty(
        "penalty of absolute values",
        "L1 instead of L2",
        "1 Dense: weight",
        lambda variables, strength: (
            strength * tf.add_n([tf.reduce_sum(tf.abs(w)) for w in _weights(variables)])
        ),
        "value",
    ),
]


# Faults of the optimizer: what is wrong with all parameters must be named at the first of them

Update = Callable[..., tuple[Tensor, dict[str, Tensor]]]


def _faulty(kind: type[Optimizer], methods: dict[str, Callable[..., Any]], **kw: Any) -> Optimizer:
    """Return an optimizer of a subclass with these methods."""
    return type(f"Faulty{kind.__name__}", (kind,), methods)(**kw)


def _update(
    name: str,
    wrong: str,
    kind: type[Optimizer],
    update: Update | None = None,
    where: str = "1 Dense: updated bias",
    replaced: Patch = Case.patch,
    slot_names: tuple[str, ...] | None = None,
    **settings: Any,
) -> Fault:
    """Return an optimizer with another `update(own, gradient, parameter, slots, rate, step)`."""
    methods: dict[str, Any] = {} if update is None else {"update": update}

    def plant(dtype: str) -> Case:
        optimizer = _faulty(kind, methods, **{"learning_rate": 0.05, **settings})
        if slot_names is not None:
            optimizer.slot_names = slot_names
        return Case(small_network(dtype), optimizer=optimizer, patch=replaced)

    return Fault(name, wrong, where, plant, kind.__name__, "update")


def _apply(
    name: str, wrong: str, where: str, change: Callable[[list[Tensor]], list[Tensor]]
) -> Fault:
    """Return gradient descent along other gradients than it is given."""

    def apply(own: Any, gradients: list[Tensor], parameters: list[tf.Variable]) -> None:
        SGD.apply(own, change(gradients), parameters)

    return Fault(
        name,
        wrong,
        where,
        lambda dtype: Case(
            small_network(dtype), optimizer=_faulty(SGD, {"apply": apply}, learning_rate=0.05)
        ),
        "SGD",
        "update",
    )


def _factors(
    name: str, wrong: str, where: str, change: Callable[[list[float]], list[float]]
) -> Fault:
    """Return AdamW with other factors than those that its patterns choose."""
    patterns = {"*.bias": 3, "layers.0.*": 0.1, "layers.2.*": 0.5, "*": 3}
    replaced = (optimizer_module, "resolved", lambda *given: change(resolved(*given)))
    return Fault(
        name,
        wrong,
        where,
        lambda dtype: Case(
            small_network(dtype), optimizer=AdamW(0.05, factors=patterns), patch=replaced
        ),
        "AdamW",
        "update",
    )


def _schedule(name: str, wrong: str, schedule: Callable[[], optimizers.Schedule]) -> Fault:
    """Return gradient descent with a faulty schedule."""
    return Fault(
        name,
        wrong,
        "1 Dense: updated bias",
        lambda dtype: Case(small_network(dtype), optimizer=SGD(schedule())),
        "SGD",
        "update",
    )


def _stale(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """`w'` is the parameter before the last update, less `e g`."""
    before = tf.where(step == 1, w, slots["before"])
    return before - rate * g - w, {"before": w}


def _last_gradient(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """From the second step on, the gradient of the step before."""
    return -rate * tf.where(step == 1, g, slots["gradient"]), {"gradient": g}


def _momentum_lost(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """The velocity is kept, and never used."""
    _, new = SGD.update(own, g, w, slots, rate, step)
    return -rate * g, new


def _velocity_not_kept(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Any, step: Any) -> Any:
    change, _ = SGD.update(own, g, w, slots, rate, step)
    return change, slots


def _nesterov_of_old(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Any, step: Any) -> Any:
    """`w' = w + a v - e g`, with the velocity before the update: plain momentum."""
    _, new = SGD.update(own, g, w, slots, rate, step)
    return own.momentum * slots["velocity"] - rate * g, new


def _one_moment(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """Corrects the mean for its start at zero, and not the mean of squares."""
    _, new = Adam.update(own, g, w, slots, rate, step)
    mean = new["mean"] / tf.cast(1 - own.beta_1**step, g.dtype)
    return -rate * mean / (tf.sqrt(new["mean_square"]) + own.epsilon), new


def _adam_inside(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """`sqrt(v + epsilon)` instead of `sqrt(v) + epsilon`."""
    _, new = Adam.update(own, g, w, slots, rate, step)
    mean = new["mean"] / tf.cast(1 - own.beta_1**step, g.dtype)
    square = new["mean_square"] / tf.cast(1 - own.beta_2**step, g.dtype)
    return -rate * mean / tf.sqrt(square + own.epsilon), new


def _adam_one_beta(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """The mean of squares decays with `beta_1`."""
    change, new = Adam.update(own, g, w, slots, rate, step)
    square = own.beta_1 * slots["mean_square"] + (1 - own.beta_1) * g * g
    return change, new | {"mean_square": square}


def _rmsprop_inside(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Any, step: Any) -> Any:
    _, new = RMSprop.update(own, g, w, slots, rate, step)
    return -rate * g / tf.sqrt(new["mean_square"] + own.epsilon), new


def _rho_swapped(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    square = (1 - own.rho) * slots["mean_square"] + own.rho * g * g
    return -rate * g / (tf.sqrt(square) + own.epsilon), {"mean_square": square}


def _not_squared(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    total = slots["sum_of_squares"] + tf.abs(g)
    return -rate * g / (tf.sqrt(total) + own.epsilon), {"sum_of_squares": total}


def _not_summed(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    return Adagrad.update(own, g, w, {"sum_of_squares": tf.zeros_like(g)}, rate, step)


def _decay_whole(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """The decay is not multiplied by the learning rate."""
    change, new = Adam.update(own, g, w, slots, rate, step)
    return change - own.weight_decay * w, new


def _decay_in_gradient(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Any, step: Any) -> Any:
    return Adam.update(own, g + own.weight_decay * own.decaying(w), w, slots, rate, step)


def _decay_all(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """Biases decay like weights."""
    change, new = Adam.update(own, g, w, slots, rate, step)
    return change - rate * own.weight_decay * w, new


def _nadam_uncorrected(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Any, step: Any) -> Any:
    """The mean of the next step, corrected as that of this one."""
    _, new = Adam.update(own, g, w, slots, rate, step)
    ahead = own.beta_1 * new["mean"] + (1 - own.beta_1) * g
    mean = ahead / tf.cast(1 - own.beta_1**step, g.dtype)
    square = new["mean_square"] / tf.cast(1 - own.beta_2**step, g.dtype)
    return -rate * mean / (tf.sqrt(square) + own.epsilon), new


def _lamb_by_step(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """The trust ratio without the decay in its divisor."""
    change, new = Adam.update(own, g, w, slots, rate / rate, step)
    direction = own.weight_decay * own.decaying(w) - change
    return -rate * tf.norm(w) / tf.norm(change) * direction, new


def _lion_one_beta(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    change, _ = Lion.update(own, g, w, slots, rate, step)
    return change, {"mean": own.beta_1 * slots["mean"] + (1 - own.beta_1) * g}


def _lion_not_decayed(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Any, step: Any) -> Any:
    return Lion.update(own, g, tf.zeros_like(w), slots, rate, step)


def _clipped_late(own: Any, g: Tensor, w: Tensor, slots: Any, rate: Tensor, step: Tensor) -> Any:
    """Limits the change instead of the gradient; gradients come unclipped."""
    change, new = SGD.update(own, g, w, slots, rate, step)
    return tf.clip_by_value(change, -rate * own.clip_value, rate * own.clip_value), new


def _each_by_its_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    return [tf.clip_by_norm(gradient, limit) for gradient in gradients]


def _not_clipped(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    return list(gradients)


class _Late(optimizers.Exponential):
    """One step behind: the rate of step 0 twice."""

    def factor(self, step: Tensor) -> Tensor:
        return super().factor(tf.maximum(step - 1, 0))


class _Ceiling(optimizers.StepDecay):
    """Falls after the first step already."""

    def periods(self, elapsed: Tensor) -> Tensor:
        return tf.math.ceil(elapsed)


class _RisesAgain(optimizers.Cosine):
    """Goes on along the cosine after its last step."""

    def factor(self, step: Tensor) -> Tensor:
        angle = math.pi * step / self.steps
        return self.final + (1 - self.final) * (1 + tf.cos(angle)) / 2


class _FromZero(optimizers.Warmup):
    """`s / steps`: the first step is lost."""

    def factor(self, step: Tensor) -> Tensor:
        after = self.schedule.factor(tf.maximum(step - self.steps, 0))
        return tf.where(step < self.steps, step / self.steps, after)


OPTIMIZER = [
    _update("wrong direction", "uphill", SGD, lambda own, g, *rest: SGD.update(own, -g, *rest)),
    _update(
        "learning rate twice",
        "e^2 g",
        SGD,
        lambda own, g, w, s, e, t: SGD.update(own, e * g, w, s, e, t),
    ),
    _update("stale weights", "seen from step 2", SGD, _stale, slot_names=("before",)),
    _update("stale gradient", "seen from step 2", SGD, _last_gradient, slot_names=("gradient",)),
    _update(
        "update through bfloat16",
        "the change rounded",
        SGD,
        lambda own, g, *rest: SGD.update(own, rounded(g, "bfloat16"), *rest),
    ),
    _update("momentum lost", "seen from step 2", SGD, _momentum_lost, momentum=0.9),
    _update(
        "momentum negative",
        "seen from step 2",
        SGD,
        lambda own, g, w, s, e, t: SGD.update(own, g, w, {"velocity": -s["velocity"]}, e, t),
        momentum=0.9,
    ),
    _update(
        "velocity not kept",
        "stays zero",
        SGD,
        _velocity_not_kept,
        "1 Dense: velocity of bias",
        momentum=0.9,
    ),
    _update(
        "nesterov as momentum", "old velocity", SGD, _nesterov_of_old, momentum=0.9, nesterov=True
    ),
    _update(
        "adam without correction",
        "of the start at zero",
        Adam,
        lambda own, g, w, s, e, t: Adam.update(own, g, w, s, e, tf.constant(math.inf, t.dtype)),
    ),
    _update(
        "adam a step behind",
        "t - 1 from step 2 on",
        Adam,
        lambda own, g, w, s, e, t: Adam.update(own, g, w, s, e, tf.maximum(t - 1, 1)),
    ),
    _update("adam corrects one moment", "not the squares", Adam, _one_moment),
    _update("adam epsilon inside", "under the root", Adam, _adam_inside),
    _update(
        "adam with one beta",
        "wrong slot, right change",
        Adam,
        _adam_one_beta,
        "1 Dense: mean_square of bias",
    ),
    _update("rmsprop epsilon inside", "under the root", RMSprop, _rmsprop_inside),
    _update("rmsprop rho swapped", "with 1 - rho", RMSprop, _rho_swapped),
    _update("adagrad without square", "sums |g|", Adagrad, _not_squared),
    _update("adagrad without sum", "seen from step 2", Adagrad, _not_summed),
    _update(
        "adamw as L2",
        "the decay added to the gradient",
        AdamW,
        _decay_in_gradient,
        "1 Dense: updated weight",
    ),
    _update("adamw without decay", "forgotten", AdamW, Adam.update, "1 Dense: updated weight"),
    _update("adamw decays biases", "every parameter", AdamW, _decay_all),
    _update("adamw decay without rate", "w weight_decay", AdamW, _decay_whole),
    _update("nadam as adam", "no look ahead", Nadam, Adam.update),
    _update("nadam corrected too early", "by t instead of t + 1", Nadam, _nadam_uncorrected),
    _update("lamb as adam", "no trust ratio", Lamb, Adam.update),
    _update(
        "lamb ratio without decay",
        "of Adam's step alone",
        Lamb,
        _lamb_by_step,
        "1 Dense: updated weight",
        weight_decay=0.5,
    ),
    _update("lion with one beta", "wrong slot", Lion, _lion_one_beta, "1 Dense: mean of bias"),
    _update("lion without decay", "forgotten", Lion, _lion_not_decayed, "1 Dense: updated weight"),
    _update(
        "clipped one by one",
        "each tensor by its own norm",
        SGD,
        replaced=(optimizer_module, "clip_by_global_norm", _each_by_its_norm),
        clip_norm=0.1,
    ),
    _update(
        "not clipped",
        "forgotten",
        SGD,
        replaced=(optimizer_module, "clip_by_global_norm", _not_clipped),
        clip_norm=0.1,
    ),
    _update(
        "clipped after momentum",
        "the change instead of the gradient",
        SGD,
        _clipped_late,
        "1 Dense: velocity of bias",
        replaced=(optimizer_module, "clip_by_value", _not_clipped),
        momentum=0.9,
        clip_value=0.01,
    ),
    _apply(
        "one parameter frozen",
        "no update of node 3's weight",
        "3 Dense: updated weight",
        lambda g: [*g[:3], 0 * g[3], *g[4:]],
    ),
    _apply(
        "biases exchanged",
        "gradients of nodes 1 and 3 swapped",
        "1 Dense: updated bias",
        lambda g: [g[2], g[1], g[0], *g[3:]],
    ),
    _factors(
        "factors forgotten", "all are 1", "1 Dense: updated bias", lambda own: [1.0] * len(own)
    ),
    _factors(
        "factors swapped",
        "those of node 3's parameters",
        "3 Dense: updated bias",
        lambda own: [*own[:2], own[3], own[2], *own[4:]],
    ),
    _factors(
        "a factor slightly off",
        "that of node 5's weight",
        "5 Dense: updated weight",
        lambda own: [*own[:5], own[5] * (1 + 1e-5)],
    ),
    _factors(
        "the last pattern counts",
        "instead of the first that matches",
        "1 Dense: updated weight",
        lambda own: [3.0] * len(own),
    ),
    _schedule("schedule late", "seen from step 2", lambda: _Late(0.05, every=3, decay=0.5)),
    _schedule("schedule early", "ceil instead of floor", lambda: _Ceiling(0.05, every=2)),
    _schedule(
        "schedule rises again", "seen from step 3", lambda: _RisesAgain(0.05, steps=1, final=0.1)
    ),
    _schedule(
        "warm-up from zero", "s / steps", lambda: _FromZero(optimizers.Constant(0.05), steps=2)
    ),
]

FAULTS = [*BACKWARD, *FORWARD, *SLOPES, *VALUES, *LOSS, *PENALTY, *OPTIMIZER]


# The same cases without a fault

KINKED = ("relu", "leaky_relu", "elu")


def _right_affine(dtype: str) -> Case:
    """The hand-made backward pass of the catalogue, with nothing changed in it."""
    call = affine_with("dx", lambda affine, right: right)
    return Case(network(dtype, dense=lambda *args, **kw: FaultyDense(call, *args, **kw)))


def _right(**settings: Any) -> Callable[[str], Case]:
    return lambda dtype: Case(small_network(dtype), **settings)


def _right_activation(name: str, build: Callable[..., nn.Sequential]) -> Callable[[str], Case]:
    return lambda dtype: Case(build(dtype, activation=lambda: nn.Activation(name)))


def _right_update(make: Callable[[], Optimizer]) -> Callable[[str], Case]:
    return lambda dtype: Case(small_network(dtype), optimizer=make())


FAULTLESS: dict[str, Callable[[str], Case]] = {
    "affine": _right_affine,
    **{name: _right_activation(name, network) for name in nn.ACTIVATIONS},
    **{f"{name} at its kink": _right_activation(name, at_kink) for name in KINKED},
    "MeanSquaredError": _right(),
    "MeanAbsoluteError": _right(loss="mae"),
    "Huber": _right(loss=losses.Huber(0.5)),
    "SumSquaredError": _right(loss="sum_squared_error"),
    "weights": _right(weight=CASE_WEIGHT),
    "penalty": _right(l2=0.1),
    "SGD": _right_update(lambda: SGD(0.05, momentum=0.9, clip_value=0.01)),
    "Adam": _right_update(lambda: Adam(0.05)),
    "AdamW": _right_update(lambda: AdamW(0.05, clip_norm=0.1, factors={"*.bias": 3, "*": 0.1})),
    "Nadam": _right_update(lambda: Nadam(0.05)),
    "Lamb": _right_update(lambda: Lamb(0.05)),
    "Lion": _right_update(lambda: Lion(0.05)),
    "Adagrad": _right_update(lambda: Adagrad(0.05)),
    "RMSprop": _right_update(lambda: RMSprop(optimizers.Exponential(0.05, every=3))),
}
