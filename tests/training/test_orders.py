"""The orders of epochs are those of `batch_order`, however many are asked for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.streams import batch_order
from tftrain.training.orders import Orders

CAPACITY = 4


@settings(max_examples=50, deadline=None)
@given(
    rows=st.integers(1, 20),
    seed=st.integers(0, 5),
    calls=st.lists(st.tuples(st.integers(0, 9), st.integers(0, CAPACITY)), max_size=6),
)
def test_whatever_is_asked_for(rows: int, seed: int, calls: list[tuple[int, int]]) -> None:
    orders = Orders(rows, seed, CAPACITY, epochs=12)
    for epoch, count in calls:
        table = orders.of(epoch, count).numpy()
        assert table.shape == (CAPACITY, rows)
        for i in range(count):
            np.testing.assert_array_equal(table[i], batch_order(rows, seed, epoch + i))
