"""Rows per second of `tftrain.fit` beside Keras `fit`: 8-50-1, 1,024 rows, batch 32, plain SGD.

Usage: python scripts/compare_keras.py

Both sides start from the same weights and do the same updates: the losses after one epoch without
shuffling are printed to show it; the timed epochs shuffle. The two take turns; the medians of five
rounds count. Compilation is left out on both sides.
"""

import statistics
import time

import keras
import numpy as np

import tftrain
from tftrain.optimizers import SGD

ROWS, EPOCHS, KERAS_EPOCHS, ROUNDS = 1024, 500, 10, 5


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of a smooth function."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, 8)).astype(np.float32)
    return x, np.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]


def tftrain_network() -> tftrain.nn.MLP:
    """Return the network of tftrain."""
    return tftrain.nn.MLP(8, [50], 1, activation="tanh", seed=0)


def keras_network() -> keras.Model:
    """Return the same network, with the same initial weights, in Keras."""
    network = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(50, "tanh"), keras.layers.Dense(1)]
    )
    network.set_weights(
        [v.numpy() for layer in tftrain_network().layers[::2] for v in (layer.weight, layer.bias)]
    )
    network.compile(keras.optimizers.SGD(0.01), "mse")
    return network


def loss_of_ours(x: np.ndarray, y: np.ndarray) -> float:
    """Return the loss of tftrain's network after one epoch in the order of the rows."""
    network = tftrain_network()
    tftrain.fit(network, x, y, optimizer=SGD(0.01), epochs=1, shuffle=False)
    return float(np.mean((network(x).numpy() - y) ** 2))


def main() -> None:
    """Measure and print."""
    x, y = data()
    peer = keras_network()
    peer.fit(x, y, batch_size=32, epochs=1, verbose=0, shuffle=False)
    theirs = float(peer.evaluate(x, y, batch_size=ROWS, verbose=0))
    print(f"loss after one epoch: tftrain {loss_of_ours(x, y):.6f}, keras {theirs:.6f}")
    rates: dict[str, list[float]] = {"tftrain": [], "keras": []}
    for _ in range(ROUNDS):
        history = tftrain.fit(tftrain_network(), x, y, optimizer=SGD(0.01), epochs=EPOCHS)
        rates["tftrain"].append(ROWS * EPOCHS / history.seconds["train"])
        began = time.perf_counter()
        peer.fit(x, y, batch_size=32, epochs=KERAS_EPOCHS, verbose=0)
        rates["keras"].append(ROWS * KERAS_EPOCHS / (time.perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in medians.items():
        print(f"{name:8} {value:12,.0f} rows/s")
    print(f"ratio    {medians['tftrain'] / medians['keras']:12.1f}")


if __name__ == "__main__":
    main()
