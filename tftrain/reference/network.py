"""The network by hand: the compound function forwards, the recursion of the deltas backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from tftrain.errors import InputError, chosen, of_type, whole_number
from tftrain.reference.layers import Array, Layer, reference_of, register, sent_on
from tftrain.reference.losses import LOSSES, Loss, l2_penalty
from tftrain.reference.optimizers import OPTIMIZERS, Optimizer
from tftrain.streams import batch_order
from tftrain.traces import Node, Trace


@register("tftrain.nn.sequential.Sequential")
@dataclass
class Network(Layer):
    """The compound function `f_N(... f_2(f_1(x)))` of its layers.

    Attributes:
        layers: in the order in which they are applied. A network may be a layer of another.
    """

    layers: Sequence[Layer]

    @classmethod
    def of(cls, original: Any) -> Self:
        """Return the reference of a `tftrain.nn.Sequential`, its weights copied.

        Raises:
            InputError: the reference does not know one of its layers.
        """
        return cls([reference_of(layer) for layer in original.layers])

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters of all layers, called `layers.0.weight` and so on."""
        return {
            f"layers.{i}.{name}": value
            for i, layer in enumerate(self.layers)
            for name, value in layer.parameters.items()
        }

    def with_parameters(self, change: Callable[[Array], Array]) -> Self:
        return type(self)([layer.with_parameters(change) for layer in self.layers])

    def outputs(self, x: Array) -> list[Array]:
        """Return the input and the output of every layer: `x`, `f_1(x)`, `f_2(f_1(x))` ..."""
        values = [x]
        for layer in self.layers:
            values.append(layer.forward(values[-1]))
        return values

    def forward(self, x: Array) -> Array:
        """Return the output of the last layer."""
        return self.outputs(x)[-1]

    def deltas(
        self, values: Sequence[Array], delta: Array
    ) -> tuple[list[Array], list[dict[str, Array]]]:
        """Go back from `delta_N = dL/df_N`, layer by layer, by the chain rule.

            delta_{n-1} = delta_n . df_n/df_{n-1}        dL/dp_n = delta_n . df_n/dp_n

        Args:
            values: what `outputs` returned.
            delta: `delta_N`.

        Returns:
            `delta_0` (at the network's input) to `delta_N`, and the gradients of each layer.
        """
        deltas: list[Array] = [delta]
        gradients: list[dict[str, Array]] = []
        for n in reversed(range(len(self.layers))):
            before, own = self.layers[n].backward(values[n], values[n + 1], deltas[0])
            deltas.insert(0, sent_on(before, values[n]))
            gradients.insert(0, own)
        return deltas, gradients

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        deltas, gradients = self.deltas(self.outputs(x), dy)
        return deltas[0], _named(gradients)

    def gradients(
        self, x: Array, y: Array, loss: Loss, weight: Array | None = None, l2: float = 0.0
    ) -> tuple[Array, dict[str, Array]]:
        """Return the loss with its penalty, and its gradient for each parameter by name."""
        values = self.outputs(x)
        _, own = self.deltas(values, loss.delta(values[-1], y, weight))
        gradients = _named(own)
        objective = loss.value(values[-1], y, weight)
        if l2:
            parameters = self.parameters
            objective = objective + l2_penalty(parameters.values(), l2)
            gradients = {
                name: g + l2 * parameters[name] if g.ndim >= 2 else g
                for name, g in gradients.items()
            }
        return objective, gradients

    def trace(
        self,
        x: np.ndarray,
        y: np.ndarray,
        loss: Loss,
        weight: np.ndarray | None = None,
        l2: float = 0.0,
    ) -> Trace:
        """Return the trace of one forward and backward pass; networks within are taken apart."""
        if any(isinstance(layer, Network) for layer in self.layers):
            return Network(list(self._leaves())).trace(x, y, loss, weight, l2)
        values = self.outputs(x)
        deltas, _ = self.deltas(values, loss.delta(values[-1], y, weight))
        objective, gradients = self.gradients(x, y, loss, weight, l2)
        nodes = [
            Node(
                label=getattr(layer, "function", type(layer).__name__),
                x=values[n],
                y=values[n + 1],
                dx=deltas[n],
                dy=deltas[n + 1],
                parameters=layer.parameters,
                gradients={name: gradients[f"layers.{n}.{name}"] for name in layer.parameters},
            )
            for n, layer in enumerate(self.layers)
        ]
        return Trace("numpy", nodes, y, weight, float(objective), None)

    def _leaves(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer._leaves() if isinstance(layer, Network) else [layer]

    def assign(self, values: dict[str, Array]) -> None:
        """Give the parameters new values, by the names of `parameters`."""
        for i, layer in enumerate(self.layers):
            own = {name: values[f"layers.{i}.{name}"] for name in layer.parameters}
            if isinstance(layer, Network):
                layer.assign(own)
            else:
                for name, value in own.items():
                    setattr(layer, name, value)


def _named(gradients: Sequence[dict[str, Array]]) -> dict[str, Array]:
    return {f"layers.{i}.{name}": g for i, own in enumerate(gradients) for name, g in own.items()}


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

    Args:
        network: the network.
        x: inputs, shape `(rows, in_features)`, of the network's dtype.
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
    for name, array in {"x": x, "y": y}.items():
        of_type(name, array, np.ndarray, "a NumPy array")
    if len(x) != len(y):
        raise InputError(f"x has {len(x)} rows and y has {len(y)}: give both the same number")
    epochs = whole_number("epochs", epochs)
    size = len(x) if batch_size == "full" else whole_number("batch_size", batch_size)
    slots = [optimizer.first_slots(p) for p in network.parameters.values()]
    step = 0
    for epoch in range(epochs):
        order = batch_order(len(x), seed, epoch) if shuffle else np.arange(len(x))
        for start in range(0, len(x), size):
            rows = order[start : start + size]
            own_weight = None if weight is None else weight[rows]
            value, gradients = network.gradients(x[rows], y[rows], loss, own_weight, l2)
            names, parameters = zip(*network.parameters.items(), strict=True)
            after, slots = optimizer.apply(
                [gradients[name] for name in names], parameters, slots, step
            )
            network.assign(dict(zip(names, after, strict=True)))
            step += 1
            yield float(value)


def fit(network: Network, x: np.ndarray, y: np.ndarray, **settings: Any) -> np.ndarray:
    """Train a network in place, in NumPy alone; return the loss of each step, shape `(steps,)`.

    Arguments as for `train_steps`.
    """
    return np.array(list(train_steps(network, x, y, **settings)))
