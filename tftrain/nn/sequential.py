"""Layers in a row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import tensorflow as tf

from tftrain.errors import InputError, of_type
from tftrain.nn.activation import Activation

Layer = Callable[[tf.Tensor], tf.Tensor]


class Sequential(tf.Module):
    """The compound function `f_N(... f_2(f_1(x)))` of its layers.

    Args:
        layers: the layers in the order in which they are applied; at least one. Anything that
            maps a tensor to a tensor will do; variables are found in those that are `tf.Module`s.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = list(of_type("layers", layers, Iterable, "a list of layers"))
        if not self.layers:
            raise InputError("Sequential needs at least one layer")
        for i, layer in enumerate(self.layers):
            wanted = f"nn.Activation({layer!r})" if isinstance(layer, str) else "a layer"
            of_type(f"layers[{i}]", layer, Callable, wanted)  # type: ignore[arg-type]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the output of the last layer; `x` is the input of the first."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.layers))}])"


def nodes(network: Layer) -> Iterator[tuple[str, Layer]]:
    """Yield the nodes of a network in the order in which they are applied, each with its label.

    Networks within networks are taken apart. What is not a plain `Sequential`, or overrides how it
    is called, is a single node.
    """
    if isinstance(network, Sequential) and type(network).__call__ is Sequential.__call__:
        for layer in network.layers:
            yield from nodes(layer)
    elif type(network) is Activation:
        yield network.function, network
    else:
        yield _name_of(network), network


def _name_of(layer: Layer) -> str:
    """Return the name of a function, or of the class of an object."""
    with suppress(Exception):  # a user's object may raise anything
        if isinstance(name := getattr(layer, "__name__", None), str):
            return name
    return type(layer).__name__


def named_variables(layer: Any) -> dict[str, tf.Variable]:
    """Return the trainable variables of a layer by path, such as `weight` or `layers.0.bias`."""
    found: dict[str, tf.Variable] = {}
    _collect(layer, "", found, set())
    return found


def _collect(thing: Any, path: str, found: dict[str, tf.Variable], seen: set[int]) -> None:
    """Find the variables in a module, list or dictionary, each under the first path to it."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, tf.Variable) and thing.trainable:
        found[path] = thing
    for name, value in _inside(thing):
        _collect(value, f"{path}.{name}" if path else str(name), found, seen)


def _inside(thing: Any) -> Iterable[tuple[Any, Any]]:
    """Return what a module, list or dictionary holds, by name or number."""
    if isinstance(thing, tf.Module):  # _self_: TensorFlow's own notes for checkpoints
        return [(name, v) for name, v in vars(thing).items() if not name.startswith("_self_")]
    if isinstance(thing, Mapping):
        return list(thing.items())
    return enumerate(thing) if isinstance(thing, (list, tuple)) else ()
