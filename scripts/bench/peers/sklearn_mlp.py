"""scikit-learn: `MLPRegressor`. It minimises half the mean squared error: its rate is doubled."""

import time
import warnings

import numpy as np
from sklearn.neural_network import MLPRegressor

from scripts.bench.workloads import Workload


class Peer:
    """Trains by `fit` with `warm_start`, from weights put in before."""

    def __init__(self, work: Workload, variant: str = "") -> None:
        self.work = work
        self.x, y = work.data()
        self.y = y[:, 0]
        half = {"epsilon": 0.5e-8} if work.optimizer == "adam" else {"momentum": 0.0}
        rate = work.learning_rate * (2 if work.optimizer == "sgd" else 1)
        self.network = MLPRegressor(
            hidden_layer_sizes=work.widths[1:-1],
            activation="relu",
            solver=work.optimizer,
            alpha=0.0,
            batch_size=work.batch,
            learning_rate_init=rate,
            tol=0.0,
            n_iter_no_change=10**9,
            max_iter=1,
            warm_start=True,
            **half,
        )
        self._fit(1, shuffle=False)
        self.network.coefs_ = [weight for weight, _ in work.weights()]
        self.network.intercepts_ = [bias for _, bias in work.weights()]

    def train(self, epochs: int, shuffle: bool) -> float:
        """Train; return the seconds."""
        began = time.perf_counter()
        self._fit(epochs, shuffle)
        return time.perf_counter() - began

    def _fit(self, epochs: int, shuffle: bool) -> None:
        self.network.set_params(max_iter=epochs, shuffle=shuffle)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the last epoch was reached
            self.network.fit(self.x, self.y)

    def loss(self) -> float:
        """Return the mean squared error."""
        return float(np.mean((self.network.predict(self.x) - self.y) ** 2))
