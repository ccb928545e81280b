"""The network by hand: the compound function forwards, the recursion of the deltas backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add, itemgetter
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from tftrain.errors import InputError, chosen, of_type, whole_number
from tftrain.graph import (
    INPUT,
    Wire,
    Wiring,
    backward,
    forward,
    inputs_of,
    is_nest,
    leaf,
    leaves,
    mapped,
    named,
)
from tftrain.reference.layers import Array, Layer, reference_of, register, sent_back
from tftrain.reference.losses import LOSSES, Loss, Objective
from tftrain.reference.optimizers import OPTIMIZERS, Optimizer
from tftrain.streams import batch_order
from tftrain.traces import Node, Trace


@register("tftrain.nn.fork.Fork")
@register("tftrain.nn.sequential.Sequential")
@dataclass
class Network(Layer):
    """A compound function: layers in a row, or nodes that are wired as a graph.

    Attributes:
        layers: in the order in which they are applied; a network may be a layer of another. Or the
            `graph.Wire`s of nodes, each after those whose outputs it takes.
    """

    layers: Sequence[Layer] | Sequence[Wire[Layer]]

    @classmethod
    def of(cls, original: Any) -> Self:
        """Return the reference of a network of `tftrain.nn`, its weights copied.

        Raises:
            InputError: the reference does not know one of its layers.
        """
        wiring = Wiring(_label_of)
        original.wire(wiring, INPUT)
        return cls([replace(wire, node=reference_of(wire.node)) for wire in wiring.wires])

    @cached_property
    def wires(self) -> list[Wire[Layer]]:
        """The nodes; networks within are taken apart."""
        return _wired(self)

    def wires_for(self, x: Any) -> list[Wire[Layer]]:
        """Return the nodes for an input; a node behind a nest takes all of its leaves."""
        return _wired(self, x) if is_nest(x) else self.wires

    def wire(self, wiring: Wiring, source: int) -> int:
        """Wire the layers."""
        ends: list[int] = []
        for layer in self.layers:
            if isinstance(layer, Wire):
                behind = (ends[k] if k >= 0 else source if k == INPUT else k for k in layer.sources)
                label = wiring.label(layer.node)
                ends.append(wiring.add_wire(replace(layer, label=label, sources=tuple(behind))))
            else:
                ends.append(wiring.add(layer, ends[-1] if ends else source))
        return ends[-1]

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters of all nodes, called `layers.0.weight` and so on."""
        return _named([wire.node.parameters for wire in self.wires])

    def with_parameters(self, change: Callable[[Array], Array]) -> Self:
        """Return the network with `change` applied to each parameter."""
        return type(self)([replace(w, node=w.node.with_parameters(change)) for w in self.wires])

    def drawn(self, seed: int, step: int, places: Sequence[int]) -> Self:
        """Return the network as it is in a step of training."""
        nodes = (wire.node.drawn(seed, step, [*places, n]) for n, wire in enumerate(self.wires))
        return type(self)(
            [replace(w, node=node) for w, node in zip(self.wires, nodes, strict=True)]
        )

    def outputs(self, x: Array) -> list[Array]:
        """Return the output of every node, the network's last."""
        wires = self.wires_for(x)

        def computed(n: int, *inputs: Array) -> Array:
            return wires[n].node.forward(wires[n].argument(inputs))

        return forward(wires, x, computed)

    def forward(self, x: Array) -> Array:
        """Return the output of the last node."""
        return self.outputs(x)[-1]

    def deltas(self, x: Array, outputs: Sequence[Array], delta: Array) -> Deltas:
        """Go back from `delta_N = dL/df_N`, node by node, by the chain rule.

            delta_n = sum over the consumers m of n: delta_m . df_m/df_n
            dL/dp_n = delta_n . df_n/dp_n

        Args:
            x: the input of the network.
            outputs: what `outputs` returned.
            delta: `delta_N`.
        """
        wires = self.wires_for(x)
        sent: list[tuple[Array, ...]] = [()] * len(wires)
        gradients: list[dict[str, Array]] = [{}] * len(wires)

        def send(n: int, dy: Array) -> tuple[Array, ...]:
            wire = wires[n]
            inputs = inputs_of(wire, x, outputs)
            dx, gradients[n] = wire.node.backward(wire.argument(inputs), outputs[n], dy)
            sent[n] = sent_back(dx, inputs)
            return sent[n]

        deltas, arrived = backward(wires, delta, send, _total)
        at_inputs = tuple(
            _total(arrived[leaf(k) if is_nest(x) else INPUT]) for k in range(len(leaves(x)))
        )
        return Deltas(deltas, sent, gradients, at_inputs if is_nest(x) else at_inputs[0])

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        found = self.deltas(x, self.outputs(x), dy)
        return found.at_input, _named(found.gradients)

    def gradients(
        self, x: Array, y: Array, objective: Objective | Loss, weight: Array | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """Return the objective, or the loss, and its gradient for each parameter by name."""
        passes = self._both_ways(x, y, objective, weight)
        return passes.objective, passes.gradients

    def _both_ways(
        self, x: Array, y: Array, given: Objective | Loss, weight: Array | None
    ) -> _Passes:
        """Go forward, and back from the loss; add the penalties and their gradients."""
        objective = Objective(given) if isinstance(given, Loss) else given
        outputs, parameters = self.outputs(x), self.parameters
        deltas = self.deltas(x, outputs, objective.loss.delta(outputs[-1], y, weight))
        value = objective.value(list(parameters.values()), outputs[-1], y, weight)
        gradients = {
            name: objective.penalised(gradient, parameters[name])
            for name, gradient in _named(deltas.gradients).items()
        }
        return _Passes(outputs, deltas, value, gradients)

    def trace(
        self,
        x: np.ndarray,
        y: np.ndarray,
        objective: Objective | Loss,
        weight: np.ndarray | None = None,
    ) -> Trace:
        """Return the trace of one forward and backward pass."""
        outputs, found, value, gradients = self._both_ways(x, y, objective, weight)
        nodes = [
            Node(
                label=wire.label,
                inputs=tuple(inputs_of(wire, x, outputs)),
                y=outputs[n],
                dy=found.at_nodes[n],
                sent=found.sent[n],
                sources=wire.sources,
                argument=wire.argument,
                parameters=wire.node.parameters,
                gradients={p: gradients[f"layers.{n}.{p}"] for p in wire.node.parameters},
            )
            for n, wire in enumerate(self.wires_for(x))
        ]
        return Trace("numpy", nodes, y, weight, float(value), None)

    def assign(self, values: dict[str, Array]) -> None:
        """Give the parameters new values, by the names of `parameters`."""
        for n, wire in enumerate(self.wires):
            own = {name: values[f"layers.{n}.{name}"] for name in wire.node.parameters}
            if isinstance(wire.node, Network):
                wire.node.assign(own)
            else:
                vars(wire.node).update(own)


class Deltas(NamedTuple):
    """What the backward pass finds.

    Attributes:
        at_nodes: the delta at the output of each node.
        sent: the deltas that each node sends back through its inputs.
        gradients: those of the parameters of each node, by name.
        at_input: the delta at the input of the network, or a tuple with that of each leaf.
    """

    at_nodes: Sequence[Array]
    sent: Sequence[tuple[Array, ...]]
    gradients: Sequence[dict[str, Array]]
    at_input: Array


class _Passes(NamedTuple):
    """What the forward and the backward pass find, and the gradients with the penalty's."""

    outputs: Sequence[Array]
    deltas: Deltas
    objective: Array
    gradients: dict[str, Array]


def _total(terms: Sequence[Array]) -> Array:
    return reduce(add, terms)


def _wired(network: Any, x: Any = None) -> list[Wire[Any]]:
    wiring = Wiring(_label_of, x)
    wiring.add(network, INPUT)
    return wiring.wires


def _label_of(layer: Any) -> str:
    return str(getattr(layer, "function", type(layer).__name__))


def _named(own: Sequence[dict[str, Array]]) -> dict[str, Array]:
    return {f"layers.{n}.{name}": v for n, values in enumerate(own) for name, v in values.items()}


def train_steps(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    *,
    loss: str | Loss = "mse",
    optimizer: str | Optimizer = "adam",
    epochs: int = 200,
    batch_size: int | Literal["full"] = 32,
    weight: np.ndarray | None = None,
    l2: float = 0.0,
    shuffle: bool = True,
    seed: int = 0,
) -> Iterator[float]:
    """Train a network in place by gradient descent, and yield the loss of each step as it is made.

    At the end it has the averages of its parameters, if the optimizer keeps any.

    Args:
        network: the network.
        x: inputs, shape `(rows, in_features)`, of the network's dtype; or a nest of such arrays.
        y: targets, shape `(rows, out_features)`.
        loss: a reference loss, or its name.
        optimizer: a reference optimizer, or its name; it starts from slots of zero.
        epochs: passes over the rows.
        batch_size: rows per step, or `"full"`; the last step of an epoch takes what is left.
        weight: weight of each row, shape `(rows,)`.
        l2: strength of the L2 penalty.
        shuffle: whether each epoch visits the rows in the order `batch_order(rows, seed, epoch)`,
            as `tftrain.fit` does.
        seed: of the batch order.

    Raises:
        InputError: an argument is of another kind, or `x` and `y` differ in their number of rows.
    """
    reference = "a tftrain.reference.{}, such as tftrain.reference.reference_of({})"
    of_type("network", network, Network, reference.format("Network", "network"))
    loss = chosen("loss", loss, Loss, LOSSES, reference.format("Loss", "loss"))
    optimizer = chosen(
        "optimizer", optimizer, Optimizer, OPTIMIZERS, reference.format("Optimizer", "optimizer")
    )
    objective = Objective.with_l2(loss, l2)
    for name, array in (("y", y), *named("x", x)):
        of_type(name, array, np.ndarray, "a NumPy array")
        if len(array) != len(y):
            raise InputError(
                f"{name} has {len(array)} rows and y has {len(y)}: give both the same number"
            )
    epochs = whole_number("epochs", epochs)
    size = len(y) if batch_size == "full" else whole_number("batch_size", batch_size)
    slots = [optimizer.start(p) for p in network.parameters.values()]
    step = 0
    for epoch in range(epochs):
        order = batch_order(len(y), seed, epoch) if shuffle else np.arange(len(y))
        for start in range(0, len(y), size):
            rows = order[start : start + size]
            own_x, own_weight = (
                mapped(itemgetter(rows), x),
                None if weight is None else weight[rows],
            )
            value, gradients = network.gradients(own_x, y[rows], objective, own_weight)
            names, parameters = zip(*network.parameters.items(), strict=True)
            after, slots = optimizer.apply(
                [gradients[name] for name in names], parameters, slots, step, names
            )
            network.assign(dict(zip(names, after, strict=True)))
            step += 1
            yield float(value)
    if optimizer.average is not None:
        seen = 1 - optimizer.average**step
        averages = [own["average"] / seen for own in slots]
        network.assign(dict(zip(network.parameters, averages, strict=True)))


def fit(network: Network, x: np.ndarray, y: np.ndarray, **settings: Any) -> np.ndarray:
    """Train a network in place, in NumPy alone; return the loss of each step, shape `(steps,)`.

    Arguments as for `train_steps`.
    """
    return np.array(list(train_steps(network, x, y, **settings)))
