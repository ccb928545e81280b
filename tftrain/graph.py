"""How nodes are wired: a compound function as a graph, forwards and backwards.

A node takes the outputs of nodes before it, or the input of the whole. Its own output may have
several consumers, and then the delta there is the sum of what they send back: for node `n`

    delta_n = sum over the consumers m of n:  delta_m . df_m/df_n

The input of the whole is an array, or a nest of arrays: a tuple or a dictionary of nests. Its
leaves are in the order of the tuple, or of the sorted keys of the dictionary, as in `tf.nest`.

This is the only place that knows how nodes are wired. It computes nothing itself, so that
TensorFlow's side and the reference can share it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")

INPUT = -1
"""The source that is the input of the whole."""


def leaf(number: int) -> int:
    """Return the source that is a leaf of the input of the whole, counted from 0; or its number."""
    return INPUT - 1 - number


def is_nest(x: Any) -> bool:
    """Return whether an input is a tuple or a dictionary; a list is an array still to be made."""
    return isinstance(x, (tuple, Mapping))


def named(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a nest in order, each with what Python calls it: `x['a'][0]`."""
    if isinstance(x, Mapping):
        for key in sorted(x):
            yield from named(f"{name}[{key!r}]", x[key])
    elif isinstance(x, tuple):
        keys = [f".{field}" for field in getattr(x, "_fields", ())]
        for i, one in enumerate(x):
            yield from named(name + (keys[i] if keys else f"[{i}]"), one)
    else:
        yield name, x


def leaves(x: Any) -> list[Any]:
    """Return the leaves of a nest in order."""
    return [one for _, one in named("", x)]


def mapped(function: Callable[[Any], Any], x: Any) -> Any:
    """Return a nest with `function` applied to each leaf, in order."""
    if isinstance(x, Mapping):
        return {key: mapped(function, x[key]) for key in sorted(x)}
    if isinstance(x, tuple):
        items = [mapped(function, one) for one in x]
        return type(x)(*items) if hasattr(x, "_fields") else tuple(items)
    return function(x)


def packed(form: Any, values: Sequence[Any]) -> Any:
    """Return values as the leaves of a nest like `form`."""
    following = iter(values)
    return mapped(lambda _: next(following), form)


def argument(inputs: Sequence[Any]) -> Any:
    """Return what a node is called with: its input, or the list of several."""
    return inputs[0] if len(inputs) == 1 else list(inputs)


@dataclass(frozen=True)
class Wire(Generic[T]):
    """A node, and where its inputs come from.

    Attributes:
        label: its kind, such as `Dense` or `tanh`.
        node: the function itself.
        sources: for each of its inputs the number of the node before, `INPUT`, or a `leaf`.
        argument: makes of its inputs what the node is called with.
    """

    label: str
    node: T
    sources: tuple[int, ...]
    argument: Callable[[Sequence[Any]], Any] = argument


class Wiring:
    """Wires one part after another; parts that are made of others wire these themselves.

    Args:
        label: returns the label of a node.
        x: the input of the whole. Where it is a nest, a node behind it takes all of its leaves.

    Attributes:
        wires: the nodes so far, each after its sources.
    """

    def __init__(self, label: Callable[[Any], str], x: Any = None) -> None:
        self.label = label
        self.wires: list[Wire[Any]] = []
        self.form = mapped(lambda _: None, x) if is_nest(x) else None

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
        return self.add_wire(Wire(self.label(node), node, sources))

    def add_wire(self, wire: Wire[Any]) -> int:
        """Add a single node that is wired already; return its number."""
        if self.form is not None and wire.sources == (INPUT,):
            every = tuple(map(leaf, range(len(leaves(self.form)))))
            wire = replace(wire, sources=every, argument=partial(packed, self.form))
        self.wires.append(wire)
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
        values.append(call(n, *inputs_of(wire, x, values)))
    return values


def inputs_of(wire: Any, x: Any, outputs: Sequence[Any]) -> list[Any]:
    """Return the inputs of a node, given the input of the whole and the outputs before it."""
    return [outputs[k] if k >= 0 else x if k == INPUT else leaves(x)[leaf(k)] for k in wire.sources]


def backward(
    wires: Sequence[Any],
    delta: Any,
    send: Callable[[int, Any], Sequence[Any]],
    total: Callable[[Sequence[Any]], Any],
) -> tuple[list[Any], Mapping[int, list[Any]]]:
    """Go back from the last node to the first.

    Args:
        wires: the nodes.
        delta: what arrives at the output of the last.
        send: given the number of a node and the delta at its output, returns what it sends back to
            each of its sources; None for nothing.
        total: sums what arrives at a node.

    Returns:
        The delta at the output of each node, and what arrived from the consumers of each source.
    """
    arrived: dict[int, list[Any]] = defaultdict(list)
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
            if source >= 0:
                found[source].append((n, place))
    return found


def each(value: Any, count: int) -> tuple[Any, ...]:
    """Return what belongs to each of `count` inputs: the value itself, or the items of a nest."""
    if is_nest(value):
        return tuple(leaves(value))
    return (value,) if count == 1 else tuple(value)
