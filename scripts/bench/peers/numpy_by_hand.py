"""NumPy: the same step by hand, the delta recursion written out, with no work done twice."""

import time

import numpy as np

from scripts.bench.workloads import Workload, orders


class Peer:
    """Trains by matrix products in place."""

    def __init__(self, work: Workload, variant: str = "") -> None:
        self.work = work
        self.x, self.y = work.data()
        self.weights = [[weight.copy(), bias.copy()] for weight, bias in work.weights()]
        self.means = [[np.zeros_like(p) for p in pair] for pair in self.weights]
        self.squares = [[np.zeros_like(p) for p in pair] for pair in self.weights]
        self.made = 0

    def train(self, epochs: int, shuffle: bool) -> float:
        """Train; return the seconds."""
        work = self.work
        shuffle &= work.shuffled
        began = time.perf_counter()
        for _ in range(epochs):
            order = orders(work, 1)[0] if shuffle else None
            for first in range(0, work.rows, work.batch):
                part = slice(first, first + work.batch)
                rows = part if order is None else order[part]
                self._step(self.x[rows], self.y[rows])
        return time.perf_counter() - began

    def _step(self, x: np.ndarray, y: np.ndarray) -> None:
        inputs = self._forward(x)
        error = inputs.pop() - y
        float(np.mean(error**2))
        delta = error * np.float32(2 / error.size)
        self.made += 1
        for layer in reversed(range(len(self.weights))):
            below = inputs[layer]
            gradients = [below.T @ delta, delta.sum(axis=0)]
            if layer:
                delta = delta @ self.weights[layer][0].T
                delta *= below > 0
            for i, gradient in enumerate(gradients):
                self._update(layer, i, gradient)

    def _update(self, layer: int, i: int, gradient: np.ndarray) -> None:
        rate = np.float32(self.work.learning_rate)
        if self.work.optimizer == "sgd":
            self.weights[layer][i] -= rate * gradient
            return
        mean, square = self.means[layer][i], self.squares[layer][i]
        mean += np.float32(0.1) * (gradient - mean)
        square += np.float32(0.001) * (gradient * gradient - square)
        scale = np.float32(1 / np.sqrt(1 - 0.999**self.made))
        rate = np.float32(self.work.learning_rate / (1 - 0.9**self.made))
        self.weights[layer][i] -= rate * mean / (np.sqrt(square) * scale + np.float32(1e-8))

    def _forward(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the input of every layer, and the output of the last."""
        found = [x]
        for n, (weight, bias) in enumerate(self.weights, 1):
            x = x @ weight
            x += bias
            if n < len(self.weights):
                np.maximum(x, 0, out=x)
            found.append(x)
        return found

    def loss(self) -> float:
        """Return the mean squared error."""
        return float(np.mean((self._forward(self.x)[-1] - self.y) ** 2))
