"""The data sets that come inside scikit-learn, read without importing it."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd

from tftrain.errors import DataError, did_you_mean


def _sklearn_file(name: str) -> Path:
    """Return the path of a file inside scikit-learn, found without importing scikit-learn.

    Importing `sklearn.datasets` takes as long as training on what it holds.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError("the data set comes inside scikit-learn, which is not installed")
    return Path(spec.origin).parent / "datasets" / "data" / name


def _diabetes() -> pd.DataFrame:
    """442 patients, ten measurements, disease progression after a year (Efron et al., 2004)."""
    columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    x = np.loadtxt(_sklearn_file("diabetes_data_raw.csv.gz"))
    frame = pd.DataFrame(x, columns=columns)
    frame["target"] = np.loadtxt(_sklearn_file("diabetes_target.csv.gz"))
    return frame


def _digits() -> pd.DataFrame:
    """1,797 images of handwritten digits, 8 by 8 pixels from 0 to 16 (Alpaydin, Kaynak, 1998)."""
    table = np.loadtxt(_sklearn_file("digits.csv.gz"), delimiter=",")
    pixels = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    digit = table[:, -1].astype(int)
    labels = pd.DataFrame({f"is_{d}": (digit == d).astype(float) for d in range(10)})
    frame = pd.DataFrame(table[:, :-1], columns=pixels)
    return pd.concat([frame, labels, pd.Series(digit, name="digit")], axis=1)


def _linnerud() -> pd.DataFrame:
    """20 men in a fitness club: three exercises, three measures of the body (Tenenhaus, 1998)."""
    parts = [
        pd.read_csv(_sklearn_file(f"linnerud_{part}.csv"), sep=" ")
        for part in ("exercise", "physiological")
    ]
    return pd.concat(parts, axis=1)


SKLEARN = {"diabetes": _diabetes, "digits": _digits, "linnerud": _linnerud}


def read_sklearn(dataset: str) -> pd.DataFrame:
    """Return a data set that comes inside scikit-learn: diabetes, digits or linnerud.

    Raises:
        DataError: there is none of that name, or scikit-learn would have to download it.
    """
    if dataset not in SKLEARN:
        raise DataError(
            f"data.source.dataset: no data set {dataset!r} for regression comes inside "
            f"scikit-learn{did_you_mean(dataset, SKLEARN) or '.'} Inside are: "
            f"{', '.join(SKLEARN)}. Others (california_housing, say) are downloads: save such a "
            "table as CSV or Parquet"
        )
    return SKLEARN[dataset]()
