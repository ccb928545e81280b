"""Layers by hand, against closed forms and against complex steps through their own forward pass."""

from dataclasses import dataclass

import numpy as np
import pytest

from tftrain import reference
from tftrain.errors import InputError
from tftrain.reference import Activation, Dense, Network
from tftrain.reference.layers import ACTIVATIONS, REFERENCES, Layer, Reference

DTYPES = (np.float32, np.float64, np.longdouble)
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)
POINTS = np.array([[-30.0, -4.0, -1.0, -0.3, -1e-6], [1e-6, 0.4, 1.0, 5.0, 40.0]])


def complex_step(layer: Layer, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return `dL/dx` for `dy`, element by element, from the forward pass alone."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[index] += 1e-40j
        gradient[index] = np.sum(dy * layer.forward(moved).imag) / 1e-40
    return gradient


@every_activation
@np.errstate(under="ignore", over="ignore")
def test_backward_is_the_derivative_of_forward(name: str) -> None:
    layer = Activation(name)
    dy = np.linspace(-2, 2, POINTS.size).reshape(POINTS.shape)
    dx, gradients = layer.backward(POINTS, layer.forward(POINTS), dy)
    np.testing.assert_allclose(dx, complex_step(layer, POINTS, dy), rtol=1e-12, atol=1e-15)
    assert gradients == {}


@every_activation
def test_forward_in_closed_form(name: str) -> None:
    z = np.linspace(-3, 3, 13)
    sigma = 1 / (1 + np.exp(-z))
    # The normal distribution function by its own integral, not by erfc.
    grid = np.linspace(-12, 3, 400_001)
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    phi = np.interp(z, grid, np.cumsum(density) * (grid[1] - grid[0]))
    g = np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)
    closed = {
        "identity": z,
        "relu": np.maximum(z, 0),
        "relu6": np.clip(z, 0, 6),
        "mish": z * np.tanh(np.log1p(np.exp(z))),
        "hard_sigmoid": np.clip(z / 6 + 0.5, 0, 1),
        "softsign": z / (1 + np.abs(z)),
        "softmax": np.exp(z) / np.exp(z).sum(),
        "leaky_relu": np.maximum(z, 0.01 * z),
        "elu": np.where(z > 0, z, np.expm1(z)),
        "selu": 1.05070098 * np.where(z > 0, z, 1.67326324 * np.expm1(z)),
        "gelu": z * phi,
        "gelu_tanh": z / 2 * (1 + np.tanh(g)),
        "silu": z * sigma,
        "tanh": np.tanh(z),
        "sigmoid": sigma,
        "softplus": np.log(1 + np.exp(z)),
    }
    np.testing.assert_allclose(Activation(name).forward(z), closed[name], rtol=1e-4, atol=1e-4)


@every_activation
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_is_kept(name: str, dtype: type) -> None:
    layer, x = Activation(name), POINTS.astype(dtype)
    with np.errstate(under="ignore"):
        y = layer.forward(x)
        dx, _ = layer.backward(x, y, np.ones_like(y))
    assert y.dtype == dx.dtype == dtype


@every_activation
@np.errstate(under="ignore")
def test_wider_types_agree_with_float64(name: str) -> None:
    layer = Activation(name)
    single, double, wide = (layer.forward(POINTS.astype(dtype)) for dtype in DTYPES)
    np.testing.assert_allclose(double, wide.astype(float), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-6)


def test_affine_map_and_its_gradients_written_out() -> None:
    weight = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    layer = Dense(weight, np.array([0.5, -0.5, 0.0]))
    x, dy = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[1.0, 0.0, 2.0], [0.0, 3.0, -1.0]])
    np.testing.assert_array_equal(layer.forward(x), [[9.5, 11.5, 15.0], [-3.5, -5.5, -6.0]])
    dx, gradients = layer.backward(x, layer.forward(x), dy)
    # each input gets the sum over the units that it feeds
    np.testing.assert_array_equal(dx, [[1 * 1 + 3 * 2, 4 * 1 + 6 * 2], [2 * 3 - 3, 5 * 3 - 6]])
    np.testing.assert_array_equal(gradients["weight"], [[1, 0, 2], [2, -3, 4 + 1]])
    np.testing.assert_array_equal(gradients["bias"], [1, 3, 1])


def test_no_bias_no_gradient() -> None:
    layer = Dense(np.eye(2))
    assert set(layer.parameters) == {"weight"}
    assert set(layer.backward(np.eye(2), np.eye(2), np.eye(2))[1]) == {"weight"}


def test_a_network_is_a_layer_of_another() -> None:
    rng = np.random.default_rng(0)
    inner = Network(
        [Dense(rng.standard_normal((3, 3)), rng.standard_normal(3)), Activation("tanh")]
    )
    outer = Network([inner, Dense(rng.standard_normal((3, 2)))])
    flat = Network([*inner.layers, outer.layers[1]])
    x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    one, other = outer.backward(x, outer.forward(x), dy), flat.backward(x, flat.forward(x), dy)
    np.testing.assert_array_equal(one[0], other[0])
    assert set(one[1]) == {"layers.0.weight", "layers.0.bias", "layers.2.weight"}
    np.testing.assert_allclose(one[0], complex_step(outer, x, dy), rtol=1e-12)


def test_twins_are_found_by_class_parent_and_name() -> None:
    class Thing:
        gain = 3.0

    class Heir(Thing):
        pass

    @reference.register(Thing)
    @dataclass
    class ThingReference(Reference):
        gain: float

    try:
        assert reference.reference_of(Heir()) == ThingReference(3.0)
        with pytest.raises(InputError, match=r"does not know int.*@tftrain\.reference\.register"):
            reference.reference_of(1)
    finally:
        del REFERENCES[Thing]


def test_misuse_of_register_is_told() -> None:
    with pytest.raises(InputError, match=r"write @tftrain\.reference\.register"):
        reference.register(5)
    with pytest.raises(InputError, match=r"write @tftrain\.reference\.register"):
        reference.register(reference.Dense)  # the decorator without its argument
    with pytest.raises(InputError, match=r"subclass of tftrain\.reference\.Layer"):
        reference.register(float)(int)

    class Plain(Layer):
        pass

    with pytest.raises(InputError, match="Plain must be a dataclass"):
        Plain.of(1.0)
    with pytest.raises(InputError, match="has no method 'forward'"):
        reference.register(float)(Plain)

    @dataclass
    class Misspelt(Reference):
        gane: float

    with pytest.raises(InputError, match="has the field 'gane', but float has no such attribute"):
        Misspelt.of(1.0)
