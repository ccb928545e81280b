"""The base of all config sections, and the short spelling of a `kind`."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A section of the config: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


def _expand(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def one_of(union: Any) -> Any:
    """Return the annotation of a union of sections told apart by their `kind`.

    A bare string stands for the section of that kind with its defaults: `loss: mae` is
    `loss: {kind: mae}`.
    """
    return Annotated[
        union,
        Field(discriminator="kind"),
        BeforeValidator(_expand, json_schema_input_type=union | str),
    ]


Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
