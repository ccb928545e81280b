"""Time the certificate of a network with over a million parameters, beside what it replaces.

    python -m scripts.proof.certificate_speed

Prints the seconds for one training step, for the certificate in one mode, and for central
differences over all parameters (estimated from 100 of them): medians of several turns.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np

import tftrain
from tftrain import losses, nn, optimizers
from tftrain.training.batch import as_batch
from tftrain.training.engine import Mode
from tftrain.training.step import Step

ROUNDS = 5
BATCH = 256
DIFFERENCES = 100


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def row(dtype: str) -> tuple[int, dict[str, float]]:
    """Return the medians for one dtype."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((BATCH, 64)), rng.standard_normal((BATCH, 10))
    network = nn.MLP(64, [1024, 1024], 10, dtype=dtype)
    parameters = network.trainable_variables
    objective = losses.Objective(losses.MeanSquaredError())
    step = Step(network, parameters, objective, optimizers.SGD(1e-6))
    step.build()
    batch = as_batch(x, y, None, parameters[0].dtype)
    train = Mode("graph", "").compile(lambda: step(batch))
    loss = Mode("graph", "").compile(lambda: step.value(batch))
    weight = parameters[-1]
    train()
    loss()

    def differences() -> None:
        start = weight.numpy()
        for k in range(DIFFERENCES):
            for change in (1e-3, -1e-3):
                moved = start.copy()
                moved[k % moved.shape[0]] += change
                weight.assign(moved)
                loss()
        weight.assign(start)

    times: dict[str, list[float]] = {
        "step": [],
        "certificate": [],
        "with updates": [],
        "differences": [],
    }
    for _ in range(ROUNDS):
        times["step"].append(seconds(train))
        times["certificate"].append(
            seconds(lambda: tftrain.gradcheck(network, x, y, modes=["graph"]))
        )
        times["with updates"].append(
            seconds(lambda: tftrain.gradcheck(network, x, y, modes=["graph"], optimizer="adam"))
        )
        times["differences"].append(seconds(differences))
    count = sum(int(np.prod(p.shape)) for p in parameters)
    medians = {name: statistics.median(values) for name, values in times.items()}
    medians["differences"] *= count / DIFFERENCES
    return count, medians


def main() -> None:
    """Print the table."""
    columns = ("dtype", "parameters", "training step", "certificate", "and three Adam updates")
    print(f"| {' | '.join(columns)} | central differences |")
    print("|---|---:|---:|---:|---:|---:|")
    for dtype in ("float32", "float64"):
        count, times = row(dtype)
        certificate = times["certificate"]
        print(
            f"| {dtype} | {count:,} | {times['step']:.4f} s | {certificate:.2f} s "
            f"({certificate / times['step']:.0f} steps) | {times['with updates']:.2f} s | "
            f"{times['differences']:,.0f} s ({times['differences'] / certificate:,.0f} times) |"
        )


if __name__ == "__main__":
    main()
