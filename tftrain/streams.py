"""Random numbers as pure functions of a seed and a counter.

There is no global random state in tftrain. Each draw names its purpose and its position, and gets
a Philox generator of its own (Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers: as
easy as 1, 2, 3"), so a draw never depends on which draws came before it.
"""

from enum import IntEnum

import numpy as np

from tftrain.errors import whole_number


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of every run's identity: never renumber them."""

    WEIGHTS = 0
    BATCHES = 1
    SPLIT = 2
    DIRECTIONS = 3
    STEPS = 4


def stream(seed: int, purpose: Purpose, counter: int = 0) -> np.random.Generator:
    """Return the generator that belongs to `(seed, purpose, counter)` and to nothing else.

    Raises:
        InputError: the seed is no whole number of zero or more; NumPy would take None for "any".
    """
    seed = whole_number("seed", seed, minimum=0)
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), counter))
    return np.random.Generator(np.random.Philox(sequence))


def batch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order in which epoch `epoch` visits the rows.

    Args:
        rows: number of training rows.
        seed: seed of the run.
        epoch: the epoch, counted from 0.

    Returns:
        A permutation of `0 .. rows - 1`, int32, shape `(rows,)`.
    """
    order = np.arange(rows, dtype=np.int32)
    stream(seed, Purpose.BATCHES, epoch).shuffle(order)
    return order
