"""Fingerprints of tables."""

import numpy as np
import pandas as pd
import pytest

from tftrain.data.fingerprint import fingerprint

FRAME = pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": ["x", "y", "z"], "c": [True, False, True]})


def test_fingerprint_is_that_of_the_content() -> None:
    first = fingerprint(FRAME)
    assert (first["rows"], first["columns"]) == (3, 3)
    assert len(str(first["sha256"])) == 64
    assert fingerprint(FRAME.copy()) == first


@pytest.mark.parametrize(
    "other",
    [
        FRAME.assign(a=[1.0, 2.0, 3.0]),
        FRAME.assign(a=[1.0, np.nextafter(2.0, 3.0), np.nan]),
        FRAME.assign(b=["x", "y", "Z"]),
        FRAME.assign(c=[True, True, True]),
        FRAME.rename(columns={"a": "A"}),
        FRAME[["b", "a", "c"]],
        FRAME.iloc[::-1].reset_index(drop=True),
        FRAME.iloc[:2],
    ],
)
def test_fingerprint_changes_with_the_content(other: pd.DataFrame) -> None:
    assert fingerprint(other)["sha256"] != fingerprint(FRAME)["sha256"]
