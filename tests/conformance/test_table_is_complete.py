"""Whatever can be chosen stands everywhere that it must. A failure names it, and what to do.

Where a thing is complete, the other checks in this folder run over its row of the table.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf

from tests.support.table import LAYERS, LOSSES, OPTIMIZERS
from tftrain import losses, nn, optimizers, reference
from tftrain.cli.metrics_table import METRICS
from tftrain.config import Config, load_config
from tftrain.config.loading import schema_text
from tftrain.config.network import ActivationName
from tftrain.config.sections import kinds_of, sections_at
from tftrain.experiment.build import optimizer_of
from tftrain.experiment.propose import TEMPLATE
from tftrain.metrics import error_sums
from tftrain.reference.layers import REFERENCES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def classes_in(room: Any, base: type) -> list[type]:
    """Return the classes of a room that have this base, and are no other's base themselves."""
    files = (f"{room.__name__}.{file.name}" for file in pkgutil.iter_modules(room.__path__))
    values = [value for file in files for value in vars(importlib.import_module(file)).values()]
    ours = [v for v in values if isinstance(v, type) and issubclass(v, base)]
    bases = {one for kind in ours for one in kind.__mro__[1:]}
    return [k for k in ours if k.__module__.startswith(room.__name__) and k not in bases]


def exported(room: Any) -> list[type]:
    named = [getattr(room, name) for name in room.__all__]
    return [one for one in named if isinstance(one, type)]


def layers() -> list[Any]:
    """Return the layers of the table, and the nodes of the networks among them."""
    made = [row.make("float32") for row in LAYERS]
    return [*made, *(wire.node for one in made for wire in nn.wires(one))]


def updates() -> list[Any]:
    """Return the optimizers of the table and their schedules."""
    made = [row.make() for row in OPTIMIZERS]
    return [*made, *(one.schedule for one in made)]


def without_reference() -> list[str]:
    """Return the classes in the table that compute something, and have no reference of their own.

    They are named as they must be registered.
    """
    kinds = {type(one) for one in [*layers(), *(row.make() for row in LOSSES), *updates()]}
    kinds.discard(losses.FunctionLoss)  # of any function: evidence alone
    rules = {"__call__", "term", "terms", "update", "factor"}
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if rules & set(vars(kind))]
    return [name for name in names if name not in REFERENCES]


def schedules_of_configs() -> set[type]:
    kinds = kinds_of(sections_at(Config, ("optimizer", "schedule")))
    data = {"source": "dataframe", "target": "y"}
    configs = [
        load_config({"data": data, "optimizer": {"schedule": kind}}, dataframe=True)
        for kind in dict.fromkeys(kinds)
    ]
    return {optimizers.Warmup, *(type(optimizer_of(one, 10).schedule) for one in configs)}


def offered(what: str) -> list[str]:
    return kinds_of(sections_at(Config, (what,)))


Names = Callable[[], Iterable[Any]]
ROW = "give it a row in tests/support/table.py"
EXPORT = "import it in {}/__init__.py and name it in __all__"
DERIVE = "derive it by hand in tftrain/reference/{} and name it in its {}"
CHOOSE = "let a config choose it: tftrain/config/{}"
LIST = "name it in the comment of `{}:`, in README.md and in TEMPLATE of experiment/propose.py"

PLACES: dict[str, tuple[Names, Names, str]] = {
    "layers are exported": (
        lambda: classes_in(nn, tf.Module),
        lambda: exported(nn),
        EXPORT.format("tftrain/nn"),
    ),
    "layers have rows": (
        lambda: classes_in(nn, tf.Module),
        lambda: map(type, layers()),
        ROW,
    ),
    "activations have rows": (
        lambda: nn.ACTIVATIONS,
        lambda: [one.function for one in layers() if isinstance(one, nn.Activation)],
        ROW,
    ),
    "activations have references": (
        lambda: nn.ACTIVATIONS,
        lambda: reference.layers.ACTIVATIONS,
        DERIVE.format("layers.py", "ACTIVATIONS"),
    ),
    "activations in the config": (
        lambda: nn.ACTIVATIONS,
        lambda: get_args(ActivationName),
        CHOOSE.format("network.py, ActivationName"),
    ),
    "initializers have rows": (
        lambda: nn.INITIALIZERS,
        lambda: [row.initializer for row in LAYERS],
        ROW,
    ),
    "initializers in the config": (
        lambda: nn.INITIALIZERS,
        lambda: kinds_of(sections_at(Config, ("model", "initializer"))),
        CHOOSE.format("network.py"),
    ),
    "losses have names": (
        lambda: {*classes_in(losses, losses.Loss)} - {losses.FunctionLoss},
        lambda: losses.LOSSES.values(),
        "name it in LOSSES of tftrain/losses/__init__.py",
    ),
    "losses have rows": (
        lambda: losses.LOSSES.values(),
        lambda: [type(row.make()) for row in LOSSES],
        ROW,
    ),
    "losses have references": (
        lambda: losses.LOSSES,
        lambda: reference.losses.LOSSES,
        DERIVE.format("losses.py", "LOSSES"),
    ),
    "losses in the config": (
        lambda: losses.LOSSES,
        lambda: offered("loss"),
        CHOOSE.format("loss.py"),
    ),
    "losses are listed": (
        lambda: losses.LOSSES,
        lambda: [name for name in losses.LOSSES if name in README and name in TEMPLATE.template],
        LIST.format("loss"),
    ),
    "optimizers and schedules are exported": (
        lambda: [
            *classes_in(optimizers, optimizers.Optimizer),
            *classes_in(optimizers, optimizers.Schedule),
        ],
        lambda: exported(optimizers),
        EXPORT.format("tftrain/optimizers"),
    ),
    "optimizers have names": (
        lambda: classes_in(optimizers, optimizers.Optimizer),
        lambda: optimizers.OPTIMIZERS.values(),
        "name it in OPTIMIZERS of tftrain/optimizers/__init__.py",
    ),
    "optimizers have rows": (
        lambda: optimizers.OPTIMIZERS.values(),
        lambda: map(type, updates()),
        ROW,
    ),
    "optimizers have references": (
        lambda: optimizers.OPTIMIZERS,
        lambda: reference.optimizers.OPTIMIZERS,
        DERIVE.format("optimizers.py", "OPTIMIZERS"),
    ),
    "optimizers have equations": (
        lambda: reference.optimizers.OPTIMIZERS.values(),
        lambda: [
            kind
            for kind in reference.optimizers.OPTIMIZERS.values()
            if kind().equations() != reference.Optimizer.equations(kind())
        ],
        "write a method `equations` in its reference, as explain prints them",
    ),
    "optimizers in the config": (
        lambda: optimizers.OPTIMIZERS,
        lambda: offered("optimizer"),
        CHOOSE.format("optimizer.py, a section of its own in the union OptimizerConfig"),
    ),
    "optimizers are listed": (
        lambda: optimizers.OPTIMIZERS,
        lambda: [n for n in optimizers.OPTIMIZERS if n in README and n in TEMPLATE.template],
        LIST.format("optimizer"),
    ),
    "schedules have rows": (
        lambda: classes_in(optimizers, optimizers.Schedule),
        lambda: map(type, updates()),
        ROW,
    ),
    "schedules in the config": (
        lambda: classes_in(optimizers, optimizers.Schedule),
        schedules_of_configs,
        CHOOSE.format("optimizer.py, and _schedule of tftrain/experiment/build.py"),
    ),
    "classes have references": (
        without_reference,
        list,
        "derive it by hand in tftrain/reference/, in a class with @register of this name",
    ),
    "references are exported": (
        lambda: [kind for name, kind in REFERENCES.items() if str(name).startswith("tftrain.")],
        lambda: exported(reference),
        EXPORT.format("tftrain/reference"),
    ),
    "metrics are shown": (
        lambda: error_sums(np.ones([2, 1]), np.ones([2, 1])).metrics(),
        lambda: METRICS,
        "show it: METRICS of tftrain/cli/metrics_table.py",
    ),
}
"""What is needed, what is found, and what to do where something is missing."""


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_forgotten(place: str) -> None:
    needed, found, remedy = PLACES[place]
    names = {str(getattr(one, "__name__", one)) for one in set(needed()) - set(found())}
    assert not names, f"{', '.join(sorted(names))}: {remedy}"


def test_the_config_offers_nothing_else() -> None:
    assert set(get_args(ActivationName)) <= set(nn.ACTIVATIONS)
    assert set(offered("loss")) <= {*losses.LOSSES, "custom"}
    assert set(offered("optimizer")) <= {*optimizers.OPTIMIZERS, "custom"}


def test_the_schema_is_that_of_the_config() -> None:
    written = (ROOT / "configs/config.schema.json").read_text(encoding="utf-8")
    assert written == schema_text() + "\n", "configs/config.schema.json: run `make schema`"


def test_the_reference_has_the_same_defaults() -> None:
    for ours, theirs in (
        (losses.LOSSES, reference.losses.LOSSES),
        (optimizers.OPTIMIZERS, reference.optimizers.OPTIMIZERS),
    ):
        for name, make in ours.items():
            assert reference.reference_of(make()) == theirs[name](), (
                f"{name}: give the reference the defaults of the class"
            )


def test_equations_end_with_the_new_parameter() -> None:
    for kind in reference.optimizers.OPTIMIZERS.values():
        assert any(equation.startswith("w' = w ") for equation in kind().equations()[0])


def test_names_of_rows_are_unique() -> None:
    for rows in (LAYERS, LOSSES, OPTIMIZERS):
        names = [row.name for row in rows]
        assert len(set(names)) == len(names)
