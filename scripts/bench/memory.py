"""Train an epoch on ten million rows of twenty float32 features; print the memory it took."""

import json
import resource
import sys

import numpy as np

import tftrain

ROWS, FEATURES, BATCH = 10_000_000, 20, 4_096


def peak() -> float:
    """Return the most bytes that the process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def train(x: np.ndarray, y: np.ndarray) -> None:
    """Train one epoch."""
    network = tftrain.nn.MLP(FEATURES, [64], 1)
    tftrain.fit(network, x, y, epochs=1, batch_size=BATCH, compile="xla")


train(np.ones((BATCH, FEATURES), np.float32), np.ones((BATCH, 1), np.float32))
x = np.random.default_rng(0).standard_normal((ROWS, FEATURES), np.float32)
y = np.ascontiguousarray(x[:, :1])
before = peak()
train(x, y)
print(json.dumps({"table": x.nbytes + y.nbytes, "more": peak() - before}))
