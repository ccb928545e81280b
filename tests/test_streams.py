from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.errors import InputError
from tftrain.streams import Purpose, batch_order, stream

seeds = st.integers(0, 2**64)
counters = st.integers(0, 2**31)


@given(st.integers(1, 300), seeds, counters)
@settings(max_examples=50, deadline=None)
def test_batch_order_is_a_permutation_and_a_pure_function(rows: int, seed: int, epoch: int) -> None:
    order = batch_order(rows, seed, epoch)
    np.random.default_rng().random(10)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))
    np.testing.assert_array_equal(order, batch_order(rows, seed, epoch))


@given(seeds, counters)
@settings(max_examples=25, deadline=None)
def test_every_epoch_and_every_seed_has_its_own_order(seed: int, epoch: int) -> None:
    order = batch_order(100, seed, epoch)
    assert np.any(order != batch_order(100, seed, epoch + 1))
    assert np.any(order != batch_order(100, seed + 1, epoch))


def test_every_row_comes_first_equally_often() -> None:
    first = [batch_order(4, 0, epoch)[0] for epoch in range(2000)]
    np.testing.assert_allclose(np.bincount(first), [500] * 4, rtol=0.15)


@given(seeds, st.sampled_from(Purpose), counters)
@settings(max_examples=25, deadline=None)
def test_a_stream_belongs_to_its_arguments_alone(seed: int, purpose: Purpose, counter: int) -> None:
    draw = stream(seed, purpose, counter).random(4)
    np.testing.assert_array_equal(draw, stream(seed, purpose, counter).random(4))
    for other in Purpose:
        same = np.array_equal(draw, stream(seed, other, counter).random(4))
        assert same == (other == purpose)


@pytest.mark.parametrize("seed", [None, -1, 1.5, "1", True])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(InputError, match="seed must be a whole number of at least 0"):
        stream(seed, Purpose.WEIGHTS)


def test_the_global_random_state_is_left_alone() -> None:
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    stream(0, Purpose.WEIGHTS).random(5)
    batch_order(10, 0, 0)
    assert np.random.random() == expected


@pytest.mark.parametrize(("purpose", "number"), [("WEIGHTS", 0), ("BATCHES", 1), ("SPLIT", 2)])
def test_purposes_keep_their_numbers(purpose: str, number: int) -> None:
    assert Purpose[purpose] == number
