"""The orders in which epochs visit the rows, made while the steps before them run."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from tftrain.arrays import aligned, tensor_of
from tftrain.streams import batch_order


class Orders:
    """The orders of several epochs at a time, as `batch_order` says.

    To shuffle a million rows may take as long as to train on them. So a thread of its own shuffles
    for the epochs that will probably be asked for next.

    Args:
        rows: number of rows.
        seed: of the batch order.
        capacity: most epochs that are asked for at a time.
        epochs: number of epochs that there are.
        first: which of the seed's orders the first of them takes.
    """

    def __init__(self, rows: int, seed: int, capacity: int, epochs: int, first: int = 0) -> None:
        self.rows = rows
        self.seed = seed
        self.capacity = capacity
        self.epochs = epochs
        self.first = first
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch-order")
        self._ahead: dict[range, Future[np.ndarray]] = {}
        self._last = range(0)
        self._table = tf.zeros([capacity, rows], tf.int32)

    def of(self, epoch: int, count: int) -> tf.Tensor:
        """Return the orders of `count` epochs from `epoch` on, int32, shape `(capacity, rows)`.

        Rows beyond `count` are undefined.
        """
        wanted = range(epoch, epoch + count)
        if count and wanted != self._last:
            ready = self._ahead.pop(wanted, None)
            table = ready.result() if ready else self._made(wanted)
            self._last, self._table = wanted, tensor_of(table, tf.int32)
            following = range(epoch + count, min(epoch + 2 * count, self.epochs))
            self._ahead = {}
            if following:
                self._ahead[following] = self._thread.submit(self._made, following)
        return self._table

    def close(self) -> None:
        """Make no more orders."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _made(self, epochs: range) -> np.ndarray:
        table = aligned((self.capacity, self.rows), np.int32)
        for i, epoch in enumerate(epochs):
            table[i] = batch_order(self.rows, self.seed, self.first + epoch)
        return table
