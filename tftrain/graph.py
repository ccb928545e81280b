"""How nodes are wired: a compound function as a graph, forwards and backwards.

A node takes the outputs of nodes before it, or the input of the whole. Its own output may have
several consumers, and then the delta there is the sum of what they send back: for node `n`

    delta_n = sum over the consumers m of n:  delta_m . df_m/df_n

This is the only place that knows how nodes are wired. It computes nothing itself, so that
TensorFlow's side and the reference can share it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

INPUT = -1
"""The source that is the input of the whole."""


@dataclass(frozen=True)
class Wire(Generic[T]):
    """A node, and where its inputs come from.

    Attributes:
        label: its kind, such as `Dense` or `tanh`.
        node: the function itself.
        sources: for each of its inputs the number of the node before, or `INPUT`.
    """

    label: str
    node: T
    sources: tuple[int, ...]


class Wiring:
    """Wires one part after another; parts that are made of others wire these themselves.

    Args:
        label: returns the label of a node.

    Attributes:
        wires: the nodes so far, each after its sources.
    """

    def __init__(self, label: Callable[[Any], str]) -> None:
        self.label = label
        self.wires: list[Wire[Any]] = []

    def add(self, part: Any, *sources: int) -> int:
        """Add a part behind its sources; return the number of the node whose output is its own.

        A part with a method `wire(wiring, source)` is a composition. If a subclass overrides how it
        is called, it is a single node.
        """
        for kind in type(part).__mro__:
            if "wire" in vars(kind):
                number: int = part.wire(self, *sources)
                return number
            if "__call__" in vars(kind):
                break
        return self.add_node(part, *sources)

    def add_node(self, node: Any, *sources: int) -> int:
        """Add a single node behind its sources; return its number."""
        self.wires.append(Wire(self.label(node), node, sources))
        return len(self.wires) - 1


def forward(wires: Sequence[Any], x: Any, call: Callable[..., Any]) -> list[Any]:
    """Return the output of each node.

    Args:
        wires: the nodes.
        x: the input of the whole.
        call: given the number of a node and its inputs, returns its output.
    """
    values: list[Any] = []
    for n, wire in enumerate(wires):
        values.append(call(n, *(x if k == INPUT else values[k] for k in wire.sources)))
    return values


def backward(
    wires: Sequence[Any],
    delta: Any,
    send: Callable[[int, Any], Sequence[Any]],
    total: Callable[[Sequence[Any]], Any],
) -> tuple[list[Any], list[list[Any]]]:
    """Go back from the last node to the first.

    Args:
        wires: the nodes.
        delta: what arrives at the output of the last.
        send: given the number of a node and the delta at its output, returns what it sends back to
            each of its sources; None for nothing.
        total: sums what arrives at a node.

    Returns:
        The delta at the output of each node, and what arrived there from its consumers; the last
        list is what arrived at the input of the whole.
    """
    arrived: list[list[Any]] = [[] for _ in (*wires, INPUT)]
    deltas: list[Any] = [None] * len(wires)
    for n in reversed(range(len(wires))):
        deltas[n] = delta if n == len(wires) - 1 else total(arrived[n])
        for source, term in zip(wires[n].sources, send(n, deltas[n]), strict=True):
            if term is not None:
                arrived[source].append(term)
    return deltas, arrived


def consumers(wires: Sequence[Any]) -> list[list[tuple[int, int]]]:
    """Return for each node, or wire, where its output goes: node and place among its inputs."""
    found: list[list[tuple[int, int]]] = [[] for _ in wires]
    for n, wire in enumerate(wires):
        for place, source in enumerate(wire.sources):
            if source != INPUT:
                found[source].append((n, place))
    return found


def argument(inputs: Sequence[Any]) -> Any:
    """Return what a node is called with: its input, or the list of several."""
    return inputs[0] if len(inputs) == 1 else list(inputs)


def each(value: Any, count: int) -> tuple[Any, ...]:
    """Return what belongs to each of so many inputs: the value itself, or the items of a list."""
    return (value,) if count == 1 else tuple(value)
