"""The exported model: a SavedModel that takes raw columns and gives predictions."""

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
from tftrain.runs.directory import FACTS, json_text, old_model
from tftrain.tensorflow_files import tensorflow_writes


class ServingModel(tf.Module):
    """Preprocessing, network and unscaling in one module.

    Args:
        preprocessor: raw columns to network inputs, network outputs to predictions.
        network: the trained network.
    """

    def __init__(self, preprocessor: Preprocessor, network: tf.Module) -> None:
        super().__init__()
        self.preprocessor = preprocessor
        self.network = network
        names = serving_names(list(preprocessor.signature))
        signature = {
            column: tf.TensorSpec(spec.shape, spec.dtype, name=name)
            for (column, spec), name in zip(preprocessor.signature.items(), names, strict=True)
        }
        self.predict = tf.function(self._predict, input_signature=[signature], autograph=False)

    def _predict(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the prediction of each target, float64, shape `(rows,)`, in its own units."""
        predictions = self.preprocessor.unscale(self.network(self.preprocessor(columns)))
        targets = self.preprocessor.plan.target.names
        return {name: predictions[:, i] for i, name in enumerate(targets)}


def serving_names(columns: list[str]) -> list[str]:
    """Return the argument names of the columns in the serving signature, all different.

    Arguments are identifiers, told apart without regard to case: other characters become
    underscores, and a column whose name cannot be used, or not for it alone, is `column_NUMBER`.
    """
    cleaned = [re.sub(r"\W", "_", column, flags=re.ASCII) for column in columns]
    shared = Counter(name.lower() for name in cleaned)
    names: list[str] = []
    for i, name in enumerate(cleaned):
        usable = name[:1].isalpha() and not iskeyword(name.lower()) and name.lower() != "self"
        if not usable or shared[name.lower()] > 1:
            name = f"column_{i}"
            while name in shared:
                name += "_"
        names.append(name)
    return names


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
