"""Check random networks, and count false alarms: all of them are right, so none may be found wrong.

    python scripts/random_networks.py --networks 10000 --processes 2

Prints the largest error over bound, and how the bounds compare with the gradients they belong to.
"""

import argparse
import os
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np

import tftrain
from tftrain import nn, optimizers

INPUTS = ("normal", "zeros", "grid", "huge", "tiny", "decades")
"""normal; all zeros; small whole numbers (with whole weights, many units lie exactly on a kink);
beyond the square root of the largest number; below the smallest normal number; over 12 decades."""

LOSSES = ("mse", "sum_squared_error", "mae", "huber")
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(optimizers.Exponential(0.1, every=3, decay=0.5)),
    "momentum": lambda: optimizers.SGD(optimizers.Step(0.1, every=2, decay=0.5), momentum=0.9),
    "nesterov": lambda: optimizers.SGD(
        optimizers.Cosine(0.1, steps=7, final=0.1), momentum=0.9, nesterov=True
    ),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "adam": lambda: optimizers.Adam(optimizers.Warmup(optimizers.Cosine(0.1, 5), steps=2)),
    "adamw": lambda: optimizers.AdamW(0.1, weight_decay=0.1),
    "clipped": lambda: optimizers.Adam(0.1, clip_value=0.1, clip_norm=0.3),
}


@dataclass(frozen=True)
class Case:
    """A network, a batch and a step, drawn from `seed` where not given.

    Attributes:
        widths: of input, hidden and output layers: two numbers or more.
        activations: one after each affine map.
        batch: number of cases.
        decade: the weights are of the size of `10 ** decade` times what suits the activations.
        inputs: one of `INPUTS`.
        loss: one of `LOSSES`.
        optimizer: one of `OPTIMIZERS`, or none: no update is made.
        weighted: whether the cases have weights.
        l2: strength of the penalty.
        dtype: float32 or float64.
        mode: eager, graph or xla.
        seed: of all numbers.
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    batch: int
    decade: float
    inputs: str
    loss: str
    optimizer: str | None
    weighted: bool
    l2: float
    dtype: str
    mode: str
    seed: int

    def report(self):
        """Return the report of the gradient check."""
        rng = np.random.default_rng(self.seed)
        layers = []
        for i, name in enumerate(self.activations):
            dense = nn.Dense(
                self.widths[i],
                self.widths[i + 1],
                initializer=self._weights,
                bias_initializer=self._weights,
                dtype=self.dtype,
                seed=self.seed,
                counter=i,
            )
            layers += [dense, nn.Activation(name)]
        x = self._draw(rng, (self.batch, self.widths[0]))
        y = self._draw(rng, (self.batch, self.widths[-1]))
        weight = rng.uniform(0, 2, self.batch) + 1e-3 if self.weighted else None
        return tftrain.gradcheck(
            nn.Sequential(layers),
            x,
            y,
            loss=self.loss,
            optimizer=OPTIMIZERS[self.optimizer]() if self.optimizer else None,
            weight=weight,
            l2=self.l2,
            modes=[self.mode],
        )

    def _weights(self, rng, shape):
        if self.inputs == "grid":
            return rng.integers(-2, 3, shape).astype(float)
        return 10**self.decade * rng.standard_normal(shape) / np.sqrt(shape[0])

    def _draw(self, rng, shape):
        limits = np.finfo(self.dtype)
        normal = rng.standard_normal(shape)
        match self.inputs:
            case "normal":
                values = normal
            case "zeros":
                values = np.zeros(shape)
            case "grid":
                values = rng.integers(-2, 3, shape).astype(float)
            case "huge":
                values = normal * 10 ** rng.uniform(0, np.log10(float(limits.max)) - 1, shape)
            case "tiny":
                values = normal * 10 ** rng.uniform(np.log10(float(limits.tiny)) - 5, 0, shape)
            case _:
                values = normal * 10 ** rng.uniform(-6, 6, shape)
        return values.astype(self.dtype)


def draw(seed):
    """Return the case of a seed."""
    rng = np.random.default_rng(seed)
    depth = int(np.ceil(np.exp(rng.uniform(0, np.log(30)))))
    widths = np.exp(rng.uniform(0, np.log(300), depth + 1)).astype(int)
    return Case(
        widths=tuple(int(width) for width in widths),
        activations=tuple(str(name) for name in rng.choice(list(nn.ACTIVATIONS), depth)),
        batch=int(np.exp(rng.uniform(0, np.log(500)))),
        decade=float(rng.choice([0, 0, rng.uniform(-6, 6)])),
        inputs=str(rng.choice(INPUTS, p=[0.5, 0.05, 0.15, 0.1, 0.1, 0.1])),
        loss=str(rng.choice(LOSSES)),
        optimizer=str(rng.choice(list(OPTIMIZERS))) if rng.random() < 0.3 else None,
        weighted=bool(rng.random() < 0.3),
        l2=float(rng.choice([0.0, 0.0, 0.01])),
        dtype=str(rng.choice(["float32", "float64"])),
        mode=str(rng.choice(["eager", "graph", "xla"], p=[0.85, 0.12, 0.03])),
        seed=int(seed),
    )


def check(seed):
    """Return what one case gives: the case, its failures as text, ratio, relative bounds."""
    case = draw(seed)
    report = case.report()
    bounds = [
        c.relative_bound for c in report.checks if c.quantity in ("weight", "bias") and not c.unsure
    ]
    unsure = sum(c.unsure for c in report.checks)
    worst = report.worst
    failures = [str(failure) for failure in report.failures]
    return case, failures, worst.ratio, f"{worst.where}", len(report.checks), unsure, bounds


def main():
    """Run the cases and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first network")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    began = time.monotonic()
    alarms = checks = unsure = 0
    most = (0.0, "")
    drawn = Counter()
    bounds = {"float32": [], "float64": []}
    context = get_context("spawn")
    # A process is replaced after ten chunks: TensorFlow keeps every program that it ever compiled.
    with context.Pool(options.processes, maxtasksperchild=10) as pool:
        seeds = range(options.first, options.first + options.networks)
        for done, result in enumerate(pool.imap(check, seeds, chunksize=20), 1):
            case, failures, ratio, where, number, undetermined, relative = result
            drawn.update([case.dtype, case.mode, case.inputs])
            checks, unsure = checks + number, unsure + undetermined
            bounds[case.dtype] += relative
            if ratio > most[0]:
                most = (ratio, f"{where}, {case.mode}, {case.dtype}, seed {case.seed}")
            if failures:
                alarms += 1
                print(f"FALSE ALARM, seed {case.seed}: {failures[0]}\n  {case}", flush=True)
            if done % 500 == 0:
                print(f"{done} networks, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{options.networks} networks, {checks} checks, {alarms} false alarms")
    print(f"largest error over bound: {most[0]:.3f} ({most[1]})")
    print(f"elements undetermined by overflow: {unsure}")
    print("drawn:", dict(drawn))
    for dtype, found in bounds.items():
        found = [value for value in found if value > 0]
        points = np.percentile(found, [5, 50, 95, 100]) if found else []
        text = ", ".join(f"{p:.1e}" for p in points)
        print(f"{dtype}: bound over gradient, 5th, 50th, 95th percentile and largest: {text}")


if __name__ == "__main__":
    main()
