"""The JSON Schema, and the names that the config offers."""

from typing import Any, get_args

import pytest

from tftrain import losses, nn, optimizers
from tftrain.config.config import Config
from tftrain.config.loss import HuberLoss, NamedLoss
from tftrain.config.network import (
    ActivationName,
    NamedInitializer,
    NormalInitializer,
    UniformInitializer,
)
from tftrain.config.optimizer import (
    AdagradConfig,
    AdamConfig,
    AdamwConfig,
    LambConfig,
    LionConfig,
    NadamConfig,
    RmspropConfig,
    SgdConfig,
)
from tftrain.nn.activation import ACTIVATIONS


def kinds(*sections: Any) -> list[str]:
    return [name for s in sections for name in get_args(s.model_fields["kind"].annotation)]


def test_activations_are_those_of_the_library() -> None:
    assert sorted(get_args(ActivationName)) == sorted(ACTIVATIONS)


def test_losses_are_those_of_the_library() -> None:
    assert sorted(kinds(NamedLoss, HuberLoss)) == sorted(losses.LOSSES)


def test_initializers_are_those_of_the_library() -> None:
    offered = kinds(NamedInitializer, UniformInitializer, NormalInitializer)
    assert sorted(offered) == sorted([*nn.INITIALIZERS, "auto"])


def test_optimizers_are_those_of_the_library() -> None:
    variants = AdamConfig, AdamwConfig, NadamConfig, LambConfig, LionConfig
    offered = kinds(SgdConfig, AdagradConfig, RmspropConfig, *variants)
    assert sorted(offered) == sorted(optimizers.OPTIMIZERS)


def parts_of(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [part for item in value for part in parts_of(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(part for item in value.values() for part in parts_of(item))]


def test_schema_refers_only_to_what_it_defines() -> None:
    schema = Config.model_json_schema()
    references = {p["$ref"] for p in parts_of(schema) if isinstance(p.get("$ref"), str)}
    assert references == {f"#/$defs/{name}" for name in schema["$defs"]}
    assert schema["type"] == "object"
    assert schema["required"] == ["data"]
    assert set(schema["properties"]) == set(Config.model_fields)


def test_schema_forbids_unknown_keys_in_every_section() -> None:
    schema = Config.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    objects = [s for s in sections if s.get("type") == "object"]
    assert len(objects) > 20
    assert all(s["additionalProperties"] is False for s in objects)


@pytest.mark.parametrize("key", ["model", "loss", "optimizer"])
def test_schema_allows_the_short_spelling(key: str) -> None:
    schema = Config.model_json_schema()
    assert any(p.get("type") == "string" for p in parts_of(schema["properties"][key]))
