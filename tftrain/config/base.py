"""The base of all config sections, and how sections of different kinds are distinguished."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function


class Section(BaseModel):
    """A section of the config: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


@dataclass(frozen=True)
class Short:
    """Annotates a union of kinds that may be spelled short.

    A bare string stands for the section of that kind with its defaults: `loss: mae` is
    `loss: {kind: mae}`. A section without a kind is of the kind `default`, if there is one.
    """

    default: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_before_validator_function(self._expand, handler(source))

    def _expand(self, value: Any) -> Any:
        if isinstance(value, str):
            return {"kind": value}
        if self.default and isinstance(value, dict):
            return {"kind": self.default, **value}
        return value

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        sections = handler(schema)
        kinds = sorted(sections["discriminator"]["mapping"])
        spellings: list[dict[str, Any]] = [{"type": "string", "enum": kinds}, sections]
        if self.default:
            spellings.append({"type": "object", "not": {"required": ["kind"]}})
        return {"anyOf": spellings}


class Change(Enum):
    """Whether a key of the config may change before a run is resumed; most may not.

    Attributes:
        FREE: it has no effect on what is computed.
        FREE_REOPENS: the same, and a finished run may have something left to do.
        FORCED: only with force, as the run may end elsewhere than it would have; a finished run
            may have something left to do.
    """

    FREE = "free"
    FREE_REOPENS = "free, reopens"
    FORCED = "forced"


BY_KIND = Field(discriminator="kind")
"""Annotates a union of sections that differ in their `kind`."""


def _a_number(value: Any) -> Any:
    """Refuse what pydantic would turn into a number although the user wrote none."""
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            raise ValueError(f"expected a number, got {value!r}{_as_numbers(value)}") from None
        raise ValueError(f"expected a number, got the text {value!r}: write it without quotes")
    return value


def _as_numbers(text: str) -> str:
    """Return how several numbers are written, where a text holds several."""
    words = text.replace(",", " ").split()
    several = len(words) > 1 and all(word.replace(".", "", 1).isdigit() for word in words)
    return f"; several are a list: [{', '.join(words)}]" if several else ""


def or_one(schema: Any) -> BeforeValidator:
    """Return what annotates a list that may be spelled as its only item: `target: y`.

    Args:
        schema: the type of both spellings, for the JSON Schema.
    """
    return BeforeValidator(_listed, json_schema_input_type=schema)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, (str, int, float)) else value


Names = Annotated[list[str], or_one(str | list[str])]
"""Names of columns, or patterns of them."""

Whole = Annotated[int, BeforeValidator(_a_number)]
Number = Annotated[float, BeforeValidator(_a_number)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
BelowOne = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[Whole, Field(ge=1, lt=2**31)]


def _without_null(text: str) -> str:
    if "\0" in text:
        raise ValueError("a path holds no null character")
    return text


PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_without_null)]
