"""What TensorFlow's elementary functions lose, beside what the reference allows them.

Usage: python -m scripts.proof.measure_roundings [--points N]

No library promises how accurate these functions are, and the bounds of `tftrain.reference` rest on
it. So they are measured here: eagerly, in graph mode and under XLA; on arrays, and on one number at
a time, for which there is other code than for those that fill a vector register.

What is counted:

- The error is in units of the roundoff `u` of the dtype, of the exact result: relative. For erfc it
  is also per `1 + z^2`, and for elu and selu absolute, since TensorFlow subtracts 1 in them.
- TensorFlow flushes subnormal numbers to zero, inputs and results alike. So up to the smallest
  normal number is taken off every error, and subnormal inputs may count as zero.
- An infinite result counts as the largest number, of which it is off by at least that much. Results
  that are finite where the exact one, rounded to the dtype, is not, or the other way, are counted
  besides ("non-finite"): such are right just at the border of overflow only.

A row is inside where the error is at most what the reference allows, and where the reference's own
bound holds for every single result, as in the certificate.

In bfloat16 every number there is gets measured.

The exact values: for bfloat16 and float32, float64 arithmetic (one unit of it is 2^-29 of one of
float32); for float64, long double where NumPy has the function (2^-11, on machines where it is
wider at all), and 40 digits of mpmath for erfc and pow, which is not among the dependencies: pip
install mpmath. Without it those rows are left out. The exit code is 1 if a row is not inside.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import ml_dtypes
import numpy as np
import tensorflow as tf
from scipy import special

from tftrain.parity.check import compare
from tftrain.reference.bounded import PRECISIONS, Bounded
from tftrain.reference.functions import (
    cos,
    erfc,
    exp,
    expm1,
    log,
    log1p,
    power,
    sigmoid,
    softplus,
    tanh,
)
from tftrain.reference.layers import ACTIVATIONS, SELU_SCALE_ALPHA

try:
    import mpmath
except ModuleNotFoundError:
    mpmath = None

Arrays = tuple[np.ndarray, ...]
Function = Callable[..., Any]

DIGITS = 40
BY_MPMATH = 20_000
"""Numbers for which mpmath computes the exact value: it takes about 0.1 ms for each."""
BEYOND = 1e3
"""Larger and non-finite arguments, for which mpmath has no erfc, are left to SciPy: it is 0 or 2
there (pow gets none)."""
SCALARS = 4_000
"""Numbers that TensorFlow gets one at a time."""

REGIMES = {
    "float32": (
        *(0.0004, 0.004, 0.015, 0.3465, 0.5, 0.625, 0.98, 1, 2, 6, 7.15, 7.905, 9.01, 10.05, 13.94),
        *(14.45, 15.9, 16.65, 18, 20, 87.3, 88.4, 88.7, 103.3),
    ),
    "float64": (
        *(1e-8, 0.3465, 0.5, 0.625, 0.98, 1, 2, 6, 8, 14.5, 15.5, 16.4, 17.7, 18.7, 19.06, 20, 22),
        *(26.5, 34.06, 36.04, 36.7, 37.1, 40, 708.4, 709.1, 709.78, 745.1),
    ),
}
"""Near these, and their negatives, the functions overflow, vanish, level off or (in the libraries)
change from one approximation to another; or earlier runs found most there."""


# Samples: tuples of arrays, one for each argument


def everywhere(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return numbers of every exponent, many around 0 and where functions change regime."""
    if dtype == "bfloat16":
        return (np.arange(2**16, dtype=np.uint16).view(ml_dtypes.bfloat16),)
    info = np.finfo(dtype)
    bits = np.uint32 if dtype == "float32" else np.uint64
    if dtype == "float32":
        patterns = np.arange(0, 2**32, 2**32 * 2 // points | 1, dtype=np.uint64).astype(bits)
    else:
        patterns = rng.integers(0, 2**64, points // 2, dtype=bits)
    few = points // 20
    subnormal = rng.integers(1, 2**info.nmant, few // 2, dtype=bits).view(dtype)
    steps = np.arange(-200, 201) * float(info.eps)
    borders = [np.log(info.max), np.log(info.tiny), np.log(info.smallest_subnormal)]
    regimes = np.array([*REGIMES[dtype], *np.abs(borders)])
    near = rng.choice(regimes, 4 * few) * (1 + rng.uniform(-0.03, 0.03, 4 * few))
    close = np.outer(regimes, 1 + steps).ravel()  # the neighbouring numbers, one by one
    special_values = [0.0, 1.0, np.inf, info.max, info.tiny, info.smallest_subnormal]
    parts = [
        patterns.view(dtype),
        rng.uniform(-1, 1, 2 * few),
        rng.uniform(-28, 28, 3 * few),
        rng.uniform(-800, 800, few),
        rng.standard_normal(2 * few) * 10.0 ** rng.uniform(-12, 0, 2 * few),
        *(sign * part for part in (subnormal, near, close, special_values) for sign in (1, -1)),
        [np.nan],
    ]
    return (np.concatenate([np.asarray(part).astype(dtype) for part in parts]),)


def positive(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return what `everywhere` gives, without the signs."""
    return (np.abs(everywhere(rng, dtype, points)[0]),)


def normal(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return what `positive` gives without subnormal numbers, on which engines differ."""
    (z,) = positive(rng, dtype, points)
    return (z[~(z < ml_dtypes.finfo(z.dtype).tiny)],)


def negative(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return what `everywhere` gives, all negative: the side on which elu and selu curve."""
    return (-np.abs(everywhere(rng, dtype, points)[0]),)


def pairs(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return what `everywhere` gives, and the same in another order."""
    (z,) = everywhere(rng, dtype, points)
    return z, rng.permutation(z)


def half_turn(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return angles from 0 to pi, many near 0 and near pi / 2, where the cosine is 0."""
    few = points // 4
    decades = 10.0 ** rng.uniform(-16, 0, (2, few))
    parts = [
        rng.uniform(0, np.pi, points - 3 * few),
        decades[0],
        np.pi / 2 * (1 - decades[1]),
        np.pi / 2 * (1 + decades[1]),
        [0, np.pi / 2, np.pi],
    ]
    return (np.clip(np.concatenate(parts), 0, np.pi).astype(dtype),)


def by_decay(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return bases from 0.1 to 1.5 and exponents from 0 to 50; half of the exponents are whole."""
    base = rng.uniform(0.1, 1.5, BY_MPMATH)
    near_one = 1 - 10.0 ** rng.uniform(-6, -1, BY_MPMATH)  # such as 0.999
    base = np.where(rng.random(BY_MPMATH) < 0.3, near_one, base)
    exponent = rng.uniform(0, 50, BY_MPMATH)
    exponent = np.where(rng.random(BY_MPMATH) < 0.5, np.round(exponent), exponent)
    return base.astype(dtype), exponent.astype(dtype)


def erfc_arguments(rng: np.random.Generator, dtype: str, points: int) -> Arrays:
    """Return few numbers for mpmath: from where erfc is 2 to where it vanishes."""
    few = BY_MPMATH // 10
    regimes = rng.choice([0.5, 0.98, 1, 2, 6, 8, 26.5], few) * (1 + rng.uniform(-0.01, 0.01, few))
    parts = [
        rng.uniform(-7, 28, 5 * few),
        rng.uniform(-1, 3, 2 * few),
        rng.standard_normal(few) * 10.0 ** rng.uniform(-12, 0, few),
        regimes,
        everywhere(rng, dtype, few)[0][: few // 2],
    ]
    return (np.concatenate(parts).astype(dtype),)


# The exact values


def by_mpmath(name: str) -> Function:
    """Return a function of NumPy arrays that mpmath computes, as a long double."""

    def one(*arguments: float) -> np.longdouble:
        if not all(abs(z) < BEYOND for z in arguments):
            return np.longdouble(getattr(special, name)(*arguments))
        value = getattr(mpmath, name)(*map(mpmath.mpf, arguments))
        high = float(value)
        return np.longdouble(high) + np.longdouble(float(value - high))

    def function(*arrays: np.ndarray) -> np.ndarray:
        with mpmath.workdps(DIGITS):
            rows = zip(*(array.astype(np.float64).tolist() for array in arrays), strict=True)
            return np.array([one(*row) for row in rows], np.longdouble)

    return function


def scipy_erfc(z: np.ndarray) -> np.ndarray:
    """Return SciPy's erfc, which it has in float64 only."""
    return special.erfc(z.astype(np.float64)).astype(z.dtype)


def exact_sigmoid(z: Any) -> Any:
    """Return `1 / (1 + exp(-z))`: nothing is subtracted, and 1 / infinity is the 0 that it is."""
    return 1 / (1 + np.exp(-z))


def exact_softplus(z: Any) -> Any:
    """Return `log(1 + exp(z))` as `max(z, 0) + log1p(exp(-|z|))`."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


# The functions


@dataclass(frozen=True)
class Subject:
    """A function as TensorFlow computes it, exactly, and as the reference has it.

    Attributes:
        name: in the table.
        function: on tensors.
        exact: on wide arrays.
        reference: on `Bounded` arrays.
        sample: what the function is measured on.
        at: arguments where the reference loses exactly the constant that it allows.
        unit: of the error over `u`, given the exact result and the arguments.
        dtypes: those that the reference uses it in.
        single: whether the reference uses it on single numbers alone.
        others: further functions on arrays, in place of TensorFlow's.
    """

    name: str
    function: Function
    exact: Function
    reference: Function
    sample: Callable[[np.random.Generator, str, int], Arrays] = everywhere
    at: tuple[float | list[float], ...] = (0.0,)
    unit: Function = lambda exact, *z: np.abs(exact)
    dtypes: tuple[str, ...] = ("bfloat16", "float32", "float64")
    single: bool = False
    others: dict[str, Function] = field(default_factory=dict)

    def allowed(self, dtype: str) -> float:
        """Return what the reference allows, in the units of the table."""
        precision = PRECISIONS[dtype]
        z = [np.atleast_1d(np.asarray(one, precision.wide)) for one in self.at]
        bound = self.reference(*(Bounded.exact(one, precision) for one in z)).bound
        unit = np.asarray(self.unit(self.exact(*z), *z), np.float64)
        return round(float(np.max(bound / (precision.roundoff * unit))), 2)


def absolute(exact: np.ndarray, *z: np.ndarray) -> np.ndarray:
    """Return 1: the unit of errors that are not relative to the result."""
    return np.ones(exact.shape)


def erfc_unit(exact: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return `(1 + z^2) erfc(z)`."""
    return np.abs(exact) * (1 + z * z)


def subjects() -> list[Subject]:
    """Return the functions that can be measured here."""
    everything = [
        Subject("exp", tf.exp, np.exp, exp),
        Subject("tanh", tf.tanh, np.tanh, tanh, at=(1.0,)),
        Subject("sigmoid", tf.sigmoid, exact_sigmoid, sigmoid),
        Subject("softplus", tf.math.softplus, exact_softplus, softplus),
        Subject(
            "softplus' gradient",
            lambda z: tf.raw_ops.SoftplusGrad(gradients=tf.ones_like(z), features=z),
            exact_sigmoid,
            sigmoid,
        ),
        Subject("log", tf.math.log, np.log, log, sample=normal, at=(np.e,)),
        Subject("log1p", tf.math.log1p, np.log1p, log1p, sample=positive, at=(1.0,)),
        Subject("expm1", tf.math.expm1, np.expm1, expm1, at=(1.0,)),
        Subject("sqrt", tf.sqrt, np.sqrt, np.sqrt, sample=positive, at=(1.0,)),
        Subject("division", tf.divide, np.divide, np.divide, sample=pairs, at=(1.0, 1.0)),
        Subject(
            "elu, absolute",
            tf.nn.elu,
            np.expm1,
            ACTIVATIONS["elu"].forward,
            sample=negative,
            at=(-1e-9,),
            unit=absolute,
        ),
        Subject(
            "selu, absolute",
            tf.nn.selu,
            lambda z: z.dtype.type(SELU_SCALE_ALPHA) * np.expm1(z),
            ACTIVATIONS["selu"].forward,
            sample=negative,
            at=([-1e-9, -20.0],),
            unit=absolute,
        ),
        Subject("cos", tf.cos, np.cos, cos, sample=half_turn, dtypes=("float64",)),
        Subject("erfc / (1 + z^2)", tf.math.erfc, scipy_erfc, erfc, unit=erfc_unit),
    ]
    if mpmath:
        everything += [
            Subject(
                "erfc / (1 + z^2), by mpmath",
                tf.math.erfc,
                by_mpmath("erfc"),
                erfc,
                sample=erfc_arguments,
                unit=erfc_unit,
                dtypes=("float64",),
                others={"SciPy": special.erfc},
            ),
            Subject(
                "pow, by mpmath",
                tf.pow,
                by_mpmath("power"),
                lambda base, exponent: power(base.value, exponent),
                sample=by_decay,
                at=(0.5, 1.0),
                dtypes=("float64",),
                single=True,
            ),
        ]
    return everything


def one_by_one(function: Function) -> Function:
    """Return the function of arrays that calls `function` with one number of each at a time."""

    def mapped(*z: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(lambda one: function(*one), z, fn_output_signature=z[0].dtype)

    return mapped


def ways(function: Function) -> list[tuple[str, Function, bool]]:
    """Return how TensorFlow can run a function: mode, program, and whether number by number."""
    one = one_by_one(function)
    return [
        ("eager", function, False),
        ("graph", tf.function(function), False),
        ("XLA", tf.function(function, jit_compile=True), False),
        ("eager, scalars", one, True),
        ("graph, scalars", tf.function(one), True),
        ("XLA, scalars", tf.function(one, jit_compile=True), True),
    ]


# Measuring


def errors(
    actual: np.ndarray, exact: np.ndarray, unit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return errors in units of roundoff, and where finite meets non-finite."""
    info = ml_dtypes.finfo(actual.dtype)
    rounded = exact.astype(actual.dtype)
    most, tiny, eps = float(info.max), float(info.tiny), float(info.eps)
    same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    other = ~same & ~(np.isfinite(actual) & np.isfinite(rounded))
    agreed = same & ~np.isfinite(rounded)
    off = np.abs(np.clip(actual.astype(exact.dtype), -most, most) - exact)
    off = np.maximum(off - exact.dtype.type(tiny), 0)
    lost = (off / (unit * (eps / 2))).astype(np.float64)
    lost = np.where((off == 0) | agreed, 0.0, lost)
    return np.where(np.isnan(lost), np.inf, lost), other


def measure(
    subject: Subject, actual: np.ndarray, z: Sequence[np.ndarray], exact: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return errors in the units of the subject, and where finite meets non-finite.

    Subnormal arguments count as themselves or as zero, whichever is nearer.
    """
    wide = exact.dtype
    lost, other = errors(actual, exact, subject.unit(exact, *(one.astype(wide) for one in z)))
    flushed = [np.where(np.abs(one) < ml_dtypes.finfo(one.dtype).tiny, one * 0, one) for one in z]
    tiny = np.any([was != now for was, now in zip(z, flushed, strict=True)], axis=0)
    tiny &= ~np.any([np.isnan(one) for one in z], axis=0)
    if tiny.any():
        zeros = [one[tiny].astype(wide) for one in flushed]
        result = subject.exact(*zeros)
        as_zero, other_as_zero = errors(actual[tiny], result, subject.unit(result, *zeros))
        lost[tiny] = np.minimum(lost[tiny], as_zero)
        other[tiny] &= other_as_zero
    return lost, other


def _on_arrays(function: Function) -> Function:
    """Return the function of NumPy arrays that one of tensors is."""
    return lambda *arrays: function(*map(tf.constant, arrays)).numpy()


def rows(subject: Subject, dtype: str, points: int) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield the rows of the table for one function and dtype, and whether each is inside."""
    precision, rng = PRECISIONS[dtype], np.random.default_rng(0)
    z = subject.sample(rng, dtype, points)
    exact = subject.exact(*(one.astype(precision.wide) for one in z))
    expected = subject.reference(*(Bounded.exact(one, precision) for one in z))
    allowed = subject.allowed(dtype)
    chosen = rng.permutation(z[0].size)[:SCALARS]
    found = [
        (mode, _on_arrays(function), scalars)
        for mode, function, scalars in ways(subject.function)
        if scalars or not subject.single
    ]
    found += [(name, function, False) for name, function in subject.others.items()]
    for mode, function, scalars in found:
        part = chosen if scalars else slice(None)
        arguments = [one[part] for one in z]
        actual = function(*arguments)
        lost, other = measure(subject, actual, arguments, exact[part])
        worst = int(np.argmax(lost))
        holds = compare(actual, expected[part], mode, subject.name, "y").ok
        inside = bool(lost[worst] <= allowed) and holds
        where = ", ".join(f"{one[worst]:.9g}" for one in arguments)
        verdict = "yes" if inside else "NO" if lost[worst] > allowed else "NO (single results)"
        counted = f"{int(other.sum())} of {actual.size:,}"
        numbers = (f"{lost[worst]:.3g}", where, f"{allowed:g}", counted)
        yield (subject.name, dtype, mode, *numbers, verdict), inside


def main() -> None:
    """Measure, print the table, and exit with 1 if a row is not inside."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--points", type=int, default=1_000_000, help="numbers per function")
    parser.add_argument("--dtype", action="append", help="only this one; may be given twice")
    parser.add_argument("--function", action="append", help="only this one; likewise")
    options = parser.parse_args()
    np.seterr(all="ignore")
    tf.get_logger().setLevel("ERROR")  # it advises against a new tf.function for each row
    if np.finfo(np.longdouble).nmant <= np.finfo(np.float64).nmant:
        print("Long double is no wider than float64 here: the rows of float64 mean nothing.\n")
    if not mpmath:
        print("Without mpmath there are no rows of erfc and pow by it: pip install mpmath\n")
    headings = ("function", "dtype", "mode", "largest error / u", "at z", "allowed")
    print("|", " | ".join((*headings, "non-finite", "inside")), "|")
    print("|---|---|---|---:|---|---:|---:|---|")
    good = True
    for subject in subjects():
        if options.function and subject.name not in options.function:
            continue
        for dtype in subject.dtypes:
            if options.dtype and dtype not in options.dtype:
                continue
            for row, inside in rows(subject, dtype, options.points):
                print("|", " | ".join(row), "|", flush=True)
                good &= inside
    sys.exit(not good)


if __name__ == "__main__":
    main()
