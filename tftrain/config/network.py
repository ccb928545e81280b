"""Config of the network."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tftrain.config.base import (
    BY_KIND,
    Count,
    NonNegative,
    Number,
    Positive,
    Section,
    Short,
    or_one,
)
from tftrain.config.custom import Custom
from tftrain.names import MIXED, DType, Precision

ActivationName = Literal[
    "identity",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
    "softplus",
    "softsign",
    "softmax",
]


HiddenActivation = Literal[ActivationName, "prelu"]


class NamedInitializer(Section):
    """An initializer without settings; `auto` suits the activation."""

    kind: Literal[
        "auto",
        "zeros",
        "glorot_uniform",
        "glorot_normal",
        "he_uniform",
        "he_normal",
        "lecun_uniform",
        "lecun_normal",
    ]


class UniformInitializer(Section):
    """Uniform between -range and range."""

    kind: Literal["uniform"]
    range: Positive = 0.05


class NormalInitializer(Section):
    """Normal with mean zero."""

    kind: Literal["normal"]
    stddev: NonNegative = 0.05


Initializer = Annotated[NamedInitializer | UniformInitializer | NormalInitializer, BY_KIND, Short()]


class Network(Section):
    """What both kinds of network have."""

    output_activation: ActivationName = "identity"
    """Activation of the output layer, in the units of the scaled target."""
    bias: bool = True
    """Whether the layers have biases."""
    initializer: Initializer = NamedInitializer(kind="auto")
    """Initial weights."""
    bias_initializer: Initializer = NamedInitializer(kind="zeros")
    """Initial biases."""
    dtype: DType = "float32"
    """Precision of parameters and arithmetic."""


Units = Annotated[Count, Field(le=1_000_000)]
Layers = Annotated[list[Units], Field(max_length=1000)]


class Linear(Network):
    """A single neuron for each target."""

    kind: Literal["linear"]


class NoEmbeddings(Section):
    """All categories are one-hot."""

    kind: Literal["none"]


class Embeddings(Section):
    """Columns of many categories get a trained vector for each category."""

    kind: Literal["auto"]
    min_categories: Count = 20
    """Fewest categories in the training rows of a column that is embedded; others are one-hot."""
    max_width: Annotated[Count, Field(le=1024)] = 16
    """Longest vector. Up to that it has `1.6 * categories^0.56` numbers, rounded."""
    max_categories: Annotated[Count, Field(le=1_000_000)] = 100_000
    """Most categories of one column that get a vector of their own."""
    hash_buckets: Annotated[Count, Field(le=1_000_000)] = 1
    """Vectors that the categories beyond these share; a hash chooses one."""


EmbeddingsConfig = Annotated[NoEmbeddings | Embeddings, BY_KIND, Short("auto")]


class Mlp(Network):
    """A feed-forward network."""

    kind: Literal["mlp"]
    hidden: Annotated[Layers, or_one(Units | Layers)] = Field(default=[64, 64])
    """Number of units of each hidden layer; a number alone is a single hidden layer."""
    activation: HiddenActivation | list[HiddenActivation] = "relu"
    """Activation of all hidden layers, or one for each."""
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Share of the outputs of each hidden layer that are set to zero while training."""
    normalization: Literal["none", "layer", "batch"] = "none"
    """Normalization in front of each hidden activation: of each case, or over the batch."""
    residual: bool = False
    """Whether a hidden layer as wide as the one before is added to its input."""
    embeddings: EmbeddingsConfig = NoEmbeddings(kind="none")
    """none: text is one-hot. auto: a trained vector for each category of columns that have many."""
    precision: Precision = "full"
    """`mixed_bfloat16` lets the hidden layers compute in bfloat16, where the processor can."""

    @model_validator(mode="after")
    def _one_activation_per_layer(self) -> Self:
        if isinstance(self.activation, list) and len(self.activation) != len(self.hidden):
            raise ValueError(
                f"activation lists {len(self.activation)} activations for {len(self.hidden)} "
                "hidden layers: give one, or one for each"
            )
        return self

    @model_validator(mode="after")
    def _mixed_with_float32(self) -> Self:
        if self.precision == MIXED and self.dtype != "float32":
            raise ValueError(f"precision mixed_bfloat16 needs dtype float32, got {self.dtype}")
        return self


class CustomModel(Custom):
    """A network of one's own: `build(inputs, outputs)` returns a `tf.Module`.

    `seed` and `dtype` are handed over as well, where it takes them.
    """

    kind: Literal["custom"]
    dtype: DType = "float32"
    """Precision of parameters and arithmetic."""


Model = Annotated[Linear | Mlp | CustomModel, BY_KIND, Short("mlp")]
