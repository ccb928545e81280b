"""The tensors of a traced function, and the least memory that any engine needs for them.

Graph mode and XLA reorder operations, fuse them, compute equal ones once, and may compute an
elementwise function anew rather than keep its result. But none of them repeats a matrix product or
a convolution, or computes it in parts. So while one product is computed, whatever the products
before it contribute to those after it must be kept in some form. The least is a minimum cut between
the two, where every tensor that can be kept is an edge of its size.

Source: Ford and Fulkerson (1956), "Maximal flow through a network".
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

MOMENTS = 8
"""Moments of a function at which its memory is computed: those where eager execution keeps most."""

CAPACITY = 1 << 30
"""Of an edge that cannot be cut, and the sum of all that can: SciPy counts in 32 bits."""

MOVES = ("Identity", "Reshape", "Transpose", "Squeeze", "ExpandDims", "Cast", "Sum", "Slice")
"""Operations that XLA can make part of the product before them, as a sum over a batch."""

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
MATRIX_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
CONVOLUTIONS = ("Conv2D", "Conv3D")
CONVOLUTIONS_BACK = ("Conv2DBackpropInput", "Conv3DBackpropInputV2")
FILTERS_BACK = ("Conv2DBackpropFilter", "Conv3DBackpropFilterV2")


class Peak(NamedTuple):
    """The memory of a function while it needs most.

    Attributes:
        size: bytes, at the least.
        shape: of the largest product, as `(980000, 20000)`; empty where there is none.
    """

    size: int
    shape: str


class Tensors:
    """The tensors of a function and of those that it calls, each numbered after its sources.

    Args:
        fused: whether a product of two vectors may be computed where it is used, and never stored.

    Attributes:
        sources: for each tensor, the numbers of those that it is computed from.
        sizes: bytes of each; zero where they are not known in advance.
        shapes: of each.
        lasting: whether no engine computes it a second time.
        kinds: the operation that computes each, such as `MatMul`.
    """

    def __init__(self, fused: bool = True) -> None:
        self.fused = fused
        self.sources: list[tuple[int, ...]] = []
        self.sizes: list[int] = []
        self.shapes: list[tf.TensorShape] = []
        self.lasting: list[bool] = []
        self.kinds: list[str] = []
        self._known: dict[Any, int] = {}

    def add(self, tensor: tf.Tensor, sources: Iterable[int], lasting: bool) -> int:
        """Add a tensor; return its number."""
        self.sources.append(tuple(sources))
        self.sizes.append((tensor.shape.num_elements() or 0) * tensor.dtype.size)
        self.shapes.append(tensor.shape)
        self.lasting.append(lasting)
        self.kinds.append(tensor.op.type)
        return len(self.sources) - 1

    def read(self, graph: Any, arguments: Sequence[int]) -> list[int]:
        """Add what a function computes from its arguments; return the numbers of its results.

        What it captures, such as variables, is there in any case and costs nothing.
        """
        number = {t.name: i for t, i in zip(graph.inputs, arguments, strict=False)}
        for tensor in graph.inputs[len(arguments) :]:
            number[tensor.name] = self.add(tensor, (), False)
        for operation in graph.get_operations():
            if operation.outputs and operation.outputs[0].name not in number:
                inputs = [number[tensor.name] for tensor in operation.inputs]
                called = function_called(operation)
                found = self.read(called, inputs) if called else self._results(operation, inputs)
                number |= {t.name: i for t, i in zip(operation.outputs, found, strict=True)}
        return [number[tensor.name] for tensor in graph.outputs]

    def _results(self, operation: tf.Operation, inputs: Sequence[int]) -> list[int]:
        """Return the numbers of an operation's results: those of an equal one, if there is one."""
        if operation.type == "IdentityN":
            return list(inputs)
        what = operation.node_def
        what.ClearField("name")
        what.ClearField("input")
        key = (what.SerializeToString(deterministic=True), *inputs)
        if key not in self._known:
            lasting = min(sides(operation), default=0) > int(self.fused)
            numbers = [self.add(tensor, inputs, lasting) for tensor in operation.outputs]
            self._known[key] = numbers[0]
        first = self._known[key]
        return list(range(first, first + len(operation.outputs)))

    def peak(self, results: Sequence[int]) -> Peak:
        """Return the least memory in which these results can be computed."""
        needed = sorted(closure(results, self.sources))
        products = [i for i in needed if self.lasting[i] and self.sources[i]]
        if not products:
            return Peak(0, "")
        held = self._held_in_order(needed)
        busiest = sorted(products, key=lambda i: -held[i])[:MOMENTS]
        largest = max(products, key=lambda i: self.sizes[i])
        size = max(self._held_at_least(at, results, needed) for at in busiest)
        return Peak(size, str(self.shapes[largest]))

    def _held_in_order(self, needed: Sequence[int]) -> np.ndarray:
        """Return the bytes that eager execution holds, which computes one tensor after another."""
        last = list(range(len(self.sources)))  # number of the last tensor that is made from each
        for i in needed:
            for source in self.sources[i]:
                last[source] = i
        held = np.zeros(len(self.sources) + 1)
        for i in needed:
            held[i] += self.sizes[i]
            held[last[i] + 1] -= self.sizes[i]
        return held.cumsum()

    def _held_at_least(self, at: int, results: Sequence[int], needed: Sequence[int]) -> int:
        """Return the least bytes while a product is computed: the cut around it, and itself."""
        users: list[list[int]] = [[] for _ in self.sources]
        for i in needed:
            for source in self.sources[i]:
                users[source].append(i)
        before, after = closure([at], self.sources) - {at}, closure([at], users)
        unit = 1 + sum(self.sizes[i] for i in needed) // CAPACITY
        begin, end = 2 * len(self.sources), 2 * len(self.sources) + 1
        edges: dict[tuple[int, int], int] = {}
        for i in needed:  # a tensor is an edge from 2 i to 2 i + 1, cut where it is kept
            edges[2 * i, 2 * i + 1] = CAPACITY if i in after else self.sizes[i] // unit
            if self.lasting[i] and i in before:
                edges[begin, 2 * i] = CAPACITY
                continue
            final = self.lasting[i] and i in after
            for source in self.sources[i]:
                edges[2 * source + 1, end if final else 2 * i] = CAPACITY
        for i in after.intersection(results):
            edges[2 * i + 1, end] = CAPACITY
        return unit * _flow(edges, begin, end) + self._smallest(at, users)

    def _smallest(self, at: int, users: Sequence[Sequence[int]]) -> int:
        """Return the bytes of a tensor, or of what alone is wanted of it, such as a sum."""
        if not users[at] or any(self.kinds[user] not in MOVES for user in users[at]):
            return self.sizes[at]
        return max(min(self.sizes[at], self._smallest(user, users)) for user in users[at])


def _flow(edges: dict[tuple[int, int], int], begin: int, end: int) -> int:
    """Return the largest flow from one node to another, which is the smallest cut."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    rows, columns = np.array(list(edges)).T
    capacities = np.array(list(edges.values()), np.int32)
    graph = csr_array((capacities, (rows, columns)), shape=(end + 1, end + 1))
    return int(maximum_flow(graph, begin, end).flow_value)


def closure(start: Iterable[int], neighbours: Sequence[Sequence[int]]) -> set[int]:
    """Return all that can be reached from some numbers, these included."""
    found: set[int] = set()
    waiting = list(start)
    while waiting:
        if (number := waiting.pop()) not in found:
            found.add(number)
            waiting += neighbours[number]
    return found


def function_called(operation: tf.Operation) -> Any:
    """Return the graph of the function that an operation calls, or None."""
    if operation.type not in CALLS:
        return None
    name = operation.get_attr("f").name
    try:
        return operation.graph._get_function(name).graph
    except AttributeError:  # not a public name of TensorFlow: unknown operations cost nothing
        return None


def sides(operation: tf.Operation) -> tuple[int, ...]:
    """Return the three sides of a product of matrices, or of its like; none of anything else.

    A product with a side of one is a product of vectors, which XLA computes as it does a sum.
    """
    kind, outputs = operation.type, operation.outputs
    inputs = list(operation.inputs)
    if kind in MATRIX_PRODUCTS:
        shape = outputs[0].shape
        return _side(shape[-1:]), _side(shape[-2:-1]), _side(inputs[0].shape) // _side(shape[:-1])
    if kind == "Einsum" and len(inputs) == 2:
        return _sides_of_einsum(operation)
    if kind in CONVOLUTIONS:
        return _sides_of_convolution(inputs[1], outputs[0])
    if kind in CONVOLUTIONS_BACK:
        return _sides_of_convolution(inputs[1], inputs[2])
    if kind in FILTERS_BACK:
        return _sides_of_convolution(outputs[0], inputs[2])
    return ()


def _side(shape: tf.TensorShape) -> int:
    """Return the number of elements of a shape, or one where it is not known in advance."""
    return shape.num_elements() or 1


def _sides_of_convolution(filters: tf.Tensor, output: tf.Tensor) -> tuple[int, int, int]:
    """Return the sides of a convolution as a product: channels, window and places."""
    channels = _side(filters.shape[-1:])
    return channels, _side(filters.shape) // channels, _side(output.shape) // channels


def _sides_of_einsum(operation: tf.Operation) -> tuple[int, ...]:
    """Return the sides of an einsum: the lengths of the letters that only two terms share."""
    terms = operation.get_attr("equation").decode().replace("->", ",").split(",")
    lengths: dict[str, int] = {}
    for term, tensor in zip(terms, [*operation.inputs, *operation.outputs], strict=True):
        first, _, last = term.partition("...")
        lengths |= zip(first, tensor.shape, strict=False)
        lengths |= zip(reversed(last), reversed(tensor.shape), strict=False)
    letters = [set(term) - {"."} for term in terms]
    pairs = [(letters[i] & letters[j]) - letters[3 - i - j] for i, j in ((0, 1), (0, 2), (1, 2))]
    return tuple(math.prod(lengths[letter] or 1 for letter in pair) for pair in pairs)
