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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import ml_dtypes
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tftrain.errors import InputError

SAFETY = 1 + 2.0**-20
"""The bounds themselves are computed in float64: far more than all that can be lost in them."""

LONG_PRODUCTS = 2**18
"""Most multiplications of a matrix product that is computed in long double."""

HALF_RANGE = 512
"""Scaled down by 2 to this power, no product of two float64 numbers overflows."""

ORDER = 4.0
"""An engine may multiply by a constant such as 2 or 1/2 sooner or later. So within this factor of
the largest number it is not determined whether a product overflows."""

MOST_FACTORS = 8
"""Highest power that is taken by multiplication."""

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


@dataclass(frozen=True)
class Precision:
    """The arithmetic of the engine that is to be checked.

    Attributes:
        name: its dtype: bfloat16, float32 or float64.
        wide: the dtype in which the reference computes.
        sums: the dtype in which engines add up, if it is another: the result is rounded at the end.
    """

    name: str
    wide: type[np.floating[Any]]
    sums: str | None = None

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The dtype itself; NumPy alone does not know bfloat16."""
        return np.dtype(getattr(ml_dtypes, self.name, self.name))

    @cached_property
    def roundoff(self) -> float:
        """`u + w`: the unit roundoff, and that of the reference itself."""
        return float(self._limits.eps) / 2 + float(np.finfo(self.wide).eps) / 2

    @cached_property
    def tiny(self) -> float:
        """The smallest normal number: what is below may be flushed to zero."""
        return float(self._limits.tiny)

    @cached_property
    def largest(self) -> float:
        """The largest finite number."""
        return float(self._limits.max)

    @cached_property
    def _limits(self) -> Any:
        finfo: Any = ml_dtypes.finfo
        return finfo(self.dtype)


PRECISIONS = {
    "bfloat16": Precision("bfloat16", np.float64, sums="float32"),
    "float32": Precision("float32", np.float64),
    "float64": Precision("float64", np.longdouble),
}


class Bounded(NDArrayOperatorsMixin):
    """An array with a bound on its error; NumPy's operators and functions work on it.

    Comparisons, `np.argmax` and `np.argmin` choose by the values. Where an engine's rounding may
    choose otherwise, write a formula that is right on both sides, with `np.maximum` or `np.max`.

    Attributes:
        value: in the wide dtype of the precision.
        bound: float64, of the shape of the value. Infinite where an engine may have any number.
        precision: the arithmetic of the engine.
        spills: where it depends on the order of operations whether an engine overflows, as in a sum
            whose parts do. There it may also have infinity or NaN, but no other number.
    """

    def __init__(
        self,
        value: np.ndarray,
        bound: np.ndarray | float,
        precision: Precision,
        spills: np.ndarray | bool = False,
    ) -> None:
        self.value = np.asarray(value, precision.wide)
        self.bound = np.broadcast_to(np.asarray(bound, np.float64), self.value.shape)
        self.precision = precision
        self.spills = np.broadcast_to(np.asarray(spills), self.value.shape)

    @classmethod
    def exact(cls, value: Any, precision: Precision) -> Bounded:
        """Return numbers that the engine has exactly, but for its dtype and flushed subnormals."""
        wide = np.asarray(value, precision.wide)
        with np.errstate(all="ignore"):
            held = np.asarray(value, precision.dtype)
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
        return self.map(np.transpose)

    @property
    def magnitude(self) -> np.ndarray:
        """Return the largest absolute value that each element can have, float64."""
        return _size(self.value) + self.bound

    def transpose(self, *axes: Any) -> Bounded:
        """Return the same numbers with the axes in another order."""
        return self.map(lambda array: array.transpose(*axes))

    def reshape(self, *shape: Any) -> Bounded:
        """Return the same numbers in another shape."""
        return self.map(lambda array: array.reshape(*shape))

    def __getitem__(self, key: Any) -> Bounded:
        return self.map(lambda array: array[key])

    def map(self, move: Callable[[np.ndarray], np.ndarray]) -> Bounded:
        """Return the elements as `move` arranges them, which computes nothing."""
        return Bounded(move(self.value), move(self.bound), self.precision, move(self.spills))

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"Bounded({self.value!r}, bound={self.bound!r})"

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Bounded:
        """Return the sum: of n terms in any order, each is rounded at most n - 1 times."""
        if self.precision.sums:
            wide = self.cast(PRECISIONS[self.precision.sums])
            return wide.sum(axis=axis, keepdims=keepdims).cast(self.precision)
        value = self.value.sum(axis=axis, keepdims=keepdims)
        bound = self.bound.sum(axis=axis, keepdims=keepdims)
        size = self.magnitude.sum(axis=axis, keepdims=keepdims)
        terms = self.size // max(1, np.size(value))
        unsure = np.asarray(np.isinf(self.bound).any(axis=axis, keepdims=keepdims))
        spills = np.asarray(self.spills.any(axis=axis, keepdims=keepdims))
        if not np.max(size, initial=0.0) <= self.precision.largest:
            plus, minus = (p.sum(axis=axis, keepdims=keepdims) for p in _by_signs(self))
            spills = spills | _clash(plus, minus, value, self.precision)
        return self.rounded(value, bound, terms - 1, size, terms, unsure, spills)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Bounded:
        """Return the sum divided by the number of terms."""
        total = self.sum(axis=axis, keepdims=keepdims)
        return total / (self.size // max(1, total.size))

    def max(
        self,
        axis: int | tuple[int, ...] | None = None,
        keepdims: bool = False,
        initial: float | None = None,
    ) -> Bounded:
        """Return the largest element, which is off by no more than the one that is off most."""
        value = self.value.max(axis=axis, keepdims=keepdims)
        bound = np.where(self.spills, np.inf, self.bound).max(axis=axis, keepdims=keepdims)
        found = Bounded(value, bound, self.precision)
        return found if initial is None else _maximum(found, self.operand(initial))

    def min(
        self,
        axis: int | tuple[int, ...] | None = None,
        keepdims: bool = False,
        initial: float | None = None,
    ) -> Bounded:
        """Return the smallest element."""
        return -(-self).max(axis, keepdims, None if initial is None else -initial)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
        """Return the place of the largest value."""
        return np.asarray(np.argmax(self.value, axis=axis, keepdims=keepdims))

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
        """Return the place of the smallest value."""
        return np.asarray(np.argmin(self.value, axis=axis, keepdims=keepdims))

    def cumsum(self, axis: int | None = None) -> Bounded:
        """Return the sums of the first elements.

        Each has at most as many terms as the last, in any order of summation.
        """
        if axis is None:
            return self.reshape(-1).cumsum(0)
        length = self.shape[axis]
        value, bound, size = (np.cumsum(x, axis) for x in (self.value, self.bound, self.magnitude))
        unsure, spills = (
            np.logical_or.accumulate(x, axis)
            for x in (np.isinf(self.bound), np.asarray(self.spills))
        )
        return self.rounded(value, bound, length - 1, size, length, unsure, spills)

    def cast(self, precision: Precision) -> Bounded:
        """Return the numbers rounded to another precision, or left as they are (XLA may do that).

        A number that is exact here is known rounded as well.
        """
        if precision == self.precision:
            return self
        if not self.bound.any() and not self.spills.any():
            return Bounded.exact(self.value, precision)
        value = self.value.astype(precision.wide)
        here = Bounded(value, 0.0, precision)
        unsure = np.isinf(self.bound)
        return here.rounded(value, self.bound, 1, self.magnitude, unsure=unsure, spills=self.spills)

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
                inexact = self.bound > 0
                ends = (self.value + sign * self.bound for sign in (-1, 1))
                outer = (np.nextafter(e, s * np.inf) for e, s in zip(ends, (-1, 1), strict=True))
                sizes = (_size(function(end) - value) for end in outer)
                moved = np.where(inexact, _max(*sizes), 0.0)
        return self.rounded(value, moved, units, unsure=np.isinf(self.bound) | self.spills)

    def rounded(
        self,
        value: np.ndarray,
        inherited: np.ndarray,
        units: float | np.ndarray,
        size: np.ndarray | None = None,
        flushes: float = 1,
        unsure: np.ndarray | bool = False,
        spills: np.ndarray | bool = False,
    ) -> Bounded:
        """Return the result of an operation, with what rounding and flushing add to its bound.

        Args:
            value: computed in the wide type.
            inherited: bound on what the operands' errors do to it.
            units: roundings on the way, in units of roundoff of `size`.
            size: magnitude of what is rounded on the way, where it may exceed that of the result.
            flushes: how many results on the way may be flushed to zero.
            unsure: where an engine may have any number.
            spills: where it may have infinity or NaN besides, because operands may be.
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
                return Bounded(value, bound, precision, spills)
            over = _size(value) - bound > ORDER * precision.largest
            spills = spills | (~over & (most + bound > limit) & np.isfinite(value))
            value = np.where(over, np.copysign(np.inf, value), value)
            bound = np.where(np.isfinite(value), bound, 0.0)
            bound = np.where(unsure | np.isnan(bound), np.inf, bound)
        return Bounded(value, bound, precision, spills)

    def operand(self, other: Any) -> Bounded:
        """Return plain numbers as exact ones of this precision; `Bounded` ones unchanged."""
        return other if isinstance(other, Bounded) else Bounded.exact(other, self.precision)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        operands = _of_one_precision(inputs)
        if ufunc in COMPARISONS:
            return ufunc(*(one.value for one in operands))
        if ufunc not in RULES:
            raise InputError(
                f"no bound on rounding is known for np.{ufunc.__name__}, but for "
                f"{', '.join(sorted(known.__name__ for known in RULES))}: write the formula with "
                "these, or say with tftrain.reference.Elementary what engines lose in the function"
            )
        with np.errstate(all="ignore"):
            return RULES[ufunc](*operands)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function not in FUNCTIONS:
            raise InputError(
                f"np.{function.__name__} cannot follow rounding errors; these can: "
                f"{', '.join(sorted(known.__name__ for known in FUNCTIONS))}"
            )
        return FUNCTIONS[function](*args, **options)


def _of_one_precision(arrays: Sequence[Any]) -> list[Bounded]:
    """Return arrays, one of them `Bounded`, as `Bounded` ones of the narrowest precision."""
    one = next(array for array in arrays if isinstance(array, Bounded))
    parts = [one.operand(array) for array in arrays]
    narrowest = max((part.precision for part in parts), key=lambda kind: kind.roundoff)
    return [part.cast(narrowest) for part in parts]


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


def _states(a: Bounded, b: Bounded) -> dict[str, Any]:
    """Return what a result inherits of two operands: where any number is possible, where spills."""
    return {"unsure": np.isinf(a.bound) | np.isinf(b.bound), "spills": a.spills | b.spills}


def _perhaps_zero(a: Bounded) -> np.ndarray:
    return _size(a.value) <= a.bound


def _add(a: Bounded, b: Bounded) -> Bounded:
    """`|fl(a + b) - (a + b)| <= u |a + b|`."""
    return a.rounded(a.value + b.value, a.bound + b.bound, 1, **_states(a, b))


def _subtract(a: Bounded, b: Bounded) -> Bounded:
    return _add(a, _negative(b))


def _multiply(a: Bounded, b: Bounded) -> Bounded:
    """`(a + da)(b + db) - ab = a db + b da + da db`, and one rounding.

    Where infinity or NaN meets what may be 0, the product is infinite or NaN, or 0 in an engine
    that selects instead of multiplying.
    """
    value = a.value * b.value
    inherited = _size(a.value) * b.bound + _size(b.value) * a.bound + a.bound * b.bound
    states = _states(a, b)
    for zero, other in ((a, b), (b, a)):
        selects = _perhaps_zero(zero) & ~np.isfinite(other.value)
        if selects.any():
            value, inherited = np.where(selects, 0, value), np.where(selects, 0, inherited)
            states["spills"] = states["spills"] | selects
    return a.rounded(value, inherited, 1, **states)


def _divide(a: Bounded, b: Bounded) -> Bounded:
    """`(a + da)/(b + db) - q = (da - q db)/(b + db)` with `q = a/b`, and one rounding."""
    value = a.value / b.value
    room = _size(b.value) - b.bound
    inherited = (a.bound + _size(value) * b.bound) / room
    perhaps = [_perhaps_zero(one) & (one.bound > 0) for one in (a, b)]
    states = _states(a, b)
    states["unsure"] |= perhaps[1] | (perhaps[0] & (b.value == 0)) | b.spills
    return a.rounded(value, inherited, 1, **states)


def _matmul(a: Bounded, b: Bounded) -> Bounded:
    """An inner product of length n loses at most `n u |a||b|`, in any order of summation.

    Every product and every partial sum may be flushed.
    """
    if a.precision.sums:
        wide = PRECISIONS[a.precision.sums]
        return _matmul(a.cast(wide), b.cast(wide)).cast(a.precision)
    length = a.shape[-1]
    size = a.magnitude @ b.magnitude
    inherited = np.zeros(size.shape)
    if a.bound.any() or b.bound.any():
        inherited = a.bound @ b.magnitude + _size(a.value) @ b.bound
    unsure = _reached(a.bound == np.inf, b.bound == np.inf)
    spills = _reached(a.spills, b.spills)
    value, units = _product(a.value, b.value)
    if not np.max(size, initial=0.0) <= a.precision.largest:
        (plus_a, minus_a), (plus_b, minus_b) = _by_signs(a), _by_signs(b)
        plus, minus = plus_a @ plus_b + minus_a @ minus_b, plus_a @ minus_b + minus_a @ plus_b
        spills = spills | _clash(plus, minus, value, a.precision)
    return a.rounded(value, inherited, units, size, 2 * length, unsure, spills)


def _reached(a: np.ndarray, b: np.ndarray) -> np.ndarray | bool:
    """Return which elements of a matrix product depend on a marked element of an operand."""
    if not a.any() and not b.any():
        return False
    return np.logical_or(a.any(axis=-1, keepdims=True), b.any(axis=-2, keepdims=True))


def _product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the matrix product, and what its inner products lose, in units of roundoff.

    Long doubles are multiplied one by one, hundreds of times slower than BLAS multiplies float64.
    So large products are left to BLAS: what that loses itself, with the operands rounded to float64
    first, is as much again and two roundings. Where its partial sums overflow though the sum may
    not, the operands are scaled down, and the product up again.
    """
    length = a.shape[-1]
    if a.dtype == np.float64 or a.size * b.shape[-1] <= LONG_PRODUCTS:
        return a @ b, length
    a, b = a.astype(np.float64), b.astype(np.float64)
    product = a @ b
    lost = ~np.isfinite(product)
    if lost.any():
        scaled = np.ldexp(a, -HALF_RANGE) @ np.ldexp(b, -HALF_RANGE)
        product = np.where(lost, np.ldexp(scaled.astype(np.longdouble), 2 * HALF_RANGE), product)
    return product, 2 * length + 2


def _negative(a: Bounded) -> Bounded:
    return Bounded(-a.value, a.bound, a.precision, a.spills)


def _absolute(a: Bounded) -> Bounded:
    return Bounded(np.abs(a.value), a.bound, a.precision, a.spills)


def _sign(a: Bounded) -> Bounded:
    """The subgradient of the absolute value: anything from -1 to 1 where the argument may be 0."""
    zero = _perhaps_zero(a)
    bound = np.where(np.isinf(a.bound) | a.spills, np.inf, zero)
    return Bounded(np.where(zero, 0, np.sign(a.value)), bound, a.precision)


def _square(a: Bounded) -> Bounded:
    return _multiply(a, a)


def _maximum(a: Bounded, b: Bounded) -> Bounded:
    bound = np.where(a.spills | b.spills, np.inf, _max(a.bound, b.bound))
    return Bounded(np.maximum(a.value, b.value), bound, a.precision)


def _minimum(a: Bounded, b: Bounded) -> Bounded:
    return _negative(_maximum(_negative(a), _negative(b)))


def _clip(a: Bounded, low: Any, high: Any) -> Bounded:
    return _minimum(_maximum(a, a.operand(low)), a.operand(high))


def _where(mask: np.ndarray, a: Any, b: Any) -> Bounded:
    one = a if isinstance(a, Bounded) else b
    a, b = one.operand(a), one.operand(b)
    value, bound = np.where(mask, a.value, b.value), np.where(mask, a.bound, b.bound)
    return Bounded(value, bound, a.precision, np.where(mask, a.spills, b.spills))


def _sqrt(a: Bounded) -> Bounded:
    """Square roots are rounded correctly (IEEE 754): `scripts/proof/` measured 1 u.

    What is negative for sure has none. What may be below zero by its bound alone, as a sum of
    squares whose parts were flushed, is not.
    """
    root = a.through(lambda value: np.sqrt(np.maximum(value, 0)), 1)
    none = a.value + a.bound < 0
    return _where(none, Bounded(np.array(np.nan), 0.0, a.precision), root) if none.any() else root


def _power(a: Bounded, exponent: Bounded) -> Bounded:
    """Whole powers by multiplication, in any order."""
    times = exponent.value if exponent.ndim == 0 else np.nan
    if times not in range(1, MOST_FACTORS + 1):
        raise InputError(
            f"no bound on rounding is known for powers but whole ones from 1 to {MOST_FACTORS}: "
            "write the formula with np.exp, or with a tftrain.reference.Elementary"
        )
    product = a
    for _ in range(int(times) - 1):
        product = _multiply(product, a)
    return product


def _stepwise(a: Bounded, function: np.ufunc) -> Bounded:
    """Rounding to whole numbers is exact, and monotone."""
    return a.through(function, 0)


def either(mask: np.ndarray, a: Bounded, b: Bounded) -> Bounded:
    """Return `a`, but where `mask` holds anything from `a` to `b`."""
    middle, half = (a.value + b.value) / 2, _size(a.value - b.value) / 2
    half = np.where(half > 0, np.nextafter(half, np.inf), half)  # it was rounded, perhaps down
    value = np.where(mask, middle, a.value)
    bound = np.where(mask, half + _max(a.bound, b.bound), a.bound)
    return Bounded(value, bound, a.precision, a.spills | (mask & b.spills))


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
    np.power: _power,
    **{f: partial(_stepwise, function=f) for f in (np.floor, np.ceil, np.rint, np.trunc)},
}
"""What each operation loses; `functions.py` adds the elementary functions."""


def _joined(join: Callable[..., np.ndarray], arrays: Sequence[Any], **options: Any) -> Bounded:
    """Put arrays together, which computes nothing."""
    parts = _of_one_precision(arrays)
    value, bound, spills = (
        join([getattr(part, name) for part in parts], **options)
        for name in ("value", "bound", "spills")
    )
    return Bounded(value, bound, parts[0].precision, spills)


def _split(a: Bounded, sections: Any, axis: int = 0) -> list[Bounded]:
    parts = zip(*(np.split(x, sections, axis) for x in (a.value, a.bound, a.spills)), strict=True)
    return [Bounded(value, bound, a.precision, spills) for value, bound, spills in parts]


def _pad(a: Bounded, width: Any, mode: str = "constant", **options: Any) -> Bounded:
    exact = {} if mode != "constant" else {"constant_values": 0}
    value = np.pad(a.value, width, mode, **options)  # type: ignore[call-overload]
    bound = np.pad(a.bound, width, mode, **{**options, **exact})  # type: ignore[call-overload]
    spills = np.pad(a.spills, width, mode, **{**options, **exact})  # type: ignore[call-overload]
    return Bounded(value, bound, a.precision, spills)


def _einsum(subscripts: str, *operands: Any, optimize: Any = False) -> Bounded:
    """Sums of products: of n products of k factors each, at most `n + k - 2` roundings.

    In any order, whatever `optimize` says; every product and every partial sum may be flushed.
    """
    parts = _of_one_precision(operands)
    if "..." in subscripts:
        raise InputError("np.einsum follows rounding errors only without '...': name every axis")
    letters, arrow, kept = subscripts.replace(" ", "").partition("->")
    if not arrow:
        named = letters.replace(",", "")
        kept = "".join(sorted(letter for letter in set(named) if named.count(letter) == 1))
    lengths: dict[str, int] = {}
    for axes, part in zip(letters.split(","), parts, strict=True):
        for letter, size in zip(axes, part.shape, strict=True):  # one of length 1 is broadcast
            lengths[letter] = max(size, lengths.get(letter, 1))
    count = int(np.prod([size for letter, size in lengths.items() if letter not in kept]))

    def summed(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(np.einsum(f"{letters}->{kept}", *arrays))

    def one_by_one(chosen: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
        """Return the sum over the operands, each `chosen` once among the others."""
        each = [summed([*others[:i], one, *others[i + 1 :]]) for i, one in enumerate(chosen)]
        return np.asarray(sum(each))

    magnitudes = [part.magnitude for part in parts]
    inherited = one_by_one([part.bound for part in parts], magnitudes)
    lost = [(np.isinf(part.bound) | part.spills).astype(np.float64) for part in parts]
    unsure = one_by_one(lost, [np.ones(part.shape) for part in parts]) > 0
    value = summed([part.value for part in parts])
    units = count + len(parts) - 2
    return parts[0].rounded(value, inherited, units, summed(magnitudes), units + 1, unsure)


def _arranged(move: Callable[..., np.ndarray]) -> Callable[..., Bounded]:
    """Return a function that arranges elements, for `Bounded` arrays."""
    return lambda a, *args, **options: a.map(lambda array: move(array, *args, **options))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{
        move: _arranged(move)
        for move in (
            *(np.transpose, np.reshape, np.take, np.squeeze, np.expand_dims, np.broadcast_to),
            *(np.swapaxes, np.moveaxis, np.flip, np.repeat, np.tile, np.roll, np.ravel),
        )
    },
    np.concatenate: lambda arrays, axis=0: _joined(np.concatenate, arrays, axis=axis),
    np.stack: lambda arrays, axis=0: _joined(np.stack, arrays, axis=axis),
    np.split: _split,
    np.pad: _pad,
    np.cumsum: Bounded.cumsum,
    np.einsum: _einsum,
    np.max: Bounded.max,
    np.min: Bounded.min,
    np.argmax: Bounded.argmax,
    np.argmin: Bounded.argmin,
    np.where: _where,
    np.clip: _clip,
    np.sum: Bounded.sum,
    np.mean: Bounded.mean,
    np.round: np.rint,
    np.zeros_like: lambda a: np.zeros(a.shape, a.precision.dtype),
    np.ones_like: lambda a: np.ones(a.shape, a.precision.dtype),
}
