"""Whether a table is still the one that a run was trained on."""

import json
from collections.abc import Mapping
from typing import Any

from tftrain.errors import RunError
from tftrain.experiment.prepare import Prepared
from tftrain.files import bounded_text
from tftrain.runs import Run, RunDirectory

ANEW = "train a new run"
CHANGED = "the data have changed since this run began"


def require_data_of(run: Run, prepared: Prepared) -> None:
    """Raise RunError unless a prepared table is the one that a run was trained on.

    Another one has other rows in each part, and other statistics in its preprocessing.
    """
    require_same_data(run.directory, fingerprint_of(run.directory), prepared.fingerprint)


def require_same_data(
    directory: RunDirectory,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    remedy: str = f"bring the old data back, or {ANEW}",
    what: str = CHANGED,
) -> None:
    """Raise RunError unless two fingerprints are equal.

    Args:
        directory: of the run.
        before: the fingerprint of its table, see `tftrain.data.fingerprint`.
        now: the fingerprint of the table at hand.
        remedy: what can be done.
        what: how the two differ, in words that the numbers of rows and columns follow.
    """
    if before == now:
        return
    size = ("rows", "columns")
    told = [f"{before.get(k)} {k} then, {now[k]} now" for k in size if before.get(k) != now[k]]
    other = "as many rows and columns, but other values, types or another order"
    raise RunError(f"{directory.path}: {what} ({', '.join(told) or other}): {remedy}.")


def fingerprint_of(directory: RunDirectory, remedy: str = ANEW) -> Mapping[str, Any]:
    """Return the fingerprint of the table that a run was trained on.

    Args:
        directory: of the run.
        remedy: what can be done where it is not known.

    Raises:
        RunError: `environment.json` does not say it.
    """
    try:
        data = json.loads(bounded_text(directory.environment))["data"]
        if isinstance(data["sha256"], str):
            found: Mapping[str, Any] = data
            return found
        reason = "data.sha256 is not a text"
    except KeyError as error:
        reason = f"it has no entry {error}"
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = str(error)
    raise RunError(
        f"{directory.environment}: does not say what table the run was trained on ({reason}), so "
        f"its train, validation and test rows are not known: {remedy}."
    )
