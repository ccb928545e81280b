"""Tables with columns of many categories, from config to run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tftrain
from tftrain.experiment.gradcheck import check_config
from tftrain.experiment.prepare import describe, prepare
from tftrain.explain import explain

ROWS, CITIES = 600, 60


def table() -> pd.DataFrame:
    """Return rows whose target is an effect of the city, which is one of many, and a number."""
    rng = np.random.default_rng(0)
    city, area = rng.integers(0, CITIES, ROWS), rng.normal(100, 20, ROWS)
    effect = rng.permutation(CITIES)
    frame = pd.DataFrame({"area": area, "city": [f"city {i}" for i in city]})
    return frame.assign(price=area + 10.0 * effect[city])


def config(embeddings: Any = "auto", **training: Any) -> tftrain.Config:
    return tftrain.load_config(
        {
            "data": {"source": {"kind": "dataframe"}, "target": "price"},
            "model": {"hidden": [16], "dropout": 0.1, "embeddings": embeddings},
            "training": {"epochs": 60, "compile": "graph", **training},
        }
    )


def test_a_vector_for_each_category_beats_a_shared_bucket(tmp_path: Path) -> None:
    errors = [
        tftrain.train(config(kind), data=table(), output=tmp_path / kind).summary["test"]["rmse"]
        for kind in ("none", "auto")
    ]
    assert errors[1] < 0.75 * errors[0]


@pytest.mark.parametrize("embeddings", ["auto", {"max_categories": 5, "hash_buckets": 4}])
def test_every_gradient_is_proven(embeddings: Any) -> None:
    report = check_config(prepare(config(embeddings), table()), modes=["graph"], rows=64)
    assert report.certified, report
    assert any(check.where.endswith("Embedding: table") for check in report.checks)


def test_a_check_names_the_columns() -> None:
    facts = describe(prepare(config(), table()))
    assert facts["embedded"] == ["city (61 codes, width 16)"]
    assert "embedded" not in describe(prepare(config("none"), table()))


def test_the_page_names_the_codes() -> None:
    page = explain(prepare(config(), table()), row=2)
    assert "(code of city)" in page
    assert "Concat(x_1, Embedding(x_2))" in page


def test_a_resumed_run_ends_the_same(tmp_path: Path) -> None:
    whole = tftrain.train(config(epochs=4), data=table(), output=tmp_path / "whole")
    tftrain.train(config(epochs=2), data=table(), output=tmp_path / "twice")
    again = tftrain.resume(
        tmp_path / "twice", overrides=["training.epochs=4"], data=table(), force=True
    )
    np.testing.assert_array_equal(whole.predict(table()), again.predict(table()))
