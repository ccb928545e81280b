"""What `summary.json` must hold so that a run can be used, whoever wrote it."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from tftrain.errors import RunError, excerpt

TRAINED = ("finished", "interrupted")
"""The states of a run whose model is whole; a run that was killed is still `running`."""


class Metrics(BaseModel):
    """Of one part of the table, or of one target; null where a number is not finite."""

    mse: float | None
    rmse: float | None
    mae: float | None
    r2: float | None


class PartMetrics(Metrics):
    """Of one part of the table."""

    rows: int
    targets: dict[str, Metrics] = {}


class Summary(BaseModel):
    """The entries that are used after a run has ended. There may be others."""

    state: str = Field(max_length=100)
    error: str | None = None
    stop_reason: str | None = None
    best_epoch: int | None = None
    train: PartMetrics | None = None
    validation: PartMetrics | None = None
    test: PartMetrics | None = None

    @property
    def has_model(self) -> bool:
        """Whether the run ended with a model."""
        return self.state in TRAINED and self.error is None


def require_summary(content: dict[str, Any], file: Path) -> Summary:
    """Return what a summary says; raise RunError, which names the entry, where one is wrong."""
    try:
        return Summary.model_validate(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = excerpt(".".join(map(str, first["loc"])))[1:-1]
        said = f"{place}: {first['msg']}" if place else first["msg"]
        raise RunError(f"{file}: is not the summary of a run: {said}") from None
