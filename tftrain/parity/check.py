"""One check: a number of TensorFlow's beside the reference's, and how far apart they may be."""

from dataclasses import dataclass

import numpy as np

from tftrain.reference import Bounded
from tftrain.traces import is_discrete

CERTIFICATE = "certificate"
END_TO_END = "end to end"
EVIDENCE = "evidence"

RATE = "learning rate"
"""The quantity of checks of a schedule."""


@dataclass(frozen=True)
class Check:
    """The worst element of one array, compared.

    Attributes:
        mode: eager, graph or xla; `numpy` for a check of the reference itself.
        dtype: float32 or float64.
        node: the node by number and name, or another part of the step.
        quantity: what is compared, such as `dx` or `weight`.
        error: the difference at the worst element.
        bound: what it may be there.
        ratio: error over bound, the largest of all elements; at most 1 where nothing is wrong.
        place: index of the worst element.
        actual: TensorFlow's number there.
        expected: the reference's.
        kind: `certificate` where the bound is computed for a node, `end to end` where it follows
            the errors through the whole network, `evidence` where it is estimated.
        unsure: number of elements of which overflow leaves undetermined what they should be.
        relative_bound: norm of the bound over the norm of the array.
        remark: what else there is to say.
        step: of a check of an update or a learning rate, the number of updates made before.
    """

    mode: str
    dtype: str
    node: str
    quantity: str
    error: float
    bound: float
    ratio: float
    place: tuple[int, ...] = ()
    actual: float = 0.0
    expected: float = 0.0
    kind: str = CERTIFICATE
    unsure: int = 0
    relative_bound: float = 0.0
    remark: str = ""
    step: int | None = None

    @property
    def ok(self) -> bool:
        """Whether every element is within its bound."""
        return self.ratio <= 1

    @property
    def where(self) -> str:
        """The node and the quantity."""
        return f"{self.node}: {self.quantity}"

    def __str__(self) -> str:
        at = "" if self.step is None else f", after {self.step:,} updates"
        allowed = "was to be expected" if self.kind == EVIDENCE else "can be rounding"
        text = (
            f"{self.where}{list(self.place) if self.place else ''} is {self.actual:.17g} but "
            f"should be {self.expected:.17g}: an error of {self.error:.3g}, where at most "
            f"{self.bound:.3g} {allowed} ({self.mode}, {self.dtype}{at})"
        )
        return f"{text}; {self.remark}" if self.remark else text


def compare(
    actual: np.ndarray,
    expected: Bounded,
    mode: str,
    node: str,
    quantity: str,
    kind: str = CERTIFICATE,
) -> Check:
    """Compare an array with what the reference has, element by element.

    Where either is not finite, both must be, and in the same way. But where it depends on the order
    of operations whether they overflow, infinity and NaN are as right as the number within its
    bound; where the bound is infinite, nothing is wrong.
    """
    dtype = expected.precision.name
    if actual.shape != expected.shape:
        remark = f"the shape is {actual.shape}, the reference's {expected.shape}"
        return Check(mode, dtype, node, quantity, np.inf, 0.0, np.inf, kind=kind, remark=remark)
    if actual.size == 0:
        return Check(mode, dtype, node, quantity, 0.0, 0.0, 0.0, kind=kind)
    wide = actual.astype(expected.precision.wide)
    unsure = np.isinf(expected.bound) | (expected.spills & ~np.isfinite(wide))
    with np.errstate(all="ignore"):
        same = (wide == expected.value) | (np.isnan(wide) & np.isnan(expected.value))
        error = np.where(same | unsure, 0.0, np.abs(wide - expected.value).astype(np.float64))
        error = np.where(np.isnan(error), np.inf, error)
        ratio = np.where(error == 0, 0.0, error / np.where(unsure, 1.0, expected.bound))
    worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return Check(
        mode,
        dtype,
        node,
        quantity,
        error=float(error[worst]),
        bound=float(expected.bound[worst]),
        ratio=float(ratio[worst]),
        place=tuple(int(i) for i in worst),
        actual=float(wide[worst]),
        expected=float(expected.value[worst]),
        kind=kind,
        unsure=int(unsure.sum()),
        relative_bound=_relative_bound(expected, unsure),
    )


def same(actual: np.ndarray, expected: np.ndarray, mode: str, node: str, quantity: str) -> Check:
    """Compare two arrays of the same dtype that must be equal bit for bit (NaN equals NaN)."""
    different = (actual != expected) & ~((actual != actual) & (expected != expected))
    worst = np.unravel_index(int(np.argmax(different)), different.shape)
    found = bool(different.any())
    if is_discrete(actual):
        actual, expected = different, np.zeros_like(different)
    return Check(
        mode,
        actual.dtype.name,
        node,
        quantity,
        error=abs(float(actual[worst]) - float(expected[worst])) if found else 0.0,
        bound=0.0,
        ratio=np.inf if found else 0.0,
        place=tuple(int(i) for i in worst),
        actual=float(actual[worst]),
        expected=float(expected[worst]),
    )


def _relative_bound(expected: Bounded, unsure: np.ndarray) -> float:
    sure = ~unsure & np.isfinite(expected.value)
    size = float(np.linalg.norm(expected.value[sure].astype(np.float64)))
    return float(np.linalg.norm(expected.bound[sure])) / size if size else 0.0
