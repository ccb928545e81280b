"""The JSON Schema."""

from typing import Any

import pytest

from tftrain.config.config import Config


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
