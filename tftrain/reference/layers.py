"""Layers by hand: forward, and the delta backwards. The references of `tftrain.nn`.

For node `n` of the compound function with input `x`, output `y = f_n(x)` and the delta `dy = dL/dy`
arriving from above, the chain rule gives what it sends on and what its parameters get:

    dx = dL/dx = dy . df_n/dx        dL/dp = dy . df_n/dp

Source: Rumelhart, Hinton and Williams (1986), equations 4 to 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from tftrain.errors import InputError
from tftrain.graph import each
from tftrain.reference.bounded import PRECISIONS, Bounded, Precision
from tftrain.reference.functions import absolute, allow, by_sign, erfc, exp, sigmoid, softplus, tanh
from tftrain.traces import is_discrete

Array = Any
"""A NumPy array of any real dtype, complex where only values are wanted, or a `Bounded` one."""

REFERENCES: dict[Any, type] = {}


def register(original: Any) -> Callable[[type], type]:
    """Name the class whose mathematics the decorated class derives by hand.

    Args:
        original: a class, or its dotted name (so that this room need not import it). Its
            subclasses are checked against the same reference unless they register their own.

    Example:
        @tftrain.reference.register(Scale)  # a tf.Module with a variable `gain`
        @dataclass
        class ScaleReference(tftrain.reference.Layer):
            gain: np.ndarray

            def forward(self, x):
                return x * self.gain

            def backward(self, x, y, dy):
                return dy * self.gain, {"gain": (dy * x).sum(axis=0)}
    """
    dotted = isinstance(original, str) and "." in original
    if not dotted and (not isinstance(original, type) or issubclass(original, Reference)):
        raise InputError(
            f"register takes the class that is derived by hand, got {original!r}: write "
            "@tftrain.reference.register(MyLayer) above the reference"
        )

    def keep(reference: type) -> type:
        _require_reference(reference)
        REFERENCES[original] = reference
        return reference

    return keep


def _require_reference(reference: Any) -> None:
    """Raise InputError for a class that cannot be a reference."""
    if not isinstance(reference, type) or not issubclass(reference, Reference):
        name = getattr(reference, "__name__", repr(reference))
        raise InputError(f"{name} must be a subclass of tftrain.reference.Layer")
    for name in ("forward", "backward") if issubclass(reference, Layer) else ():
        if getattr(reference, name) is getattr(Layer, name):
            raise InputError(f"{reference.__name__} has no method {name!r}: write it in NumPy")


def reference_class(thing: Any, *, inherited: bool = True) -> type | None:
    """Return the class that is registered for the class of a thing, or the nearest parent's."""
    for kind in type(thing).__mro__ if inherited else [type(thing)]:
        for key in (kind, f"{kind.__module__}.{kind.__qualname__}"):
            if key in REFERENCES:
                return REFERENCES[key]
    return None


def reference_of(thing: Any) -> Any:
    """Return the reference of a layer, loss, optimizer or schedule, with copies of its values.

    Raises:
        InputError: none is registered for its class.
    """
    found = reference_class(thing)
    if found is None:
        raise InputError(
            f"the reference does not know {type(thing).__name__}: write its mathematics in NumPy "
            "and decorate the class with @tftrain.reference.register"
        )
    return found.of(thing)  # type: ignore[attr-defined]


class Reference:
    """A dataclass whose fields are named like the attributes of what it mirrors.

    Fields with a default may be missing there.
    """

    @classmethod
    def of(cls, original: Any) -> Self:
        """Return the mirror of an object: its attributes, variables as arrays."""
        if not hasattr(cls, "__dataclass_fields__"):
            raise InputError(
                f"{cls.__name__} must be a dataclass: write @dataclass above the class, below "
                "@tftrain.reference.register"
            )
        own = [f for f in fields(cls) if f.init]  # type: ignore[arg-type]
        names = [f.name for f in own if hasattr(original, f.name)]
        optional = {f.name for f in own if (f.default, f.default_factory) != (MISSING, MISSING)}
        lost = [f.name for f in own if f.name not in {*names, *optional}]
        if lost:
            raise InputError(
                f"{cls.__name__} has the field {lost[0]!r}, but {type(original).__name__} has no "
                "such attribute: name the reference's fields like the layer's attributes"
            )
        return cls(**{name: _plain(getattr(original, name)) for name in names})


def _plain(value: Any) -> Any:
    """Return an attribute as the reference has it: arrays of variables, references of layers."""
    if hasattr(value, "numpy"):
        return np.array(value.numpy())
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return reference_of(value) if _is_layer(value) else value


def _is_layer(value: Any) -> bool:
    """Return whether an object has a reference that is a layer."""
    found = reference_class(value)
    return found is not None and issubclass(found, Layer)


class Layer(Reference):
    """A layer; a dataclass whose array fields are its parameters, and whose layers have theirs.

    `forward` and `backward` are written once and are given three kinds of arrays: plain ones,
    complex ones for the check of the reference itself (take `absolute` and `by_sign` where a
    formula chooses by sign), and `Bounded` ones, from which the bound on rounding follows. A
    function that NumPy's operators do not make comes as an `Elementary`, with what engines may lose
    in it. A layer whose rounding does not follow its formula may return a `Bounded` of its own.

    A layer that joins branches gets the list of its inputs as `x`, and returns a list of deltas.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Names of array fields that are not trained, such as moving statistics."""

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name; those of a layer inside as `name.weight`."""
        found: dict[str, Array] = {}
        for name, value in self._fields():
            if isinstance(value, (np.ndarray, Bounded)):
                found[name] = value
            elif isinstance(value, Layer):
                found |= {f"{name}.{inner}": p for inner, p in value.parameters.items()}
        return found

    def with_parameters(self, change: Callable[[Array], Array]) -> Self:
        """Return the layer with `change` applied to each parameter."""
        new: dict[str, Any] = {}
        for name, value in self._fields():
            if isinstance(value, (np.ndarray, Bounded)):
                new[name] = change(value)
            elif isinstance(value, Layer):
                new[name] = value.with_parameters(change)
        return replace(self, **new)  # type: ignore[type-var]

    def _fields(self) -> list[tuple[str, Any]]:
        own = (f.name for f in fields(self) if f.name not in self.state)  # type: ignore[arg-type]
        return [(name, getattr(self, name)) for name in own]

    def drawn(self, seed: int, step: int, places: Sequence[int]) -> Self:
        """Return the layer as it is in a step of training, with what it draws there.

        Args:
            seed: of the training.
            step: number of updates made before.
            places: of the layer in the network, as for `tftrain.streams.bits`.
        """
        return self

    def updated(self, x: Array) -> dict[str, Array]:
        """Return what a step of training makes of the arrays named in `state`."""
        return {}

    def forward(self, x: Array) -> Array:
        """Return the output for a batch of inputs."""
        raise NotImplementedError

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """Return `dL/dx` (None where it is zero), and `dL/dp` for each parameter `p` by name.

        Args:
            x: input of the layer.
            y: its output, `forward(x)`.
            dy: the delta at its output, `dL/dy`.
        """
        raise NotImplementedError


def sent_on(dx: Array | None, x: Array) -> Array:
    """Return the delta that a layer sends on through its input: None, as of integers, is zero."""
    if dx is None or (isinstance(x, np.ndarray) and is_discrete(x)):
        dx = np.zeros(x.shape)
    return as_numbers_of(x, dx)


def sent_back(dx: Any, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Return the delta that a layer sends on through each of its inputs.

    Args:
        dx: what `Layer.backward` returned.
        inputs: one, or several of a layer that joins branches.
    """
    deltas = [None] * len(inputs) if dx is None else each(dx, len(inputs))
    return tuple(sent_on(one, x) for one, x in zip(deltas, inputs, strict=True))


def as_numbers_of(x: Array, value: Array) -> Array:
    """Return a value that an engine has in the precision of `x`, constants of a formula too."""
    plain = isinstance(x, Bounded) and not isinstance(value, Bounded)
    return allow(Bounded.exact(value, x.precision), 1) if plain else value


def like(source: Array, gradient: Array) -> Array:
    """Return a gradient rounded to the precision of what it belongs to; plain ones unchanged."""
    return gradient.cast(source.precision) if isinstance(source, Bounded) else gradient


@register("tftrain.nn.dense.Dense")
@dataclass
class Dense(Layer):
    """The affine map `y = x W + b`.

    Attributes:
        weight: `W`, shape `(in_features, out_features)`.
        bias: `b`, shape `(out_features,)`, or None.
        compute_dtype: the type in which an engine computes, if it is not that of the parameters.
            It makes no difference to the mathematics, only to the bounds on rounding.
    """

    weight: Array
    bias: Array | None = None
    compute_dtype: str | None = None

    def forward(self, x: Array) -> Array:
        """`y = x W + b`; an engine may add the bias first, and then every product to it."""
        z = self._computed(x) @ self._computed(self.weight)
        return z if self.bias is None else z + self._computed(allow(self.bias, x.shape[-1]))

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """`dx = dy W'`, `dW = x' dy` and `db = sum dy`, where the prime is the transpose.

        In `dy W'` each unit gets the sum over the units that it feeds; in `x' dy` and `sum dy` a
        parameter gets the sum over the cases.
        """
        gradients = {"weight": like(self.weight, self._computed(x).T @ dy)}
        if self.bias is not None:
            gradients["bias"] = like(self.bias, dy.sum(axis=0))
        return like(x, dy @ self._computed(self.weight).T), gradients

    def _computed(self, value: Array) -> Array:
        """Return bounded numbers rounded to the type that is computed in; plain ones unchanged.

        Only float32 layers compute in another: in float64 the mathematics alone is checked.
        """
        if not isinstance(value, Bounded):
            return value
        own: Precision = self.weight.precision
        if self.compute_dtype is None or own.name != "float32":
            return value.cast(own)
        return value.cast(PRECISIONS[self.compute_dtype])


@dataclass(frozen=True)
class Function:
    """An activation and what it does to a delta.

    Attributes:
        forward: `phi(z)`.
        backward: `dy phi'(z)`, given `dy`, `z` and `y = phi(z)`.
        formula: the derivative `phi'(z)` as text.
    """

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array, Array], Array]
    formula: str


def _relu(z: Array) -> Array:
    return by_sign(z, 0.0, z)


def _relu_back(dy: Array, z: Array, y: Array) -> Array:
    return dy * by_sign(z, 0.0, 1.0)


def _leaky_relu(z: Array) -> Array:
    return by_sign(z, 0.01 * z, z)


def _leaky_relu_back(dy: Array, z: Array, y: Array) -> Array:
    return dy * by_sign(z, 0.01, 1.0)


def _exp_below(z: Array) -> Array:
    """Return `exp(z) - 1` where `z <= 0`; TensorFlow subtracts, so digits are lost near 0."""
    return exp(np.where(z.real <= 0, z, 0)) - 1


def _elu(z: Array) -> Array:
    return by_sign(z, _exp_below(z), z)


def _elu_back(dy: Array, z: Array, y: Array) -> Array:
    return dy * by_sign(z, y + 1, 1.0)


SELU_SCALE = 1.0507009873554804934193349852946
SELU_SCALE_ALPHA = 1.7580993408473768599402175208123


def _selu(z: Array) -> Array:
    return by_sign(z, SELU_SCALE_ALPHA * _exp_below(z), SELU_SCALE * z)


def _selu_back(dy: Array, z: Array, y: Array) -> Array:
    """TensorFlow chooses the side by `y`, which is rounded to 0 where `z` is nearly 0."""
    return dy * by_sign(y, y + SELU_SCALE_ALPHA, SELU_SCALE, at_zero=SELU_SCALE)


def _gelu(z: Array) -> Array:
    """`z Phi(z)` with the normal distribution function `Phi(z) = erfc(-z / sqrt(2)) / 2`."""
    return (z * 0.5) * erfc(-z * math.sqrt(0.5))


def _gelu_back(dy: Array, z: Array, y: Array) -> Array:
    """The product rule, with `erfc'(r) = -2 / sqrt(pi) exp(-r^2)`."""
    r = -z * math.sqrt(0.5)
    density = allow(exp(-(r * r)), 1)  # which constants may be multiplied by before the delta is
    through_erfc = (dy * (z * 0.5)) * (2 / math.sqrt(math.pi)) * density * math.sqrt(0.5)
    return (dy * erfc(r)) * 0.5 + through_erfc


GELU_TANH_LIMIT = 10.0
ROOT_2_OVER_PI = math.sqrt(2 / math.pi)


def _gelu_tanh_inner(z: Array) -> tuple[Array, Array]:
    """Return `z` moved into -10 .. 10, and `t = tanh(sqrt(2/pi) (z + 0.044715 z^3))`.

    Beyond 10, `t` is 1 in every precision, and the cube of a huge number would overflow.
    """
    near = np.where(np.abs(z.real) < GELU_TANH_LIMIT, z, GELU_TANH_LIMIT * np.sign(z.real))
    return near, tanh(ROOT_2_OVER_PI * (near + 0.044715 * near * near * near))


def _gelu_tanh(z: Array) -> Array:
    return 0.5 * z * (1 + _gelu_tanh_inner(z)[1])


def _gelu_tanh_back(dy: Array, z: Array, y: Array) -> Array:
    """The product rule, and the chain rule through `t`; the cube has three factors `z`."""
    near, t = _gelu_tanh_inner(z)
    cubic = ((dy * (0.5 * z)) * (1 - t * t)) * ROOT_2_OVER_PI
    third = 0.044715 * near * near
    through_t = cubic + cubic * third + (cubic * near) * (0.044715 * near) + cubic * third
    inside = np.abs(z.real) < GELU_TANH_LIMIT
    return 0.5 * (dy * (1 + t)) + np.where(inside, through_t, 0)


def _silu_back(dy: Array, z: Array, y: Array) -> Array:
    """The product rule, with `s' = s (1 - s)`."""
    s = sigmoid(z)
    return dy * s + ((dy * z) * s) * (1 - s)


def _mish(z: Array) -> Array:
    return z * tanh(softplus(z))


def _mish_back(dy: Array, z: Array, y: Array) -> Array:
    """The product rule, with `tanh' = 1 - tanh^2` and `softplus' = sigmoid`."""
    t = tanh(softplus(z))
    return dy * t + ((dy * z) * (1 - t * t)) * sigmoid(z)


def _relu6(z: Array) -> Array:
    return by_sign(z, 0.0, by_sign(z - 6.0, z, 6.0))


def _relu6_back(dy: Array, z: Array, y: Array) -> Array:
    return dy * by_sign(z, 0.0, by_sign(z - 6.0, 1.0, 0.0, at_zero=0.0))


def _softmax(z: Array) -> Array:
    """The largest is subtracted first, which changes nothing, so that no power overflows."""
    powers = exp(z - z.real.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _softmax_back(dy: Array, z: Array, y: Array) -> Array:
    """`dz_i = y_i (dy_i - sum_j dy_j y_j)`, from `dy_j/dz_i = y_j (1[i = j] - y_i)`."""
    return (dy - (dy * y).sum(axis=-1, keepdims=True)) * y


ACTIVATIONS: dict[str, Function] = {
    "identity": Function(lambda z: z, lambda dy, z, y: dy, "1"),
    "relu": Function(_relu, _relu_back, "1 where z > 0, else 0"),
    "relu6": Function(_relu6, _relu6_back, "1 where 0 < z < 6, else 0"),
    "leaky_relu": Function(_leaky_relu, _leaky_relu_back, "1 where z > 0, else 0.01"),
    "elu": Function(_elu, _elu_back, "1 where z > 0, else y + 1"),
    "selu": Function(_selu, _selu_back, "1.0507 where z > 0, else y + 1.7581"),
    "gelu": Function(_gelu, _gelu_back, "Phi(z) + z Phi'(z)"),
    "gelu_tanh": Function(_gelu_tanh, _gelu_tanh_back, "(1 + t)/2 + z/2 t', t = tanh(g(z))"),
    "silu": Function(lambda z: z * sigmoid(z), _silu_back, "s + z s (1 - s), s = sigmoid(z)"),
    "mish": Function(_mish, _mish_back, "t + z (1 - t^2) sigmoid(z), t = tanh(softplus(z))"),
    "tanh": Function(tanh, lambda dy, z, y: dy * (1 - y * y), "1 - y^2"),
    "sigmoid": Function(sigmoid, lambda dy, z, y: (dy * y) * (1 - y), "y (1 - y)"),
    "hard_sigmoid": Function(
        lambda z: _relu6(z + 3.0) / 6.0,
        lambda dy, z, y: _relu6_back(dy / 6.0, z + 3.0, y),
        "1/6 where -3 < z < 3, else 0",
    ),
    "softplus": Function(softplus, lambda dy, z, y: dy * sigmoid(z), "sigmoid(z)"),
    "softsign": Function(
        lambda z: z / (1 + absolute(z)),
        lambda dy, z, y: dy / ((1 + absolute(z)) * (1 + absolute(z))),
        "1 / (1 + |z|)^2",
    ),
    "softmax": Function(_softmax, _softmax_back, "dz_i = y_i (dy_i - sum_j dy_j y_j)"),
}


@register("tftrain.nn.activation.Activation")
@dataclass
class Activation(Layer):
    """`y = phi(z)` for every element, with the activation called `function`."""

    function: str

    def forward(self, x: Array) -> Array:
        """`y = phi(z)`."""
        return ACTIVATIONS[self.function].forward(x)

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """`dz = dy * phi'(z)`, element by element."""
        return ACTIVATIONS[self.function].backward(dy, x, y), {}
