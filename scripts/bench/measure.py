"""Libraries take turns, and the medians count."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from scripts.bench.workers import Worker
from scripts.bench.workloads import Workload

ROUND_SECONDS = 1.0
"""Length of a turn, at least."""

CHECKED_STEPS = 10
"""Steps, rounded up to whole epochs, after which all must have arrived at the same loss."""

AGREEMENT = 3e-2
"""Relative difference of that loss that rounding may explain: over 512 steps of Adam, which divides
small gradients by their own size, 0.011 were seen in float32; in bfloat16 more."""


@dataclass(frozen=True)
class Measured:
    """What one library did on one workload.

    Attributes:
        loss: after the first epochs in the order of the table.
        rates: rows per second in each round.
    """

    loss: float
    rates: list[float]


def measure(
    work: Workload, peers: Mapping[str, tuple[str, str]], rounds: int
) -> dict[str, Measured]:
    """Return what each library does on a workload.

    Raises:
        RuntimeError: a library failed, or arrived at another loss than the first.
    """
    with ExitStack() as stack:
        workers, losses = {}, {}
        for name, (module, variant) in peers.items():
            workers[name] = stack.enter_context(Worker(module, variant, work))
            workers[name].train(-(-CHECKED_STEPS // work.steps), shuffle=False)
            losses[name] = workers[name].loss()
        _require_agreement(work, losses)
        epochs = {name: epochs_of_a_round(worker) for name, worker in workers.items()}
        rates: dict[str, list[float]] = {name: [] for name in peers}
        for n in range(rounds):
            names = list(peers)
            for name in names[n % len(names) :] + names[: n % len(names)]:
                seconds = workers[name].train(epochs[name])
                rates[name].append(work.rows * epochs[name] / seconds)
    return {name: Measured(losses[name], rates[name]) for name in peers}


def epochs_of_a_round(worker: Worker, length: float = ROUND_SECONDS) -> int:
    """Return how many epochs take so many seconds, about; afterwards all is compiled."""
    epochs = worker.fewest
    worker.train(epochs)
    while (seconds := worker.train(epochs)) < length / 2:
        epochs *= max(2, min(16, int(length / max(seconds, 1e-9))))
    return epochs


def _require_agreement(work: Workload, losses: Mapping[str, float]) -> None:
    """Raise RuntimeError unless all did the same work."""
    first = next(iter(losses.values()))
    for name, loss in losses.items():
        if not abs(loss - first) <= AGREEMENT * first:
            raise RuntimeError(
                f"{work.name}, {work.optimizer}: the loss after the first epochs is {loss:.6g} "
                f"with {name}, but {first:.6g} with {next(iter(losses))}: not the same work"
            )
