import math

import numpy as np
import pytest

from tftrain.errors import InputError
from tftrain.nn import ACTIVATIONS, INITIALIZERS, initializers
from tftrain.streams import Purpose, stream

FAN_IN, FAN_OUT = 400, 100
VARIANCES = {
    "glorot": 2 / (FAN_IN + FAN_OUT),
    "he": 2 / FAN_IN,
    "lecun": 1 / FAN_IN,
}


def draw(initializer: str | initializers.Initializer, seed: int = 0) -> np.ndarray:
    rng = stream(seed, Purpose.WEIGHTS)
    return initializers.get(initializer)(rng, (FAN_IN, FAN_OUT))


@pytest.mark.parametrize("source", VARIANCES)
@pytest.mark.parametrize("form", ["uniform", "normal"])
def test_variance_is_that_of_the_paper(source: str, form: str) -> None:
    weights = draw(f"{source}_{form}")
    assert np.mean(weights) == pytest.approx(0, abs=0.02 * math.sqrt(VARIANCES[source]))
    assert np.var(weights) == pytest.approx(VARIANCES[source], rel=0.02)


@pytest.mark.parametrize(
    ("source", "bound"),
    [
        ("glorot_uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))),  # Glorot and Bengio, equation 16
        ("he_uniform", math.sqrt(6 / FAN_IN)),
        ("lecun_uniform", math.sqrt(3 / FAN_IN)),
        ("uniform", 0.05),
    ],
)
def test_uniform_fills_its_interval(source: str, bound: float) -> None:
    weights = draw(source)
    assert 0.999 * bound < weights.max() < bound
    assert -bound <= weights.min() < -0.999 * bound
    counts, _ = np.histogram(weights, bins=10, range=(-bound, bound))
    np.testing.assert_allclose(counts, weights.size / 10, rtol=0.08)


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal", "normal"])
def test_normal_is_not_truncated(name: str) -> None:
    weights = draw(name)
    beyond = np.mean(np.abs(weights) > 2 * weights.std())
    assert beyond == pytest.approx(0.0455, rel=0.1)


def test_settings_of_the_plain_ones() -> None:
    assert np.abs(draw(initializers.uniform(0.3))).max() == pytest.approx(0.3, rel=1e-3)
    assert draw(initializers.normal(2.0)).std() == pytest.approx(2.0, rel=0.02)
    assert draw("normal").std() == pytest.approx(0.05, rel=0.02)
    np.testing.assert_array_equal(draw("zeros"), np.zeros((FAN_IN, FAN_OUT)))


@pytest.mark.parametrize("name", sorted(set(INITIALIZERS) - {"zeros"}))
def test_draws_are_a_pure_function_of_the_seed(name: str) -> None:
    np.testing.assert_array_equal(draw(name, seed=5), draw(name, seed=5))
    assert not np.any(draw(name, seed=5) == draw(name, seed=6))


def test_a_function_is_taken_as_it_is() -> None:
    def ones(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return np.ones(shape)

    assert initializers.get(ones) is ones


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="did you mean glorot_normal"):
        initializers.get("glorot_norma")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_suits_an_activation_exists(activation: str) -> None:
    assert initializers.suited_to(activation) in INITIALIZERS


def test_what_the_literature_pairs() -> None:
    assert initializers.suited_to("relu") == "he_uniform"
    assert initializers.suited_to("selu") == "lecun_normal"
    assert initializers.suited_to("tanh") == "glorot_uniform"
