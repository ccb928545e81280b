"""The same mathematics in NumPy, derived by hand: what TensorFlow's gradients are checked against.

Nothing here imports TensorFlow, and nothing is shared with its side but the order of batches.
"""

from tftrain.reference.bounded import PRECISIONS, Bounded, Precision
from tftrain.reference.dropout import Dropout
from tftrain.reference.embedding import Embedding
from tftrain.reference.fork import Add, Concat
from tftrain.reference.functions import Elementary, absolute, by_sign
from tftrain.reference.layers import (
    Activation,
    Dense,
    Layer,
    reference_class,
    reference_of,
    register,
)
from tftrain.reference.losses import (
    L2,
    Elementwise,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Objective,
    SumSquaredError,
)
from tftrain.reference.network import Network, fit
from tftrain.reference.normalization import BatchNorm, LayerNorm
from tftrain.reference.optimizers import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Constant,
    Cosine,
    Exponential,
    Lamb,
    Lion,
    Nadam,
    Optimizer,
    RMSprop,
    Schedule,
    StepDecay,
    Warmup,
)
from tftrain.reference.prelu import PReLU

__all__ = [
    "L2",
    "PRECISIONS",
    "SGD",
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "Add",
    "BatchNorm",
    "Bounded",
    "Concat",
    "Constant",
    "Cosine",
    "Dense",
    "Dropout",
    "Elementary",
    "Elementwise",
    "Embedding",
    "Exponential",
    "Huber",
    "Lamb",
    "Layer",
    "LayerNorm",
    "Lion",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Nadam",
    "Network",
    "Objective",
    "Optimizer",
    "PReLU",
    "Precision",
    "RMSprop",
    "Schedule",
    "StepDecay",
    "SumSquaredError",
    "Warmup",
    "absolute",
    "by_sign",
    "fit",
    "reference_class",
    "reference_of",
    "register",
]
