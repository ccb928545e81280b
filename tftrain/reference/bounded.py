"""Numbers that know how far a computer may have missed them: running error analysis.

A `Bounded` array holds the value of an expression, computed in a wider type than the engine that is
to be checked, and a bound on how far *any* correct engine of the given precision can be from it.
Every operation on it follows the standard model of floating-point arithmetic,

    fl(a op b) = (a op b)(1 + e) + f,   |e| <= u,   |f| <= tiny,

with unit roundoff `u`; `f` is there because TensorFlow flushes subnormal numbers to zero, inputs
and results alike (NumPy does not). What the operands may be off by is carried along. So a formula
that is written once, for plain arrays, says its own bound when it is given `Bounded` ones.

The value's own rounding, in the wider type of roundoff `w`, is part of the bound: `u + w`
stands below wherever a result is rounded. So the bound holds on machines without a wider type.

Sources: Wilkinson (1986), "Error analysis revisited"; Higham (2002), "Accuracy and stability of
numerical algorithms", sections 2.2 and 3.3; for inner products of length n, whatever the order of
the summation and whatever n, `n u |x|.|y|`: Jeannerod and Rump (2013), "Improved error bounds for
inner products in floating-point arithmetic".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

SAFETY = 1 + 2.0**-20
"""The bounds themselves are computed in float64: far more than all that can be lost in them."""

LONG_PRODUCTS = 2**18
"""Most multiplications of a matrix product that is computed in long double."""

ORDER = 4.0
"""An engine may multiply by a constant such as 2 or 1/2 sooner or later. So within this factor of
the largest number it is not determined whether a product overflows."""

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


@dataclass(frozen=True)
class Precision:
    """The arithmetic of the engine that is to be checked.

    Attributes:
        name: its dtype, float32 or float64.
        wide: the dtype in which the reference computes.
    """

    name: str
    wide: type[np.floating[Any]]

    @property
    def roundoff(self) -> float:
        """`u + w`: the unit roundoff, and that of the reference itself."""
        return float(np.finfo(self.name).eps) / 2 + float(np.finfo(self.wide).eps) / 2

    @property
    def tiny(self) -> float:
        """The smallest normal number: what is below may be flushed to zero."""
        return float(np.finfo(self.name).tiny)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return float(np.finfo(self.name).max)


PRECISIONS = {
    "float32": Precision("float32", np.float64),
    "float64": Precision("float64", np.longdouble),
}


class Bounded(NDArrayOperatorsMixin):
    """An array with a bound on its error; NumPy's operators and functions work on it.

    Attributes:
        value: in the wide dtype of the precision.
        bound: float64, of the shape of the value. Infinite where the outcome depends on the order
            of operations: a sum whose parts overflow, 0 times infinity.
        precision: the arithmetic of the engine.
    """

    def __init__(self, value: np.ndarray, bound: np.ndarray | float, precision: Precision) -> None:
        self.value = np.asarray(value, precision.wide)
        self.bound = np.broadcast_to(np.asarray(bound, np.float64), self.value.shape)
        self.precision = precision

    @classmethod
    def exact(cls, value: Any, precision: Precision) -> Bounded:
        """Return numbers that the engine has exactly, but for its dtype and flushed subnormals."""
        wide = np.asarray(value, precision.wide)
        with np.errstate(all="ignore"):
            held = np.asarray(value, precision.name)
            size = _size(wide)
            bound = np.where(np.isfinite(size), np.abs(held - wide), 0.0)
            flushed = (size < precision.tiny) & (size > 0)
        return cls(wide, np.where(flushed, size, bound), precision)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.value.size

    @property
    def real(self) -> Bounded:
        """Itself: formulas that also run on complex numbers ask for the real part."""
        return self

    @property
    def T(self) -> Bounded:  # noqa: N802 - NumPy's name
        """The transpose."""
        return self._like(self.value.T, self.bound.T)

    @property
    def magnitude(self) -> np.ndarray:
        """Return the largest absolute value that each element can have, float64."""
        return _size(self.value) + self.bound

    def reshape(self, *shape: Any) -> Bounded:
        """Return the same numbers in another shape."""
        return self._like(self.value.reshape(*shape), self.bound.reshape(*shape))

    def __getitem__(self, key: Any) -> Bounded:
        return self._like(self.value[key], self.bound[key])

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"Bounded({self.value!r}, bound={self.bound!r})"

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Bounded:
        """Return the sum: of n terms in any order, each is rounded at most n - 1 times."""
        value = self.value.sum(axis=axis, keepdims=keepdims)
        bound = self.bound.sum(axis=axis, keepdims=keepdims)
        size = self.magnitude.sum(axis=axis, keepdims=keepdims)
        terms = self.size // max(1, np.size(value))
        unsure = np.asarray(np.isinf(self.bound).any(axis=axis, keepdims=keepdims))
        if not np.max(size, initial=0.0) <= self.precision.largest:
            plus, minus = (p.sum(axis=axis, keepdims=keepdims) for p in _by_signs(self))
            unsure = unsure | _clash(plus, minus, value, self.precision)
        return self._rounded(value, bound, terms - 1, size, terms, unsure)

    def mean(self, axis: int | tuple[int, ...] | None = None) -> Bounded:
        """Return the sum divided by the number of terms."""
        total = self.sum(axis=axis)
        return total / (self.size // max(1, total.size))

    def cast(self, precision: Precision) -> Bounded:
        """Return the numbers rounded to another precision."""
        value = self.value.astype(precision.wide)
        return Bounded(value, 0.0, precision)._rounded(value, self.bound, 1, self.magnitude)

    def through(
        self, function: Callable[[np.ndarray], np.ndarray], units: float | np.ndarray
    ) -> Bounded:
        """Return a monotone function of the numbers.

        Args:
            function: takes and gives plain arrays. Being monotone, it moves no further than to its
                values at the ends of the interval that the argument may lie in.
            units: what an engine may lose in it, in units of roundoff of the result.
        """
        with np.errstate(all="ignore"):
            value = function(self.value)
            moved = np.zeros(self.shape)
            if self.bound.any():
                ends = (function(self.value + sign * self.bound) for sign in (-1, 1))
                moved = _max(*(_size(end - value) for end in ends))
        return self._rounded(value, moved, units, unsure=np.isinf(self.bound))

    def _like(self, value: np.ndarray, bound: np.ndarray | float) -> Bounded:
        return Bounded(value, bound, self.precision)

    def _rounded(
        self,
        value: np.ndarray,
        inherited: np.ndarray,
        units: float | np.ndarray,
        size: np.ndarray | None = None,
        flushes: float = 1,
        unsure: np.ndarray | bool = False,
    ) -> Bounded:
        """Return the result of an operation.

        Args:
            value: computed in the wide type.
            inherited: bound on what the operands' errors do to it.
            units: roundings on the way, in units of roundoff of `size`.
            size: magnitude of what is rounded on the way, where it may exceed that of the result.
            flushes: how many results on the way may be flushed to zero.
            unsure: where the operands are not determined.
        """
        precision = self.precision
        limit = precision.largest / ORDER
        with np.errstate(all="ignore"):
            most = _size(value) + inherited
            if size is not None:
                most = np.maximum(most, size)
            lost = units * precision.roundoff * most
            flushed = _min(most, precision.tiny) * flushes
            bound = (inherited + lost) * SAFETY + flushed
            if (
                not np.any(unsure)
                and np.max(most, initial=0.0) + np.max(bound, initial=0.0) < limit
            ):
                return self._like(value, bound)
            over = _size(value) - bound > ORDER * precision.largest
            unsure = unsure | (~over & (most + bound > limit) & np.isfinite(value))
            value = np.where(over, np.copysign(np.inf, value), value)
            bound = np.where(np.isfinite(value), bound, 0.0)
            bound = np.where(unsure | np.isnan(bound), np.inf, bound)
        return self._like(value, bound)

    def _operand(self, other: Any) -> Bounded:
        return other if isinstance(other, Bounded) else Bounded.exact(other, self.precision)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        operands = [self._operand(one) for one in inputs]
        if ufunc in COMPARISONS:
            return ufunc(*(one.value for one in operands))
        if ufunc not in RULES:
            return NotImplemented
        with np.errstate(all="ignore"):
            return RULES[ufunc](*operands)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function not in FUNCTIONS:
            return NotImplemented
        return FUNCTIONS[function](*args, **options)


def _size(value: np.ndarray) -> np.ndarray:
    """Return absolute values as float64, rounded up where that type has few digits for them."""
    size = np.abs(value).astype(np.float64, copy=False)
    if value.dtype == np.float64:
        return size
    coarse = size < np.finfo(np.float64).tiny
    return np.where(coarse & (value != 0), size + SMALLEST, size) if coarse.any() else size


def _by_signs(a: Bounded) -> tuple[np.ndarray, np.ndarray]:
    """Return how large the finite elements can be, the positive ones and the negative ones."""
    size = np.where(np.isfinite(a.value), a.magnitude, 0.0)
    return np.where(a.value > 0, size, 0.0), np.where(a.value < 0, size, 0.0)


def _clash(
    plus: np.ndarray, minus: np.ndarray, value: np.ndarray, precision: Precision
) -> np.ndarray:
    """Return where a sum depends on the order because parts of it may overflow.

    Args:
        plus: what its positive terms can sum to.
        minus: the size of what its negative terms can sum to.
        value: the sum; where it is not finite because a term is not, that decides the outcome
            unless others overflow besides.
        precision: the arithmetic of the engine.
    """
    over = [~(part <= precision.largest) for part in (plus, minus)]
    return (over[0] & over[1]) | (~np.isfinite(value) & (over[0] | over[1]))


_min, _max = np.minimum, np.maximum


def _unsure(a: Bounded, b: Bounded) -> np.ndarray:
    return np.isinf(a.bound) | np.isinf(b.bound)


def _perhaps_zero(a: Bounded) -> np.ndarray:
    return _size(a.value) <= a.bound


def _add(a: Bounded, b: Bounded) -> Bounded:
    """`|fl(a + b) - (a + b)| <= u |a + b|`."""
    return a._rounded(a.value + b.value, a.bound + b.bound, 1, unsure=_unsure(a, b))


def _subtract(a: Bounded, b: Bounded) -> Bounded:
    return _add(a, _negative(b))


def _multiply(a: Bounded, b: Bounded) -> Bounded:
    """`(a + da)(b + db) - ab = a db + b da + da db`, and one rounding.

    Where infinity or NaN meets what may be 0, the product is NaN, or 0 in an engine that selects
    instead of multiplying: unsure.
    """
    value = a.value * b.value
    inherited = _size(a.value) * b.bound + _size(b.value) * a.bound + a.bound * b.bound
    zero_meets = [
        _perhaps_zero(one) & ~np.isfinite(other.value) for one, other in ((a, b), (b, a))
    ]
    return a._rounded(value, inherited, 1, unsure=_unsure(a, b) | zero_meets[0] | zero_meets[1])


def _divide(a: Bounded, b: Bounded) -> Bounded:
    """`(a + da)/(b + db) - q = (da - q db)/(b + db)` with `q = a/b`, and one rounding."""
    value = a.value / b.value
    room = _size(b.value) - b.bound
    inherited = (a.bound + _size(value) * b.bound) / room
    perhaps = [_perhaps_zero(one) & (one.bound > 0) for one in (a, b)]
    unsure = _unsure(a, b) | perhaps[1] | (perhaps[0] & (b.value == 0))
    return a._rounded(value, inherited, 1, unsure=unsure)


def _matmul(a: Bounded, b: Bounded) -> Bounded:
    """An inner product of length n loses at most `n u |a||b|`, in any order of summation.

    Every product and every partial sum may be flushed.
    """
    length = a.shape[-1]
    size = a.magnitude @ b.magnitude
    inherited = np.zeros(size.shape)
    if a.bound.any() or b.bound.any():
        inherited = a.bound @ b.magnitude + _size(a.value) @ b.bound
    unsure: np.ndarray | bool = False
    if np.isinf(a.bound).any() or np.isinf(b.bound).any():
        ones = np.isinf(a.bound).astype(float), np.isinf(b.bound).astype(float)
        unsure = (ones[0] @ np.ones(b.shape) + np.ones(a.shape) @ ones[1]) > 0
    value, units = _product(a.value, b.value)
    if not np.max(size, initial=0.0) <= a.precision.largest:
        (plus_a, minus_a), (plus_b, minus_b) = _by_signs(a), _by_signs(b)
        plus, minus = plus_a @ plus_b + minus_a @ minus_b, plus_a @ minus_b + minus_a @ plus_b
        unsure = unsure | _clash(plus, minus, value, a.precision)
    return a._rounded(value, inherited, units, size, 2 * length, unsure)


def _product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the matrix product, and what its inner products lose, in units of roundoff.

    Long doubles are multiplied one by one, hundreds of times slower than BLAS multiplies float64.
    So large products are left to BLAS: what that loses itself, with the operands rounded to float64
    first, is as much again and two roundings.
    """
    length = a.shape[-1]
    if a.dtype == np.float64 or a.size * b.shape[-1] <= LONG_PRODUCTS:
        return a @ b, length
    return a.astype(np.float64) @ b.astype(np.float64), 2 * length + 2


def _negative(a: Bounded) -> Bounded:
    return a._like(-a.value, a.bound)


def _absolute(a: Bounded) -> Bounded:
    return a._like(np.abs(a.value), a.bound)


def _sign(a: Bounded) -> Bounded:
    """The subgradient of the absolute value: anything from -1 to 1 where the argument may be 0."""
    zero = _perhaps_zero(a)
    bound = np.where(np.isinf(a.bound), np.inf, zero)  # what is undetermined may be NaN
    return a._like(np.where(zero, 0, np.sign(a.value)), bound)


def _square(a: Bounded) -> Bounded:
    return _multiply(a, a)


def _maximum(a: Bounded, b: Bounded) -> Bounded:
    return a._like(np.maximum(a.value, b.value), _max(a.bound, b.bound))


def _minimum(a: Bounded, b: Bounded) -> Bounded:
    return _negative(_maximum(_negative(a), _negative(b)))


def _clip(a: Bounded, low: Any, high: Any) -> Bounded:
    return _minimum(_maximum(a, a._operand(low)), a._operand(high))


def _where(mask: np.ndarray, a: Any, b: Any) -> Bounded:
    one = a if isinstance(a, Bounded) else b
    a, b = one._operand(a), one._operand(b)
    return a._like(np.where(mask, a.value, b.value), np.where(mask, a.bound, b.bound))


def _sqrt(a: Bounded) -> Bounded:
    """Square roots are rounded correctly (IEEE 754); `scripts/measure_roundings.py` found 1 u."""
    return a.through(lambda value: np.sqrt(np.maximum(value, 0)), 1)


def either(mask: np.ndarray, a: Bounded, b: Bounded) -> Bounded:
    """Return `a`, but where `mask` holds anything from `a` to `b`."""
    middle, half = (a.value + b.value) / 2, _size(a.value - b.value) / 2
    value = np.where(mask, middle, a.value)
    return a._like(value, np.where(mask, half + _max(a.bound, b.bound), a.bound))


COMPARISONS = {
    np.greater,
    np.greater_equal,
    np.less,
    np.less_equal,
    np.equal,
    np.not_equal,
    np.isfinite,
    np.isnan,
}

RULES: dict[np.ufunc, Callable[..., Bounded]] = {
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.divide: _divide,
    np.matmul: _matmul,
    np.negative: _negative,
    np.absolute: _absolute,
    np.sign: _sign,
    np.square: _square,
    np.maximum: _maximum,
    np.minimum: _minimum,
    np.sqrt: _sqrt,
}
"""What each operation loses; `functions.py` adds the elementary functions."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.clip: _clip,
    np.sum: Bounded.sum,
    np.mean: Bounded.mean,
    np.transpose: lambda a: a.T,
    np.reshape: lambda a, shape: a.reshape(shape),
    np.zeros_like: lambda a: np.zeros(a.shape, a.precision.name),
    np.ones_like: lambda a: np.ones(a.shape, a.precision.name),
}
