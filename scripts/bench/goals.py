"""The ratios that are aimed at."""

from dataclasses import dataclass

from scripts.bench.workloads import LARGE, MIDDLING, SMALL, Workload

OURS, MIXED = "tftrain", "tftrain, mixed_bfloat16"
JAX, TORCH, TORCH_MIXED = "JAX scan", "PyTorch eager", "PyTorch eager, bfloat16 autocast"
KERAS, KERAS_XLA, KERAS_GRAPH = "Keras fit", "Keras fit, tuned, XLA", "Keras fit, tuned, graph"

PEERS = {
    OURS: ("ours", "full"),
    JAX: ("jax_scan", ""),
    TORCH: ("torch_steps", "eager"),
    "PyTorch compiled": ("torch_steps", "compiled"),
    KERAS: ("keras_fit", "plain"),
    KERAS_XLA: ("keras_fit", "xla"),
    KERAS_GRAPH: ("keras_fit", "graph"),
    "scikit-learn": ("sklearn_mlp", ""),
    "NumPy by hand": ("numpy_by_hand", ""),
}
MIXED_PEERS = {MIXED: ("ours", "mixed_bfloat16"), TORCH_MIXED: ("torch_steps", "bfloat16")}
"""What each name stands for: a module of `peers`, and its variant."""


@dataclass(frozen=True)
class Goal:
    """At least `ratio` times as many rows per second as each of some peers.

    Attributes:
        work: the workload, with either optimizer.
        faster: who.
        than: than whom.
        ratio: by what factor.
    """

    work: Workload
    faster: str
    than: str
    ratio: float


FULL = [name for name in PEERS if name != OURS]

GOALS = [
    *(Goal(SMALL, OURS, name, 300) for name in (KERAS, KERAS_XLA, KERAS_GRAPH)),
    Goal(SMALL, OURS, TORCH, 30),
    Goal(SMALL, OURS, JAX, 1.0),
    *(Goal(MIDDLING, OURS, name, 2.0) for name in (KERAS, KERAS_XLA, KERAS_GRAPH)),
    Goal(MIDDLING, OURS, TORCH, 1.2),
    Goal(MIDDLING, OURS, JAX, 1.0),
    *(Goal(LARGE, OURS, name, 1.0) for name in FULL),
    Goal(LARGE, MIXED, OURS, 1.8),
    *(Goal(LARGE, MIXED, name, 1.8) for name in FULL),
    Goal(LARGE, MIXED, TORCH_MIXED, 1.0),
    Goal(MIDDLING, MIXED, OURS, 1.2),
]
