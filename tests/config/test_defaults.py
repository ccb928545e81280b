"""The defaults of the config are those of the library."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tftrain import fit
from tftrain.config import config, optimizer
from tftrain.config.network import Embeddings, Mlp
from tftrain.config.sections import of_kind, sections_at
from tftrain.data.plan import Embedding
from tftrain.losses import LOSSES
from tftrain.nn import INITIALIZERS, MLP
from tftrain.optimizers import OPTIMIZERS, schedules
from tftrain.training import Convergence, EarlyStopping


def pairs() -> Iterator[tuple[type[BaseModel], Callable[..., Any]]]:
    for path, library in (("optimizer", OPTIMIZERS), ("loss", LOSSES)):
        for kind, thing in library.items():
            for section in of_kind(kind, sections_at(config.Config, (path,))):
                yield section, thing
    for kind, thing in INITIALIZERS.items():
        for section in of_kind(kind, sections_at(config.Config, ("model", "initializer"))):
            yield section, thing
    yield optimizer.DecaySchedule, schedules.StepDecay
    yield optimizer.DecaySchedule, schedules.Exponential
    yield optimizer.CosineSchedule, schedules.Cosine
    yield config.EarlyStopping, EarlyStopping
    yield config.Convergence, Convergence
    yield config.Training, fit
    yield Mlp, MLP


APART = {"embeddings"}
"""Keys that mean something else in the library: there the sizes, here which columns."""


def shared_defaults() -> Iterator[Any]:
    yield from (
        pytest.param(field.default, getattr(Embedding(), name), id=f"Embedding-{name}")
        for name, field in Embeddings.model_fields.items()
        if name != "kind"
    )
    for section, thing in pairs():
        for name, parameter in inspect.signature(thing).parameters.items():
            field = None if name in APART else section.model_fields.get(name)
            if field and not field.is_required() and parameter.default is not parameter.empty:
                yield pytest.param(field.default, parameter.default, id=f"{thing.__name__}-{name}")


@pytest.mark.parametrize(("config", "library"), list(shared_defaults()))
def test_same_default(config: object, library: object) -> None:
    assert getattr(config, "kind", config) == library


def test_the_comparison_sees_what_it_should() -> None:
    ids = {case.id for case in shared_defaults()}
    assert {"Adam-beta_1", "SGD-momentum", "StepDecay-decay", "fit-epochs", "Huber-delta"} <= ids
