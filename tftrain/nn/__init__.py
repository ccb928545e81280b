"""Layers and networks: plain `tf.Module`s that hold plain `tf.Variable`s."""

from tftrain.nn.activation import ACTIVATIONS, Activation
from tftrain.nn.dense import Dense
from tftrain.nn.initializers import INITIALIZERS, Initializer
from tftrain.nn.mlp import MLP
from tftrain.nn.sequential import Sequential, named_variables, nodes

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "MLP",
    "Activation",
    "Dense",
    "Initializer",
    "Sequential",
    "named_variables",
    "nodes",
]
