"""Branches that begin at one tensor, and the layers that join them again."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import tensorflow as tf

from tftrain.errors import InputError, ShapeError, of_type
from tftrain.graph import INPUT, Wiring, leaf, leaves
from tftrain.nn.call import Draw, composed, run
from tftrain.nn.sequential import Layer, Sequential


class Add(tf.Module):
    """The sum of its inputs, all of one shape and dtype."""

    def __call__(self, x: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return `x[0] + x[1] + ...`.

        Raises:
            ShapeError: their shapes or dtypes differ; nothing is broadcast.
        """
        for one in x[1:]:
            if one.dtype != x[0].dtype or not one.shape.is_compatible_with(x[0].shape):
                raise _unlike("Add takes tensors of one shape and dtype", x[0], one)
        return reduce(add, x)

    def __repr__(self) -> str:
        return "Add()"


class Concat(tf.Module):
    """Its inputs side by side: shape `(cases, widths added up)`."""

    def __call__(self, x: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return the inputs joined along their last axis.

        Raises:
            ShapeError: they have other numbers of axes, or other dtypes.
        """
        for one in x[1:]:
            if one.dtype != x[0].dtype or one.shape.rank != x[0].shape.rank:
                raise _unlike("Concat takes tensors of one dtype and rank", x[0], one)
        return tf.concat(x, axis=-1)

    def __repr__(self) -> str:
        return "Concat()"


def _unlike(wanted: str, one: tf.Tensor, other: tf.Tensor) -> ShapeError:
    """Return the error for two outputs of branches that cannot be joined."""
    shapes = " and ".join(f"{x.dtype.name} of shape {x.shape}" for x in (one, other))
    return ShapeError(f"{wanted}, got {shapes}: change the last layers of the branches")


class Fork(tf.Module):
    """Several branches with the same input, whose outputs one layer joins.

    Args:
        branches: layers or lists of layers; an empty list passes the input on.
        join: a layer that takes the list of their outputs, such as `Add()` or `Concat()`.
    """

    takes_draw = True

    def __init__(self, branches: Sequence[Layer | Sequence[Layer]], join: Any) -> None:
        super().__init__()
        given = list(of_type("branches", branches, Iterable, "a list of layers"))
        if len(given) < 2:
            raise InputError("Fork needs at least two branches")
        self.branches = [b if callable(b) else Sequential(b) if b else None for b in given]
        self.join = join

    def wire(self, wiring: Wiring, source: int) -> int:
        """Wire the branches behind one source, and the layer that joins them behind these."""
        ends = [source if b is None else wiring.add(b, source) for b in self.branches]
        return wiring.add(self.join, *ends)

    def __call__(self, x: Any, draw: Draw | None = None) -> tf.Tensor:
        """Return what `join` makes of the outputs of the branches."""
        return run(composed(self, x), x, draw)

    def __repr__(self) -> str:
        branches = ", ".join("[]" if b is None else repr(b) for b in self.branches)
        return f"{type(self).__name__}([{branches}], {self.join!r})"


class Parallel(Fork):
    """A branch for each of the network's inputs, whose outputs one layer joins.

    It takes a tuple or a dictionary of tensors, and is the first layer of a network.

    Args:
        branches: for each input a layer or a list of layers; an empty list passes the input on.
            A dictionary of branches takes the input of each from the same key.
        join: a layer that takes the list of their outputs, such as `Concat()`.
    """

    def __init__(
        self,
        branches: Sequence[Layer | Sequence[Layer]] | Mapping[str, Layer | Sequence[Layer]],
        join: Any,
    ) -> None:
        if isinstance(branches, Mapping):
            branches = [branches[key] for key in sorted(branches)]
        super().__init__(branches, join)

    def wire(self, wiring: Wiring, source: int) -> int:
        """Wire each branch behind an input, and the layer that joins them behind these."""
        if source != INPUT:
            raise InputError(
                "Parallel takes the inputs of the network: make it the first layer, and branch "
                "behind a layer with Fork"
            )
        given, wanted = len(leaves(wiring.form)), len(self.branches)
        if wiring.form is not None and given != wanted:
            raise InputError(
                f"the network takes a tuple or a dictionary of {wanted} inputs, got {given}"
            )
        ends = [
            leaf(i) if branch is None else wiring.add(branch, leaf(i))
            for i, branch in enumerate(self.branches)
        ]
        return wiring.add(self.join, *ends)


class Residual(Fork):
    """`x + f(x)`, where `f` are the layers given, in a row (He, Zhang, Ren and Sun, 2016).

    Args:
        *layers: at least one; the last gives the shape of the input again.
    """

    def __init__(self, *layers: Layer) -> None:
        if not layers:
            raise InputError("Residual needs at least one layer")
        self.layers = list(layers)
        super().__init__([[], self.layers], Add())

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"
