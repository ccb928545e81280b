"""PyTorch: a loop over batches, eager or compiled, or under bfloat16 autocast.

As its performance guide recommends: the table is one tensor, gradients are set to None, the
optimizer is the fused one, and nothing is read back within an epoch. Steps too small to share run
on one thread, which is faster.
"""

import contextlib
import time

import torch

from scripts.bench.workloads import Workload

SMALL_STEP = 1e7
"""Operations of a step below which one thread is faster than two."""


class Peer:
    """Trains step by step.

    Args:
        work: the task.
        variant: eager, compiled, or bfloat16 (eager, under autocast).
    """

    def __init__(self, work: Workload, variant: str = "eager") -> None:
        if work.operations < SMALL_STEP:
            torch.set_num_threads(1)
        self.work = work
        self.variant = variant
        self.x, self.y = map(torch.from_numpy, work.data())
        layers: list[torch.nn.Module] = []
        for weight, bias in work.weights():
            linear = torch.nn.Linear(*weight.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight.T))
                linear.bias.copy_(torch.from_numpy(bias))
            layers += [linear, torch.nn.ReLU()]
        self.network = torch.nn.Sequential(*layers[:-1])
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[work.optimizer]
        self.optimizer = kind(self.network.parameters(), lr=work.learning_rate, fused=True)
        self.objective = self.mse
        self.update = self.optimizer.step
        if variant == "compiled":
            self.objective = torch.compile(self.mse)
            self.update = torch.compile(self.optimizer.step)

    def mse(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error of a batch."""
        mixed = self.variant == "bfloat16"
        with torch.autocast("cpu", torch.bfloat16) if mixed else contextlib.nullcontext():
            prediction = self.network(x)
        return torch.nn.functional.mse_loss(prediction.float(), y)

    def train(self, epochs: int, shuffle: bool) -> float:
        """Train; return the seconds."""
        work = self.work
        shuffle &= work.shuffled
        began = time.perf_counter()
        for _ in range(epochs):
            order = torch.randperm(work.rows) if shuffle else None
            losses = []
            for first in range(0, work.rows, work.batch):
                part = slice(first, first + work.batch)
                rows = part if order is None else order[part]
                self.optimizer.zero_grad(set_to_none=True)
                loss = self.objective(self.x[rows], self.y[rows])
                loss.backward()
                self.update()
                losses.append(loss.detach())
            float(torch.stack(losses).mean())
        return time.perf_counter() - began

    def loss(self) -> float:
        """Return the mean squared error."""
        with torch.no_grad():
            return float(torch.mean((self.network(self.x) - self.y) ** 2))
