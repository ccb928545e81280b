"""The exported model: a SavedModel that takes raw columns and gives predictions."""

import math
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any

import tensorflow as tf

from tftrain.data.preprocessor import Preprocessor
from tftrain.files import flush
from tftrain.graph import leaves
from tftrain.runs.directory import FACTS, json_text, old_model
from tftrain.runs.preprocessing import PREPROCESSING, plan_text
from tftrain.tensorflow_files import tensorflow_writes


class ServingModel(tf.Module):
    """Preprocessing, network and unscaling in one module.

    A row that training would have refused (a number that the network's dtype cannot hold, a missing
    one where none may be) gets NaN: it is never given a number that looks right.

    Args:
        preprocessor: raw columns to network inputs, network outputs to predictions.
        network: the trained network.
    """

    def __init__(self, preprocessor: Preprocessor, network: tf.Module) -> None:
        super().__init__()
        self.preprocessor = preprocessor
        self.network = network
        self.arguments = serving_arguments(list(preprocessor.signature))
        signature = {
            column: tf.TensorSpec(spec.shape, spec.dtype, name=self.arguments[column])
            for column, spec in preprocessor.signature.items()
        }
        plan = preprocessor.plan
        matrices = [
            tf.TensorSpec([None, len(plan.numeric)], tf.float64, name="numbers"),
            tf.TensorSpec([None, len(plan.text)], tf.string, name="texts"),
        ]
        self.predict = tf.function(self._predict, input_signature=[signature], autograph=False)
        self.predict_matrix = tf.function(
            self._predict_matrix, input_signature=matrices, autograph=False
        )

    def _predict_matrix(self, numbers: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
        """Return all predictions, float64, shape `(rows, targets)`, in the targets' own units.

        Args:
            numbers: raw numbers, shape `(rows, numeric columns)`.
            texts: raw texts, shape `(rows, text columns)`.
        """
        features = self.preprocessor(numbers, texts)
        predictions = self.preprocessor.unscale(self.network(features))
        accepted = tf.reduce_all(tf.math.is_finite(leaves(features)[0]), axis=1, keepdims=True)
        accepted &= tf.math.is_finite(predictions)
        return tf.where(accepted, predictions, tf.constant(math.nan, tf.float64))

    def _predict(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the prediction of each target, float64, shape `(rows,)`, in its own units."""
        predictions = self.predict_matrix(*self.preprocessor.stacked(columns))
        targets = self.preprocessor.plan.target.names
        return {name: predictions[:, i] for i, name in enumerate(targets)}


def serving_arguments(columns: list[str]) -> dict[str, str]:
    """Return the argument of each column in the serving signature, all different.

    Arguments are identifiers that differ without regard to case: other characters become
    underscores, and a column whose name cannot be used, or not for it alone, is `column_NUMBER`.
    """
    cleaned = [re.sub(r"\W", "_", column, flags=re.ASCII) for column in columns]
    shared = Counter(name.lower() for name in cleaned)
    arguments: dict[str, str] = {}
    for i, name in enumerate(cleaned):
        usable = name[:1].isalpha() and not iskeyword(name.lower()) and name.lower() != "self"
        if not usable or shared[name.lower()] > 1:
            name = f"column_{i}"
            while name in shared:
                name += "_"
        arguments[columns[i]] = name
    return arguments


def export(model: ServingModel, path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write the SavedModel to `path`, whole or not at all, in place of one that is there.

    Until it is whole the one before stays, at the end under the name that `old_model` gives.

    Args:
        model: the model.
        path: its folder.
        facts: what describes it, written with it, so that the two are never of different models.

    Raises:
        OutputError: it cannot be written.
    """
    aside, old = path.with_name(path.name + ".part"), old_model(path)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with tensorflow_writes(path):
            tf.saved_model.save(model, str(aside), signatures=model.predict)
            plan = plan_text(model.preprocessor.plan)
            (aside / PREPROCESSING).write_text(plan, encoding="utf-8")
            if facts is not None:
                text = json_text(facts, indent=2) + "\n"
                (aside / FACTS).write_text(text, encoding="utf-8")
            for written in (*aside.rglob("*"), aside):
                flush(written)
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)
                path.rename(old)
            aside.rename(path)
            shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
