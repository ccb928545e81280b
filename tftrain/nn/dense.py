"""The affine map."""

from collections.abc import Sequence
from itertools import pairwise

import tensorflow as tf

from tftrain.errors import InputError, ShapeError, one_of, whole_number
from tftrain.memory import Need, require
from tftrain.names import DTYPES
from tftrain.nn import initializers
from tftrain.nn.bfloat16 import NARROW
from tftrain.streams import Purpose, stream

WIDE = 128
"""Inputs from which a layer of a single unit is computed as a sum of products. As a matrix product,
XLA computes it and the gradient of its weight number by number, not as vectors: a tenth of the time
of a step where the layer before has 256 units."""


def require_memory(widths: Sequence[int], dtype: str) -> None:
    """Raise OutOfMemoryError where the weights between layers of these widths can never fit."""
    if tf.config.list_physical_devices("GPU"):  # which have memory of their own
        return
    weights = sum(before * after for before, after in pairwise(widths))
    size = weights * (8 if dtype == "float64" else 4)
    remedy = "make its layers (model.hidden) narrower or fewer"
    require("the network", Need(size, f"the {weights:,} weights between its layers", remedy))


class Dense(tf.Module):
    """`x @ weight + bias`: every output unit sees every input.

    Args:
        in_features: number of inputs, positive.
        out_features: number of outputs, positive.
        use_bias: whether a bias is added.
        initializer: name of an initializer for the weight, or a function of
            `(numpy.random.Generator, shape)`.
        bias_initializer: the same for the bias.
        dtype: `"float32"` or `"float64"`: dtype of the parameters and, without a `compute_dtype`,
            of inputs and outputs.
        compute_dtype: `"bfloat16"` rounds inputs and parameters to 8 significant bits, multiplies
            in that type, which newer processors do twice as fast, and gives outputs of that type.
            Parameters stay float32, and so do their gradients.
        seed: the initial parameters are a pure function of `(seed, counter)`.
        counter: distinguishes layers with the same seed; networks number their layers.

    Attributes:
        weight: variable of shape `(in_features, out_features)`.
        bias: variable of shape `(out_features,)`, or None.
        compute_dtype: the type of the arithmetic and of the outputs, if it is another.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        use_bias: bool = True,
        initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        dtype: str = "float32",
        compute_dtype: str | None = None,
        seed: int = 0,
        counter: int = 0,
    ) -> None:
        super().__init__(name="dense")
        self.in_features = whole_number("in_features", in_features)
        self.out_features = whole_number("out_features", out_features)
        one_of("dtype", dtype, DTYPES)
        if compute_dtype is not None and (compute_dtype, dtype) != (NARROW, "float32"):
            raise InputError(
                f"compute_dtype must be {NARROW} with dtype float32, or None; got "
                f"{compute_dtype!r} with {dtype}"
            )
        self.compute_dtype = compute_dtype
        require_memory([in_features, out_features], dtype)
        rng = stream(seed, Purpose.WEIGHTS, counter)
        weight = initializers.get(initializer)(rng, (in_features, out_features))
        self.weight = tf.Variable(weight, dtype=dtype, name="weight")
        self.bias = None
        if use_bias:
            bias = initializers.get(bias_initializer)(rng, (out_features,))
            self.bias = tf.Variable(bias, dtype=dtype, name="bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the map of `x`.

        Args:
            x: shape `(cases, in_features)`; a tensor of the layer's dtype, or an array. Where that
                is float32, bfloat16 too.

        Returns:
            Shape `(cases, out_features)`, of the type that is computed in.

        Raises:
            ShapeError: `x` has another width or dtype.
        """
        dtype = self.weight.dtype
        x = tf.convert_to_tensor(x, dtype_hint=dtype)
        narrow = x.dtype == tf.bfloat16 and dtype == tf.float32
        if x.shape.rank != 2 or x.shape[-1] != self.in_features or not (x.dtype == dtype or narrow):
            raise ShapeError(
                f"{self!r} takes {dtype.name} of shape (cases, {self.in_features}), "
                f"got {x.dtype.name} of shape {x.shape}"
            )
        x, weight = self._computed(x), self._computed(self.weight)
        if self.out_features == 1 and self.in_features >= WIDE and self.compute_dtype is None:
            z = tf.reduce_sum(x * tf.transpose(weight), axis=1, keepdims=True)
        else:
            z = tf.matmul(x, weight)
        return z if self.bias is None else z + self._computed(self.bias)

    def _computed(self, value: tf.Tensor | tf.Variable) -> tf.Tensor:
        """Return numbers in the type that is computed in."""
        return tf.cast(value, self.compute_dtype or self.weight.dtype)

    def __repr__(self) -> str:
        return f"Dense({self.in_features}, {self.out_features})"
