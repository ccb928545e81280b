"""Configs that somebody wrote to do harm: refused at once, with a message, and nothing is run."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tftrain.config import Config, load_config
from tftrain.errors import ConfigError, InputError

DATA = "data: {source: {kind: csv, path: t.csv}, target: y}\n"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """Return a function that loads a config from a text, and takes a second or two."""
    monkeypatch.chdir(tmp_path)

    def quickly(text: str, *overrides: str) -> Config:
        Path("c.yaml").write_text(text, encoding="utf-8")
        began = time.monotonic()
        try:
            return load_config("c.yaml", overrides)
        finally:
            assert time.monotonic() - began < 20
            assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]

    return quickly


Load = Callable[..., Config]


def refusal(load: Load, text: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load(text, *overrides)
    assert len(str(caught.value)) < 20_000
    return str(caught.value)


def test_a_bomb_of_aliases(load: Load) -> None:
    """Nine levels of nine aliases each stand for 387 million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "c.yaml:1:5: anchors and aliases are not supported" in refusal(load, "\n".join(lines))


@pytest.mark.parametrize("text", ["seed: &a [*a]", "data: &d {source: *d}", "<<: *x", "&k a: b"])
def test_endless_values(load: Load, text: str) -> None:
    assert "anchors and aliases" in refusal(load, text)


@pytest.mark.parametrize("start", ["[", "{a: ", "- ", "[{a: "])
def test_deep_nesting(load: Load, start: str) -> None:
    assert "over 20 sections and lists inside each other" in refusal(load, start * 100_000)
    assert "over 20 sections" in refusal(load, DATA, "seed=" + start * 100_000)


def test_deep_keys_of_set(load: Load) -> None:
    assert "expected key.path=value" in refusal(load, DATA, ".".join("a" * 60_000) + "=1")
    assert "over 1,000,000 characters" in refusal(load, DATA, "seed=" + "1" * 1_000_001)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("[" + "a," * 450_000 + "]", "over 20,000 keys and values"),
        ("".join(f"k{i}: {i}\n" for i in range(60_000)), "over 20,000 keys and values"),
        ("".join(f"k{i}: {i}\n" for i in range(9_999)), "and more mistakes after these 50"),
        ("x: 1\n" * 9_999, "and more mistakes after these 50"),
        ("data: {target: [" + "1," * 19_000 + "]}", "and more mistakes after these 50"),
        ("#" * 999_999, "the config is empty"),
        ("\n" * 999_999, "the config is empty"),
        ("a" * 999_999, "a config is a mapping"),
        (f"{'a' * 1000}: 1", "aaa...: unknown key"),
        (f'"{"a" * 999_000}": 1', "not valid YAML"),
        (f"name: {'a' * 999_000}", "name: "),
        ("a: >\n" + " b\n" * 300_000, "a: unknown key"),
        ("%TAG ! tag:x,2000:\n" * 50_000 + "--- a", "not valid YAML"),
    ],
    ids=range(13),
)
def test_size(load: Load, text: str, fragment: str) -> None:
    assert fragment in refusal(load, text)


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch hacked']",
        "!!python/object/new:os.system ['touch hacked']",
        "!!python/name:os.system",
        "!!python/object:os.x {}",
        "!<tag:yaml.org,2002:python/module:os> x",
        "!!binary aGFja2Vk",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!bool maybe",
        "!!int ''",
        "!!float ''",
        "!!timestamp now",
        "!own x",
    ],
)
def test_tags_make_nothing(load: Load, value: str) -> None:
    assert refusal(load, DATA + f"seed: {value}\n").startswith("c.yaml:2:1: seed: ")
    assert "--set" in refusal(load, DATA, f"seed={value}")


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "9" * 5000, "-0x" + "f" * 5000, "1e999"])
@pytest.mark.parametrize(
    "key", ["seed", "name", "training.epochs", "optimizer.learning_rate", "data.target"]
)
def test_numbers_of_thousands_of_digits(load: Load, key: str, number: str) -> None:
    message = refusal(load, DATA, f"{key}={number}")
    assert key in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("training.epochs=2147483648", "less than 2147483648"),
        ("training.batch_size=1e30", "training.batch_size"),
        ("model.hidden=[1000001]", "less than or equal to 1000000"),
        (f"model.hidden={[1] * 1001}", "at most 1000 items"),
        ("training.threads.intra_op=1025", "less than or equal to 1024"),
    ],
)
def test_sizes_that_no_machine_has(load: Load, override: str, fragment: str) -> None:
    assert fragment in refusal(load, DATA, override)


@pytest.mark.parametrize(
    "name", ["../x", "a/../b", "/etc/x", "a\\b", "..", "a\0b", "a\nb", "a\n", "a" * 101]
)
def test_names_stay_in_their_folder(load: Load, name: str) -> None:
    quoted = '"' + name.replace("\\", "\\\\").replace("\0", "\\0").replace("\n", "\\n") + '"'
    assert "name: " in refusal(load, DATA + f"name: {quoted}\n")
    assert "name: " in refusal(load, DATA, f"name={quoted}")


@pytest.mark.parametrize("stem", ["..", "-rf", "a b;c", "$(x)", "\x1b[31m", "ü" * 80, "..\\x"])
def test_names_of_files_make_harmless_names(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.yaml"
    path.write_text(DATA)
    name = load_config(path).name
    assert name.isascii()
    assert name.strip("-._") == name.lstrip("-._") or name
    assert Path(name).name == name
    assert set(name) & set("/\\;$ \x1b") == set()


def test_control_characters_of_a_key_are_escaped(load: Load) -> None:
    assert r"'\x1b[31m\nb': unknown key" in refusal(load, DATA + '"\\e[31m\\nb": 1\n')


@pytest.mark.parametrize("text", ["words", "[1, 2]", "3"])
@pytest.mark.parametrize("override", ["seed=1", "0=1", "data.target=y", "x.0=1"])
def test_an_override_of_what_is_no_config(load: Load, text: str, override: str) -> None:
    assert refusal(load, text, override).startswith("c.yaml: a config is a mapping of sections")


@pytest.mark.parametrize("override", ["²=1", "model.hidden.²=1", f"model.hidden.{'9' * 5000}=1"])
def test_places_in_a_list_are_plain_digits(load: Load, override: str) -> None:
    assert "--set" in refusal(load, DATA, override)


@pytest.mark.parametrize(
    "encoding", ["hex", "rot13", "zlib", "idna", "punycode", "undefined", "a\\0b"]
)
def test_encodings_that_are_none_of_files(load: Load, encoding: str) -> None:
    found = refusal(load, DATA, f'data.source.encoding="{encoding}"')
    assert "data.source.encoding: unknown encoding" in found


@pytest.mark.parametrize("delimiter", ["\\n", "\\r", "\\0", '\\"', "é"])
def test_delimiters_that_cannot_be(load: Load, delimiter: str) -> None:
    found = refusal(load, DATA, f'data.source.delimiter="{delimiter}"')
    assert "data.source.delimiter: " in found
    assert "cannot stand between two columns" in found


@pytest.mark.parametrize("key", ["data.source.path", "output.directory"])
def test_paths_without_null_characters(load: Load, key: str) -> None:
    assert f"{key}: a path holds no null character" in refusal(load, DATA, f'{key}="a\\0b"')
    assert f"{key}: " in refusal(load, DATA, f"{key}={'a' * 4097}")


def test_home_of_nobody(load: Load) -> None:
    assert "data.source.path: ~nobody-here/t.csv" in refusal(
        load, DATA, "data.source.path=~nobody-here/t.csv"
    )


def test_a_path_with_a_null_character() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config("a\0b.yaml")
