"""The fingerprint of a table."""

import hashlib

import numpy as np
import pandas as pd


def fingerprint(frame: pd.DataFrame) -> dict[str, int | str]:
    """Return rows, columns, and a SHA-256 hash over names, types and all values of a table."""
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        digest.update(f"{name}\0{column.dtype}\0".encode())
        digest.update(_hashes(column).tobytes())
    return {"rows": len(frame), "columns": len(frame.columns), "sha256": digest.hexdigest()}


def _hashes(column: pd.Series) -> np.ndarray:
    """Return a hash of each value."""
    if column.dtype != object:
        return pd.util.hash_pandas_object(column, index=False).to_numpy()
    try:
        return pd.util.hash_array(column.to_numpy(), categorize=False)
    except (TypeError, ValueError):  # lists and the like
        return pd.util.hash_array(column.map(repr).to_numpy(object), categorize=False)
