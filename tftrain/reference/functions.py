"""Elementary functions: what they are, and what an engine may lose in them.

Each takes real arrays of any precision, complex arrays (for the complex step) and `Bounded` ones.
No library promises how accurate these functions are, so their constants are measured:
`scripts/proof/measure_roundings.py` compares TensorFlow, eagerly and under XLA, with wider
arithmetic or mpmath over the whole range of each dtype, subnormal numbers and overflow included,
and prints the largest error in units of roundoff of the result. The constants below are those
figures (in the comments), with a third added because a sample is no proof, and rounded up.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from tftrain.reference.bounded import RULES, Bounded, either

Rounding = float | Callable[[np.ndarray], np.ndarray]


FLOAT32_UNIT = 2.0**-16
"""Unit roundoff of float32 in those of bfloat16."""


def _narrowed(units: Rounding) -> Rounding:
    """Return what is lost in bfloat16 where a function is computed in float32, then rounded."""
    if callable(units):
        return lambda z: 1 + FLOAT32_UNIT * units(z)
    return 1 + FLOAT32_UNIT * units


class Elementary:
    """A monotone function of each element, computed by engines to within some units of roundoff.

    Args:
        function: on plain arrays, real or complex.
        float32: what an engine may lose, in units of roundoff of the result: a number, or a
            function of the argument.
        float64: the same for that dtype.
        bfloat16: the same; by default for an engine that computes in float32, and rounds that.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        float32: Rounding,
        float64: Rounding,
        bfloat16: Rounding | None = None,
    ) -> None:
        self.function = function
        self.units = {
            "float32": float32,
            "float64": float64,
            "bfloat16": bfloat16 or _narrowed(float32),
        }
        self.__doc__ = function.__doc__

    def __call__(self, z: Any) -> Any:
        """Return the function of `z`, of its type."""
        return self.bounded(z) if isinstance(z, Bounded) else self.function(z)

    def bounded(self, z: Bounded) -> Bounded:
        """Return the function of a bounded array."""
        units = self.units[z.precision.name]
        if not callable(units):
            return z.through(self.function, units)
        with np.errstate(all="ignore"):
            return z.through(self.function, units(np.abs(z.value).astype(np.float64)))


def _sigmoid(z: Any) -> Any:
    """`1 / (1 + exp(-z))`, by exponentials of negative numbers only."""
    e = np.exp(np.where(z.real > 0, -z, z))
    return np.where(z.real > 0, 1, e) / (1 + e)


def _softplus(z: Any) -> Any:
    """`log(1 + exp(z))`, by exponentials of negative numbers only."""
    return np.where(z.real > 0, z, 0) + np.log1p(np.exp(np.where(z.real > 0, -z, z)))


def _erfc(z: Any) -> Any:
    """The complementary error function; no better than float64 (SciPy has no wider one)."""
    if z.dtype == np.longdouble:
        return special.erfc(z.astype(np.float64)).astype(np.longdouble)
    return special.erfc(z)


exp = Elementary(np.exp, float32=8, float64=4)  # 5.5 (XLA, just below overflow), 2.3
tanh = Elementary(np.tanh, float32=8, float64=11)  # 5.4, 7.6
sigmoid = Elementary(_sigmoid, float32=12, float64=5, bfloat16=3)  # 8.4, 3.4, 2.2
softplus = Elementary(_softplus, float32=11, float64=11, bfloat16=11)  # 8.0, 8.1, 7.6
erfc = Elementary(
    _erfc,
    # Its argument is squared on the way, which costs 1 + z^2: in units of that,
    float32=lambda z: 11 * (1 + z * z),  # 6.6
    float64=lambda z: 24 * (1 + z * z),  # 7.5, and SciPy's own share 7.1
)
log = Elementary(np.log, float32=3, float64=3)  # 2.0, 2.3
log1p = Elementary(np.log1p, float32=6, float64=6)  # 4.2, 4.2
expm1 = Elementary(np.expm1, float32=8, float64=7)  # 5.7, 4.9
cos = Elementary(np.cos, float32=4, float64=4)  # in float64 alone, from 0 to pi: 1.0


def power(base: float, exponent: Bounded) -> Bounded:
    """Return `base ^ exponent` for single numbers (of arrays, TensorFlow's `pow` loses more)."""
    return exponent.through(lambda value: np.power(exponent.precision.wide(base), value), 4)  # 1.0


RULES.update(
    {
        np.exp: exp.bounded,
        np.tanh: tanh.bounded,
        np.log: log.bounded,
        np.log1p: log1p.bounded,
        np.expm1: expm1.bounded,
    }
)


def by_sign(z: Any, negative: Any, positive: Any, *, at_zero: Any = None) -> Any:
    """Return `negative` where `z < 0` and `positive` where `z > 0`.

    Args:
        z: real, complex (its real part counts) or `Bounded`.
        negative: value on the left of a kink.
        positive: value on its right.
        at_zero: what plain arrays take at zero, by default `negative`; what TensorFlow takes. For a
            `Bounded` argument that may be zero, all from `negative` to `positive` is accepted.
    """
    if not isinstance(z, Bounded):
        negative, positive = (np.asarray(side, z.dtype) for side in (negative, positive))
        zero = negative if at_zero is None else np.asarray(at_zero, z.dtype)
        return np.where(z.real > 0, positive, np.where(z.real < 0, negative, zero))
    negative, positive = z.operand(negative), z.operand(positive)
    left = z.value <= 0  # not so for NaN, which the right-hand sides let through
    chosen, other = np.where(left, negative, positive), np.where(left, positive, negative)
    found = either(np.abs(z.value) <= z.bound, chosen, other)
    # NaN is on neither side: engines differ in which they take. What is undetermined may be NaN.
    lost = (np.isnan(z.value) & ~np.isnan(found.value)) | np.isinf(z.bound) | z.spills
    return Bounded(found.value, np.where(lost, np.inf, found.bound), z.precision, found.spills)


def where_zero(z: Any, at_zero: Any, elsewhere: Any) -> Any:
    """Return `at_zero` where `z` is zero, and `elsewhere` where it is not.

    Where rounding decides whether a `Bounded` argument is zero, all between both is accepted.
    """
    if not isinstance(z, Bounded):
        return np.where(z == 0, np.asarray(at_zero, z.dtype), elsewhere)
    at_zero, elsewhere = z.operand(at_zero), z.operand(elsewhere)
    perhaps = np.abs(z.value) <= z.bound
    exactly = perhaps & (z.bound == 0)
    chosen = Bounded(
        np.where(exactly, at_zero.value, elsewhere.value),
        np.where(exactly, at_zero.bound, elsewhere.bound),
        z.precision,
        np.where(exactly, at_zero.spills, elsewhere.spills),
    )
    found = either(perhaps & ~exactly, chosen, at_zero)
    lost = np.isinf(z.bound) | z.spills
    return Bounded(found.value, np.where(lost, np.inf, found.bound), z.precision, found.spills)


def absolute(z: Any) -> Any:
    """Return the absolute value of each element, continued to complex numbers off the real axis."""
    return np.abs(z) if isinstance(z, Bounded) else np.sign(z.real) * z


def allow(value: Any, roundings: float) -> Any:
    """Return `value` with a bound that is wider by some roundings; plain arrays as they are.

    For places where an engine may reach the same number on a longer way.
    """
    if not isinstance(value, Bounded):
        return value
    unsure = np.isinf(value.bound)
    return value.rounded(value.value, value.bound, roundings, unsure=unsure, spills=value.spills)
