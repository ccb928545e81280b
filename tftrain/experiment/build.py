"""From the sections of a config to the objects of the library."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import losses, nn, optimizers
from tftrain.config import Config, load_config
from tftrain.config.network import CustomModel
from tftrain.data.plan import Plan
from tftrain.data.preprocessor import Preprocessor
from tftrain.errors import ConfigError, RunError, TftrainWarning
from tftrain.experiment import custom
from tftrain.experiment.prepare import Prepared
from tftrain.runs import Run
from tftrain.training import Convergence, EarlyStopping
from tftrain.training.parameters import dtype_of


def network_of(config: Config, plan: Plan) -> tf.Module:
    """Return the untrained network of a config, for the features of a plan."""
    model = config.model
    if model.kind == "custom":
        return _custom_network(config, model, plan)
    hidden: dict[str, Any] = {"activation": []}
    if model.kind == "mlp":
        names = ("activation", "dropout", "normalization", "residual", "precision")
        hidden = {name: getattr(model, name) for name in names}
        hidden["embeddings"] = plan.embeddings
    return nn.MLP(
        len(plan.names),
        model.hidden if model.kind == "mlp" else [],
        len(config.data.target),
        output_activation=model.output_activation,
        use_bias=model.bias,
        initializer=_initializer(model.initializer),
        bias_initializer=_initializer(model.bias_initializer, auto="zeros"),
        dtype=model.dtype,
        seed=config.seed,
        **hidden,
    )


def _custom_network(config: Config, section: CustomModel, plan: Plan) -> tf.Module:
    """Return the network of the user's own code.

    Raises:
        ConfigError: its code is wrong, or it is not a network of the config's dtype.
    """
    network = custom.made_by(
        "model",
        section,
        inputs=len(plan.names),
        outputs=len(config.data.target),
        seed=config.seed,
        dtype=section.dtype,
    )
    with custom.reported("model", section):
        dtype = dtype_of(network).name
        if dtype != section.dtype and network.trainable_variables:
            raise ConfigError(
                f"the network computes in {dtype}, but model.dtype is {section.dtype}: set the one "
                "to the other"
            )
    return network


def is_mixed(config: Config) -> bool:
    """Return whether a config asks for hidden layers in bfloat16."""
    return config.model.kind == "mlp" and config.model.precision == nn.MIXED


def for_this_processor(config: Config) -> Config:
    """Return the config, in full precision where the processor has no bfloat16, with a warning."""
    if not is_mixed(config) or nn.has_bfloat16():
        return config
    warnings.warn(
        "model.precision is mixed_bfloat16, but this processor has no bfloat16 instructions: "
        "training in float32, which is faster here",
        TftrainWarning,
        stacklevel=2,
    )
    return load_config(config, ["model.precision=full"])


def _initializer(section: Any, auto: str = "auto") -> Any:
    return auto if section.kind == "auto" else nn.INITIALIZERS[section.kind](**_settings(section))


def restored_network(run: Run, network: tf.Module) -> tf.Module:
    """Give a network of the run's shape, of whatever dtype, the weights of the run; return it.

    Raises:
        RunError: they cannot be read.
    """
    trained = network_of(run.config, run.plan)

    def read(model: Path) -> None:
        try:
            variables = str(model / "variables" / "variables")
            status = tf.train.Checkpoint(network=trained).read(variables)
            status.assert_existing_objects_matched().expect_partial()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{model}: its weights cannot be read: {reason}") from None

    run.directory.read_model(read)
    pairs = zip(network.variables, trained.variables, strict=True)
    for variable, value in pairs:
        variable.assign(tf.cast(value, variable.dtype))
    return network


def arrays_of(
    prepared: Prepared,
    preprocessor: Preprocessor,
    part: str,
    rows: Any = slice(None),
) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """Return inputs, targets and weights of a part of the table, as the network takes them.

    Args:
        prepared: config, table, split and plan.
        preprocessor: of the plan.
        part: train, validation or test.
        rows: which rows of the part, as an index of an array.
    """
    chosen = prepared.split[part][rows]
    weight = None if prepared.weights is None else prepared.weights[chosen]
    features = preprocessor.features(prepared.frame, chosen)
    return features, preprocessor.targets(prepared.targets[chosen]), weight


def loss_of(config: Config) -> losses.Loss:
    """Return the loss of a config."""
    section = config.loss
    if section.kind == "custom":
        made = custom.made_by("loss", section)
        with custom.reported("loss", section):
            return losses.get(made)
    return losses.LOSSES[section.kind](**_settings(section, "l2"))


def optimizer_of(config: Config, train_rows: int) -> optimizers.Optimizer:
    """Return the optimizer of a config. Its schedule counts epochs, the library counts steps."""
    batch = config.training.batch_size
    steps = 1 if batch == "full" else -(-train_rows // batch)
    schedule, section = _schedule(config, steps), config.optimizer
    if section.kind == "custom":
        made = custom.made_by("optimizer", section, learning_rate=schedule)
        with custom.reported("optimizer", section):
            return optimizers.get(made)
    return optimizers.OPTIMIZERS[section.kind](
        schedule, **_settings(section, "learning_rate", "schedule")
    )


def _schedule(config: Config, steps: int) -> optimizers.Schedule:
    """Return the learning-rate schedule, where an epoch has this many steps."""
    rate, wanted = config.optimizer.learning_rate, config.optimizer.schedule
    schedule: optimizers.Schedule = optimizers.Constant(rate)
    if wanted.kind == "step":
        schedule = optimizers.StepDecay(rate, wanted.every * steps, wanted.decay)
    elif wanted.kind == "exponential":
        schedule = optimizers.Exponential(rate, wanted.every * steps, wanted.decay)
    elif wanted.kind == "cosine":
        epochs = wanted.epochs or max(config.training.epochs - wanted.warmup, 1)
        schedule = optimizers.Cosine(rate, epochs * steps, wanted.final)
    return optimizers.Warmup(schedule, wanted.warmup * steps) if wanted.warmup else schedule


def _settings(section: Any, *left_out: str) -> dict[str, Any]:
    """Return the keys of a section but its kind, as keyword arguments."""
    settings: dict[str, Any] = section.model_dump(exclude={"kind", *left_out})
    return settings


def fit_settings(config: Config) -> dict[str, Any]:
    """Return the keyword arguments of `training.fit` that the config's `training` gives."""
    wanted = config.training
    stopping, convergence = wanted.early_stopping, wanted.convergence
    return {
        "epochs": wanted.epochs,
        "batch_size": wanted.batch_size,
        "shuffle": wanted.shuffle,
        "seed": config.seed,
        "l2": config.loss.l2,
        "validate_every": wanted.validate_every,
        "early_stopping": stopping and EarlyStopping(**_settings(stopping)),
        "convergence": convergence and Convergence(**_settings(convergence)),
        "time_budget": wanted.time_budget,
        "compile": wanted.compile,
    }
