"""What `summary.json` must hold so that a run can be used, whoever wrote it."""

from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from tftrain.errors import RunError, excerpt
from tftrain.names import State
from tftrain.runs.directory import FACTS, RunDirectory

F = TypeVar("F", bound="Facts")

TRAINED = (State.FINISHED, State.INTERRUPTED)
"""The states of a run that ended with a model; a run that was killed is still `running`."""


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


class Facts(BaseModel):
    """The entries that describe a model. There may be others."""

    stop_reason: str | None = None
    best_epoch: int | None = None
    columns: dict[str, str] = {}
    train: PartMetrics | None = None
    validation: PartMetrics | None = None
    test: PartMetrics | None = None


class Summary(Facts):
    """The entries that are used after a run has ended. There may be others."""

    state: str = Field(max_length=100)
    error: str | None = None

    @property
    def describes_model(self) -> bool:
        """Whether the run ended with a model, which the summary then describes."""
        return self.state in TRAINED and self.error is None

    @model_validator(mode="after")
    def _columns_of_a_model(self) -> Self:
        if self.describes_model and not self.columns:
            raise ValueError("columns: there are none")
        return self


def summary_of(directory: RunDirectory) -> tuple[dict[str, Any], Summary]:
    """Return the summary of a run, as it stands in the file and checked.

    While a run that has a model is resumed, and where that did not end well, `summary.json` is not
    about the model that lies there; the facts of that model then take the place of its entries.

    Raises:
        RunError: the summary or the facts cannot be read, or an entry, which is named, is wrong.
    """
    content = directory.read_summary()
    summary = _checked(Summary, content, directory.summary)
    if not summary.describes_model and (facts := directory.read_facts()):
        _checked(Facts, facts, directory.model / FACTS)
        content = {**content, **facts, "state": summary.state, "error": summary.error}
        summary = _checked(Summary, content, directory.summary)
    return content, summary


def _checked(kind: type[F], content: dict[str, Any], file: Path) -> F:
    try:
        return kind.model_validate(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = excerpt(".".join(map(str, first["loc"])))[1:-1]
        said = f"{place}: {first['msg']}" if place else first["msg"]
        raise RunError(f"{file}: is not the summary of a run: {said}") from None
