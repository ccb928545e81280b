"""A formula as a graph of elementary nodes, and its gradient by hand: reverse-mode differentiation.

The formula `x**2*y + y + 2` becomes the nodes `f_1 = x`, `f_2 = 2`, `f_3 = f_1 ** f_2` and so on up
to `f_N`, each a function of nodes before it. A node that is used several times is one node with
several consumers. With `delta_n = df/df_n`, so that `delta_N = 1`, the chain rule goes back by

    delta_n = sum over the consumers m of f_n:  delta_m * df_m/df_n

and the deltas of the inputs are the gradient.

Source: Linnainmaa (1976), "Taylor expansion of the accumulated rounding error".
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tftrain.errors import InputError, did_you_mean, unknown
from tftrain.graph import backward, forward
from tftrain.reference.functions import sigmoid

Scalar = Any
"""A NumPy scalar: real of any precision, or complex where only values are wanted."""

MAX_LENGTH = 400
MAX_DEPTH = 100


@dataclass(frozen=True)
class Partial:
    """The derivative of an operation by one of its operands.

    Attributes:
        formula: as text, where `{0}` and `{1}` stand for the operands and `{y}` for the result.
        value: given the operands and the result.
    """

    formula: str
    value: Callable[..., Scalar]


@dataclass(frozen=True)
class Operation:
    """An elementary function of one or two scalars.

    Attributes:
        formula: as text, where `{0}` and `{1}` stand for the operands.
        value: given the operands.
        partials: for each operand.
    """

    formula: str
    value: Callable[..., Scalar]
    partials: tuple[Partial, ...]


def _function(name: str, value: Callable[[Scalar], Scalar], partial: Partial) -> Operation:
    return Operation(name + "({0})", value, (partial,))


ONE = Partial("1", lambda *_: np.float64(1))
MINUS_ONE = Partial("-1", lambda *_: np.float64(-1))

FUNCTIONS = {
    "tanh": _function("tanh", np.tanh, Partial("(1 - {y} ** 2)", lambda a, y: 1 - y * y)),
    "sigmoid": _function("sigmoid", sigmoid, Partial("{y} * (1 - {y})", lambda a, y: y * (1 - y))),
    "exp": _function("exp", np.exp, Partial("{y}", lambda a, y: y)),
    "log": _function("log", np.log, Partial("1 / {0}", lambda a, y: 1 / a)),
    "sin": _function("sin", np.sin, Partial("cos({0})", lambda a, y: np.cos(a))),
    "cos": _function("cos", np.cos, Partial("-sin({0})", lambda a, y: -np.sin(a))),
    "sqrt": _function("sqrt", np.sqrt, Partial("1 / (2 * {y})", lambda a, y: 1 / (2 * y))),
    "relu": _function(
        "relu",
        lambda a: a if a.real > 0 else 0 * a,
        Partial("(1 if {0} > 0 else 0)", lambda a, y: np.float64(a.real > 0)),
    ),
}

OPERATIONS = {
    "+": Operation("{0} + {1}", np.add, (ONE, ONE)),
    "-": Operation("{0} - {1}", np.subtract, (ONE, MINUS_ONE)),
    "*": Operation(
        "{0} * {1}",
        np.multiply,
        (Partial("{1}", lambda a, b, y: b), Partial("{0}", lambda a, b, y: a)),
    ),
    "/": Operation(
        "{0} / {1}",
        np.divide,
        (Partial("1 / {1}", lambda a, b, y: 1 / b), Partial("-{y} / {1}", lambda a, b, y: -y / b)),
    ),
    "**": Operation(
        "{0} ** {1}",
        np.power,
        (
            Partial("{1} * {0} ** ({1} - 1)", lambda a, b, y: b * np.power(a, b - 1)),
            Partial("{y} * log({0})", lambda a, b, y: y * np.log(a)),
        ),
    ),
    "negative": Operation("-{0}", np.negative, (MINUS_ONE,)),
    **FUNCTIONS,
}

BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}

ALLOWED = (
    "A formula is made of names, numbers, + - * / **, unary minus, parentheses and the functions "
    + ", ".join(FUNCTIONS)
)


@dataclass(frozen=True)
class ScalarNode:
    """One node of the graph.

    Attributes:
        kind: a key of `OPERATIONS`, or `input`, or `constant`.
        sources: the nodes it is a function of, counted from 0.
        name: of an input.
        constant: value of a constant.
        varies: whether it depends on an input; only then it has a delta.
    """

    kind: str
    sources: tuple[int, ...] = ()
    name: str = ""
    constant: float = 0.0
    varies: bool = True


@dataclass(frozen=True)
class Term:
    """What one consumer of a node adds to its delta: `delta * partial`.

    Attributes:
        consumer: the node that uses this one.
        place: as which of its operands.
        delta: of the consumer.
        partial: derivative of the consumer by that operand.
    """

    consumer: int
    place: int
    delta: Scalar
    partial: Scalar

    @property
    def value(self) -> Scalar:
        """The product."""
        return self.delta * self.partial


@dataclass(frozen=True)
class Adjoint:
    """The delta of a node, `df/df_n`, and the terms of which it is the sum (none for `f_N`)."""

    delta: Scalar
    terms: tuple[Term, ...]


class Expression:
    """A formula, taken apart.

    Args:
        formula: such as `x**2*y + y + 2`.

    Attributes:
        formula: the text.
        nodes: in an order in which operands come before what uses them; the last is the result.
        inputs: for each name in the formula the number of its node, counted from 0.

    Raises:
        InputError: the formula holds something else than is allowed, or is too long or too deep.
    """

    def __init__(self, formula: str) -> None:
        self.formula = " ".join(formula.split())
        graph = _Graph(self.formula)
        graph.add_tree(_parsed(self.formula))
        self.nodes = tuple(graph.nodes)
        self.inputs = {node.name: i for i, node in enumerate(self.nodes) if node.kind == "input"}
        if not self.inputs:
            raise InputError(f"the formula {self.formula!r} has no name in it to differentiate by")

    def point(self, assignments: Sequence[str]) -> dict[str, float]:
        """Return the values of the inputs.

        Args:
            assignments: texts such as `x=3`, one for each input.

        Raises:
            InputError: one is no assignment of a finite number, or names no input or one for the
                second time; or an input is left out.
        """
        point: dict[str, float] = {}
        for assignment in assignments:
            name, value = _assignment(assignment)
            if name not in self.inputs:
                hint = did_you_mean(name, self.inputs) or "."
                raise InputError(
                    f"{assignment!r}: the formula has no {name!r}{hint} "
                    f"Its inputs: {', '.join(self.inputs)}"
                )
            if name in point:
                raise InputError(f"{assignment!r}: {name} was given a value before; give it one")
            point[name] = value
        missing = [name for name in self.inputs if name not in point]
        if missing:
            raise InputError(f"no value for {', '.join(missing)}: add --at {missing[0]}=NUMBER")
        return point

    def forward(self, point: Mapping[str, Scalar]) -> list[Scalar]:
        """Return the value of every node.

        Args:
            point: the value of each input: real, or complex for the complex step.

        Raises:
            InputError: the value of a node is not finite.
        """

        def computed(i: int, *operands: Scalar) -> Scalar:
            node = self.nodes[i]
            if node.kind == "input":
                value = point[node.name] * np.float64(1)
            elif node.kind == "constant":
                value = np.float64(node.constant)
            else:
                value = OPERATIONS[node.kind].value(*operands)
            if not np.isfinite(value):
                text = self._text(node, [in_parentheses(one) for one in operands])
                raise _not_finite(f"f_{i + 1} = {text}", value)
            return value

        with np.errstate(all="ignore"):
            return forward(self.nodes, None, computed)

    def backward(self, values: Sequence[Scalar]) -> list[Adjoint | None]:
        """Return the delta of every node, from the last to the first; None for constants.

        Args:
            values: what `forward` returned.

        Raises:
            InputError: a derivative is not finite.
        """

        def sent(i: int, delta: Scalar) -> list[Term | None]:
            if self.nodes[i].varies and not np.isfinite(delta):
                raise _not_finite(f"delta_{i + 1} = df/df_{i + 1}", delta)
            return [
                Term(i, place, delta, self._partial(i, place, values))
                if self.nodes[operand].varies
                else None
                for place, operand in enumerate(self.nodes[i].sources)
            ]

        def total(terms: Sequence[Term]) -> Scalar:
            return sum(term.value for term in terms)

        deltas, arrived = backward(self.nodes, np.float64(1), sent, total)
        found = enumerate(zip(self.nodes, deltas, strict=True))
        return [Adjoint(d, tuple(arrived[i])) if n.varies else None for i, (n, d) in found]

    def gradient(self, point: Mapping[str, float]) -> dict[str, float]:
        """Return `df/dname` for every input, at a point."""
        adjoints = self.backward(self.forward(point))
        found = {name: adjoints[i] for name, i in self.inputs.items()}
        return {name: float(adjoint.delta) for name, adjoint in found.items() if adjoint}

    def written(self, i: int, values: Sequence[Scalar] | None = None) -> str:
        """Return node `i` as text: of the names of its operands, or of their values."""
        node = self.nodes[i]
        return self._text(node, self._texts(node.sources, values))

    def _text(self, node: ScalarNode, operands: Sequence[str]) -> str:
        if node.kind == "input":
            return node.name
        if node.kind == "constant":
            return shown(node.constant)
        return OPERATIONS[node.kind].formula.format(*operands)

    def written_partial(self, i: int, place: int, values: Sequence[Scalar] | None = None) -> str:
        """Return the derivative of node `i` by one of its operands as text, as `written` does."""
        node = self.nodes[i]
        *operands, result = self._texts([*node.sources, i], values)
        return OPERATIONS[node.kind].partials[place].formula.format(*operands, y=result)

    def _texts(self, numbers: Sequence[int], values: Sequence[Scalar] | None) -> list[str]:
        return [f"f_{k + 1}" if values is None else in_parentheses(values[k]) for k in numbers]

    def _partial(self, i: int, place: int, values: Sequence[Scalar]) -> Scalar:
        """Return the derivative of node `i` by one of its operands."""
        node = self.nodes[i]
        operands = [values[k] for k in node.sources]
        with np.errstate(all="ignore"):
            value = OPERATIONS[node.kind].partials[place].value(*operands, values[i])
        if not np.isfinite(value):
            numbers = self.written_partial(i, place, values)
            raise _not_finite(f"df_{i + 1}/df_{node.sources[place] + 1} = {numbers}", value)
        return value


class _Graph:
    """Collects the nodes of a formula, each once however often it is used."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.nodes: list[ScalarNode] = []
        self.numbers: dict[ScalarNode, int] = {}

    def add_tree(self, tree: ast.expr, depth: int = 1) -> int:
        """Add a part of the formula after its operands; return the number of its node."""
        if depth > MAX_DEPTH:
            raise self._refused(tree, f"is more than {MAX_DEPTH} operations deep: simplify it.")
        match tree:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._add(ScalarNode("constant", constant=self._finite(tree), varies=False))
            case ast.Name(id=name) if name not in FUNCTIONS:
                return self._add(ScalarNode("input", name=name))
            case ast.Name(id=name):
                raise self._refused(tree, f"is a function: write {name}(...).")
            case ast.BinOp(op=op) if type(op) in BINARY:
                return self._add_operation(BINARY[type(op)], [tree.left, tree.right], depth)
            case ast.BinOp(op=ast.BitXor()):
                raise self._refused(tree, "holds ^: a power is written **.")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._add_operation("negative", [operand], depth)
            case ast.Call(func=ast.Name(id=name)) if name not in FUNCTIONS:
                raise InputError(f"{self._place(tree)}: {unknown('function', name, FUNCTIONS)}")
            case ast.Call(func=ast.Name(id=name), args=[ast.expr() as operand], keywords=[]):
                return self._add_operation(name, [operand], depth)
        raise self._refused(tree, "is not allowed.")

    def _add_operation(self, kind: str, trees: Sequence[ast.expr], depth: int) -> int:
        operands = tuple(self.add_tree(tree, depth + 1) for tree in trees)
        varies = any(self.nodes[i].varies for i in operands)
        return self._add(ScalarNode(kind, operands, varies=varies))

    def _add(self, node: ScalarNode) -> int:
        if node not in self.numbers:
            self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[node]

    def _finite(self, tree: ast.Constant) -> float:
        try:
            value = float(tree.value)  # type: ignore[arg-type]
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise self._refused(tree, "is too large for a number.")
        return value

    def _place(self, tree: ast.expr) -> str:
        before = self.formula.encode()[: tree.col_offset].decode()
        return f"formula {self.formula!r}, column {len(before) + 1}"

    def _refused(self, tree: ast.expr, why: str) -> InputError:
        part = ast.get_source_segment(self.formula, tree) or self.formula
        part = part if len(part) <= 40 else part[:37] + "..."
        return InputError(f"{self._place(tree)}: {part!r} {why} {ALLOWED}")


def _parsed(formula: str) -> ast.expr:
    """Return the syntax tree of a formula."""
    if len(formula) > MAX_LENGTH:
        raise InputError(
            f"the formula has {len(formula)} characters: at most {MAX_LENGTH} can be used"
        )
    if not formula:
        raise InputError(f"the formula is empty. {ALLOWED}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in Python, all is refused later
            return ast.parse(formula, mode="eval").body
    except SyntaxError as error:
        place = f"formula {formula!r}"
        if error.offset is not None:  # which is 0 where more was to come
            place += f", column {error.offset or len(formula) + 1}"
        raise InputError(f"{place}: {error.msg}. {ALLOWED}") from None
    except ValueError as error:
        raise InputError(f"the formula {formula!r} cannot be read: {error}. {ALLOWED}") from None
    except (RecursionError, MemoryError):
        raise InputError(f"the formula {formula!r} cannot be read. {ALLOWED}") from None


def _assignment(text: str) -> tuple[str, float]:
    """Return name and value of a text such as `x=3`."""
    name, equals, number = (part.strip() for part in text.partition("="))
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not (name and equals and math.isfinite(value)):
        raise InputError(f"{text!r} is no assignment of a finite number: write it like x=3")
    return name, value


def _not_finite(what: str, value: Scalar) -> InputError:
    found = "is not defined" if np.isnan(value) else "is infinite, or too large for a number,"
    return InputError(f"{what} {found} at this point: choose another one with --at")


def shown(value: Any) -> str:
    """Return a number with six significant digits, and without a sign where it is zero."""
    return f"{value + 0.0:.6g}"


def in_parentheses(value: Any) -> str:
    """Return a number as `shown`, but in parentheses where it is negative."""
    text = shown(value)
    return f"({text})" if text.startswith("-") else text
