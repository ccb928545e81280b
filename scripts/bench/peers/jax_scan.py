"""JAX: one jitted program, `lax.scan` over the steps of an epoch, and over epochs around it."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from scripts.bench.workloads import Workload, orders


class Peer:
    """Trains by a jitted scan over as many epochs per call as tftrain takes."""

    def __init__(self, work: Workload, variant: str = "") -> None:
        self.work = work
        self.fewest = work.epochs_together
        x, y = work.data()
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)
        weights = [tuple(map(jnp.asarray, pair)) for pair in work.weights()]
        zeros = jax.tree.map(jnp.zeros_like, weights)
        slots = (zeros, jax.tree.map(jnp.copy, zeros)) if work.optimizer == "adam" else ()
        self.carry = (weights, slots, jnp.zeros((), jnp.int32))

    def train(self, epochs: int, shuffle: bool) -> float:
        """Train; return the seconds."""
        work = self.work
        shuffle &= work.shuffled
        firsts = range(0, epochs, work.epochs_together)
        counts = [min(work.epochs_together, epochs - first) for first in firsts]

        def order(count: int) -> np.ndarray:
            return orders(work, count) if shuffle else np.zeros((count, 0), np.int32)

        began = time.perf_counter()
        with ThreadPoolExecutor(1) as thread:  # shuffles for the next call while this one runs
            ahead = thread.submit(order, counts[0])
            for count in [*counts[1:], 0]:
                now, ahead = ahead.result(), thread.submit(order, count)
                self.carry, losses = run(self.carry, self.x, self.y, now, work)
                losses.block_until_ready()
        return time.perf_counter() - began

    def loss(self) -> float:
        """Return the mean squared error."""
        return float(mse(self.carry[0], self.x, self.y))


def forward(weights: Any, x: Any) -> Any:
    """Return the predictions."""
    for weight, bias in weights[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = weights[-1]
    return x @ weight + bias


def mse(weights: Any, x: Any, y: Any) -> Any:
    """Return the mean squared error of a batch."""
    return jnp.mean((forward(weights, x) - y) ** 2)


def adam(
    gradient: Any, weight: Any, mean: Any, square: Any, step: Any, rate: float
) -> tuple[Any, Any, Any]:
    """Return the weight and its slots after a step of Adam, with one division as in tftrain."""
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.999 * square + 0.001 * gradient**2
    c = jnp.sqrt(1 - 0.999**step)
    change = (rate * c / (1 - 0.9**step)) * mean / (jnp.sqrt(square) + 1e-8 * c)
    return weight - change, mean, square


def update(
    gradients: Any, weights: Any, slots: tuple[Any, ...], step: Any, work: Workload
) -> tuple[Any, tuple[Any, ...]]:
    """Return weights and slots after a step."""
    if work.optimizer == "sgd":
        return jax.tree.map(lambda w, g: w - work.learning_rate * g, weights, gradients), slots
    each = partial(adam, step=step.astype(jnp.float32), rate=work.learning_rate)
    new = jax.tree.map(each, gradients, weights, *slots)
    weights, *slots = jax.tree.transpose(jax.tree.structure(weights), None, new)
    return weights, tuple(slots)


@partial(jax.jit, static_argnames="work", donate_argnums=0)
def run(carry: Any, x: Any, y: Any, order: Any, work: Workload) -> tuple[Any, Any]:
    """Run an epoch for each row of `order`; without columns it is the order of the table."""

    def one_step(carry: Any, rows: Any) -> tuple[Any, Any]:
        weights, slots, step = carry
        if rows.ndim:
            batch = (a.at[rows].get(mode="promise_in_bounds") for a in (x, y))
        else:
            batch = (lax.dynamic_slice_in_dim(a, rows * work.batch, work.batch) for a in (x, y))
        loss, gradients = jax.value_and_grad(mse)(weights, *batch)
        weights, slots = update(gradients, weights, slots, step + 1, work)
        return (weights, slots, step + 1), loss

    def one_epoch(carry: Any, order: Any) -> tuple[Any, Any]:
        shuffled = order.size > 0
        rows = order.reshape(work.steps, work.batch) if shuffled else jnp.arange(work.steps)
        return lax.scan(one_step, carry, rows)

    return lax.scan(one_epoch, carry, order)
