"""The rectifier with a learned slope, by hand."""

from dataclasses import dataclass

from tftrain.reference.functions import by_sign
from tftrain.reference.layers import Array, Layer, register


@register("tftrain.nn.prelu.PReLU")
@dataclass
class PReLU(Layer):
    """`y = z` where `z > 0`, else `slope z`.

    Attributes:
        slope: for each feature.
    """

    slope: Array

    def forward(self, x: Array) -> Array:
        return by_sign(x, self.slope * x, x)

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """`dz = dy` or `dy slope`; `dslope` is the sum of `dy z` where `z < 0`."""
        cases = tuple(range(x.ndim - 1))
        dx = by_sign(x, dy * self.slope, dy)
        return dx, {"slope": by_sign(x, dy * x, 0.0 * x).sum(axis=cases)}
