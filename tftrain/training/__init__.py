"""Training: one step, many steps in one program, and the loop of epochs around them."""

from tftrain.training.api import fit
from tftrain.training.checkpoints import Checkpoints
from tftrain.training.history import EpochRecord, History, Observer
from tftrain.training.stopping import Convergence, EarlyStopping

__all__ = [
    "Checkpoints",
    "Convergence",
    "EarlyStopping",
    "EpochRecord",
    "History",
    "Observer",
    "fit",
]
