"""The trace of a TensorFlow network: a training step that records what passes between nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain, islice
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import graph, losses, nn
from tftrain.errors import one_of
from tftrain.graph import Wire
from tftrain.names import MODES
from tftrain.traces import Arrays, Node, Trace, Update
from tftrain.training.batch import Batch
from tftrain.training.engine import Mode
from tftrain.training.step import Step, parameter_tape, require_gradients


class Recorder:
    """Calls the nodes of a network one after the other, and remembers what passes between them.

    Args:
        wires: the nodes of the network.
        tape: watches what passes, so that every delta is known even where no parameter and no
            input leads to it, as behind a layer that rounds.
        always: under XLA, a tensor that is True, which XLA does not know. XLA may fuse a node with
            the one before and compute what passes between them once more, rounded otherwise (a
            product and a sum in one operation). Then the next node would not have got what the
            trace shows. Handed over by a condition, nothing is fused.

    Attributes:
        passed: inputs and output of every node in turn, after a call. What enters a node is a
            tensor of its own, so that the delta leaving through it and the delta arriving at the
            node before are two numbers, found separately.
    """

    def __init__(
        self,
        wires: Sequence[Wire[Any]],
        tape: tf.GradientTape,
        always: tf.Tensor | None = None,
    ) -> None:
        self.wires = wires
        self.tape = tape
        self.always = always
        self.passed: list[tf.Tensor] = []

    def __call__(self, network: tf.Module, x: Any, draw: nn.Draw) -> tf.Tensor:
        """Return the network's output."""

        def called(n: int, *inputs: tf.Tensor) -> tf.Tensor:
            entering = tuple(self.watched(self.handed_over(one)) for one in inputs)
            y = self.watched(nn.call_node(self.wires[n], n, entering, draw))
            self.passed += [*entering, y]
            return y

        return self.handed_over(graph.forward(self.wires, x, called)[-1])

    def watched(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x`; the tape watches it, if it can have a derivative."""
        x = tf.convert_to_tensor(x)
        if x.dtype.is_floating:
            self.tape.watch(x)
        return x

    def handed_over(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x` as a tensor of its own."""
        if self.always is None:
            return tf.identity(x)
        other = tf.negative if x.dtype.is_floating else tf.zeros_like
        return tf.cond(self.always, lambda: x, lambda: other(x))


@dataclass(frozen=True)
class RecordedStep(Step):
    """A training step that remembers what passes between its nodes.

    Attributes:
        always: as for `Recorder`.
        record: what passed, its deltas and the gradients, after a step; None for one that
            TensorFlow has no path to.
    """

    always: tf.Tensor | None = None
    record: list[list[tf.Tensor | None]] = field(default_factory=list)

    def gradients(self, batch: Batch) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the objective and its gradients: zero where TensorFlow has no path to one."""
        tape = parameter_tape()
        recorder = Recorder(nn.wires(self.network, batch.x), tape, self.always)
        of_step = {f.name: getattr(self, f.name) for f in fields(Step)}
        step = Step(**{**of_step, "call": recorder})
        objective, found = step.differentiate(batch, chain(self.parameters, recorder.passed), tape)
        gradients, deltas = found[: len(self.parameters)], found[len(self.parameters) :]
        self.record[:] = [recorder.passed, deltas, gradients]
        return objective, [
            tf.zeros_like(parameter) if gradient is None else recorder.handed_over(gradient)
            for parameter, gradient in zip(self.parameters, gradients, strict=True)
        ]


class Tracer:
    """Makes training steps that leave a trace, compiled as training compiles them.

    Args:
        step: the training step.
        batch: the batch of every step.
        mode: eager, graph or xla.
        update: whether the optimizer updates the parameters.

    Where TensorFlow has no path from the objective back to a tensor or a parameter, its derivative
    is zero, and a trace says so.
    """

    def __init__(self, step: Step, batch: Batch, mode: str, *, update: bool) -> None:
        self.step = step
        self.batch = batch
        self.mode = mode
        self.update = update
        if update:
            step.build()
        self._found: Sequence[tf.Tensor | None] = ()
        self._always = tf.Variable(True, trainable=False)
        self._program = _compiled(mode, self._recorded)

    def run(self) -> Trace:
        """Make one step; return its trace."""
        before, slots, made = self._state()
        objective, passed, deltas, self._found = self._program()
        after, slots_after, counted = self._state()
        arrays = self._arrays(self._found, self.step.parameters)
        return Trace(
            engine=f"tensorflow {self.mode}",
            nodes=self._nodes(passed, self._arrays(deltas, passed), before, arrays),
            target=self.batch.y.numpy(),
            weight=None if self.batch.weight is None else self.batch.weight.numpy(),
            loss=float(objective.numpy()),
            update=Update(made, counted, arrays, before, after, slots, slots_after)
            if self.update
            else None,
        )

    def plain_gradients(self) -> list[np.ndarray]:
        """Return the gradients of the step as training runs it: nothing is recorded on the way."""
        program = _compiled(
            self.mode, lambda: self.step.differentiate(self.batch, self.step.parameters)[1]
        )
        return self._arrays(program(), self.step.parameters)

    def require_gradients(self) -> None:
        """Raise the InputError of training where the last step had no path to a parameter."""
        if self._found:
            require_gradients(self.step.parameters, self._found)

    def _recorded(self) -> tuple[tf.Tensor, ...]:
        """Make one step; return the objective, what passed, its deltas and the gradients."""
        always = self._always.read_value() if self.mode == "xla" else None
        of_step = {f.name: getattr(self.step, f.name) for f in fields(Step)}
        step = RecordedStep(**of_step, always=always)
        objective = step(self.batch)[0] if self.update else step.gradients(self.batch)[0]
        return objective, *step.record

    def _state(self) -> tuple[list[np.ndarray], list[Arrays], int]:
        """Return copies of the parameters and slots, and the number of updates made."""
        optimizer = self.step.optimizer
        slots = [{n: v.numpy().copy() for n, v in own.items()} for own in optimizer.slots]
        return [p.numpy().copy() for p in self.step.parameters], list(slots), int(optimizer.step)

    def _arrays(
        self, gradients: Sequence[tf.Tensor | None], sources: Sequence[tf.Tensor | tf.Variable]
    ) -> list[np.ndarray]:
        """Return gradients as arrays: None is zero. Those of integers are of the network's type."""
        own = self.step.parameters[0].dtype
        return [
            np.zeros(of.shape, (of.dtype if of.dtype.is_floating else own).as_numpy_dtype)
            if gradient is None
            else gradient.numpy()
            for gradient, of in zip(gradients, sources, strict=True)
        ]

    def _nodes(
        self,
        passed: Sequence[tf.Tensor],
        deltas: Sequence[np.ndarray],
        parameters: Sequence[np.ndarray],
        gradients: Sequence[np.ndarray],
    ) -> list[Node]:
        place = {parameter.ref(): i for i, parameter in enumerate(self.step.parameters)}
        values, sent = iter(passed), iter(deltas)
        nodes = []
        for wire in nn.wires(self.step.network, self.batch.x):
            named = nn.named_variables(wire.node).items()
            own = {name: place[v.ref()] for name, v in named if v.ref() in place}
            count = len(wire.sources)
            nodes.append(
                Node(
                    label=wire.label,
                    inputs=tuple(one.numpy() for one in islice(values, count)),
                    y=next(values).numpy(),
                    sent=tuple(islice(sent, count)),
                    dy=next(sent),
                    sources=wire.sources,
                    argument=wire.argument,
                    parameters={name: parameters[k] for name, k in own.items()},
                    gradients={name: gradients[k] for name, k in own.items()},
                    state={n: np.array(v.numpy()) for n, v in nn.named_state(wire.node).items()},
                )
            )
        return nodes


def _compiled(mode: str, function: Callable[[], Any]) -> Callable[[], Any]:
    return Mode(mode).compile(function)


def trace(
    network: tf.Module,
    x: Any,
    y: Any,
    *,
    loss: str | losses.Loss | losses.Terms = "mse",
    weight: Any = None,
    l2: float = 0.0,
    mode: str = "graph",
) -> Trace:
    """Return the trace of one forward and backward pass of a network in TensorFlow.

    Args:
        network: any `tf.Module` with a `__call__` and trainable variables of one dtype. The layers
            of a `tftrain.nn.Sequential` are its nodes; any other module is a single node.
        x: inputs, shape `(cases, ...)`.
        y: targets, as for `fit`.
        loss: a loss, its name, or a function `(prediction, target) -> terms`.
        weight: weight of each case, shape `(cases,)`, scaled here to a mean of one.
        l2: strength of the L2 penalty.
        mode: eager, graph or xla.

    Raises:
        InputError: an argument is wrong, shapes do not agree, or the loss does not depend on a
            trainable variable.
    """
    one_of("mode", mode, MODES)
    step, batch = Step.of(network, x, y, weight, loss=loss, l2=l2)
    with step.unchanged(), Mode(mode).runnable():
        tracer = Tracer(step, batch, mode, update=False)
        found = tracer.run()
    tracer.require_gradients()
    return found
