"""Optimizers: from gradients to new parameters. One file each, after the printed equation."""

from collections.abc import Callable

from tftrain.errors import chosen
from tftrain.optimizers.adagrad import Adagrad
from tftrain.optimizers.adam import Adam, AdamW
from tftrain.optimizers.clipping import clip_by_global_norm, clip_by_value, global_norm
from tftrain.optimizers.lamb import Lamb
from tftrain.optimizers.lion import Lion
from tftrain.optimizers.nadam import Nadam
from tftrain.optimizers.optimizer import Optimizer
from tftrain.optimizers.rmsprop import RMSprop
from tftrain.optimizers.schedules import Constant, Cosine, Exponential, Schedule, StepDecay, Warmup
from tftrain.optimizers.sgd import SGD

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": Nadam,
    "lamb": Lamb,
    "lion": Lion,
}

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Exponential",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "StepDecay",
    "Warmup",
    "clip_by_global_norm",
    "clip_by_value",
    "get",
    "global_norm",
]


def get(optimizer: str | Optimizer) -> Optimizer:
    """Return `optimizer` itself, or a new optimizer of that name with its default settings."""
    return chosen(
        "optimizer",
        optimizer,
        Optimizer,
        OPTIMIZERS,
        "a tftrain.optimizers.Optimizer such as tftrain.optimizers.Adam(0.001); those of Keras "
        "are not",
    )
