"""Layers and networks: plain `tf.Module`s that hold plain `tf.Variable`s."""

from tftrain.names import MIXED
from tftrain.nn.activation import ACTIVATIONS, Activation
from tftrain.nn.bfloat16 import has_bfloat16, is_mixed, precision_name
from tftrain.nn.call import Draw, call, call_node, label_of, takes_draw, wires
from tftrain.nn.dense import Dense
from tftrain.nn.dropout import Dropout
from tftrain.nn.fork import Add, Concat, Fork, Residual
from tftrain.nn.initializers import INITIALIZERS, Initializer
from tftrain.nn.mlp import MLP
from tftrain.nn.normalization import BatchNorm, LayerNorm
from tftrain.nn.prelu import PReLU
from tftrain.nn.sequential import Layer, Sequential, named_state, named_variables, parameter_names

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "MIXED",
    "MLP",
    "Activation",
    "Add",
    "BatchNorm",
    "Concat",
    "Dense",
    "Draw",
    "Dropout",
    "Fork",
    "Initializer",
    "Layer",
    "LayerNorm",
    "PReLU",
    "Residual",
    "Sequential",
    "call",
    "call_node",
    "has_bfloat16",
    "is_mixed",
    "label_of",
    "named_state",
    "named_variables",
    "parameter_names",
    "precision_name",
    "takes_draw",
    "wires",
]
