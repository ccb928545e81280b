"""Each optimizer against NumPy, written from the equation in its paper."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf

from tftrain.optimizers import SGD, Adagrad, Adam, AdamW, Lamb, Lion, Nadam, Optimizer, RMSprop

STEPS = 8
RATE = 0.07
CURVATURE = np.array([[1.0, 3.0], [0.2, 7.0]])
LOWEST = np.array([[1.0, -2.0], [0.5, 0.0]])
START = np.array([[-1.0, 1.0], [2.0, 0.3]])

Path = Iterator[np.ndarray]


def slope(w: np.ndarray) -> np.ndarray:
    """Return the gradient of `1/2 sum(curvature * (w - lowest)^2)`."""
    return CURVATURE * (w - LOWEST)


def gradient_descent() -> Path:
    w = START
    while True:
        w = w - RATE * slope(w)
        yield w


def momentum_1986(alpha: float) -> Path:
    """Rumelhart, Hinton and Williams: dw(t) = -e dE/dw(t) + alpha dw(t-1)."""
    w, change = START, np.zeros_like(START)
    while True:
        change = -RATE * slope(w) + alpha * change
        w = w + change
        yield w


def nesterov(mu: float) -> Path:
    """Sutskever et al., equations 3 and 4: the gradient is taken at theta + mu v.

    The optimizer's parameters are those look-ahead points.
    """
    theta, v = START, np.zeros_like(START)
    while True:
        v = mu * v - RATE * slope(theta + mu * v)
        theta = theta + v
        yield theta + mu * v


def adagrad() -> Path:
    """Duchi et al.: the gradient over the root of the sum of squares of all so far."""
    w, seen = START, []
    while True:
        seen.append(slope(w))
        w = w - RATE * seen[-1] / (np.sqrt(sum(g * g for g in seen)) + 1e-10)
        yield w


def rmsprop(rho: float) -> Path:
    """Tieleman and Hinton, lecture 6.5."""
    w, square = START, np.zeros_like(START)
    while True:
        g = slope(w)
        square = rho * square + (1 - rho) * g**2
        w = w - RATE * g / (np.sqrt(square) + 1e-8)
        yield w


def adam(beta_1: float, beta_2: float, epsilon: float, decay: float = 0.0) -> Path:
    """Kingma and Ba, algorithm 1, with the sums of its section 3 instead of recursions.

    With `decay`, Loshchilov and Hutter's algorithm 2, where the decay scales with the rate.
    """
    w, seen = START, []
    while True:
        seen.append(slope(w))
        t = len(seen)
        age = np.arange(t)[::-1, None, None]
        m = (1 - beta_1) * np.sum(beta_1**age * np.array(seen), axis=0)
        v = (1 - beta_2) * np.sum(beta_2**age * np.array(seen) ** 2, axis=0)
        m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
        w = w - RATE * (m_hat / (np.sqrt(v_hat) + epsilon) + decay * w)
        yield w


def sums(seen: list[np.ndarray], beta_1: float, beta_2: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Adam's running means of gradients and squares as sums over all gradients so far."""
    age = np.arange(len(seen))[::-1, None, None]
    m = (1 - beta_1) * np.sum(beta_1**age * np.array(seen), axis=0)
    return m, (1 - beta_2) * np.sum(beta_2**age * np.array(seen) ** 2, axis=0)


def nadam(beta_1: float, beta_2: float, epsilon: float) -> Path:
    """Dozat, algorithm 2, with all mu equal to `beta_1`: its products are powers."""
    w, seen = START, []
    while True:
        seen.append(slope(w))
        t, (m, v) = len(seen), sums(seen, beta_1, beta_2)
        g_hat, m_hat = seen[-1] / (1 - beta_1**t), m / (1 - beta_1 ** (t + 1))
        m_bar = (1 - beta_1) * g_hat + beta_1 * m_hat
        w = w - RATE * m_bar / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        yield w


def lamb(decay: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-6) -> Path:
    """You et al., algorithm 2, with the identity for phi; all of `w` is one layer."""
    w, seen = START, []
    while True:
        seen.append(slope(w))
        t, (m, v) = len(seen), sums(seen, beta_1, beta_2)
        r = m / (1 - beta_1**t) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        step = r + decay * w
        w = w - RATE * np.linalg.norm(w) / np.linalg.norm(step) * step
        yield w


def lion(decay: float, beta_1: float = 0.9, beta_2: float = 0.99) -> Path:
    """Chen et al., algorithm 2, with a sum over all gradients instead of a recursion."""
    w, seen = START, []
    while True:
        age = np.arange(len(seen))[::-1, None, None]
        m = (1 - beta_2) * np.sum(beta_2**age * np.reshape(seen, (-1, 2, 2)), axis=0)
        seen.append(slope(w))
        update = np.sign(beta_1 * m + (1 - beta_1) * seen[-1])
        w = w - RATE * (update + decay * w)
        yield w


CASES: dict[str, tuple[Callable[[], Optimizer], Callable[[], Path]]] = {
    "sgd": (lambda: SGD(RATE), gradient_descent),
    "momentum": (lambda: SGD(RATE, momentum=0.9), lambda: momentum_1986(0.9)),
    "nesterov": (lambda: SGD(RATE, momentum=0.8, nesterov=True), lambda: nesterov(0.8)),
    "adagrad": (lambda: Adagrad(RATE), adagrad),
    "rmsprop": (lambda: RMSprop(RATE), lambda: rmsprop(0.9)),
    "rmsprop rho": (lambda: RMSprop(RATE, rho=0.5), lambda: rmsprop(0.5)),
    "adam": (lambda: Adam(RATE), lambda: adam(0.9, 0.999, 1e-8)),
    "adam betas": (
        lambda: Adam(RATE, beta_1=0.5, beta_2=0.7, epsilon=0.1),
        lambda: adam(0.5, 0.7, 0.1),
    ),
    "adamw": (lambda: AdamW(RATE), lambda: adam(0.9, 0.999, 1e-8, decay=0.01)),
    "adamw decay": (
        lambda: AdamW(RATE, weight_decay=0.5, beta_1=0.6),
        lambda: adam(0.6, 0.999, 1e-8, decay=0.5),
    ),
    "nadam": (lambda: Nadam(RATE), lambda: nadam(0.9, 0.999, 1e-8)),
    "nadam betas": (
        lambda: Nadam(RATE, beta_1=0.5, beta_2=0.7, epsilon=0.1),
        lambda: nadam(0.5, 0.7, 0.1),
    ),
    "lamb": (lambda: Lamb(RATE), lambda: lamb(0.01)),
    "lamb betas": (
        lambda: Lamb(RATE, weight_decay=0.5, beta_1=0.5, beta_2=0.7, epsilon=0.1),
        lambda: lamb(0.5, 0.5, 0.7, 0.1),
    ),
    "lion": (lambda: Lion(RATE), lambda: lion(0.1)),
    "lion betas": (
        lambda: Lion(RATE, weight_decay=0.5, beta_1=0.5, beta_2=0.7),
        lambda: lion(0.5, 0.5, 0.7),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_follows_its_equation(case: str) -> None:
    make, path = CASES[case]
    optimizer, w = make(), tf.Variable(START)
    for expected in (expected for expected, _ in zip(path(), range(STEPS), strict=False)):
        optimizer.apply([tf.constant(slope(w.numpy()))], [w])
        np.testing.assert_allclose(w, expected, rtol=1e-12, atol=1e-13)


def test_first_step_of_adam_is_the_rate_whatever_the_gradient() -> None:
    w = tf.Variable([0.0, 0.0, 0.0], dtype=tf.float64)
    Adam(0.5).apply([tf.constant([1e-3, -1.0, 1e6], tf.float64)], [w])
    np.testing.assert_allclose(w, [-0.5, 0.5, -0.5], rtol=2e-5)


@pytest.mark.parametrize("beta_2", [0.9, 0.999, 0.9999])
def test_bias_correction_of_adam_keeps_the_precision_of_float32(beta_2: float) -> None:
    w = tf.Variable([0.0])
    Adam(0.5, beta_2=beta_2).apply([tf.ones([1])], [w])
    np.testing.assert_allclose(w, [-0.5], rtol=1e-6)


def test_adamw_decays_where_the_gradient_is_zero() -> None:
    w = tf.Variable([[2.0]], dtype=tf.float64)
    AdamW(0.1, weight_decay=0.5).apply([tf.zeros([1, 1], tf.float64)], [w])
    np.testing.assert_allclose(w, [[2.0 - 0.1 * 0.5 * 2.0]], rtol=1e-15)


@pytest.mark.parametrize("make", [AdamW, Lion], ids=lambda make: make.__name__)
def test_weights_decay_and_biases_do_not(make: Callable[..., Optimizer]) -> None:
    shapes = [[], [3], [3, 2], [2, 2, 3]]
    parameters = [tf.Variable(tf.fill(shape, 2.0)) for shape in shapes]
    make(0.5, weight_decay=0.25).apply([tf.zeros(shape) for shape in shapes], parameters)
    for parameter, expected in zip(parameters, [2, 2, 1.75, 1.75], strict=True):
        np.testing.assert_array_equal(parameter, np.full(parameter.shape, expected))


def test_a_subclass_may_choose_what_decays() -> None:
    class OnAll(AdamW):
        def decaying(self, parameter: tf.Tensor) -> tf.Tensor:
            return parameter

    bias = tf.Variable([2.0])
    OnAll(0.5, weight_decay=0.25).apply([tf.zeros([1])], [bias])
    np.testing.assert_array_equal(bias, [1.75])


def test_lamb_moves_each_parameter_by_the_rate_times_its_own_norm() -> None:
    rng = np.random.default_rng(3)
    values = [rng.normal(size=shape) * size for shape, size in (([4, 3], 10.0), ([3], 1e-3))]
    gradients = [rng.normal(size=value.shape) for value in values]
    parameters = [tf.Variable(value) for value in values]
    optimizer = Lamb(0.25)
    for _ in range(3):
        before = [parameter.numpy() for parameter in parameters]
        optimizer.apply([tf.constant(gradient) for gradient in gradients], parameters)
        for old, parameter in zip(before, parameters, strict=True):
            moved = np.linalg.norm(parameter.numpy() - old)
            np.testing.assert_allclose(moved, 0.25 * np.linalg.norm(old), rtol=1e-12)


def test_lamb_takes_the_step_of_adam_where_a_norm_is_zero() -> None:
    bias, idle = tf.Variable([0.0, 0.0]), tf.Variable([3.0])
    Lamb(0.25).apply([tf.constant([1.0, -2.0]), tf.zeros([1])], [bias, idle])
    np.testing.assert_allclose(bias, [-0.25, 0.25], rtol=1e-5)
    np.testing.assert_array_equal(idle, [3.0])


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_norms_of_lamb_neither_overflow_nor_vanish(size: float) -> None:
    weight = tf.Variable([[size, -size]])
    Lamb(0.5, weight_decay=0.0).apply([tf.constant([[1.0, 1.0]])], [weight])
    np.testing.assert_allclose(weight / size, [[0.5, -1.5]], rtol=1e-5)


def test_lamb_hides_no_gradient_that_is_not_a_number() -> None:
    weight = tf.Variable([[1.0, 2.0]])
    Lamb(0.5).apply([tf.constant([[np.nan, 1.0]])], [weight])
    assert np.isnan(weight).all()


def test_lion_moves_by_the_rate_and_stays_where_no_gradient_ever_was() -> None:
    w = tf.Variable([1.0, 1.0, 1.0])
    optimizer = Lion(0.25)
    for gradient, expected in (([1e-6, -3.0, 0.0], [0.75, 1.25, 1]), ([0.0] * 3, [0.5, 1.5, 1])):
        optimizer.apply([tf.constant(gradient)], [w])
        np.testing.assert_array_equal(w, expected)


def test_nadam_is_ahead_of_adam_at_the_first_step() -> None:
    """By `beta_1 (1 - beta_1) / (1 - beta_1^2) + 1` instead of 1."""
    w = tf.Variable([0.0], dtype=tf.float64)
    Nadam(0.5, epsilon=0.0).apply([tf.constant([3.0], tf.float64)], [w])
    np.testing.assert_allclose(w, [-0.5 * (1 + 0.9 * 0.1 / (1 - 0.9**2))], rtol=1e-12)


@pytest.mark.parametrize(
    "make", [Adagrad, RMSprop, Adam, Nadam, Lamb, Lion], ids=lambda make: make.__name__
)
def test_zero_gradient_changes_nothing(make: type[Optimizer]) -> None:
    w = tf.Variable([2.0])
    make(0.1).apply([tf.zeros([1])], [w])
    np.testing.assert_array_equal(w, [2.0])
