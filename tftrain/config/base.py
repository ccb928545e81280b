"""The base of all config sections, and how sections of different kinds are told apart."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
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


class _ShortSpelling:
    """Lets a bare string stand for the section of that kind with its defaults.

    `loss: mae` is `loss: {kind: mae}`, for the validation and for the JSON Schema.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def expand(value: Any) -> Any:
            return {"kind": value} if isinstance(value, str) else value

        return no_info_before_validator_function(expand, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        sections = handler(schema)
        kinds = sorted(sections["discriminator"]["mapping"])
        return {"anyOf": [{"type": "string", "enum": kinds}, sections]}


BY_KIND = Field(discriminator="kind")
"""Annotates a union of sections that are told apart by their `kind`."""
SHORT = _ShortSpelling()
"""Annotates such a union where a bare string may stand for a kind."""

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
