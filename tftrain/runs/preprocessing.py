"""The fitted preprocessing of a run as plain data, beside its model."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tftrain.data.plan import Plan
from tftrain.errors import RunError, excerpt
from tftrain.files import bounded_text

PLAN = TypeAdapter(Plan)

PREPROCESSING = "preprocessing.json"
"""File in a model's folder that holds it."""

MAX_BYTES = 1 << 28


def plan_text(plan: Plan) -> str:
    """Return a plan as JSON text."""
    return PLAN.dump_json(plan, indent=1).decode() + "\n"


def read_plan(file: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        RunError: there is none, or it is not one.
    """
    try:
        return PLAN.validate_json(bounded_text(file, MAX_BYTES), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        place = excerpt(".".join(map(str, first["loc"])))[1:-1]
        fault = f"{place}: {first['msg']}"
        raise RunError(f"{file}: is not the preprocessing of a run: {fault}") from None
    except FileNotFoundError:
        raise RunError(
            f"{file}: is missing, so it is not known what this run's columns are; train it again"
        ) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read: {error}") from None
