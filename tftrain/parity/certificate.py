"""The certificate: TensorFlow's trace against the reference, node by node, with computed bounds.

An error bound from end to end would grow with the depth until it said nothing. The chain rule makes
that needless. Each node is checked where TensorFlow was: the reference node gets TensorFlow's own
`x` and `dy`, and must arrive at its `y`, `dx` and parameter gradients. Every node right, and every
number that leaves a node the number that arrives at the next: then the whole gradient is right,
whatever the depth. Where that `x` lies on a kink, any subgradient there is accepted, nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.errors import InputError
from tftrain.graph import Wire, consumers, mapped
from tftrain.names import DTYPES
from tftrain.parity.check import END_TO_END, Check, compare, same
from tftrain.reference import PRECISIONS, Bounded, Layer, Network, Precision
from tftrain.reference.layers import Array, reference_class, reference_of, sent_back
from tftrain.reference.losses import Foreign, Objective
from tftrain.traces import Node, Trace, Update, is_discrete
from tftrain.training.step import Step


@dataclass(frozen=True)
class Pair:
    """One node of a network on both sides.

    Attributes:
        name: number and label.
        wire: TensorFlow's layer, and where its inputs come from.
        reference: its reference, with the parameters that the layer had when the pair was made;
            None where there is none.
        places: which of the step's parameters are the layer's, by name.
        place: its number.
        draw: where the network's random numbers come from.
        state: the values of the layer's variables that are not trained, before the step, by path.
    """

    name: str
    wire: Wire[nn.Layer]
    reference: Layer | None
    places: dict[str, int]
    place: int
    draw: nn.Draw
    state: dict[str, np.ndarray]

    @property
    def layer(self) -> nn.Layer:
        """TensorFlow's layer."""
        return self.wire.node

    def call(self, *inputs: tf.Tensor) -> tf.Tensor:
        """Return the output of TensorFlow's layer in this step."""
        if tf.executing_eagerly():
            self.restore()
        return nn.call_node(self.wire, self.place, inputs, self.draw)

    def restore(self) -> None:
        """Give the variables that are not trained the values that they had before the step."""
        for path, variable in nn.named_state(self.layer).items():
            variable.assign(self.state.get(path, variable))


def parts_of(step: Step, x: Any) -> list[Pair]:
    """Return the nodes of a step's network on both sides, as the next step has them.

    Args:
        step: the training step.
        x: inputs of the network.
    """
    place = {parameter.ref(): i for i, parameter in enumerate(step.parameters)}
    made = int(step.optimizer.step)
    draw = nn.Draw(step.seed, tf.constant(made))
    pairs = []
    for n, wire in enumerate(nn.wires(step.network, x)):
        known, named = reference_class(wire.node), nn.named_variables(wire.node)
        reference = reference_of(wire.node).drawn(step.seed, made, [n]) if known else None
        places = {name: place[v.ref()] for name, v in named.items() if v.ref() in place}
        name = f"{n + 1} {wire.label}"
        state = {path: np.array(v.numpy()) for path, v in nn.named_state(wire.node).items()}
        pairs.append(Pair(name, wire, reference, places, n, draw, state))
    return pairs


def names_of_parameters(parts: Sequence[Pair]) -> list[str]:
    """Return the names of the parameters by their places, as `reference.Network` has them."""
    first: dict[int, str] = {}
    for n, part in enumerate(parts):
        for name, place in part.places.items():
            first.setdefault(place, f"layers.{n}.{name}")
    return [first[place] for place in sorted(first)]


def reference_network(pairs: Sequence[Pair]) -> Network:
    """Return the references of all nodes as a network, those that there are."""
    return Network(
        [
            Wire(p.name, p.reference, p.wire.sources, p.wire.argument)
            for p in pairs
            if p.reference is not None
        ]
    )


def precision_of(step: Step) -> Precision:
    """Return the precision of a step; raise InputError where there are no bounds for it."""
    dtype = step.parameters[0].dtype.name
    if dtype not in DTYPES:
        raise InputError(f"gradients are checked in {' and '.join(DTYPES)}, not in {dtype}")
    return PRECISIONS[dtype]


class Certificate:
    """Checks traces of a step against the reference.

    Args:
        step: the training step.
        parts: its nodes on both sides.
        mode: how the traces were made.

    Attributes:
        objective: its reference.
        names: of the parameters, by their places.
        totals: of each parameter of the last trace, by its place, the sum of the gradients that the
            layers which the reference knows contribute, without the penalty's.
    """

    def __init__(self, step: Step, parts: Sequence[Pair], mode: str) -> None:
        self.step = step
        self.parts = parts
        self.mode = mode
        self.objective: Objective = reference_of(step.objective)
        self.precision = precision_of(step)
        self.names = names_of_parameters(parts)
        self.totals: dict[int, Bounded] = {}

    @property
    def knows_all(self) -> bool:
        """Whether there are references of all nodes and of the loss."""
        return self.objective.is_known and all(part.reference for part in self.parts)

    def borrow(self, trace: Trace) -> None:
        """Take value and delta of a loss that the reference does not know from a trace."""
        penalty = self.objective.penalty(list(self.values(trace).values()))
        self.objective = replace(self.objective, loss=Foreign(trace.loss - penalty, trace.delta))

    def of_trace(self, trace: Trace) -> Iterator[Check]:
        """Check the nodes, the loss and the chain of a trace."""
        totals = self.totals = {}
        for part, node in zip(self.parts, trace.nodes, strict=True):
            if part.reference is not None:
                yield from self._node(part, node, totals)
        yield from self._parameters(trace, totals)
        if self.objective.is_known:
            yield from self._loss(trace)
        yield from self._chain(trace)

    def of_update(self, update: Update) -> Iterator[Check]:
        """Check what the optimizer made of TensorFlow's own gradients."""
        reference = reference_of(self.step.optimizer)
        kept, expected_slots = (
            set(update.slots_before[0]),
            set(reference.start(update.before[0])),
        )
        if expected_slots - kept:
            yield self._slots(kept, expected_slots)
            return
        before = self._exact_all(update.before)
        slots = [{n: self._exact(v) for n, v in own.items()} for own in update.slots_before]
        gradients = self._exact_all(update.gradients)
        after, new = reference.apply(gradients, before, slots, update.step, self.names)
        counted, due = (
            np.asarray(n, self.precision.name) for n in (update.step_after, update.step + 1)
        )
        yield same(counted, due, self.mode, "optimizer", "updates counted")
        for i, (expected, own) in enumerate(zip(after, new, strict=True)):
            node, name = self._owner(i)
            yield compare(update.after[i], expected, self.mode, node, f"updated {name}")
            for slot, value in own.items():
                actual = update.slots_after[i][slot]
                yield compare(actual, value, self.mode, node, f"{slot} of {name}")
        yield self._slots(kept, expected_slots)

    def _slots(self, kept: set[str], expected: set[str]) -> Check:
        """Check that an optimizer and its reference keep the same slots."""
        error, remark = 0.0, ""
        if kept != expected:
            error = np.inf
            remark = (
                f"{type(self.step.optimizer).__name__} keeps {sorted(kept)}, its reference "
                f"{sorted(expected)}: register one of its own with @tftrain.reference.register"
            )
        name = self.precision.name
        return Check(self.mode, name, "optimizer", "slots", error, 0.0, error, remark=remark)

    def as_trained(self, trace: Trace, gradients: Sequence[np.ndarray]) -> Iterator[Check]:
        """Check the gradients of the step that records nothing, from end to end.

        A program that does not record what passes between its nodes may be compiled otherwise. So
        these bounds follow the errors through the whole network, and are wider than those of nodes.
        """
        expected = self._end_to_end(trace, self._exact)
        for i, gradient in enumerate(gradients):
            if i in expected:
                node, name = self._owner(i)
                label = f"{name} as trained"
                yield compare(gradient, expected[i], self.mode, node, label, END_TO_END)

    def end_to_end(self, trace: Trace) -> float:
        """Return the distance of TensorFlow's gradient from NumPy's in float64, over its norm."""
        with np.errstate(all="ignore"):
            expected = self._end_to_end(trace, _as_float64)
            found = {
                place: node.gradients[name]
                for part, node in zip(self.parts, trace.nodes, strict=True)
                for name, place in part.places.items()
            }
            distance = sum(float(np.sum((found[i] - g) ** 2)) for i, g in expected.items())
            size = sum(float(np.sum(g**2)) for g in expected.values())
        return float((distance / size) ** 0.5) if size else 0.0

    def _end_to_end(self, trace: Trace, kind: Callable[[np.ndarray], Array]) -> dict[int, Array]:
        """Return the gradient of each parameter, computed through the whole network.

        Args:
            trace: where it starts from.
            kind: makes of every array of the trace the numbers that are computed with.
        """
        network = reference_network(self.parts).with_parameters(kind)
        weight = None if trace.weight is None else kind(trace.weight)
        x, target = (
            mapped(lambda one: one if is_discrete(one) else kind(one), nest)
            for nest in (trace.x, trace.target)
        )
        _, gradients = network.gradients(x, target, self.objective.loss, weight)
        totals: dict[int, Array] = {}
        for n, part in enumerate(self.parts):
            for name, place in part.places.items():
                own = gradients[f"layers.{n}.{name}"]
                totals[place] = totals[place] + own if place in totals else own
        values = self.values(trace)
        cases = len(trace.target)
        penalised = self.objective.penalised
        return {i: penalised(g, kind(values[i]), cases) for i, g in totals.items()}

    def _node(self, part: Pair, node: Node, totals: dict[int, Bounded]) -> Iterator[Check]:
        """Check forward value and delta of a node; add its parameter gradients to `totals`."""
        assert part.reference is not None
        reference = part.reference.with_parameters(self._exact)
        # Integers choose: they have no error, and no derivative.
        inputs = [one if is_discrete(one) else self._exact(one) for one in node.inputs]
        x, dy = node.argument(inputs), self._exact(node.dy)
        try:
            with np.errstate(all="ignore"):
                y = self._bounded(reference.forward(x))
                dx, gradients = reference.backward(x, y, dy)
        except (AttributeError, TypeError) as error:
            raise InputError(
                f"{part.name}: its reference {type(reference).__name__} cannot be computed with "
                f"arrays that carry rounding errors (tftrain.reference.Bounded): {error}"
            ) from error
        frozen = {name for name in set(gradients) - set(part.places) if _held(part.layer, name)}
        if set(gradients) - frozen != set(part.places):
            raise InputError(
                f"{part.name}: its reference gives gradients for {sorted(gradients)}, but the "
                f"layer's trainable variables are {sorted(part.places)}: name them alike, or, if "
                "the layer is a subclass that adds variables, register a reference of its own with "
                "@tftrain.reference.register"
            )
        sent = [self._bounded(one) for one in sent_back(dx, inputs)]
        updated = reference.updated(x)
        for quantity, actual, expected in (
            ("y", node.y, y),
            *zip(names_of("dx", len(inputs)), node.sent, sent, strict=True),
            *((f"{name} after", node.state[name], v) for name, v in updated.items()),
        ):
            check = compare(actual, expected, self.mode, part.name, quantity)
            yield check if check.ok else replace(check, remark=_inherited(part.layer))
        for name, place in part.places.items():
            own = self._bounded(gradients[name])
            totals[place] = totals[place] + own if place in totals else own

    def _parameters(self, trace: Trace, totals: dict[int, Bounded]) -> Iterator[Check]:
        """Check the gradient of each parameter, once all nodes that share it have been added."""
        # What a layer shares that the reference does not know is left to evidence.
        strangers = (part for part in self.parts if part.reference is None)
        seen = {place for part in strangers for place in part.places.values()}
        for part, node in zip(self.parts, trace.nodes, strict=True):
            for name, place in part.places.items():
                if place in seen:
                    continue
                seen.add(place)
                expected = self.objective.penalised(
                    totals[place], self._exact(node.parameters[name]), len(trace.target)
                )
                yield compare(node.gradients[name], expected, self.mode, part.name, name)

    def _loss(self, trace: Trace) -> Iterator[Check]:
        """Check the loss, and the delta with which the backward pass begins."""
        prediction = self._exact(trace.prediction)
        target = trace.target if is_discrete(trace.target) else self._exact(trace.target)
        weight = None if trace.weight is None else self._exact(trace.weight)
        parameters = self._exact_all(list(self.values(trace).values()))
        value = self.objective.value(parameters, prediction, target, weight)
        delta = self.objective.loss.delta(prediction, target, weight)
        for quantity, actual, expected in (
            ("value", np.asarray(trace.loss), value),
            ("delta", trace.delta, delta),
        ):
            check = compare(actual, expected, self.mode, "loss", quantity)
            yield check if check.ok else replace(check, remark=_inherited(self.step.objective.loss))

    def _chain(self, trace: Trace) -> Iterator[Check]:
        """Check that what leaves a node is what arrives at each of its consumers.

        That is so bit for bit; but the delta of a node with several is their sum, rounded.
        """
        everywhere = zip(trace.names(), trace.nodes, consumers(trace.nodes), strict=True)
        for name, node, ends in everywhere:
            sent = [trace.nodes[n].sent[place] for n, place in ends]
            for n, place in ends:
                yield same(trace.nodes[n].inputs[place], node.y, self.mode, name, "y arrives")
            if len(sent) == 1:
                yield same(node.dy, sent[0], self.mode, name, "dy arrives")
            elif sent:
                terms: Any = self._exact_all(sent)
                total = np.stack(terms).sum(axis=0)  # in any order
                yield compare(node.dy, total, self.mode, name, "dy arrives")

    def values(self, trace: Trace) -> dict[int, np.ndarray]:
        """Return the parameters that a trace was made with, by their places in the step."""
        return {
            place: node.parameters[name]
            for part, node in zip(self.parts, trace.nodes, strict=True)
            for name, place in part.places.items()
        }

    def _owner(self, place: int) -> tuple[str, str]:
        """Return the node and the name of a parameter."""
        for part in self.parts:
            for name, own in part.places.items():
                if own == place:
                    return part.name, name
        return "parameters", str(self.step.parameters[place].name)

    def _exact(self, value: np.ndarray) -> Bounded:
        if is_discrete(value):
            return Bounded(value, 0.0, PRECISIONS["float64"])
        return Bounded.exact(value, PRECISIONS[value.dtype.name])

    def _exact_all(self, values: Sequence[np.ndarray]) -> list[Bounded]:
        return [self._exact(value) for value in values]

    def _bounded(self, value: Bounded | np.ndarray) -> Bounded:
        return value if isinstance(value, Bounded) else self._exact(value)


def names_of(name: str, count: int) -> list[str]:
    """Return the name of a quantity, numbered from 1 where there are several."""
    return [name] if count == 1 else [f"{name} {k + 1}" for k in range(count)]


def _inherited(thing: object) -> str:
    """Return a remark for a layer or loss that is checked against its parent's reference."""
    if reference_class(thing, inherited=False):
        return ""
    return (
        f"{type(thing).__name__} has no reference of its own and is checked against its parent's: "
        "register one with @tftrain.reference.register if its mathematics differ"
    )


def _held(layer: object, name: str) -> bool:
    """Return whether a layer has a variable of that name, trained or not."""
    return hasattr(getattr(layer, name, None), "trainable")


def _as_float64(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64)
