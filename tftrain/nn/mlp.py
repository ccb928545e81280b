"""The multi-layer perceptron."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tftrain.errors import InputError, entry, number, of_type, one_of, whole_number
from tftrain.names import MIXED, PRECISIONS
from tftrain.nn import initializers
from tftrain.nn.activation import Activation
from tftrain.nn.bfloat16 import NARROW
from tftrain.nn.dense import Dense, require_memory
from tftrain.nn.dropout import Dropout
from tftrain.nn.embedding import Embedding, unknown_is_zero
from tftrain.nn.fork import Concat, Parallel, Residual
from tftrain.nn.normalization import BatchNorm, LayerNorm
from tftrain.nn.prelu import PReLU
from tftrain.nn.sequential import Layer, Sequential


class MLP(Sequential):
    """Dense layers with an activation after each: a feed-forward network.

    Args:
        in_features: number of inputs.
        hidden: number of units of each hidden layer; empty for a single layer.
        out_features: number of outputs.
        activation: activation of all hidden layers, or a list with one for each.
        output_activation: activation of the output layer.
        use_bias: whether the layers have biases.
        initializer: of all weights, by name or as a function; `"auto"` takes for each layer what
            suits its activation (`initializers.suited_to`).
        bias_initializer: of all biases.
        dtype: `"float32"` or `"float64"`.
        dropout: rate of the `Dropout` after each hidden activation; 0 for none.
        normalization: `"layer"` or `"batch"` between each hidden affine map and its activation, or
            `"none"`.
        residual: whether a hidden layer as wide as the one before is added to its input
            (`Residual`).
        precision: `"full"`, or `"mixed_bfloat16"`: the hidden layers compute in bfloat16; their
            parameters, the output layer, the loss and the updates stay float32.
        embeddings: categories and width of an `Embedding` for each input that holds codes. Then the
            network takes the tuple `(numbers, codes_1, codes_2, ...)`: numbers of shape
            `(cases, in_features)`, where `in_features` may be 0, and integers of shape `(cases,)`.
            The vector of code 0 starts at zero: a category that no case has had adds nothing.
        seed: layer number `i` draws its parameters from `(seed, i)`; the embeddings come last.

    Raises:
        InputError: a setting is wrong, or there are not as many activations as hidden layers.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        out_features: int,
        *,
        activation: str | Sequence[str] = "relu",
        output_activation: str = "identity",
        use_bias: bool = True,
        initializer: str | initializers.Initializer = "auto",
        bias_initializer: str | initializers.Initializer = "zeros",
        dropout: float = 0.0,
        normalization: str = "none",
        residual: bool = False,
        embeddings: Sequence[tuple[int, int]] = (),
        dtype: str = "float32",
        precision: str = "full",
        seed: int = 0,
    ) -> None:
        of_type("hidden", hidden, Iterable, "a list of widths such as [64, 64]")
        hidden = [whole_number(f"hidden[{i}]", width) for i, width in enumerate(hidden)]
        each = activation if isinstance(activation, (list, tuple)) else [activation] * len(hidden)
        names: list[Any] = list(each)  # `Activation` validates each name
        if len(names) != len(hidden):
            raise InputError(
                f"{len(names)} activations for {len(hidden)} hidden layers: give one, or one each"
            )
        one_of("precision", precision, PRECISIONS)
        names.append(output_activation)
        inputs = whole_number("in_features", in_features, minimum=0 if embeddings else 1)
        inputs += sum(width for _, width in embeddings)
        widths = [inputs, *hidden, whole_number("out_features", out_features)]
        require_memory(widths, dtype)
        number("dropout", dropout, below=1)
        normalization_of = entry("normalization", normalization, NORMALIZATIONS)
        layers: list[Layer] = []
        for i, name in enumerate(names):
            auto = initializers.suited_to(name) if initializer == "auto" else initializer
            dense = Dense(
                widths[i],
                widths[i + 1],
                use_bias=use_bias,
                initializer=auto,
                bias_initializer=bias_initializer,
                dtype=dtype,
                compute_dtype=NARROW if precision == MIXED and i < len(hidden) else None,
                seed=seed,
                counter=i,
            )
            activation_of = _activation(name, widths[i + 1], dtype)
            if i == len(hidden):
                layers += [dense, *activation_of]
                break
            block: list[Layer] = [dense, *normalization_of(widths[i + 1], dtype), *activation_of]
            block += [Dropout(dropout)] if dropout else []
            same = residual and widths[i] == widths[i + 1]
            layers += [Residual(*block)] if same else block
        if embeddings:
            numbered = enumerate(embeddings, len(names))
            tables = [
                Embedding(*e, initializer=unknown_is_zero, dtype=dtype, seed=seed, counter=i)
                for i, e in numbered
            ]
            layers = [Parallel([[], *tables], Concat()), *layers]
        super().__init__(layers)


NORMALIZATIONS: dict[str, Callable[[int, str], list[Layer]]] = {
    "none": lambda width, dtype: [],
    "layer": lambda width, dtype: [LayerNorm(width, dtype=dtype)],
    "batch": lambda width, dtype: [BatchNorm(width, dtype=dtype)],
}


def _activation(name: str, width: int, dtype: str) -> list[Layer]:
    """Return the layers of an activation: none for the identity."""
    if name == "prelu":
        return [PReLU(width, dtype=dtype)]
    activation = Activation(name)  # which validates the name
    return [] if name == "identity" else [activation]
