"""The bundled tables against scikit-learn's own loaders."""

import warnings

import numpy as np
import pytest

from tftrain.data.sources.bundled import read_sklearn
from tftrain.errors import DataError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sklearn import datasets


def test_diabetes() -> None:
    ours = read_sklearn("diabetes")
    theirs = datasets.load_diabetes(scaled=False, as_frame=True)
    np.testing.assert_array_equal(ours.drop(columns="target"), theirs.data)
    np.testing.assert_array_equal(ours.target, theirs.target)
    assert list(ours) == [*theirs.feature_names, "target"]


def test_digits() -> None:
    ours = read_sklearn("digits")
    theirs = datasets.load_digits(as_frame=True)
    np.testing.assert_array_equal(ours.iloc[:, :64], theirs.data)
    assert list(ours.columns[:64]) == theirs.feature_names
    np.testing.assert_array_equal(ours.digit, theirs.target)
    one_hot = ours[[f"is_{d}" for d in range(10)]].to_numpy()
    np.testing.assert_array_equal(one_hot, np.eye(10)[theirs.target])


def test_linnerud() -> None:
    ours = read_sklearn("linnerud")
    theirs = datasets.load_linnerud()
    np.testing.assert_array_equal(ours[theirs.feature_names], theirs.data)
    np.testing.assert_array_equal(ours[theirs.target_names], theirs.target)
    assert ours.shape == (20, 6)


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("diabets", "did you mean diabetes?"),
        ("california_housing", "downloads"),
        ("", "diabetes, digits, linnerud"),
    ],
)
def test_others_are_not_bundled(name: str, fragment: str) -> None:
    with pytest.raises(DataError) as caught:
        read_sklearn(name)
    assert fragment in str(caught.value)
    assert "scikit-learn Inside" not in str(caught.value), "a sentence needs an end"
