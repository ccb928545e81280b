"""Kill runs with SIGKILL at random instants, resume them, and compare how they end, bit for bit.

Usage: python -m scripts.attack.kill_runs [--runs N] [--jobs N] [--seed N]

Each run trains a small network for a few seconds: with sgd, momentum or adam, in graph mode or in
XLA, in the order of the table or shuffled with a partial batch at the end; a plain one, or one with
dropout, batch normalization, residual blocks and embeddings. It is killed one to five
times, at any instant from reading the table to writing the model, and goes on each time. Its
weights, optimizer, history, metrics and predictions must be those of a run that was left alone.
"""

import argparse
import functools
import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import pandas as pd
import tensorflow as tf

import tftrain
from tftrain.cli.main import run as command

OPTIMIZERS = {
    "sgd": {"kind": "sgd", "learning_rate": 0.01},
    "momentum": {"kind": "sgd", "learning_rate": 0.01, "momentum": 0.9},
    "adam": {"kind": "adam", "schedule": {"kind": "cosine", "warmup": 2}},
}
BATCHES = {"in order": (700, False), "shuffled, partial": (703, True)}
"""Rows that are trained on, and whether they are shuffled; batches of 28."""

NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {"hidden": [32, 16]},
    "everything": {
        "hidden": [16, 16, 16],
        "dropout": 0.2,
        "normalization": "batch",
        "residual": True,
        "embeddings": "auto",
    },
}

Variant = tuple[str, str, str, str]
VARIANTS: list[Variant] = list(itertools.product(OPTIMIZERS, ("graph", "xla"), BATCHES, NETWORKS))


def write_inputs(folder: Path, variant: Variant) -> Path:
    """Write table and config of a variant; return the config."""
    optimizer, mode, batches, network = variant
    rows, shuffle = BATCHES[batches]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows + 100, 8))
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(8)])
    frame["y"] = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * rng.normal(size=len(x))
    if network == "everything":
        frame["town"] = [f"town {i}" for i in rng.integers(0, 40, len(x))]
    frame["part"] = ["train"] * rows + ["validation"] * 100
    frame.to_csv(folder / "table.csv", index=False)
    config = {
        "name": "killed",
        "data": {
            "source": {"kind": "csv", "path": str(folder / "table.csv")},
            "target": "y",
            "split": {"kind": "column", "column": "part"},
        },
        "model": {"activation": "tanh", **NETWORKS[network]},
        "optimizer": OPTIMIZERS[optimizer],
        "training": {
            "epochs": 100,
            "batch_size": 28,
            "shuffle": shuffle,
            "compile": mode,
            "early_stopping": {"patience": 100},
            "checkpoint": {"every_steps": 61},
        },
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))
    return path


def in_child(function: Callable[[], int], log: Path) -> int:
    """Run a function in a process of its own, which has TensorFlow imported; return its id."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = function()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def train(config: Path, directory: Path) -> int:
    """Train, or go on; return the exit code."""
    return command(["train", str(config), "--output", str(directory), "--resume", "--quiet"])


def digest(directory: Path) -> dict[str, Any]:
    """Return hashes of all that a run ends with, but times."""
    run = tftrain.load_run(directory)
    newest = max(path for path in (directory / "checkpoints").iterdir() if path.name.isdigit())
    found: dict[str, Any] = {"steps": newest.name}
    for prefix in (newest / "variables", directory / "model/variables/variables"):
        reader = tf.train.load_checkpoint(str(prefix))
        for name in sorted(reader.get_variable_to_shape_map()):
            if not any(part in name for part in ("progress/times", "OBJECT_GRAPH", "save_counter")):
                values = np.asarray(reader.get_tensor(name))
                found[name] = hashlib.sha256(values.tobytes()).hexdigest()
    frame = pd.read_csv(directory.parent / "table.csv")
    found["predictions"] = hashlib.sha256(run.predict(frame).tobytes()).hexdigest()
    lines = [json.loads(line) for line in run.directory.metrics.read_text().splitlines()]
    timed = ("seconds", "rows_per_second")
    found["metrics"] = [{k: v for k, v in line.items() if k not in timed} for line in lines]
    found["summary"] = {k: v for k, v in run.summary.items() if k not in timed}
    return found


def digest_in_child(directory: Path, log: Path) -> dict[str, Any]:
    """Return the digest, made in a process of its own: this one must not start TensorFlow."""
    target = directory.parent / "digest.json"

    def write() -> int:
        target.write_text(json.dumps(digest(directory)))
        return 0

    _, status = os.waitpid(in_child(write, log), 0)
    if status:
        raise RuntimeError(f"no digest of {directory}:\n{log.read_text()}")
    return json.loads(target.read_text())


def kill_one(config: Path, directory: Path, rng: random.Random, length: float) -> Counter[str]:
    """Run a training that is killed at random instants until it ends; return what was seen."""
    seen: Counter[str] = Counter()
    log = directory.with_suffix(".log")
    for _ in range(rng.randint(1, 5)):
        child = in_child(lambda: train(config, directory), log)
        time.sleep(rng.uniform(0, length))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        seen["kills"] += 1
        folder = directory / "checkpoints"
        parts = list(folder.glob("*.part")) if folder.exists() else []
        seen["kills while a checkpoint was written"] += bool(parts)
        seen["kills before the first checkpoint"] += not folder.exists()
        seen["kills while the model was written"] += (directory / "model.part").exists()
    _, status = os.waitpid(in_child(lambda: train(config, directory), log), 0)
    if status:
        raise RuntimeError(f"{directory}: the last process failed:\n{log.read_text()}")
    return seen


def worker(runs: int, seed: int) -> Counter[str]:
    """Run the trainings of one of the jobs."""
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    expected: dict[Variant, tuple[dict[str, Any], float]] = {}
    done = 0
    while done < runs:
        variant = VARIANTS[(done + seed) % len(VARIANTS)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            config, directory = write_inputs(folder, variant), folder / "run"
            log = directory.with_suffix(".log")
            if variant not in expected:
                began = time.monotonic()
                os.waitpid(in_child(functools.partial(train, config, directory), log), 0)
                length = time.monotonic() - began
                expected[variant] = digest_in_child(directory, log), length
                continue
            wanted, length = expected[variant]
            found = kill_one(config, directory, rng, length)
            if not found["kills"]:
                continue
            got = digest_in_child(directory, log)
            wrong = [key for key in {**wanted, **got} if wanted.get(key) != got.get(key)]
            seen += found
            seen["runs"] += 1
            seen["identical"] += not wrong
            done += 1
            print(f"{done} of {runs} runs", file=sys.stderr)
            if wrong:
                print(f"DIFFERENT: {variant}, {dict(found)}: {wrong[:5]}", flush=True)
    return seen


def main() -> None:
    """Share the runs among jobs, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.jobs == 1:
        print(json.dumps(worker(arguments.runs, arguments.seed)))
        return
    runs = [arguments.runs // arguments.jobs] * arguments.jobs
    runs[0] += arguments.runs % arguments.jobs
    commands = [
        [sys.executable, __file__, "--jobs", "1", "--runs", str(n), "--seed", str(i)]
        for i, n in enumerate(runs, arguments.seed * arguments.jobs)
    ]
    jobs = [subprocess.Popen(one, stdout=subprocess.PIPE, text=True) for one in commands]
    total: Counter[str] = Counter()
    for job in jobs:
        *told, last = job.communicate()[0].splitlines() or ["{}"]
        print("\n".join(told), end="\n" if told else "")
        total += Counter(json.loads(last))
    for name, count in total.items():
        print(f"{count:6,} {name}")
    sys.exit(total["runs"] != arguments.runs or total["identical"] != total["runs"])


if __name__ == "__main__":
    main()
