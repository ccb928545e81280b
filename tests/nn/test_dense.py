import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain.errors import InputError, ShapeError
from tftrain.nn import Dense
from tftrain.nn.dense import WIDE


def test_is_the_affine_map_of_its_attributes() -> None:
    layer = Dense(3, 2, dtype="float64", seed=1, bias_initializer="normal")
    x = np.random.default_rng(0).normal(size=(5, 3))
    y = layer(tf.constant(x))
    np.testing.assert_allclose(y, x @ layer.weight.numpy() + layer.bias.numpy(), rtol=1e-14)


@pytest.mark.parametrize("inputs", [WIDE - 1, WIDE, 300])
@pytest.mark.parametrize("cases", [1, 7])
def test_a_single_unit(inputs: int, cases: int) -> None:
    """Computed as a product or as a sum, it is the same map, with the same gradients."""
    layer = Dense(inputs, 1, dtype="float64", bias_initializer="normal", seed=2)
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((cases, inputs)), rng.standard_normal((cases, 1))
    entering = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(entering)
        y = layer(entering)
    found = tape.gradient(y, [entering, layer.weight, layer.bias], output_gradients=tf.constant(dy))
    expected = dy @ layer.weight.numpy().T, x.T @ dy, dy.sum(axis=0)
    assert y.shape == (cases, 1)
    np.testing.assert_allclose(y, x @ layer.weight.numpy() + layer.bias.numpy(), rtol=1e-12)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_single_unit_as_a_sum_is_proven(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((33, WIDE)), rng.standard_normal((33, 1))
    report = tftrain.gradcheck(Dense(WIDE, 1, dtype=dtype), x, y)
    assert report.ok, report
    assert report.certified


def test_shapes_names_and_defaults() -> None:
    layer = Dense(3, 2)
    assert (layer.weight.shape, layer.bias.shape) == ([3, 2], [2])
    assert (layer.weight.dtype, layer.bias.dtype) == (tf.float32, tf.float32)
    assert np.abs(layer.weight.numpy()).max() <= np.sqrt(6 / 5)
    np.testing.assert_array_equal(layer.bias, [0, 0])
    assert len(layer.trainable_variables) == 2


def test_without_bias() -> None:
    layer = Dense(2, 1, use_bias=False, initializer=lambda rng, shape: np.full(shape, 2.0))
    assert layer.bias is None
    assert len(layer.trainable_variables) == 1
    np.testing.assert_array_equal(layer(tf.constant([[1.0, 3.0]])), [[8.0]])


def test_parameters_are_a_pure_function_of_seed_and_counter() -> None:
    def weight(**settings: int) -> np.ndarray:
        return Dense(4, 3, dtype="float64", **settings).weight.numpy()

    np.testing.assert_array_equal(weight(seed=1, counter=2), weight(seed=1, counter=2))
    assert not np.any(weight(seed=1, counter=2) == weight(seed=1, counter=3))
    assert not np.any(weight(seed=1, counter=2) == weight(seed=2, counter=2))
    assert not np.any(weight(seed=1, counter=2) == weight(seed=2, counter=1))


def test_float32_parameters_are_the_rounded_float64_ones() -> None:
    double, single = Dense(4, 3, dtype="float64", seed=7), Dense(4, 3, dtype="float32", seed=7)
    np.testing.assert_array_equal(double.weight.numpy().astype("float32"), single.weight)


@pytest.mark.parametrize(
    "x",
    [
        tf.zeros([5, 2]),
        tf.zeros([5, 4]),
        tf.zeros([3]),
        tf.zeros([5, 1, 3]),
        tf.zeros([5, 3], tf.float64),
        tf.zeros([5, 3], tf.int32),
    ],
    ids=["narrow", "wide", "one case", "rank 3", "float64", "int32"],
)
def test_input_of_other_width_rank_or_dtype(x: tf.Tensor) -> None:
    with pytest.raises(ShapeError, match=r"Dense\(3, 2\) takes float32 of shape \(cases, 3\)"):
        Dense(3, 2)(x)


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 1), (1, 0), (-1, 1)])
def test_needs_inputs_and_outputs(inputs: int, outputs: int) -> None:
    with pytest.raises(InputError, match="whole number of at least 1"):
        Dense(inputs, outputs)


def test_unknown_initializer() -> None:
    with pytest.raises(InputError, match="did you mean zeros"):
        Dense(1, 1, bias_initializer="zeross")


@pytest.mark.parametrize("dtype", ["int32", "float16", "flot32"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(InputError, match="Known: float32, float64"):
        Dense(2, 1, dtype=dtype)
