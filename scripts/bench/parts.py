"""The parts of the benchmark: each returns plain figures, for a number of rounds."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.goals import MIXED_PEERS, OURS, PEERS
from scripts.bench.measure import epochs_of_a_round, measure
from scripts.bench.workers import Worker
from scripts.bench.workloads import LARGE, MIDDLING, SMALL, WORKLOADS, Workload
from tftrain.nn import has_bfloat16
from tftrain.runs.environment import git_commit

Figures = dict[str, Any]
WITHOUT_KERAS = "import os; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import tensorflow"
ROOT = Path(__file__).resolve().parent.parent.parent

WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
ROWS = (10**3, 10**4, 10**5, 10**6, 10**7)
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Of a processor, that decide how fast it multiplies matrices."""

MOST_CHECKPOINTS = 300
"""Epochs of a round with a checkpoint after each."""

FEATURES_SECONDS = 5.0
"""Half of a turn in which a few hundredths are to be seen."""

PACKAGES = ("tensorflow", "keras", "jax", "torch", "scikit-learn", "numpy")


def circumstances(rounds: int) -> str:
    """Return where, of what and how often something was measured."""
    told = _cpuinfo()
    flags = told.get("flags", "").split()
    git = git_commit()
    commit = git and git["commit"][:7] + (" with changes" if git["changed"] else "")
    processor = told.get("model name") or platform.processor()
    instructions = ", ".join(flag for flag in INSTRUCTIONS if flag in flags)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"commit {commit}, {rounds} rounds, {processor} ({instructions}), {os.cpu_count()} cores, "
        f"python {platform.python_version()}, {packages}"
    )


def _cpuinfo() -> dict[str, str]:
    """Return what Linux tells of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def peers(work: Workload, rounds: int) -> list[Figures]:
    """Return rows per second of each library on a workload, with sgd and with adam."""
    found = []
    mixed = MIXED_PEERS if work in (MIDDLING, LARGE) and has_bfloat16() else {}
    for task in (work, work.with_optimizer("adam")):
        print(f"  {task.optimizer}", flush=True)
        found += [
            {
                "workload": task.name,
                "optimizer": task.optimizer,
                "rows": task.rows,
                "batch": task.batch,
                "library": name,
                "loss": one.loss,
                "rates": one.rates,
            }
            for name, one in measure(task, PEERS | mixed, rounds).items()
        ]
    return found


def products(rounds: int) -> Figures:
    """Return the operations per second of a float32 matrix product, and of training."""
    a, b = np.ones((2, 1024, 1024), np.float32)
    found: dict[str, list[float]] = {"product": [], "sgd": [], "adam": []}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(*PEERS[OURS], LARGE.with_optimizer(name)))
            for name in ("sgd", "adam")
        }
        for worker in workers.values():
            worker.train(1)
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(50):
                np.matmul(a, b)
            found["product"].append(50 * 2 * 1024**3 / (time.perf_counter() - began))
            for name, worker in workers.items():
                found[name].append(LARGE.operations * LARGE.steps / worker.train(1))
    return {name: statistics.median(values) for name, values in found.items()}


def scaling(rounds: int) -> list[Figures]:
    """Return seconds per row of tftrain, by width of the hidden layers and by rows."""
    by_width = [Workload((32, width, width, 1), 16_384, 256) for width in WIDTHS]
    by_rows = [Workload((20, 64, 1), rows, min(rows // 10, 1_000)) for rows in ROWS]
    found = []
    for curve, works in (("width", by_width), ("rows", by_rows)):
        for work in works:
            with Worker(*PEERS[OURS], work) as worker:
                epochs = epochs_of_a_round(worker)
                seconds = [worker.train(epochs) / epochs / work.rows for _ in range(rounds)]
            found.append(
                {
                    "curve": curve,
                    "width": work.widths[1],
                    "rows": work.rows,
                    "operations": work.operations / work.batch,
                    "seconds per row": statistics.median(seconds),
                }
            )
    return found


def features(rounds: int) -> list[Figures]:
    """Return the time with features over that of the bare engine, and seconds of an epoch."""
    found = []
    variants = ["bare", "saved", "validated", "all"]
    for work in (SMALL, MIDDLING, LARGE):
        for task in (work, work.with_optimizer("adam")):
            with ExitStack() as stack:
                workers = {
                    name: stack.enter_context(Worker("ours_with_features", name, task))
                    for name in variants
                }
                epochs = 2 * epochs_of_a_round(workers["bare"], FEATURES_SECONDS)
                epochs = min(epochs, MOST_CHECKPOINTS)
                turns = []
                for n in range(rounds + 1):
                    start = n % len(variants)
                    order = variants[start:] + variants[:start]
                    turns.append({name: workers[name].train(epochs) for name in order})
            ratios = {
                name: statistics.median(turn[name] / turn["bare"] for turn in turns[1:])
                for name in variants
            }
            seconds = statistics.median(turn["bare"] for turn in turns[1:]) / epochs
            workload = f"{task.name}, {task.optimizer}"
            found.append({"workload": workload, "seconds": seconds, **ratios})
    return found


def processes(rounds: int) -> Figures:
    """Return the seconds of whole processes: a training, and the import of TensorFlow."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
            "import without Keras": [sys.executable, "-c", WITHOUT_KERAS],
            "train diabetes": [
                sys.executable,
                "-m",
                "tftrain",
                "train",
                str(ROOT / "configs" / "diabetes.yaml"),
                "--set",
                f"output.directory={folder}",
            ],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                seconds[name].append(_seconds_of(command))
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def _seconds_of(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def memory(rounds: int) -> Figures:
    """Return the peak of a process that trains on ten million rows, over the size of its table."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "memory.py")],
        check=True,
        capture_output=True,
        text=True,
    )
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


PARTS: dict[str, Callable[[int], Any]] = {
    **{f"training {work.name}": partial(peers, work) for work in WORKLOADS},
    "products": products,
    "features": features,
    "processes": processes,
    "memory": memory,
    "scaling": scaling,
}
