"""Layers and networks: plain `tf.Module`s that hold plain `tf.Variable`s."""

from tftrain.names import MIXED
from tftrain.nn.activation import ACTIVATIONS, Activation
from tftrain.nn.bfloat16 import has_bfloat16, is_mixed, precision_name
from tftrain.nn.call import Draw, call, call_node, is_ours, label_of, takers, takes_draw, wires
from tftrain.nn.dense import Dense
from tftrain.nn.dropout import Dropout
from tftrain.nn.embedding import Embedding
from tftrain.nn.fork import Add, Concat, Fork, Parallel, Residual
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
    "Embedding",
    "Fork",
    "Initializer",
    "Layer",
    "LayerNorm",
    "PReLU",
    "Parallel",
    "Residual",
    "Sequential",
    "call",
    "call_node",
    "has_bfloat16",
    "is_mixed",
    "is_ours",
    "label_of",
    "named_state",
    "named_variables",
    "parameter_names",
    "precision_name",
    "takers",
    "takes_draw",
    "wires",
]
