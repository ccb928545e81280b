"""Layers and networks: plain `tf.Module`s that hold plain `tf.Variable`s."""

from tftrain.nn.activation import ACTIVATIONS, Activation
from tftrain.nn.bfloat16 import MIXED, PRECISIONS, has_bfloat16, is_mixed, precision_name
from tftrain.nn.dense import DTYPES, Dense
from tftrain.nn.initializers import INITIALIZERS, Initializer
from tftrain.nn.mlp import MLP
from tftrain.nn.sequential import Sequential, named_variables, nodes

__all__ = [
    "ACTIVATIONS",
    "DTYPES",
    "INITIALIZERS",
    "MIXED",
    "MLP",
    "PRECISIONS",
    "Activation",
    "Dense",
    "Initializer",
    "Sequential",
    "has_bfloat16",
    "is_mixed",
    "named_variables",
    "nodes",
    "precision_name",
]
