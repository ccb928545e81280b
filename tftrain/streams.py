"""Random numbers as pure functions of a seed and a counter.

There is no global random state in tftrain. Each draw names its purpose and its position, and gets
a Philox generator of its own (Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers: as
easy as 1, 2, 3"), so a draw never depends on which draws came before it.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

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
        InputError: the seed is not a whole number of zero or more; NumPy would take None for "any".
    """
    seed = whole_number("seed", seed, minimum=0)
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), counter))
    return np.random.Generator(np.random.Philox(sequence))


def seed_at(seed: int, place: int) -> int:
    """Return the seed of a part of something: of a layer in a network, for instance."""
    return _mixed((seed + place * 0x85EBCA6B) % 2**32)


def bits(shape: tuple[int, ...], seed: int, step: int, places: Sequence[int]) -> np.ndarray:
    """Return the random bits of a training step, uint32, as `tftrain.nn.Draw` draws them.

    Args:
        shape: of a batch, `(cases, ...)`.
        seed: of the training.
        step: number of updates made before.
        places: of the node in the network, from the outermost network to the innermost.
    """
    for place in places:
        seed = seed_at(seed, place)
    key = _mixed(_mixed((step + 0x9E3779B9) % 2**32) ^ seed % 2**32)
    element = np.arange(np.prod(shape), dtype=np.uint64)
    return (_mixed(_mixed((element + key) % 2**32) ^ key)).astype(np.uint32).reshape(shape)


def _mixed(h: Any) -> Any:
    """Return a hash of 32 bits: Wellons' finalizer ("Prospecting for hash functions", 2018).

    Of a number below 2^32, or of an array of such numbers whose type holds twice as many bits.
    """
    h = (h ^ h >> 16) * 0x7FEB352D % 2**32
    h = (h ^ h >> 15) * 0x846CA68B % 2**32
    return h ^ h >> 16


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
