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
        categories, width = self.table.shape
        codes, places = np.unique(x, return_inverse=True)
        present = np.arange(len(codes))
        chosen = (places.reshape(1, -1) == present[:, None]).astype(np.float64)
        sums = np.concatenate([chosen @ dy.reshape(-1, width), np.zeros((1, width))])
        row = np.full(categories, len(codes))
        row[codes] = present
        return None, {"table": np.take(sums, row, axis=0)}
