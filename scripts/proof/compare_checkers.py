"""What gradient checkers find of the same planted faults: tftrain's and those of three libraries.

Usage: python -m scripts.proof.compare_checkers

The catalogue of `tests/support/faults.py` is run in float32 and float64. Each peer gets the whole
objective as one scalar function of the inputs and all parameters, with the gradient that the faulty
TensorFlow program claims for it, as a custom function of its own framework; all settings are its
defaults. What an optimizer makes of a gradient is outside of what the peers can see.

A checker that also rejects the same network without the fault tells nothing by rejecting it. So a
fault counts as caught where it is found *and* the faultless network passes.

Peers that are not installed are left out: pip install torch==2.13.0 jax
"""

import importlib.util
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import tftrain
from tests.support.faults import (
    DTYPES,
    FAULTLESS,
    FAULTS,
    Case,
    Fault,
    FaultyDense,
    affine_with,
    data,
    scaled_at,
)
from tftrain import losses, nn, optimizers
from tftrain.training.batch import Batch, as_batch
from tftrain.training.parameters import common_dtype
from tftrain.training.step import Step, parameter_tape

TF_LIMIT = 1e-4
"""What TensorFlow's own tests customarily ask of the largest difference."""
TF_CLOSE = 1e-6
"""Absolute and relative tolerance of `assertAllClose`, as in the documentation's example."""


# One case, as the peers see it


class Objective:
    """A case as a scalar function of its inputs and parameters, with the gradient it claims.

    Args:
        case: the network and all that goes with it.
        x: inputs.
        y: targets.
        only: number of the one parameter that the function is of; by default all, and the inputs.
    """

    def __init__(self, case: Case, x: np.ndarray, y: np.ndarray, only: int | None = None) -> None:
        self.parameters = case.network.trainable_variables
        self.dtype = common_dtype(self.parameters)
        batch = as_batch(x, y, case.weight, self.dtype)
        objective = losses.Objective.with_l2(losses.get(case.loss), case.l2)
        step = Step(case.network, self.parameters, objective, optimizers.SGD())
        start = [batch.x, *self.parameters]
        self.chosen = range(len(start)) if only is None else [only + 1]
        self.start = [start[i].numpy() for i in self.chosen]
        self._x, self._held = batch.x, list(self.start)

        def value(x: tf.Tensor) -> tf.Tensor:
            return step.value(Batch(x, batch.y, batch.weight))

        def gradients(x: tf.Tensor) -> list[tf.Tensor]:
            sources = [x, *self.parameters]
            tape = parameter_tape()
            with tape:
                tape.watch(x)
            _, found = step.differentiate(Batch(x, batch.y, batch.weight), sources, tape)
            return [
                tf.zeros_like(sources[i]) if found[i] is None else found[i] for i in self.chosen
            ]

        with case.patched():
            self._value = tf.function(value).get_concrete_function(batch.x)
            self._gradients = tf.function(gradients).get_concrete_function(batch.x)

    def _move(self, arrays: Sequence[Any]) -> tf.Tensor:
        """Give the parameters these values, where they are not so already; return the inputs."""
        for n, (i, array) in enumerate(zip(self.chosen, arrays, strict=True)):
            array = np.asarray(array)
            if np.array_equal(array, self._held[n]):
                continue
            self._held[n] = array.copy()
            if i == 0:
                self._x = tf.constant(array, self.dtype)
            else:
                self.parameters[i - 1].assign(array)
        return self._x

    def value(self, *arrays: Any) -> np.ndarray:
        """Return the objective."""
        return np.asarray(self._value(self._move(arrays)).numpy())

    def gradients(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Return the gradient with respect to each argument; zeros where there is none."""
        return tuple(g.numpy() for g in self._gradients(self._move(arrays)))


@dataclass(frozen=True)
class Subject:
    """What is checked: a case for our checker, an objective for the others.

    Attributes:
        build: makes the case; each side has its own, and may move its parameters.
        x: inputs.
        y: targets.
        only: as for `Objective`.
    """

    build: Callable[[], Case]
    x: np.ndarray
    y: np.ndarray
    only: int | None = None

    @cached_property
    def objective(self) -> Objective:
        """The case as one function."""
        return Objective(self.build(), self.x, self.y, self.only)


# The checkers: whether they reject a subject


def ours(subject: Subject) -> bool:
    """`tftrain.gradcheck`, in graph mode."""
    return not subject.build().check(["graph"], (subject.x, subject.y)).ok


@lru_cache(maxsize=1)
def jacobians(objective: Objective) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """Return the theoretical and the numerical Jacobian of `tf.test.compute_gradient`."""

    @tf.custom_gradient
    def function(*xs: tf.Tensor) -> Any:
        def backward(upstream: tf.Tensor, variables: Any = None) -> Any:
            found = [upstream * g for g in objective.gradients(*xs)]
            return found if variables is None else (found, [None] * len(variables))

        return tf.constant(objective.value(*xs)), backward

    return tf.test.compute_gradient(function, [tf.constant(a) for a in objective.start])


def tf_by_limit(subject: Subject) -> bool:
    """`tf.test.compute_gradient` with a limit on the largest difference."""
    pairs = zip(*jacobians(subject.objective), strict=True)
    return not all(np.max(np.abs(one - other)) < TF_LIMIT for one, other in pairs)


def tf_by_closeness(subject: Subject) -> bool:
    """`tf.test.compute_gradient` with `assertAllClose`."""
    pairs = zip(*jacobians(subject.objective), strict=True)
    return not all(np.allclose(one, other, TF_CLOSE, TF_CLOSE) for one, other in pairs)


def torch_gradcheck(subject: Subject) -> bool:
    """`torch.autograd.gradcheck`."""
    import torch

    objective = subject.objective

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, *xs: Any) -> Any:
            context.save_for_backward(*xs)
            return torch.tensor(objective.value(*(x.numpy() for x in xs)))

        @staticmethod
        def backward(context: Any, upstream: Any) -> Any:
            found = objective.gradients(*(x.numpy() for x in context.saved_tensors))
            return tuple(upstream * torch.from_numpy(g.copy()) for g in found)

    inputs = [torch.tensor(a, requires_grad=True) for a in objective.start]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises against float32
        return not torch.autograd.gradcheck(Function.apply, inputs, raise_exception=False)


def jax_check_grads(subject: Subject) -> bool:
    """`jax.test_util.check_grads`, first order, reverse mode."""
    import jax
    import jax.test_util

    jax.config.update("jax_enable_x64", True)
    objective = subject.objective
    dtype = objective.start[0].dtype
    scalar = jax.ShapeDtypeStruct((), dtype)
    shapes = tuple(jax.ShapeDtypeStruct(a.shape, dtype) for a in objective.start)

    @jax.custom_vjp
    def function(*xs: Any) -> Any:
        return jax.pure_callback(objective.value, scalar, *xs)

    def backward(xs: Any, upstream: Any) -> Any:
        return tuple(upstream * g for g in jax.pure_callback(objective.gradients, shapes, *xs))

    function.defvjp(lambda *xs: (function(*xs), xs), backward)
    try:
        jax.test_util.check_grads(function, tuple(objective.start), order=1, modes=["rev"])
    except AssertionError:
        return True
    return False


@dataclass(frozen=True)
class Checker:
    """A gradient checker.

    Attributes:
        name: what the table calls it.
        settings: the tolerances it runs with.
        rejects: whether it finds a subject faulty.
        needs: the module it comes with.
        package: what to install for it.
        of_updates: whether it checks what optimizers do.
    """

    name: str
    settings: str
    rejects: Callable[[Subject], bool]
    needs: str = "tftrain"
    package: str = ""
    of_updates: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return importlib.util.find_spec(self.needs) is not None


CHECKERS = [
    Checker("tftrain.gradcheck", "none to choose; graph mode", ours, of_updates=True),
    Checker(
        "tf.test.compute_gradient (a)",
        f"delta 1/1024; largest difference below {TF_LIMIT:g}, customary in TensorFlow's tests",
        tf_by_limit,
    ),
    Checker(
        "tf.test.compute_gradient (b)",
        f"delta 1/1024; assertAllClose, rtol = atol = {TF_CLOSE:g}, as in its documentation",
        tf_by_closeness,
    ),
    Checker(
        "torch.autograd.gradcheck",
        "eps 1e-6, atol 1e-5, rtol 1e-3; made for float64, to which float32 networks are converted",
        torch_gradcheck,
        "torch",
        "torch==2.13.0",
    ),
    Checker(
        "jax.test_util.check_grads",
        "eps 1e-4, atol = rtol = 1e-2 in float32, 1e-5 in float64; order 1, reverse mode",
        jax_check_grads,
        "jax",
        "jax",
    ),
]


# The catalogue

KINDS = ("gradient", "value", "update")
EXPLANATION = """
Caught / planted, where caught means: rejected, and the same network without the fault passes.
A wrong *value* can have the gradient that belongs to it, which only an independent reference can
tell. What the optimizer does (*update*) is outside of what the peers can see. The last column
counts all faulty networks that are rejected, with or without reason.

## Missed
"""


@dataclass
class Score:
    """What one checker made of the catalogue in one dtype.

    Attributes:
        checker: the checker.
        dtype: the dtype.
        found: faults of which it rejects the network.
        missed: faults that it lets pass.
        rejected: faultless networks that it rejects, by name.
        passed: those that it lets pass.
    """

    checker: Checker
    dtype: str
    found: list[Fault] = field(default_factory=list)
    missed: list[Fault] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)

    def row(self) -> str:
        """Return a row of the table."""
        cells = [f"`{self.checker.name}`", self.dtype]
        for of in KINDS:
            found = [fault for fault in self.found if fault.of == of]
            missed = [fault for fault in self.missed if fault.of == of]
            told = [fault for fault in found if fault.faultless not in self.rejected]
            planted = len(found) + len(missed)
            cells.append(f"{len(told)} / {planted}" if planted else "not applicable")
        faultless = len(self.rejected) + len(self.passed)
        return table_row(*cells, f"{len(self.rejected)} / {faultless}", str(len(self.found)))


def scores(checkers: Sequence[Checker], dtype: str) -> list[Score]:
    """Run the checkers over the catalogue, and over the same networks without faults."""
    x, y = data()
    found = [Score(checker, dtype) for checker in checkers]
    for fault in (fault for fault in FAULTS if dtype in fault.dtypes):
        subject = Subject(partial(fault.plant, dtype), x, y)
        for one in found:
            if one.checker.of_updates or fault.of != "update":
                rejects = one.checker.rejects(subject)
                (one.found if rejects else one.missed).append(fault)
    of_updates = {fault.faultless for fault in FAULTS if fault.of == "update"}
    for name, build in FAULTLESS.items():
        subject = Subject(partial(build, dtype), x, y)
        for one in found:
            if one.checker.of_updates or name not in of_updates:
                rejects = one.checker.rejects(subject)
                (one.rejected if rejects else one.passed).append(name)
    return found


def table_row(*cells: str) -> str:
    """Return a row of a markdown table."""
    return f"| {' | '.join(cells)} |"


def print_catalogue(checkers: Sequence[Checker]) -> None:
    """Print what was caught, and what was not."""
    found = [one for dtype in DTYPES for one in scores(checkers, dtype)]
    print("## Faults caught\n")
    print(table_row("checker", "dtype", *KINDS, "faultless rejected", "faulty rejected"))
    print("|---|---|---:|---:|---:|---:|---:|")
    for one in found:
        print(one.row())
    print(EXPLANATION)
    for one in found:
        missed = ", ".join(fault.name for fault in one.missed) or "none"
        print(f"- `{one.checker.name}`, {one.dtype}: {missed}")
        if one.rejected:
            print(f"  - faultless but rejected: {', '.join(one.rejected)}")


# The smallest fault

LAYERS, UNITS, ROWS = 10, 8, 16
SMALLEST, LARGEST, STEPS = 1e-17, 1e6, 10


def relu_subject(dtype: str, fault: float) -> Subject:
    """Return a 10-layer ReLU network of which one gradient is off by a relative fault.

    It is the gradient of one element of layer 5's weight: the largest, which suits checkers with an
    absolute tolerance best. They are asked about that weight alone.
    """
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((ROWS, UNITS)), rng.standard_normal((ROWS, 1))
    network = nn.MLP(UNITS, [UNITS] * (LAYERS - 1), 1, activation="relu", dtype=dtype)
    n = 2 * (5 - 1)
    size = np.abs(tftrain.trace(network, x, y).nodes[n].gradients["weight"])
    place = tuple(int(i) for i in np.unravel_index(int(size.argmax()), size.shape))
    call = affine_with("weight", lambda affine, right: scaled_at(place, 1 + fault, right))
    old = network.layers[n]
    layer = FaultyDense(call, UNITS, UNITS, dtype=dtype)
    layer.weight.assign(old.weight)
    faulty = nn.Sequential([*network.layers[:n], layer, *network.layers[n + 1 :]])
    only = next(i for i, p in enumerate(faulty.trainable_variables) if p is layer.weight)
    return Subject(lambda: Case(faulty), x, y, only)


def smallest_fault(checker: Checker, dtype: str) -> str:
    """Return the smallest relative fault that is found, by bisection of its logarithm."""
    if checker.rejects(relu_subject(dtype, 0.0)):
        return "rejects the faultless network"
    if not checker.rejects(relu_subject(dtype, LARGEST)):
        return f"none up to {LARGEST:g}"
    low, high = math.log(SMALLEST), math.log(LARGEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        if checker.rejects(relu_subject(dtype, math.exp(middle))):
            high = middle
        else:
            low = middle
    return f"{math.exp(high):.1e}"


def print_smallest(checkers: Sequence[Checker]) -> None:
    """Print the smallest fault that each checker finds."""
    print(f"\n## Smallest relative fault found in one weight of a {LAYERS}-layer ReLU network\n")
    print(table_row("checker", *DTYPES))
    print("|---|---:|---:|")
    for checker in checkers:
        found = [smallest_fault(checker, dtype) for dtype in DTYPES]
        print(table_row(f"`{checker.name}`", *found))


def main() -> None:
    """Compare and print."""
    print("# Gradient checkers on the same planted faults\n")
    for checker in CHECKERS:
        there = "" if checker.installed else f" NOT INSTALLED: pip install {checker.package}"
        print(f"- `{checker.name}`: {checker.settings}.{there}")
    print()
    checkers = [checker for checker in CHECKERS if checker.installed]
    print_catalogue(checkers)
    print_smallest(checkers)


if __name__ == "__main__":
    main()
