"""Tensors out of arrays: the same numbers, and no copy where none is needed."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tftrain.arrays import ALIGNMENT, BLOCK_ELEMENTS, aligned, first_not_finite, tensor_of

arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
)


@given(arrays, st.sampled_from([tf.float32, tf.float64]), st.booleans())
def test_the_same_numbers(values: np.ndarray, dtype: tf.DType, turned: bool) -> None:
    values = values.T if turned else values
    tensor = tensor_of(values, dtype)
    assert tensor.dtype == dtype
    with np.errstate(all="ignore"):
        expected = values.astype(dtype.as_numpy_dtype)
    np.testing.assert_array_equal(tensor, expected)
    assert tf.math.add(tensor, 0).shape == values.shape  # a kernel takes it


def test_an_aligned_array_is_shared() -> None:
    values = aligned((1000, 3), np.float32)
    values[:] = 1
    assert values.ctypes.data % ALIGNMENT == 0
    tensor = tensor_of(values, tf.float32)
    values[0, 0] = 5
    assert float(tensor[0, 0]) == 5


def test_any_other_array_is_copied() -> None:
    memory = aligned((1001,), np.float32)
    memory[:] = 1
    for values in (memory[1:], memory.astype(np.float64)):
        tensor = tensor_of(values, tf.float32)
        values[0] = 5
        assert float(tensor[0]) == 1
    memory.flags.writeable = False
    assert float(tensor_of(memory, tf.float32)[0]) == 1


def test_the_array_lives_as_long_as_the_tensor() -> None:
    tensor = tensor_of(np.arange(100_000, dtype=np.float64), tf.float64)
    for _ in range(20):
        aligned((100_000,), np.float64)[:] = -1
    np.testing.assert_array_equal(tensor, np.arange(100_000))


@pytest.mark.parametrize("place", [(0, 0), (BLOCK_ELEMENTS // 2 + 3, 1), (BLOCK_ELEMENTS - 1, 1)])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_the_first_that_is_not_finite(place: tuple[int, int], wrong: float) -> None:
    values = np.zeros((BLOCK_ELEMENTS, 2), np.float32)
    assert first_not_finite(values) is None
    values[place] = wrong
    values[-1, -1] = np.nan
    assert first_not_finite(values) == place
