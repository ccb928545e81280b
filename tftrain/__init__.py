"""tftrain: plain TensorFlow training from one YAML file.

Names resolve on first use (PEP 562), so that `import tftrain` and the checking of configs never
pay for TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Config": "tftrain.config",
    "load_config": "tftrain.config",
    "Run": "tftrain.runs.run",
    "load_run": "tftrain.runs.run",
    "resume": "tftrain.experiment.train",
    "train": "tftrain.experiment.train",
    "Checkpoints": "tftrain.training",
    "Convergence": "tftrain.training",
    "EarlyStopping": "tftrain.training",
    "History": "tftrain.training",
    "Observer": "tftrain.training",
    "fit": "tftrain.training",
    "gradcheck": "tftrain.parity",
    "trace": "tftrain.training.recorder",
}
__all__ = [
    "Checkpoints",
    "Config",
    "Convergence",
    "EarlyStopping",
    "History",
    "Observer",
    "Run",
    "__version__",
    "config",
    "data",
    "errors",
    "fit",
    "gradcheck",
    "load_config",
    "load_run",
    "losses",
    "metrics",
    "nn",
    "optimizers",
    "parity",
    "reference",
    "resume",
    "runs",
    "trace",
    "train",
    "training",
]

if TYPE_CHECKING:
    from tftrain import (
        config,
        data,
        errors,
        losses,
        metrics,
        nn,
        optimizers,
        parity,
        reference,
        runs,
        training,
    )
    from tftrain.config import Config, load_config
    from tftrain.experiment.train import resume, train
    from tftrain.parity import gradcheck
    from tftrain.runs.run import Run, load_run
    from tftrain.training import (
        Checkpoints,
        Convergence,
        EarlyStopping,
        History,
        Observer,
        fit,
    )
    from tftrain.training.recorder import trace


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"tftrain.{name}")
    raise AttributeError(f"module 'tftrain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
