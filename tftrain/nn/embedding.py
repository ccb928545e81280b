"""Embeddings: a vector for each category, looked up by its code."""

import numpy as np
import tensorflow as tf

from tftrain.errors import ShapeError, one_of, whole_number
from tftrain.names import DTYPES
from tftrain.nn import initializers
from tftrain.nn.dense import require_memory
from tftrain.streams import Purpose, stream


class Embedding(tf.Module):
    """`table[x]`: a trained vector for each integer code.

    The gradient of a row of the table is the sum of the deltas of all cases with its code; that of
    a row whose code does not occur is zero. Weight decay and the L2 penalty act on the whole table,
    as on every weight. Source: Bengio, Ducharme, Vincent and Jauvin (2003), "A neural probabilistic
    language model", section 2 (the matrix C).

    Args:
        categories: number of codes, positive.
        width: length of each vector, positive.
        initializer: name of an initializer for the table, or a function of
            `(numpy.random.Generator, shape)`.
        dtype: `"float32"` or `"float64"`.
        seed: the initial table is a pure function of `(seed, counter)`.
        counter: distinguishes layers with the same seed; networks number their layers.

    Attributes:
        table: variable of shape `(categories, width)`.
    """

    def __init__(
        self,
        categories: int,
        width: int,
        *,
        initializer: str | initializers.Initializer = "uniform",
        dtype: str = "float32",
        seed: int = 0,
        counter: int = 0,
    ) -> None:
        super().__init__(name="embedding")
        self.categories = whole_number("categories", categories)
        self.width = whole_number("width", width)
        one_of("dtype", dtype, DTYPES)
        require_memory([categories, width], dtype)
        rng = stream(seed, Purpose.WEIGHTS, counter)
        table = initializers.get(initializer)(rng, (categories, width))
        self.table = tf.Variable(table, dtype=dtype, name="table")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the vectors of codes.

        Args:
            x: codes from 0 to `categories - 1`, any integer type, shape `(cases, ...)`. `fit`,
                `trace` and `gradcheck` check the range; a call by itself does not under XLA.

        Returns:
            Shape `(cases, ..., width)`, of the table's dtype.

        Raises:
            ShapeError: `x` does not hold integers.
        """
        x = tf.convert_to_tensor(x)
        if not x.dtype.is_integer:
            raise ShapeError(f"{self!r} takes integers of shape (cases, ...), got {x.dtype.name}")
        return tf.gather(self.table, x)

    def __repr__(self) -> str:
        return f"Embedding({self.categories}, {self.width})"


def unknown_is_zero(rng: np.random.Generator, shape: initializers.Shape) -> np.ndarray:
    """Return an initial table in which the vector of code 0, of unknown categories, is zero."""
    table = initializers.get("uniform")(rng, shape)
    table[0] = 0
    return table
