"""Keras as TensorFlow brings it: `Model.fit` on arrays, plain, or with its settings for speed."""

import time

import keras
import tensorflow as tf

from scripts.bench.workloads import Workload

STEPS_TOGETHER = 512
"""`steps_per_execution` at most."""


class Peer:
    """Trains by `fit`.

    Args:
        work: the task.
        variant: plain, or tuned: many steps per execution, under XLA (Keras' own choice) or in
            graph mode.
    """

    def __init__(self, work: Workload, variant: str = "plain") -> None:
        self.work = work
        self.x, self.y = work.data()
        *hidden, outputs = work.widths[1:]
        dense = [keras.layers.Dense(units, "relu") for units in hidden]
        self.network = keras.Sequential(
            [keras.Input((work.widths[0],)), *dense, keras.layers.Dense(outputs)]
        )
        self.network.set_weights([value for pair in work.weights() for value in pair])
        kind = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[work.optimizer]
        epsilon = {"epsilon": 1e-8} if work.optimizer == "adam" else {}
        speed = {"steps_per_execution": min(work.steps, STEPS_TOGETHER)}
        settings = {"plain": {}, "xla": speed, "graph": speed | {"jit_compile": False}}
        self.network.compile(kind(work.learning_rate, **epsilon), "mse", **settings[variant])

    def train(self, epochs: int, shuffle: bool) -> float:
        """Train; return the seconds."""
        began = time.perf_counter()
        self.network.fit(
            self.x,
            self.y,
            batch_size=self.work.batch,
            epochs=epochs,
            shuffle=shuffle,
            verbose=0,
        )
        return time.perf_counter() - began

    def loss(self) -> float:
        """Return the mean squared error."""
        return float(tf.reduce_mean((self.network(self.x) - self.y) ** 2))
