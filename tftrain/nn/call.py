"""How a network is called: while it trains, with a draw; while it serves, without."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from tftrain import graph
from tftrain.errors import InputError
from tftrain.graph import Wire, Wiring
from tftrain.nn.activation import Activation
from tftrain.streams import seed_at


class Draw(NamedTuple):
    """Where random numbers of a training step come from: a pure function of seed, step and place.

    The numbers are bits of an integer hash, equal bit for bit in eager, graph and XLA mode and in
    NumPy (`tftrain.streams.bits`). So training that is resumed, replayed or traced draws the same.

    Attributes:
        seed: of the training, mixed with the place in the network.
        step: number of updates made before; a scalar of any integer type.
        row: number of the first row in the batch, where a worker has a part of it.
    """

    seed: int
    step: tf.Tensor | tf.Variable
    row: tf.Tensor | int = 0

    def at(self, place: int) -> Draw:
        """Return the draw of the node at a place of a network."""
        return self._replace(seed=seed_at(self.seed, place))

    def bits(self, shape: tf.Tensor) -> tf.Tensor:
        """Return uniform random bits, uint32, of a shape `(cases, ...)`."""
        sizes = tf.cast(shape, tf.int32)
        width = tf.cast(tf.reduce_prod(sizes[1:]), tf.uint32)
        elements = tf.cast(tf.range(tf.reduce_prod(sizes)), tf.uint32)
        first = tf.cast(self.row, tf.uint32) * width
        key = _mixed(tf.cast(self.step, tf.uint32) + tf.constant(GOLDEN, tf.uint32))
        key = _mixed(tf.bitwise.bitwise_xor(key, tf.constant(self.seed % 2**32, tf.uint32)))
        mixed = _mixed(elements + first + key)
        return tf.reshape(_mixed(tf.bitwise.bitwise_xor(mixed, key)), sizes)


GOLDEN = 0x9E3779B9
"""The golden ratio times 2^32."""


def _mixed(h: tf.Tensor) -> tf.Tensor:
    """Return a hash of 32 bits: Wellons' finalizer ("Prospecting for hash functions", 2018)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        h = tf.bitwise.bitwise_xor(h, tf.bitwise.right_shift(h, tf.constant(shift, tf.uint32)))
        h = h if factor == 1 else h * tf.constant(factor, tf.uint32)
    return h


def wires(network: Any, x: Any = None) -> list[Wire[Any]]:
    """Return the nodes of a network, each after those whose outputs it takes.

    Networks within networks are taken apart. Whatever is not made of tftrain's own compositions,
    or overrides how these are called, is a single node.

    Args:
        network: the network.
        x: its inputs, where these are a tuple or a dictionary of tensors.
    """
    wiring = Wiring(label_of, x)
    wiring.add(network, graph.INPUT)
    return _fitting(wiring.wires, x)


def _fitting(nodes: list[Wire[Any]], x: Any) -> list[Wire[Any]]:
    """Return the nodes; raise InputError where they take more inputs than there are."""
    wanted = 1 + max(graph.leaf(source) for wire in nodes for source in wire.sources)
    given = len(graph.leaves(x))
    if x is not None and wanted > given:
        raise InputError(
            f"the network takes a tuple or a dictionary of {wanted} inputs, got {given}"
        )
    return nodes


def takers(network: Any, x: Any) -> list[list[Any]]:
    """Return for each leaf of a network's inputs the layers that take it."""
    found: list[list[Any]] = [[] for _ in graph.leaves(x)]
    for wire in wires(network, x):
        for source in wire.sources:
            if source < 0:
                found[max(0, graph.leaf(source))].append(wire.node)
    return found


def is_ours(layer: Any) -> bool:
    """Return whether a layer is of this room."""
    return type(layer).__module__.startswith("tftrain.nn.")


def call(network: Any, x: Any, draw: Draw | None = None) -> tf.Tensor:
    """Return the output of a network.

    Args:
        network: anything that maps a tensor, or a nest of tensors, to a tensor.
        x: inputs, shape `(cases, ...)`; or a tuple or a dictionary of such tensors.
        draw: where random numbers come from while it trains; None while it serves, validates or is
            exported.
    """
    return run(wires(network, x), x, draw)


def run(nodes: list[Wire[Any]], x: Any, draw: Draw | None) -> tf.Tensor:
    """Return the output of the last of some nodes; arguments as for `call`."""
    return graph.forward(nodes, x, partial(_called, nodes, draw))[-1]


def _called(nodes: list[Wire[Any]], draw: Draw | None, n: int, *inputs: tf.Tensor) -> tf.Tensor:
    """Call a node; no inner function, whose variables AutoGraph would lose in a user's program."""
    return call_node(nodes[n], n, inputs, draw)


def call_node(
    wire: Wire[Any], place: int, inputs: Sequence[tf.Tensor], draw: Draw | None
) -> tf.Tensor:
    """Return the output of a node.

    Args:
        wire: of a layer. One that `takes_draw` is given a draw of its own; others the inputs alone.
        place: its number in the network.
        inputs: one tensor, or several for a layer that joins branches.
        draw: of the network, as for `call`.
    """
    x, node = wire.argument(inputs), wire.node
    return node(x, draw and draw.at(place)) if takes_draw(node) else node(x)


def takes_draw(layer: Any) -> bool:
    """Return whether a class says `takes_draw = True` where it says how its objects are called."""
    for kind in type(layer).__mro__:
        if "takes_draw" in vars(kind):
            return bool(vars(kind)["takes_draw"])
        if "__call__" in vars(kind):
            return False
    return False


def composed(network: Any, x: Any) -> list[Wire[Any]]:
    """Return the nodes of a composition, whether or not a subclass overrides how it is called."""
    wiring = Wiring(label_of, x)
    network.wire(wiring, graph.INPUT)
    return _fitting(wiring.wires, x)


def label_of(layer: Any) -> str:
    """Return the name of an activation or a function, or of the class of an object."""
    if type(layer) is Activation:
        return layer.function
    with suppress(Exception):  # a user's object may raise anything
        if isinstance(name := getattr(layer, "__name__", None), str):
            return name
    return type(layer).__name__
