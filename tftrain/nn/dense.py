"""The affine map."""

import tensorflow as tf

from tftrain.errors import ShapeError, unknown, whole_number
from tftrain.nn import initializers
from tftrain.streams import Purpose, stream

DTYPES = ("float32", "float64")


class Dense(tf.Module):
    """`x @ weight + bias`: every output unit sees every input.

    Args:
        in_features: number of inputs, positive.
        out_features: number of outputs, positive.
        use_bias: whether a bias is added.
        initializer: name of an initializer for the weight, or a function of
            `(numpy.random.Generator, shape)`.
        bias_initializer: the same for the bias.
        dtype: `"float32"` or `"float64"`, of parameters, inputs and outputs.
        seed: the initial parameters are a pure function of `(seed, counter)`.
        counter: tells layers with the same seed apart; networks number their layers.

    Attributes:
        weight: variable of shape `(in_features, out_features)`.
        bias: variable of shape `(out_features,)`, or None.
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
        seed: int = 0,
        counter: int = 0,
    ) -> None:
        super().__init__(name="dense")
        self.in_features = whole_number("in_features", in_features)
        self.out_features = whole_number("out_features", out_features)
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, DTYPES)
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
            x: shape `(cases, in_features)`; a tensor of the layer's dtype, or an array.

        Returns:
            Shape `(cases, out_features)`.

        Raises:
            ShapeError: `x` has another width or dtype.
        """
        x = tf.convert_to_tensor(x, dtype_hint=self.weight.dtype)
        if x.shape.rank != 2 or x.shape[-1] != self.in_features or x.dtype != self.weight.dtype:
            raise ShapeError(
                f"{self!r} takes {self.weight.dtype.name} of shape (cases, {self.in_features}), "
                f"got {x.dtype.name} of shape {x.shape}"
            )
        z = tf.matmul(x, self.weight)
        return z if self.bias is None else z + self.bias

    def __repr__(self) -> str:
        return f"Dense({self.in_features}, {self.out_features})"
