"""The trace: what one forward and backward pass leaves behind, whichever engine made it.

With the network as the compound function `f_N(... f_2(f_1(x)))` and the loss `L`, node `n` is one
of the functions: fine-grained, so that an affine map and its activation are two nodes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tftrain.graph import INPUT, argument

Arrays = Mapping[str, np.ndarray]


def is_discrete(values: np.ndarray) -> bool:
    """Return whether an array holds integers, booleans or text, which have no derivative."""
    return values.dtype.kind in "biuOSU"


@dataclass(frozen=True)
class Node:
    """One function of the compound function, at one batch.

    Attributes:
        label: its kind, such as `Dense` or `tanh`.
        inputs: one array of shape `(cases, ...)`; several for a layer that joins branches.
        y: its output, shape `(cases, ...)`.
        dy: the delta that arrives at its output, `dL/dy`, the shape of `y`.
        sent: the delta that leaves through each input. Deltas are zero where nothing leads from
            the loss back to a tensor, and where it holds integers.
        sources: for each input the number of the node before, -1 for the network's input, or
            -2, -3, ... for the leaves of a nest of inputs.
        parameters: the values of its parameters by name.
        gradients: `dL/dparameter` by the same names, of the whole objective: penalty included, and
            summed where several nodes share a parameter.
        state: the values of its other variables after the step, such as moving statistics.
        argument: makes of the inputs what the node is called with.
    """

    label: str
    inputs: tuple[np.ndarray, ...]
    y: np.ndarray
    dy: np.ndarray
    sent: tuple[np.ndarray, ...]
    sources: tuple[int, ...] = (INPUT,)
    parameters: Arrays = field(default_factory=dict)
    gradients: Arrays = field(default_factory=dict)
    state: Arrays = field(default_factory=dict)
    argument: Callable[[Sequence[Any]], Any] = argument

    @property
    def x(self) -> np.ndarray:
        """The input of a node that has one."""
        (x,) = self.inputs
        return x

    @property
    def dx(self) -> np.ndarray:
        """`dL/dx`, the delta that leaves through the input of a node that has one."""
        (dx,) = self.sent
        return dx


@dataclass(frozen=True)
class Update:
    """What an optimizer made of the gradients of one step.

    Attributes:
        step: the number of updates made before.
        step_after: the number that the optimizer counts afterwards.
        gradients: what it was given, one for each parameter of the network.
        before: the parameters before, in the same order.
        after: the parameters after.
        slots_before: for each parameter the slots by name, before.
        slots_after: for each parameter the slots by name, after.
    """

    step: int
    step_after: int
    gradients: Sequence[np.ndarray]
    before: Sequence[np.ndarray]
    after: Sequence[np.ndarray]
    slots_before: Sequence[Arrays]
    slots_after: Sequence[Arrays]


@dataclass(frozen=True)
class Trace:
    """One forward and backward pass of a network on one batch.

    Attributes:
        engine: what made it, such as `numpy` or `tensorflow xla`.
        nodes: from the input to the output.
        target: what the prediction should have been.
        weight: weight of each case, shape `(cases,)`, or None.
        loss: what is minimised: the loss of the batch and the penalty.
        update: what the optimizer did, if there was one.
    """

    engine: str
    nodes: Sequence[Node]
    target: np.ndarray
    weight: np.ndarray | None
    loss: float
    update: Update | None = None

    @property
    def x(self) -> Any:
        """The input of the network: an array, or the tuple of the leaves of a nest."""
        return _of_input({source: arrays[0] for source, arrays in self._entering("inputs").items()})

    @property
    def at_input(self) -> Any:
        """The delta at the input of the network: the sum of what its consumers send back.

        An array, or one for each leaf of a nest: zero for integers.
        """
        sent = self._entering("sent")
        return _of_input({k: np.asarray(sum(s[1:], start=s[0])) for k, s in sent.items()})

    def _entering(self, of: str) -> dict[int, list[np.ndarray]]:
        """Return what belongs to the network's inputs at their consumers, by the source."""
        found: dict[int, list[np.ndarray]] = defaultdict(list)
        for node in self.nodes:
            for source, array in zip(node.sources, getattr(node, of), strict=True):
                if source <= INPUT:
                    found[source].append(array)
        return found

    @property
    def prediction(self) -> np.ndarray:
        """The output of the last node."""
        return self.nodes[-1].y

    @property
    def delta(self) -> np.ndarray:
        """`dL/dprediction`: where the recursion of the deltas begins."""
        return self.nodes[-1].dy

    def names(self) -> list[str]:
        """Return a name for each node: its number, counted from 1, and its label."""
        return [f"{i} {node.label}" for i, node in enumerate(self.nodes, 1)]


def _of_input(by_source: Mapping[int, np.ndarray]) -> Any:
    """Return the array of the network's one input, or a tuple of those of its leaves."""
    if INPUT in by_source:
        return by_source[INPUT]
    return tuple(by_source[source] for source in sorted(by_source, reverse=True))
