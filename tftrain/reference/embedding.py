"""The embedding by hand: rows of a table forwards, sums over the cases of each row backwards."""

from dataclasses import dataclass

import numpy as np

from tftrain.reference.layers import Array, Layer, register


@register("tftrain.nn.embedding.Embedding")
@dataclass
class Embedding(Layer):
    """`y_c = table[x_c]` for each case `c`.

    Attributes:
        table: a vector for each code, shape `(categories, width)`.
    """

    table: Array

    def forward(self, x: np.ndarray) -> Array:
        """Look up the vector of each code."""
        return np.take(self.table, x, axis=0)

    def backward(self, x: np.ndarray, y: Array, dy: Array) -> tuple[None, dict[str, Array]]:
        """`dL/dtable[k]`: the sum of `dy_c` over the cases `c` with `x_c = k`. Codes have none."""
        (categories, width), codes = self.table.shape, np.unique(x)
        sums = [dy[x == code].sum(axis=0) for code in codes]
        row = np.full(categories, len(codes))
        row[codes] = np.arange(len(codes))
        return None, {"table": np.take(np.stack([*sums, np.zeros(width)]), row, axis=0)}
