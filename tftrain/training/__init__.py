"""Training: one step, many steps in one program, and the loop of epochs around them."""

from tftrain.training.loop import EpochRecord, History, Observer, fit
from tftrain.training.stopping import Convergence, EarlyStopping

__all__ = ["Convergence", "EarlyStopping", "EpochRecord", "History", "Observer", "fit"]
