"""Normalization: of each case over its features, and of each feature over the batch."""

import tensorflow as tf

from tftrain.errors import ShapeError, number, one_of, whole_number
from tftrain.names import DTYPES
from tftrain.nn.call import Draw


class _Normalization(tf.Module):
    """What both kinds share: a gain and an offset for each feature.

    Args:
        features: size of the last axis of the input, positive.
        epsilon: added to each variance, positive.
        dtype: `"float32"` or `"float64"`.
    """

    def __init__(self, features: int, epsilon: float, dtype: str, name: str) -> None:
        super().__init__(name=name)
        self.features = whole_number("features", features)
        self.epsilon = number(f"{name}: epsilon", epsilon, positive=True)
        one_of("dtype", dtype, DTYPES)
        self.gain = tf.Variable(tf.ones([self.features], dtype), name="gain")
        self.offset = tf.Variable(tf.zeros([self.features], dtype), name="offset")

    def _require(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.convert_to_tensor(x, dtype_hint=self.gain.dtype)
        if x.shape.rank is None or x.shape.rank < 2 or x.shape[-1] != self.features:
            raise ShapeError(
                f"{self!r} takes the shape (cases, ..., {self.features}), got {x.shape}"
            )
        return tf.cast(x, self.gain.dtype)

    def _scaled(self, centred: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        epsilon = tf.constant(self.epsilon, variance.dtype)
        return centred / tf.sqrt(variance + epsilon) * self.gain + self.offset

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.features})"


class LayerNorm(_Normalization):
    """`gain (x - mean) / sqrt(variance + epsilon) + offset`, each case by itself.

    Mean and variance are those of the last axis. Source: Ba, Kiros and Hinton (2016), "Layer
    normalization".

    Args:
        features: size of the last axis of the input, positive.
        epsilon: added to each variance, positive.
        dtype: `"float32"` or `"float64"`.

    Attributes:
        gain: variable of shape `(features,)`, at first ones.
        offset: variable of shape `(features,)`, at first zeros.
    """

    def __init__(self, features: int, *, epsilon: float = 1e-5, dtype: str = "float32") -> None:
        super().__init__(features, epsilon, dtype, "layer_norm")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x` normalized, shape `(cases, ..., features)`."""
        x = self._require(x)
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        return self._scaled(centred, variance)


class BatchNorm(_Normalization):
    """`gain (x - mean) / sqrt(variance + epsilon) + offset`, each feature by itself.

    While training, mean and variance are those of the batch, and the moving ones follow:
    `moving' = momentum * moving + (1 - momentum) * of the batch`. When serving, the moving ones
    are taken. Source: Ioffe and Szegedy (2015), "Batch normalization", algorithms 1 and 2; the
    moving variance is that of the batch without Bessel's correction.

    Args:
        features: size of the last axis of the input, positive.
        momentum: of the moving statistics, at least 0 and below 1.
        epsilon: added to each variance, positive.
        dtype: `"float32"` or `"float64"`.

    Attributes:
        gain: variable of shape `(features,)`, at first ones.
        offset: variable of shape `(features,)`, at first zeros.
        moving_mean: variable of shape `(features,)`, not trained; at first zeros.
        moving_variance: variable of shape `(features,)`, not trained; at first ones.
    """

    takes_draw = True

    def __init__(
        self,
        features: int,
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        dtype: str = "float32",
    ) -> None:
        super().__init__(features, epsilon, dtype, "batch_norm")
        self.momentum = number("batch_norm: momentum", momentum, below=1)
        start = {
            "moving_mean": tf.zeros_like(self.gain),
            "moving_variance": tf.ones_like(self.gain),
        }
        self.moving_mean, self.moving_variance = (
            tf.Variable(value, trainable=False, name=name) for name, value in start.items()
        )

    def __call__(self, x: tf.Tensor, draw: Draw | None = None) -> tf.Tensor:
        """Return `x` normalized, shape `(cases, ..., features)`; with a draw, as in training."""
        x = self._require(x)
        if draw is None:
            return self._scaled(x - self.moving_mean, self.moving_variance.read_value())
        axes = list(range(x.shape.rank - 1))
        mean = tf.reduce_mean(x, axis=axes)
        centred = x - mean
        variance = tf.reduce_mean(tf.square(centred), axis=axes)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * value)
        return self._scaled(centred, variance)
