import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from tftrain.errors import InputError
from tftrain.optimizers import SGD, Constant, Cosine, Exponential, Schedule, StepDecay, Warmup


def rates(schedule: Schedule, steps: list[int]) -> list[float]:
    return [float(schedule(tf.constant(step, tf.int64))) for step in steps]


def test_constant() -> None:
    assert rates(Constant(0.3), [0, 1, 10**9]) == [0.3, 0.3, 0.3]


def test_step_falls_exactly_at_its_multiples() -> None:
    expected = [0.8, 0.8, 0.2, 0.2, 0.05, 0.8 * 0.25**10]
    assert rates(StepDecay(0.8, every=3, decay=0.25), [0, 2, 3, 5, 6, 30]) == pytest.approx(
        expected, rel=1e-14
    )


def test_step_falls_to_a_half_by_default() -> None:
    assert rates(StepDecay(1.0, every=5), [4, 5, 10]) == [1, 0.5, 0.25]


def test_exponential_halves_every_period() -> None:
    schedule = Exponential(0.4, every=10, decay=0.5)
    expected = [0.4 * math.exp(-math.log(2) * step / 10) for step in (0, 1, 10, 25)]
    assert rates(schedule, [0, 1, 10, 25]) == pytest.approx(expected, rel=1e-14)


def test_cosine_goes_from_first_to_final_rate_and_stays() -> None:
    schedule = Cosine(2.0, steps=8, final=0.25)
    low, high = 0.5, 2.0
    expected = [
        low + (high - low) / 2 * (1 + math.cos(math.pi * step / 8)) for step in (0, 1, 2, 4, 7)
    ]
    assert rates(schedule, [0, 1, 2, 4, 7]) == pytest.approx(expected, rel=1e-14)
    assert rates(schedule, [8, 9, 1000]) == pytest.approx([low] * 3, rel=1e-14)


def test_warmup_rises_in_equal_parts_and_hands_over() -> None:
    schedule = Warmup(Constant(1.0), steps=4)
    assert rates(schedule, [0, 1, 2, 3, 4, 5]) == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1], rel=1e-14
    )


def test_what_follows_a_warmup_counts_from_its_end() -> None:
    after = StepDecay(0.5, every=2, decay=0.1)
    assert rates(Warmup(after, steps=3), [3, 4, 5, 6, 7]) == rates(after, [0, 1, 2, 3, 4])


def test_warmup_of_no_steps_is_the_schedule_itself() -> None:
    after = Cosine(0.5, steps=6)
    assert rates(Warmup(after, steps=0), list(range(8))) == rates(after, list(range(8)))


def test_rates_are_float64_whatever_the_parameters() -> None:
    assert Cosine(0.1, steps=3)(tf.constant(1, tf.int64)).dtype == tf.float64


def test_the_optimizer_takes_the_rate_of_steps_counted_from_zero() -> None:
    w = tf.Variable([0.0], dtype=tf.float64)
    optimizer = SGD(Warmup(StepDecay(1.0, every=2, decay=0.5), steps=1))
    positions = []
    for _ in range(5):
        optimizer.apply([tf.ones([1], tf.float64)], [w])
        positions.append(-float(w[0]))
    np.testing.assert_allclose(np.diff([0, *positions]), [0.5, 1, 1, 0.5, 0.5], rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(0.0), "learning rate must be positive"),
        (lambda: Constant(-1.0), "learning rate must be positive"),
        (lambda: Constant(math.nan), "learning rate must be positive"),
        (lambda: Constant(math.inf), "learning rate must be positive"),
        (lambda: StepDecay(0.1, every=0), "every must be positive"),
        (lambda: StepDecay(0.1, every=1, decay=0), "decay must be positive"),
        (lambda: Exponential(0.1, every=math.inf), "every must be positive"),
        (lambda: Cosine(0.1, steps=0), "steps must be positive"),
        (lambda: Cosine(0.1, steps=5, final=1.5), "final must be at most 1"),
        (lambda: Cosine(0.1, steps=5, final=-0.1), "final must be at least 0"),
        (lambda: Warmup(Constant(0.1), steps=-1), "steps must be at least 0"),
        (lambda: Warmup(0.1, steps=1), "schedule must be a Schedule .*got 0.1"),  # type: ignore[arg-type]
    ],
)
def test_wrong_settings(make: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("every", [1, 3, 49, 98, 103, 107, 2.5, 0.7])
def test_steps_down_at_every_multiple_in_every_mode(mode: str, every: float) -> None:
    """A compiler that multiplies by 1 / every falls short of some multiples."""
    schedule = StepDecay(1.0, every=every, decay=0.5)
    rate = tf.function(schedule, jit_compile=mode == "xla") if mode != "eager" else schedule
    for k in range(1, 8):
        first = int(np.ceil(k * every))
        for step in (first, first + 1):
            expected = 0.5 ** int(Fraction(step) // Fraction(every))
            assert float(rate(tf.constant(step, tf.int64))) == expected
        before = 0.5 ** int(Fraction(first - 1) // Fraction(every))
        assert float(rate(tf.constant(first - 1, tf.int64))) == before


@pytest.mark.parametrize("every", [0.1, 2.9, 1 / 3, 7.3, 0.7, 29.0])
@pytest.mark.parametrize("jit", [False, True])
def test_steps_of_a_fractional_length_fall_exactly(every: float, jit: bool) -> None:
    schedule = StepDecay(1.0, every=every)
    steps = np.unique(np.r_[np.arange(300), np.random.default_rng(0).integers(0, 10**6, 300)])
    periods = tf.function(schedule.periods, jit_compile=jit)(tf.constant(steps, tf.float64))
    exact = [Fraction(int(step)) // Fraction(every) for step in steps]
    np.testing.assert_array_equal(periods, np.array(exact, np.float64))
