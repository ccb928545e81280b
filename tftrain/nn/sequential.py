"""Layers in a row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tftrain.errors import InputError, of_type
from tftrain.graph import Wiring
from tftrain.nn.call import Draw, composed, run, wires

Layer = Callable[[tf.Tensor], tf.Tensor]


class Sequential(tf.Module):
    """The compound function `f_N(... f_2(f_1(x)))` of its layers.

    Args:
        layers: the layers in the order in which they are applied; at least one. Anything that
            maps a tensor to a tensor will do; variables are found in those that are `tf.Module`s.
            The first may take a tuple or a dictionary of tensors.
    """

    takes_draw = True

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = list(of_type("layers", layers, Iterable, "a list of layers"))
        if not self.layers:
            raise InputError("Sequential needs at least one layer")
        for i, layer in enumerate(self.layers):
            wanted = f"nn.Activation({layer!r})" if isinstance(layer, str) else "a layer"
            of_type(f"layers[{i}]", layer, Callable, wanted)  # type: ignore[arg-type]

    def wire(self, wiring: Wiring, source: int) -> int:
        """Wire the layers in a row."""
        for layer in self.layers:
            source = wiring.add(layer, source)
        return source

    def __call__(self, x: Any, draw: Draw | None = None) -> tf.Tensor:
        """Return the output of the last layer; `x` is the input of the first."""
        return run(composed(self, x), x, draw)

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.layers))}])"


def named_variables(layer: Any) -> dict[str, tf.Variable]:
    """Return the trainable variables of a layer by path, such as `weight` or `layers.0.bias`."""
    return {path: v for path, v in _collected(layer).items() if v.trainable}


def parameter_names(network: Any, parameters: Sequence[tf.Variable]) -> list[str]:
    """Return the names of a network's parameters, such as `layers.0.weight`.

    The number is that of the node in `wires(network)`, counted from 0. A network that is not made
    of tftrain's compositions is node 0, and the rest of the name is the path to the variable in it.
    What several nodes share has the name that it has in the first.
    """
    found: dict[Any, str] = {}
    for n, wire in enumerate(wires(network)):
        for name, variable in named_variables(wire.node).items():
            found.setdefault(variable.ref(), f"layers.{n}.{name}")
    return [found.get(parameter.ref(), parameter.name) for parameter in parameters]


def named_state(layer: Any) -> dict[str, tf.Variable]:
    """Return the variables of a layer that are not trained, such as moving statistics, by path."""
    return {path: v for path, v in _collected(layer).items() if not v.trainable}


def _collected(layer: Any) -> dict[str, tf.Variable]:
    found: dict[str, tf.Variable] = {}
    _collect(layer, "", found, set())
    return found


def _collect(thing: Any, path: str, found: dict[str, tf.Variable], seen: set[int]) -> None:
    """Find the variables in a module, list or dictionary, each under the first path to it."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, tf.Variable):
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
