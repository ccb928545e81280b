"""The bounds hold for whatever order an engine computes in, and are not much wider than needed."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tftrain.errors import InputError
from tftrain.reference import PRECISIONS, Bounded
from tftrain.reference.functions import (
    by_sign,
    cos,
    erfc,
    exp,
    sigmoid,
    softplus,
    tanh,
    where_zero,
)

SINGLE, DOUBLE = PRECISIONS["float32"], PRECISIONS["float64"]

numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
arrays = hnp.arrays(np.float32, st.integers(1, 40), elements=numbers)


def flushed(value: np.ndarray) -> np.ndarray:
    """What TensorFlow makes of a float32 result: subnormal numbers are zero."""
    value = np.asarray(value, np.float32)
    return np.where(np.abs(value) < SINGLE.tiny, np.copysign(np.float32(0), value), value)


def inside(actual: np.ndarray, expected: Bounded) -> np.ndarray:
    """Return where a float32 result is one that the bound allows."""
    actual = np.asarray(actual, np.float64)
    with np.errstate(all="ignore"):
        near = np.abs(actual - expected.value) <= expected.bound
    same = (actual == expected.value) | (np.isnan(actual) & np.isnan(expected.value))
    spilt = expected.spills & ~np.isfinite(actual)
    return near | same | spilt | np.isinf(expected.bound)


@settings(max_examples=300, deadline=None)
@given(arrays, st.data())
@pytest.mark.parametrize("operation", [np.add, np.subtract, np.multiply, np.divide])
@np.errstate(all="ignore")
def test_one_operation_rounded_and_flushed(operation: np.ufunc, a: np.ndarray, data: st.DataObject):
    b = data.draw(hnp.arrays(np.float32, a.shape, elements=numbers))
    expected = operation(Bounded.exact(a, SINGLE), Bounded.exact(b, SINGLE))
    for one, other in ((a, b), (flushed(a), flushed(b))):
        rounded = operation(one, other)
        assert inside(rounded, expected).all()
        assert inside(flushed(rounded), expected).all()


@settings(max_examples=200, deadline=None)
@given(arrays, st.integers(0, 2**32 - 1))
@np.errstate(all="ignore")
def test_sums_in_any_order(a: np.ndarray, seed: int) -> None:
    expected = Bounded.exact(a, SINGLE).sum()
    rng = np.random.default_rng(seed)
    for _ in range(5):
        total = np.float32(0)
        for value in rng.permutation(flushed(a)):
            total = flushed(total + value)[()]
        assert inside(total, expected)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 30), st.floats(-30, 30), st.integers(0, 2**32 - 1))
@np.errstate(all="ignore")
def test_products_of_matrices_in_any_order(length: int, decade: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((3, length)) * 10.0 ** rng.uniform(-9, 9, (3, length))
    b = rng.standard_normal((length, 2)) * 10.0**decade
    a, b = a.astype(np.float32), b.astype(np.float32)
    expected = Bounded.exact(a, SINGLE) @ b
    total = np.zeros((3, 2), np.float32)
    for k in rng.permutation(length):
        total = flushed(total + flushed(flushed(a)[:, k, None] * flushed(b)[k]))
    assert inside(total, expected).all()
    assert inside(a @ b, expected).all()


@pytest.mark.parametrize("precision", [SINGLE, DOUBLE], ids=lambda precision: precision.name)
def test_exact_rational_arithmetic_is_inside_and_the_bound_is_tight(precision) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((20, 50)).astype(precision.name)
    b = rng.standard_normal((50, 10)).astype(precision.name)
    found = Bounded.exact(a, precision) @ b
    for i, j in ((0, 0), (7, 3), (19, 9)):
        true = sum(
            Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a[i], b[:, j], strict=True)
        )
        error = abs(Fraction(float(found.value[i, j])) - true)
        assert error <= Fraction(float(found.bound[i, j]))
        # n u |a||b| and little more: half an epsilon for each of fifty products
        sizes = sum(abs(float(x) * float(y)) for x, y in zip(a[i], b[:, j], strict=True))
        assert found.bound[i, j] <= 51 * np.finfo(precision.name).eps / 2 * sizes * 1.01


def test_large_products_in_float64_are_left_to_blas_with_a_bound_for_it() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((120, 100)), rng.standard_normal((100, 110))
    large, small = Bounded.exact(a, DOUBLE) @ b, Bounded.exact(a[:2], DOUBLE) @ b[:, :3]
    apart = np.abs(large.value[:2, :3] - small.value).astype(float)
    assert apart.max() > 0
    assert (apart <= large.bound[:2, :3]).all()
    ratio = large.bound[:2, :3] / small.bound
    assert 1.9 < ratio.min() <= ratio.max() < 2.1


def test_constants_count_as_rounded_to_the_engine_dtype() -> None:
    tenth = Bounded.exact(0.1, SINGLE)
    assert tenth.bound == pytest.approx(abs(np.float32(0.1) - np.float64(0.1)))
    assert Bounded.exact(0.5, SINGLE).bound == 0
    assert Bounded.exact(0.1, DOUBLE).bound == 0


def test_zero_stays_exact() -> None:
    zero = Bounded.exact(np.zeros(3, np.float32), SINGLE)
    for result in (zero * 3.0, zero + zero, zero.sum(), zero - zero):
        assert (result.bound == 0).all()


def test_what_lies_between_two_subnormal_numbers_of_float64_may_be_flushed() -> None:
    # Seen by chance: exp(-744.3) is 1.14 times the smallest number, which float64 rounds down to 1.
    z = Bounded.exact(np.array([-744.3056508020535]), DOUBLE)
    y = sigmoid(z)
    assert 0 < y.value[0] <= y.bound[0]
    delta = y * np.array([-9.259994689465724e17])
    assert abs(delta.value[0]) <= delta.bound[0]


def test_infinity_times_what_may_be_zero_is_undetermined() -> None:
    infinite = Bounded.exact(np.array([np.inf], np.float32), SINGLE)
    perhaps = 1 - np.square(tanh(Bounded.exact(np.array([8.5], np.float32), SINGLE)))
    assert perhaps.value[0] > 0
    for product in (infinite * perhaps, perhaps * infinite, infinite * 0.0):
        assert inside(np.array([np.inf, np.nan, 0.0]), product).all()
        assert not inside(np.array([1.0]), product).any()
    assert not inside(np.array([np.nan, 0.0]), infinite * 2.0).any()


def test_subnormal_inputs_may_be_flushed() -> None:
    tiny = np.array([1e-40], np.float32)
    scaled = Bounded.exact(tiny, SINGLE) * 1e30
    assert inside(np.array([0.0]), scaled).all()
    assert inside(tiny * np.float32(1e30), scaled).all()
    assert not inside(np.array([3e-10]), scaled).all()


def test_overflow_is_infinite_with_its_sign() -> None:
    big = Bounded.exact(np.array([3e38, -3e38], np.float32), SINGLE)
    np.testing.assert_array_equal((big * 100.0).value, [np.inf, -np.inf])
    assert (np.isfinite((big * 100.0).bound)).all()


def test_near_the_largest_number_it_is_undetermined_whether_a_product_overflows() -> None:
    """An engine may multiply by a constant sooner, or later."""
    big = Bounded.exact(np.array([3e38, 2e38], np.float32), SINGLE)
    assert inside(np.array([np.inf, np.nan]), big * 2.0).all()
    assert inside(np.array([np.inf, 1.8e38]), big * 0.9).all()
    assert not inside(np.array([0.0, 7.0]), big * 0.9).any()
    assert not inside(np.array([np.inf, np.inf]), big * 0.1).any()


def test_what_comes_of_a_number_that_may_have_overflowed() -> None:
    perhaps = Bounded.exact(np.array([3e38], np.float32), SINGLE) * 0.9
    for result in (perhaps + 1.0, -perhaps, abs(perhaps), perhaps * 1e-30, perhaps[:, None].sum()):
        assert inside(np.array([np.inf]), result).all()
        assert not inside(np.array([-1.0]), result).any()
    for result in (1.0 / perhaps, tanh(perhaps), np.sign(perhaps), np.minimum(perhaps, 1.0)):
        assert inside(np.array([0.0]), result).all()


def test_a_sum_whose_parts_overflow_is_undetermined() -> None:
    row = Bounded.exact(np.array([[3e38, 3e38, -3e38, -3e38]], np.float32), SINGLE)
    for total in (row.sum(axis=1), (row @ np.ones((4, 1), np.float32))[0]):
        assert inside(np.array([np.inf, -np.inf, np.nan, 0.0]), total).all()
        assert not inside(np.array([1e33]), total).any()
    infinite = Bounded.exact(np.array([[np.inf, 1.0]], np.float32), SINGLE)
    total = infinite.sum(axis=1)
    assert total.value == np.inf
    assert total.bound == 0


@np.errstate(all="ignore")
def test_a_large_product_whose_partial_sums_overflow_may_be_finite() -> None:
    row, ones = np.tile([1.5e308, 1.5e308, -1.5e308, -1.4e308], (1, 1)), np.ones((4, 2**17))
    product = Bounded.exact(row, DOUBLE) @ Bounded.exact(ones, DOUBLE)
    assert inside(np.full(2**17, 1e307), product[0]).all()
    assert inside(np.full(2**17, np.inf), product[0]).all()


def test_division_by_what_may_be_zero_is_undetermined() -> None:
    difference = Bounded.exact(1.0, SINGLE) * 0.1 - 0.1
    assert np.isinf((1.0 / difference).bound)


@pytest.mark.parametrize("function", [exp, tanh, sigmoid, softplus, erfc, cos])
def test_elementary_functions_take_every_kind_of_array(function) -> None:
    z = np.linspace(-3, 3, 7)
    expected = function(z)
    for dtype in (np.float32, np.longdouble):
        result = function(z.astype(dtype))
        assert result.dtype == dtype
        np.testing.assert_allclose(result.astype(float), expected, rtol=2e-6)
    np.testing.assert_allclose(function(z + 0j).real, expected, rtol=1e-12)
    bounded = function(Bounded.exact(z, DOUBLE))
    assert inside(expected, bounded).all()
    assert (bounded.bound < 1e-12).all()


def test_a_monotone_function_carries_the_error_of_its_argument() -> None:
    z = Bounded(np.array([2.0]), np.array([0.1]), SINGLE)
    result = exp(z)
    assert inside(np.exp([2.1, 1.9]), result).all()
    assert not inside(np.exp([2.2]), result).any()


def test_either_side_of_a_kink_and_nothing_else() -> None:
    z = Bounded.exact(np.array([-1.0, 0.0, 1.0], np.float32), SINGLE)
    slope = by_sign(z, 0.01, 1.0)
    assert inside(np.array([0.01, 0.01, 1.0]), slope).tolist() == [True] * 3
    assert inside(np.array([0.01, 1.0, 1.0]), slope).tolist() == [True] * 3
    assert inside(np.array([0.01, 0.5, 1.0]), slope).tolist() == [True] * 3
    assert inside(np.array([0.02, 0.009, 1.01]), slope).tolist() == [False] * 3
    assert inside(np.array([1.0, 1.001, 0.01]), slope).tolist() == [False] * 3


def test_whole_powers_and_square_roots() -> None:
    a = Bounded.exact(np.array([1.1, -3.0]), DOUBLE)
    assert inside(np.array([1.1**3, -27.0]), a**3).all()
    assert (a**3).bound[1] < 1e-13
    assert np.isnan(np.sqrt(a).value).tolist() == [False, True]
    with pytest.raises(InputError, match="whole ones"):
        a**0.5


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(InputError, match=r"np.arctan.*tftrain.reference.Elementary"):
        np.arctan(Bounded.exact(1.0, SINGLE))
    with pytest.raises(InputError, match=r"np\.median"):
        np.median(Bounded.exact(np.ones(3), SINGLE))


REARRANGED = {
    "concatenate": lambda a: np.concatenate([a, a[:2]], axis=0),
    "stack": lambda a: np.stack([a, 2 * a], axis=1),
    "split": lambda a: np.split(a, [1, 3], axis=0)[1],
    "transpose": lambda a: np.transpose(a, (1, 0)),
    "take": lambda a: np.take(a, [2, 0], axis=1),
    "pad": lambda a: np.pad(a, ((1, 2), (0, 1))),
    "edge": lambda a: np.pad(a, ((1, 0), (0, 0)), mode="edge"),
    "max": lambda a: a.max(axis=1, keepdims=True),
    "min": lambda a: np.min(a, axis=0),
    "cumsum": lambda a: np.cumsum(a, axis=1),
    "einsum": lambda a: np.einsum("ij,kj->ik", a, a),
    "product": lambda a: np.einsum(
        "ij,jk->ik", a[:, :1], np.ones((3, 2), np.float32), optimize=True
    ),
    "broadcast": lambda a: np.einsum("ij,kj->i", a, a[:, :1]),
    "initial": lambda a: np.max(a, axis=0, initial=0.5) - np.min(a, 1, initial=0.5).sum(),
    "running": lambda a: a.cumsum(axis=0) + a.cumsum()[-1],
    "trace": lambda a: np.einsum("ij,jk,kl->", a, a.T, a),
    "swapaxes": lambda a: np.swapaxes(a, 0, 1),
    "log": lambda a: np.log(a * a + 1),
    "log1p": lambda a: np.log1p(a * a),
    "expm1": lambda a: np.expm1(-a * a),
}


@pytest.mark.parametrize("name", REARRANGED)
def test_functions_of_arrays_follow_errors(name: str) -> None:
    """In float32, of numbers that are off already, every result is inside its bound."""
    rng = np.random.default_rng(0)
    function = REARRANGED[name]
    for _ in range(50):
        a = rng.standard_normal((4, 3)).astype(np.float32)
        factor = np.float32(1 / 3)
        expected = function(Bounded.exact(a, SINGLE) * factor)
        actual = function(a * factor)
        assert expected.shape == actual.shape
        assert inside(actual, expected).all()
        exact = function(a.astype(np.float64) * np.float64(factor))
        np.testing.assert_allclose(expected.value, exact, rtol=1e-12)
        assert np.all(expected.bound <= 1e-4 * (1 + np.abs(exact)))


def test_argmax_chooses_as_on_plain_arrays() -> None:
    a = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]])
    bounded = Bounded.exact(a, DOUBLE)
    for found in (np.argmax(bounded, axis=1), np.argmax(bounded, 1), bounded.argmax(1)):
        np.testing.assert_array_equal(found, [1, 0])
    assert np.argmin(bounded) == bounded.argmin() == 5


@pytest.mark.parametrize("length", [3, 1000])
def test_a_broadcast_axis_counts_with_its_whole_length(length: int) -> None:
    a = np.full((1, length), np.float32(0.1))
    one = np.ones((1, 1), np.float32)
    expected = np.einsum("ij,kj->i", Bounded.exact(a, SINGLE), one)
    assert np.all(expected.bound >= (length - 1) * SINGLE.roundoff * 0.1 * length)


def test_zero_is_told_from_what_rounding_may_have_made_zero() -> None:
    values, bounds = [0.0, 0.0, 2.0, 1e-9, -3.0], [0.0, 1e-6, 1e-6, 1e-6, 0.0]
    z = Bounded(np.array(values), np.array(bounds), SINGLE)
    chosen = where_zero(z, 1.0, 5.0)
    low, high = chosen.value - chosen.bound, chosen.value + chosen.bound
    np.testing.assert_array_equal(chosen.bound[[0, 2, 4]], 0)
    np.testing.assert_array_equal(chosen.value[[0, 2, 4]], [1, 5, 5])
    assert (low[[1, 3]] <= 1).all()
    assert (high[[1, 3]] >= 5).all()
    np.testing.assert_array_equal(where_zero(np.array(values), 1.0, 5.0), [1, 1, 5, 5, 5])


@pytest.mark.parametrize("spills", [False, True])
def test_where_zero_of_what_may_be_anything_is_anything(spills: bool) -> None:
    z = Bounded(np.array([1.0]), np.array([0.0 if spills else np.inf]), SINGLE, np.array([spills]))
    assert np.isinf(where_zero(z, 1.0, 5.0).bound).all()
