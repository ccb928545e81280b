import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tftrain.optimizers import SGD, Optimizer, clip_by_global_norm, clip_by_value, global_norm
from tftrain.reference.optimizers import clip_by_global_norm as by_hand

# TensorFlow flushes subnormal numbers to zero.
numbers = arrays.arrays(
    np.float64, st.integers(1, 4), elements=st.floats(-1e6, 1e6, allow_subnormal=False)
)
several = st.lists(numbers, min_size=1, max_size=3)
limits = st.floats(1e-3, 1e3)


def tensors(values: list[np.ndarray]) -> list[tf.Tensor]:
    return [tf.constant(value) for value in values]


def moved(optimizer: Optimizer, gradients: list[np.ndarray]) -> list[np.ndarray]:
    variables = [tf.Variable(np.zeros_like(gradient)) for gradient in gradients]
    optimizer.apply(tensors(gradients), variables)
    return [-variable.numpy() for variable in variables]


@given(several, limits)
@settings(max_examples=25, deadline=None)
def test_by_value_is_numpy_clip(gradients: list[np.ndarray], limit: float) -> None:
    for clipped, gradient in zip(clip_by_value(tensors(gradients), limit), gradients, strict=True):
        np.testing.assert_array_equal(clipped, np.clip(gradient, -limit, limit))


@given(several, limits)
@settings(max_examples=25, deadline=None)
def test_by_global_norm_shortens_the_one_long_vector(
    gradients: list[np.ndarray], limit: float
) -> None:
    whole = np.concatenate(gradients)
    length = np.linalg.norm(whole)
    expected = whole if length <= limit else whole / length * limit
    clipped = np.concatenate(clip_by_global_norm(tensors(gradients), limit))
    np.testing.assert_allclose(clipped, expected, rtol=1e-12, atol=1e-150)
    np.testing.assert_allclose(global_norm(tensors(gradients)), length, rtol=1e-12, atol=1e-150)


def test_gradients_within_the_norm_are_left_bitwise_alone() -> None:
    gradient = np.array([0.1, -0.7, 0.3])
    for limit in (1.0, 1e300, np.inf):
        (clipped,) = clip_by_global_norm(tensors([gradient]), limit)
        np.testing.assert_array_equal(clipped, gradient)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_not_finite_does_not_pass_as_it_is(value: float) -> None:
    gradients = [np.array([1.0, value]), np.ones(3), np.ones(0)]
    for clipped in (clip_by_global_norm(tensors(gradients), 1.0), by_hand(gradients, 1.0)):
        for gradient in clipped:
            assert np.isnan(gradient).all()


def test_a_parameter_without_elements() -> None:
    gradients = [np.ones(0), np.array([3.0, 4.0])]
    for clipped in (clip_by_global_norm(tensors(gradients), 1.0), by_hand(gradients, 1.0)):
        np.testing.assert_allclose(clipped[1], [0.6, 0.8])


def test_norm_runs_over_all_gradients_together() -> None:
    clipped = clip_by_global_norm([tf.constant([3.0]), tf.constant([[4.0]])], 1.0)
    np.testing.assert_allclose(clipped[0], [0.6], rtol=1e-6)
    np.testing.assert_allclose(clipped[1], [[0.8]], rtol=1e-6)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [[30.0], [0.4]]),
        ({"clip_value": 3.0}, [[3.0], [0.4]]),
        ({"clip_norm": 1.0}, [[30 / np.hypot(30, 0.4)], [0.4 / np.hypot(30, 0.4)]]),
        (
            {"clip_value": 0.3, "clip_norm": 0.1},
            [[0.1 / np.sqrt(2)], [0.1 / np.sqrt(2)]],
        ),
    ],
    ids=["none", "value", "norm", "value then norm"],
)
def test_optimizer_steps_along_clipped_gradients(
    limits: dict[str, float], expected: list[list[float]]
) -> None:
    actual = moved(SGD(1.0, **limits), [np.array([30.0]), np.array([0.4])])
    np.testing.assert_allclose(actual, expected, rtol=1e-14)


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e25, 3e38])
def test_a_norm_whose_square_overflows_or_vanishes(size: float) -> None:
    one, other = tf.constant([3.0, 0.0], tf.float32), tf.constant([[4.0]], tf.float32)
    gradients = [gradient * (size / 4) for gradient in (one, other)]
    norm = 1.25 * size
    assert float(global_norm(gradients)) == pytest.approx(min(norm, float("inf")), rel=1e-6) or (
        norm > 3.4e38
    )
    clipped = clip_by_global_norm(gradients, 1.0)
    factor = min(1.0, 1 / norm)
    for gradient, found in zip(gradients, clipped, strict=True):
        np.testing.assert_allclose(found, gradient.numpy().astype(float) * factor, rtol=1e-6)
    small = clip_by_global_norm(gradients, 3.4e38) if size < 1e30 else gradients
    for gradient, found in zip(gradients, small, strict=True):
        np.testing.assert_array_equal(gradient, found)
