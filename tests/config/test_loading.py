"""Loading configs: what is accepted, and the place and remedy in every error."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.config import Config, load_config
from tftrain.config.data import CsvSource
from tftrain.config.loading import config_text
from tftrain.errors import ConfigError, InputError

DATA = "data: {source: {kind: csv, path: t.csv}, target: y}\n"
TABLE = {"source": {"kind": "csv", "path": "t.csv"}, "target": "y"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, *overrides: str) -> Config:
    Path("c.yaml").write_text(text, encoding="utf-8")
    return load_config("c.yaml", overrides)


def errors(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("optimzer: adam", "2:1: optimzer", "did you mean optimizer?"),
        ("optimizer:\n  kind: adam\n  learning_rat: 1", "4:3: optimizer.learning_rat", "rate?"),
        ("model: {kind: mlp, hiden: [3]}", "2:20: model.hiden", "did you mean hidden?"),
        ("model: {kind: linear, bais: true}", "2:23: model.bais", "did you mean bias?"),
        ("loss: {kind: huber, delt: 1}", "2:21: loss.delt", "did you mean delta?"),
        (
            "training: {checkpoint: {every: 3}}",
            "2:25: training.checkpoint.every",
            "did you mean every_epochs, every_seconds or every_steps?",
        ),
        ("training: {epoch: 3}", "2:12: training.epoch", "did you mean epochs?"),
        (
            "training:\n  early_stopping: {patienc: 3}",
            "3:20: training.early_stopping.patienc",
            "did you mean patience?",
        ),
        ("output: {directry: x}", "2:10: output.directry", "did you mean directory?"),
        (
            "optimizer: {kind: sgd, schedule: {kind: cosine, warmpu: 2}}",
            "2:49: optimizer.schedule.warmpu",
            "did you mean warmup?",
        ),
        (
            "model: {kind: mlp, initializer: {kind: uniform, rnge: 1}}",
            "2:49: model.initializer.rnge",
            "did you mean range?",
        ),
    ],
)
def test_unknown_key_gets_the_nearest_spelling(text: str, place: str, remedy: str) -> None:
    assert [e for e in errors(DATA + text + "\n") if e.startswith(f"c.yaml:{place}: unknown key")]
    assert errors(DATA + text + "\n")[0].endswith(remedy)


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("data: {sorce: 1, target: y}", "1:8: data.sorce", "did you mean source?"),
        (
            "data: {source: {kind: csv, pth: t}, target: y}",
            "1:28: data.source.pth",
            "did you mean path?",
        ),
        (
            DATA.replace("}\n", ", features: {exclud: [a]}}"),
            "1:64: data.features.exclud",
            "did you mean exclude?",
        ),
        (
            DATA.replace("}\n", ", split: {kind: ordered, bye: t}}"),
            "1:76: data.split.bye",
            "did you mean by?",
        ),
        (
            DATA.replace("}\n", ", preprocess: {numerc: none}}"),
            "1:66: data.preprocess.numerc",
            "did you mean numeric?",
        ),
    ],
)
def test_unknown_key_inside_data(text: str, place: str, remedy: str) -> None:
    wanted = f"c.yaml:{place}: unknown key, {remedy}"
    found = errors(text)
    assert wanted in found
    assert not [e for e in found if "literal[" in e or "list[" in e], "names of our own types"


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("model: mpl", "2:1: model", "did you mean mlp?"),
        ("loss: hubr", "2:1: loss", "did you mean huber?"),
        ("loss: {kind: msa}", "2:8: loss.kind", "did you mean mse?"),
        ("optimizer: adma", "2:1: optimizer", "did you mean adam?"),
        ("optimizer: {kind: adam, schedule: cosin}", "2:25: optimizer.schedule", "cosine?"),
        ("model: {kind: mlp, initializer: he_unifrm}", "2:20: model.initializer", "he_uniform?"),
        ("model: {kind: mlp, activation: [relu, tahn, relu]}", "2:39: model.activation", "tanh?"),
        ("training: {compile: xlaa}", "2:12: training.compile", "did you mean xla?"),
        ("model: {kind: mlp, dtype: float23}", "2:20: model.dtype", "float32"),
    ],
)
def test_wrong_choice_gets_the_nearest_one(text: str, place: str, remedy: str) -> None:
    first = errors(DATA + text)[0]
    assert first.startswith(f"c.yaml:{place}")
    assert "expected" in first
    assert remedy in first


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seed: -1", "2:1: seed"),
        ("seed: x", "2:1: seed"),
        ("seed: 1.5", "2:1: seed"),
        ("seed: !!int x", "2:1: seed"),
        ("seed: !what 1", "2:1: seed"),
        ("seed: 2026-01-01", "2:1: seed"),
        ("name: a/b", "2:1: name"),
        ("name: ''", "2:1: name"),
        ("model: {kind: mlp, hidden: 0}", "2:20: model.hidden"),
        ("model: {kind: mlp, hidden: 6.5}", "2:20: model.hidden"),
        ("model: {kind: mlp, hidden: {units: 64}}", "2:20: model.hidden"),
        ("model: {kind: mlp, hidden: [64, 0]}", "2:33: model.hidden.1"),
        ("model: {kind: mlp, activation: [relu]}", "2:1: model"),
        ("model: {kind: linear, hidden: [3]}", "2:23: model.hidden"),
        ("loss: {kind: mse, delta: 1}", "2:19: loss.delta"),
        ("loss: {kind: huber, delta: 0}", "2:21: loss.delta"),
        ("loss: {kind: mse, l2: -1}", "2:19: loss.l2"),
        ("optimizer: {kind: sgd, nesterov: true}", "2:1: optimizer"),
        ("optimizer: {kind: sgd, momentum: 1}", "2:24: optimizer.momentum"),
        ("optimizer: {kind: sgd, learning_rate: .nan}", "2:24: optimizer.learning_rate"),
        ("optimizer: {kind: sgd, learning_rate: .inf}", "2:24: optimizer.learning_rate"),
        ("optimizer: {kind: sgd, learning_rate: 0}", "2:24: optimizer.learning_rate"),
        ("optimizer: {kind: sgd, clip_norm: 0}", "2:24: optimizer.clip_norm"),
        ("training: 3", "2:1: training"),
        ("training: {epochs: 0}", "2:12: training.epochs"),
        ("training: {batch_size: 0}", "2:12: training.batch_size"),
        ("training: {batch_size: ful}", "2:12: training.batch_size"),
        ("training: {early_stopping: 3}", "2:12: training.early_stopping"),
        ("training: {convergence: {}}", "2:12: training.convergence"),
        ("training: {convergence: {gradient_norm: 1}}", "2:1: training"),
        ("training: {time_budget: 0}", "2:12: training.time_budget"),
        ("1: 2", "2:1: 1"),
    ],
)
def test_wrong_value_is_named_by_its_place(text: str, place: str) -> None:
    assert errors(DATA + text)[0].startswith(f"c.yaml:{place}: ")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("data: {source: {kind: csv}, target: y}", "1:8: data.source.path"),
        ("data: {source: {kind: csv, path: ''}, target: y}", "1:28: data.source.path"),
        ("data: {source: {path: a}, target: y}", "1:8: data.source"),
        ("data: {source: {kind: cvs, path: a}, target: y}", "1:17: data.source.kind"),
        ("data: {source: sklearn}", "1:1: data.target"),
        ("data: {source: sklearn, target: []}", "1:25: data.target"),
        (DATA.replace("}, t", ", delimiter: ';;'}, t"), "1:41: data.source.delimiter"),
        (DATA.replace("}, t", ", encoding: utf9}, t"), "1:41: data.source.encoding"),
        (
            DATA.replace("y}", "y, split: {kind: fractions, train: 0.5}}"),
            "1:53: data.split",
        ),
        (
            DATA.replace("y}", "y, split: {kind: fractions, train: 0, test: 0.85}}"),
            "1:53: data.split",
        ),
        (DATA.replace("y}", "y, split: ordered}"), "1:53: data.split.by"),
        (DATA.replace("y}", "y, features: autoo}"), "1:53: data.features"),
        ("seed: 1", "1:1: data"),
    ],
)
def test_wrong_value_inside_data(text: str, place: str) -> None:
    assert errors(text)[0].startswith(f"c.yaml:{place}: ")


def test_all_errors_at_once_in_the_order_of_the_file() -> None:
    text = (
        "sed: 1\n"
        + DATA
        + "loss: hubr\n"
        + "training:\n  epochs: 0\n  batch_size: 32\n  batch_size: 16\n"
        + "model: {kind: mlp, hiden: [3]}\n"
    )
    assert [line.split(": ")[0] for line in errors(text)] == [
        "c.yaml:1:1",
        "c.yaml:3:1",
        "c.yaml:5:3",
        "c.yaml:7:3",
        "c.yaml:8:20",
    ]


def test_unknown_kind_hides_no_unknown_key_of_its_section() -> None:
    assert errors(
        "optimizer: {kind: adan, learning_rat: 1, rho: 0.5, momentum: 0.5, x: 1}\n"
        "model: mlpp\n"
        "data: {source: {kind: cvs, pth: t.csv}, target: y}\n"
    ) == [
        "c.yaml:1:13: optimizer.kind: expected sgd, adagrad, rmsprop, adam, adamw, nadam, lamb, "
        "lion or custom, got 'adan', did you mean adam?",
        "c.yaml:1:25: optimizer.learning_rat: unknown key, did you mean learning_rate?",
        "c.yaml:1:67: optimizer.x: unknown key, known keys: arguments, average, "
        "beta_1, beta_2, clip_norm, clip_value, epsilon, factors, folder, kind, learning_rate, "
        "module, momentum, nesterov, rho, schedule, weight_decay",
        "c.yaml:2:1: model: expected linear, mlp or custom, got 'mlpp', did you mean mlp?",
        "c.yaml:3:17: data.source.kind: expected csv, parquet, sklearn or dataframe, got 'cvs', "
        "did you mean csv?",
        "c.yaml:3:28: data.source.pth: unknown key, did you mean path?",
    ]


def test_unknown_kind_hides_no_other_mistake_of_its_section() -> None:
    """The nearest kind says what is wrong, or all kinds together where none is near."""
    assert errors(
        "data:\n"
        "  source: {kind: cvs, delimiter: ';;'}\n"
        "  target: y\n"
        "  split: {kind: orderd, train: 2}\n"
        "model: {kind: mpl, hidden: x, initializer: {kind: normla, stddev: -1}}\n"
        "loss: {kind: 7, delta: -1, l2: -1}\n"
        "optimizer: {kind: what, momentum: 0.5, epsilon: -1}\n"
    ) == [
        "c.yaml:2:3: data.source.path: is required",
        "c.yaml:2:12: data.source.kind: expected csv, parquet, sklearn or dataframe, got 'cvs', "
        "did you mean csv?",
        "c.yaml:2:23: data.source.delimiter: ';;' cannot stand between two columns: expected one "
        "character such as , or ; or the word blanks",
        "c.yaml:4:3: data.split.by: is required",
        "c.yaml:4:11: data.split.kind: expected fractions, column or ordered, got 'orderd', "
        "did you mean ordered?",
        "c.yaml:4:25: data.split.train: expected less than or equal to 1, got 2",
        "c.yaml:5:9: model.kind: expected linear, mlp or custom, got 'mpl', did you mean mlp?",
        "c.yaml:5:20: model.hidden: expected a number, got 'x'",
        "c.yaml:5:45: model.initializer.kind: expected auto, zeros, glorot_uniform, "
        "glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, uniform or normal, "
        "got 'normla', did you mean normal?",
        "c.yaml:5:59: model.initializer.stddev: expected greater than or equal to 0, got -1",
        "c.yaml:6:8: loss.kind: expected mse, sum_squared_error, mae, huber or custom, got 7",
        "c.yaml:6:17: loss.delta: expected greater than 0, got -1",
        "c.yaml:6:28: loss.l2: expected greater than or equal to 0, got -1",
        "c.yaml:7:13: optimizer.kind: expected sgd, adagrad, rmsprop, adam, adamw, nadam, lamb, "
        "lion or custom, got 'what'",
        "c.yaml:7:40: optimizer.epsilon: expected greater than 0, got -1",
    ]


def test_a_sum_of_a_section_is_checked_whatever_its_kind() -> None:
    text = DATA.replace("y}", "y, split: {kind: fractionss, train: 0.9}}")
    assert errors(text)[0].endswith("must add up to 1, not 1.2")
    assert errors(text)[1].endswith("got 'fractionss', did you mean fractions?")


def test_a_kind_that_is_not_given_hides_no_mistake() -> None:
    assert errors("data: {source: {pth: t.csv, delimiter: ';'}, target: y}\n") == [
        "c.yaml:1:8: data.source: a kind is required: csv, parquet, sklearn or dataframe",
        "c.yaml:1:17: data.source.pth: unknown key, did you mean path?",
    ]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("learning_rate", "optimizer.learning_rate"),
        ("learning_rte", "optimizer.learning_rate"),
        ("lr", "optimizer.learning_rate"),
        ("batch_size", "training.batch_size"),
        ("hidden", "model.hidden"),
        ("path", "data.source.path"),
        ("exclude", "data.features.exclude"),
        ("epochs", "training.epochs or optimizer.schedule.epochs"),
        ("patience", "training.early_stopping.patience or training.convergence.patience"),
        ("training.learning_rate", "optimizer.learning_rate"),
        ("data.hidden", "model.hidden"),
        ("data.source.split", "data.split"),
        ("training.early_stopping.epochs", "training.epochs or optimizer.schedule.epochs"),
        ("model.seed", "seed at the top level"),
        ("training.shufle", "shuffle"),  # a key of the same section first
    ],
)
def test_a_key_in_the_wrong_place_names_the_right_one(key: str, hint: str) -> None:
    message = f"{key}: unknown key, did you mean {hint}?"
    assert errors(DATA, f"{key}=1") == [f"c.yaml (--set): {message}"]
    section: Any = 1
    for part in reversed(key.split(".")):
        section = {part: section}
    config: dict[str, Any] = {"data": {**TABLE}}
    for name, value in section.items():
        config[name] = {**config.get(name, {}), **value} if isinstance(value, dict) else value
    if key == "data.source.split":
        config["data"]["source"] = {**TABLE["source"], "split": 1}  # type: ignore[dict-item]
    with pytest.raises(ConfigError) as caught:
        load_config(config)
    assert str(caught.value) == f"config: {message}"


def test_a_key_of_many_places_is_left_to_the_list_of_those_that_are_known() -> None:
    (line,) = errors(DATA, "training.kind=adam")
    assert "unknown key, known keys: batch_size, " in line


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("optimizer: {kind: adam, momentum: 0.9}", "optimizer.momentum: only sgd has it"),
        ("optimizer: {momentum: 0.9}", "optimizer.momentum: only sgd has it"),
        ("model: {kind: linear, hidden: 3}", "model.hidden: only mlp has it"),
        ("model: {initializer: {kind: zeros, range: 3}}", "model.initializer.range: only uniform"),
        (
            "optimizer: {kind: sgd, epsilon: 1}",
            "only adagrad, rmsprop, adam, adamw, nadam and lamb",
        ),
    ],
)
def test_a_key_of_another_kind_names_that_kind(section: str, message: str) -> None:
    (line,) = errors(DATA + section + "\n")
    assert message.replace(": only", ": unknown key for this kind, only") in line


def test_a_dotted_key_in_a_file_is_written_as_sections() -> None:
    assert errors(
        DATA + "training.early_stopping.patience: 3\noptimizer: {schedule.warmup: 3}\n"
    ) == [
        "c.yaml:2:1: training.early_stopping.patience: a key with dots is for --set; in a file "
        "write training: {early_stopping: {patience: ...}}",
        "c.yaml:3:13: optimizer.schedule.warmup: a key with dots is for --set; in a file write "
        "schedule: {warmup: ...}",
    ]


@pytest.mark.parametrize("value", ["2", "maybe", "null", "[true]", "1.5"])
@pytest.mark.parametrize("key", ["training.shuffle", "model.bias", "optimizer.nesterov"])
def test_a_boolean_is_true_or_false(key: str, value: str) -> None:
    (line,) = errors(DATA + "optimizer: sgd\n", f"{key}={value}")
    assert f"{key}: expected true or false, got " in line
    assert "number" not in line


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("off", False), ("True", True)])
def test_a_boolean_in_other_words(word: str, value: bool) -> None:
    assert load(DATA, f"training.shuffle={word}").training.shuffle is value


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("model.hidden=64", lambda c: c.model.hidden, [64]),
        ("data.target=z", lambda c: c.data.target, ["z"]),
        ("data.features.exclude=id", lambda c: c.data.features.exclude, ["id"]),
        ("data.preprocess.categorical=zip", lambda c: c.data.preprocess.categorical, ["zip"]),
        ("data.source.missing_values=-999", lambda c: c.data.source.missing_values, ["-999"]),
        ("model.activation=tanh", lambda c: c.model.activation, "tanh"),
    ],
)
def test_one_stands_for_a_list_of_one(override: str, read: Any, value: object) -> None:
    assert read(load(DATA, override)) == value
    key, _, text = override.partition("=")
    *sections, last = key.split(".")
    file = DATA.replace("}, target: y}", "}, target: y, features: {}, preprocess: {}}")
    config = load(file + "model: {hidden: [3]}\n", f"{'.'.join(sections)}.{last}={text}")
    assert read(config) == value


def test_one_layer_in_a_file() -> None:
    assert load(DATA + "model: {hidden: 64}\n") == load(DATA + "model: {hidden: [64]}\n")


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("model.hidden=64,32", "'64,32'; several are a list: [64, 32]"),
        ("model.hidden=64 32 16", "'64 32 16'; several are a list: [64, 32, 16]"),
        ("model.hidden='64'", "the text '64': write it without quotes"),
        ("name=2024", "a text, got 2024: write it in quotes"),
        ("data.weight=3", "a text, got 3: write it in quotes"),
        ("training.early_stopping=10", "with keys, got 10; its keys: min_delta, patience"),
        ("training=epochs:3", "with keys, got 'epochs:3': write a blank after the colon"),
    ],
)
def test_what_beginners_write_gets_a_remedy(override: str, remedy: str) -> None:
    (line,) = errors(DATA, override)
    assert line.endswith(remedy)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.batch_size=fulll", "a number or full, got 'fulll', did you mean full?"),
        ("training.batch_size=true", "a number or full, got true"),
        ("training.batch_size=1.5", "a valid integer or full, got 1.5"),
        ("training.batch_size=0", "greater than or equal to 1, or full, got 0"),
        (
            "data.features=autoo",
            "auto, a list or a section with keys, got 'autoo', did you mean auto?",
        ),
        ("model.activation=tahn", "softmax or prelu, or a list, got 'tahn', did you mean tanh?"),
        ("model.hidden=null", "a list, got nothing"),
        ("data.features=a,b", "auto, a list or a section with keys, got 'a,b'; write [a,b]"),
    ],
)
def test_values_of_several_types_get_one_sentence(override: str, message: str) -> None:
    (line,) = errors(DATA, override)
    assert line.startswith(f"c.yaml (--set): {override.split('=')[0]}: expected ")
    assert line.endswith(message)
    assert line.count("expected") == line.count(", got ") == 1


def test_duplicate_key_names_both_lines() -> None:
    assert errors(DATA + "seed: 1\nseed: 2\n") == ["c.yaml:3:1: seed: given twice, first in line 2"]


@pytest.mark.parametrize("text", ["seed: &a 1", "seed: &a 1\noutput: {directory: *a}"])
def test_anchors_are_refused(text: str) -> None:
    found = errors(DATA + text)[0]
    assert found.startswith("c.yaml:2:")
    assert "anchors" in found


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "---\n"])
def test_empty_file_tells_of_init(text: str) -> None:
    (line,) = errors(text)
    assert line.startswith("c.yaml: the config is empty")
    assert "tftrain init" in line


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "3"])
def test_not_a_mapping(text: str) -> None:
    (line,) = errors(text)
    assert line.startswith("c.yaml: a config is a mapping")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1\nb: 2", "c.yaml:2:2: "),
        ("a: b: c", "c.yaml:1:5: "),
        ("- \t x", "c.yaml:1:3: "),
        ("a: 1\n---\nb: 2", "c.yaml:2:1: "),
        ("a: \x00", "c.yaml: "),
    ],
)
def test_not_yaml(text: str, place: str) -> None:
    (line,) = errors(text)
    assert line.startswith(f"{place}not valid YAML: ")


def test_deeply_nested_yaml_is_an_error_not_a_crash() -> None:
    assert errors("[" * 5000) == ["c.yaml:1:21: over 20 sections and lists inside each other"]


def test_missing_file_names_the_nearest() -> None:
    Path("diabetes.yaml").write_text(DATA)
    with pytest.raises(ConfigError, match=r"^diabets\.yaml: no such .*, did you mean diabetes\."):
        load_config("diabets.yaml")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read"):
        load_config(tmp_path)


ROWS = "a;b\n1;2\n3;4\n"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("t.csv", b""),
        ("my table.tsv", b"a\tb\n"),
        ("t.csv.gz", b"\x1f\x8b"),
        ("t.parquet", b"PAR1"),
        ("t.xlsx", b"PK\x03\x04"),
        ("table", b"PAR1"),
        ("table.dat", b"\x1f\x8b\x08"),
        ("table.txt", ROWS.encode()),
        ("table.yaml", b'"a","b"\n1,2\n'),
        ("large.csv", ROWS.encode() * 100_000),
    ],
)
def test_a_table_in_place_of_a_config_tells_of_init(file: str, content: bytes) -> None:
    Path(file).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    quoted = f"'{file}'" if " " in file else file
    assert str(caught.value) == (
        f"{file}: is a table, not a config; `tftrain init {quoted} --target COLUMN` writes a "
        "config for it"
    )


def test_a_config_is_never_taken_for_a_table() -> None:
    for text in ("seed: 1, 2\nname: a, b\n", "# a, b\n# c, d\n", "a: [1,\nb: [2,\n"):
        assert not any("is a table" in line for line in errors(text))


def test_a_folder_in_place_of_a_config_names_one(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(ConfigError, match=r"sub: cannot be read: is a folder; it holds no YAML"):
        load_config("sub")
    (tmp_path / "sub/houses.yml").write_text(DATA)
    with pytest.raises(ConfigError, match=r"name a config in it, such as sub/houses\.yml$"):
        load_config("sub")


def test_a_pattern_without_quotes_gets_the_remedy() -> None:
    (line,) = errors("data: {source: {kind: csv, path: *.csv}, target: y}\n")
    assert line.startswith("c.yaml:1:34: ")
    assert line.endswith("a text that begins with & or * needs quotes")


def test_a_tab_that_indents_is_named() -> None:
    (line,) = errors("training:\n\tepochs: 3\n")
    assert line.startswith("c.yaml:2:1: not valid YAML: ")
    assert line.endswith("a tab cannot indent; replace it with blanks")


def test_not_utf_8() -> None:
    Path("c.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"^c\.yaml: not UTF-8 text \(byte 9\)"):
        load_config("c.yaml")


def test_byte_order_mark_is_no_error() -> None:
    Path("c.yaml").write_bytes(b"\xef\xbb\xbf" + DATA.encode())
    assert load_config("c.yaml").data.target == ["y"]


def test_too_large() -> None:
    Path("c.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match=r"^c\.yaml: over 1,000,000 bytes"):
        load_config("c.yaml")


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 1e-3), ("1E3", 1e3), ("2", 2.0), (".5", 0.5), ("1_000", 1000.0), ("1e+2", 100.0)],
)
def test_numbers_as_people_write_them(text: str, number: float) -> None:
    config = load(DATA + f"optimizer: {{kind: sgd, learning_rate: {text}}}")
    assert config.optimizer.learning_rate == number


def test_a_word_stands_for_a_kind() -> None:
    short = load(DATA + "model: linear\nloss: huber\noptimizer: adamw\n")
    long = load(
        DATA + "model: {kind: linear}\nloss: {kind: huber}\noptimizer: {kind: adamw}\n",
    )
    assert short == long
    assert (short.model.kind, short.loss.kind, short.optimizer.kind) == ("linear", "huber", "adamw")


def test_every_key_but_data_has_a_default() -> None:
    config = load(DATA + "optimizer: {learning_rate: 0.5}\nmodel: {hidden: [3]}\nloss: {l2: 1}\n")
    assert (config.optimizer.kind, config.optimizer.learning_rate) == ("adam", 0.5)
    assert (config.model.kind, config.model.hidden) == ("mlp", [3])
    assert (config.loss.kind, config.loss.l2) == ("mse", 1)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("diabetes.yaml", "diabetes"),
        ("my table (1).yaml", "my-table--1-"),
        ("..hidden.yml", "hidden"),
        ("é.yaml", "-"),
        ("a" * 150 + ".yaml", "a" * 100),
    ],
)
def test_name_comes_from_the_file(file: str, name: str) -> None:
    Path(file).write_text(DATA)
    expected = name.lstrip("-") or "run"
    assert load_config(file).name == expected


def test_name_in_the_file_wins() -> None:
    assert load(DATA + "name: mine").name == "mine"


def test_relative_path_starts_at_the_folder_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/c.yaml").write_text(DATA)
    assert load_config("sub/c.yaml").data.source.path == str(tmp_path / "sub/t.csv")
    assert load_config({"data": TABLE}).data.source.path == str(tmp_path / "t.csv")


def test_relative_path_of_set_starts_here(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/c.yaml").write_text(DATA)
    config = load_config("sub/c.yaml", ["data.source.path=u.csv"])
    assert config.data.source.path == str(tmp_path / "u.csv")
    whole = load_config("sub/c.yaml", ["data.source={kind: parquet, path: u.parquet}"])
    assert whole.data.source.path == str(tmp_path / "u.parquet")


def test_absolute_path_and_home_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(DATA.replace("t.csv", "/a/t.csv")).data.source.path == "/a/t.csv"
    monkeypatch.setenv("HOME", "/home/me")
    assert load(DATA.replace("t.csv", "~/t.csv")).data.source.path == "/home/me/t.csv"


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("seed=7", lambda c: c.seed, 7),
        ("training.epochs=3", lambda c: c.training.epochs, 3),
        ("training.batch_size=full", lambda c: c.training.batch_size, "full"),
        ("training.early_stopping.patience=5", lambda c: c.training.early_stopping.patience, 5),
        ("training.early_stopping=null", lambda c: c.training.early_stopping, None),
        ("optimizer.learning_rate=1e-2", lambda c: c.optimizer.learning_rate, 0.01),
        ("optimizer=sgd", lambda c: c.optimizer.kind, "sgd"),
        ("optimizer.kind=sgd", lambda c: c.optimizer.kind, "sgd"),
        ("optimizer={kind: sgd, momentum: 0.5}", lambda c: c.optimizer.momentum, 0.5),
        ("optimizer.schedule.kind=cosine", lambda c: c.optimizer.schedule.kind, "cosine"),
        ("model.hidden=[3, 4]", lambda c: c.model.hidden, [3, 4]),
        ("model.hidden.1=5", lambda c: c.model.hidden, [8, 5]),
        ("data.target=[a, b]", lambda c: c.data.target, ["a", "b"]),
        ("data.preprocess.numeric=none", lambda c: c.data.preprocess.numeric, "none"),
        ("loss.kind=huber", lambda c: c.loss.kind, "huber"),
        ("loss.l2=0.5", lambda c: (c.loss.kind, c.loss.l2), ("mae", 0.5)),
        ("name=a-b", lambda c: c.name, "a-b"),
    ],
)
def test_set(override: str, read: Any, value: object) -> None:
    text = DATA + (
        "loss: mae\n"
        "model: {kind: mlp, hidden: [8, 8]}\n"
        "optimizer: {kind: adam, learning_rate: 0.1, beta_1: 0.5}\n"
        "training: {early_stopping: {patience: 2}}\n"
    )
    assert read(load(text, override)) == value


def test_set_makes_sections_and_the_last_one_wins() -> None:
    config = load(
        DATA,
        "training.convergence.relative_change=0.1",
        "seed=1",
        "seed=2",
        "optimizer.learning_rate=0.01",
    )
    assert config.training.convergence is not None
    assert config.training.convergence.relative_change == 0.1
    assert config.seed == 2
    assert config.optimizer.learning_rate == 0.01


@pytest.mark.parametrize("kind", ["kind: adam, ", ""])
def test_set_of_another_kind_keeps_the_keys_that_it_has_too(kind: str) -> None:
    settings = "beta_1: 0.5, learning_rate: 0.1, clip_norm: 2, schedule: cosine"
    text = DATA + f"optimizer: {{{kind}{settings}}}\n"
    sgd = load(text, "optimizer.kind=sgd").optimizer
    assert (sgd.kind, sgd.learning_rate, sgd.clip_norm) == ("sgd", 0.1, 2)
    assert sgd.schedule.kind == "cosine"
    adamw = load(text, "optimizer.kind=adamw").optimizer
    assert (adamw.learning_rate, adamw.beta_1) == (0.1, 0.5)
    assert load(text, "optimizer.kind=adam") == load(text)
    assert load(text, "optimizer=adamw").optimizer.learning_rate == 0.001


def test_set_of_another_kind_in_a_section_of_a_section() -> None:
    text = DATA + "optimizer: {schedule: {kind: step, every: 7, warmup: 3}}\n"
    schedule = load(text, "optimizer.schedule.kind=cosine").optimizer.schedule
    assert (schedule.kind, schedule.warmup) == ("cosine", 3)
    text = DATA + "model: {hidden: [3], activation: tanh, bias: false}\n"
    model = load(text, "model.kind=linear").model
    assert (model.kind, model.bias) == ("linear", False)
    text = DATA + "model: {initializer: {kind: normal, stddev: 0.2}}\n"
    assert load(text, "model.initializer.kind=uniform").model.initializer.range == 0.05


def test_set_of_another_kind_hides_no_mistake() -> None:
    text = DATA + "optimizer: {kind: adam, learning_rat: 0.1}\n"
    (line,) = errors(text, "optimizer.kind=sgd")
    assert "did you mean learning_rate?" in line
    (line,) = errors(DATA, "optimizer.kind=sdg")
    assert "did you mean sgd?" in line


@pytest.mark.parametrize(
    ("data", "text", "override", "read", "value"),
    [
        (", features: auto", "", "data.features.exclude=[id]", lambda c: c.data.features, ["id"]),
        (
            ", features: automatic",
            "",
            "data.features.exclude=id",
            lambda c: c.data.features,
            ["id"],
        ),
        ("", "training: {checkpoint: null}", "training.checkpoint.every_epochs=3", None, 3),
        ("", "training: {checkpoint: off}", "training.checkpoint.every_epochs=3", None, 3),
        ("", "training: {early_stopping: null}", "training.early_stopping.patience=3", None, 3),
        ("", "training: {threads: 4}", "training.threads.intra_op=3", None, 3),
        ("", "optimizer: {schedule: cosine}", "optimizer.schedule.warmup=3", None, 3),
        ("", "model: {initializer: normal}", "model.initializer.stddev=3", None, 3),
        (", split: ordered", "", "data.split.by=when", None, "when"),
    ],
)
def test_a_key_is_set_below_a_word(
    data: str, text: str, override: str, read: Any, value: object
) -> None:
    config = load(DATA.replace("y}", f"y{data}}}") + text, override)
    if read is not None:
        assert read(config).exclude == value
        return
    found: Any = config
    for part in override.partition("=")[0].split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize(
    ("text", "override", "kind"),
    [
        ("loss: mae", "loss.l2=0.1", "mae"),
        ("optimizer: {schedule: cosine}", "optimizer.schedule.warmup=2", "cosine"),
        ("model: {initializer: he_normal}", "model.initializer.kind=zeros", "zeros"),
    ],
)
def test_a_word_that_is_a_kind_stays_the_kind(text: str, override: str, kind: str) -> None:
    found: Any = load(DATA + text, override)
    for part in override.partition("=")[0].split(".")[:-1]:
        found = getattr(found, part)
    assert found.kind == kind


def test_a_misspelt_kind_is_no_word_to_forget() -> None:
    (line,) = errors(DATA + "loss: hubr\n", "loss.l2=0.1")
    assert "loss.kind: expected mse" in line
    assert line.endswith("did you mean huber?")


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_settings_does_not_matter(order: int) -> None:
    settings = ["loss=huber", "loss.delta=0.5", "data.features=auto", "data.features.exclude=[id]"]
    config = load(DATA + "loss: mae\n", *settings[::order])
    assert (config.loss.kind, config.loss.delta) == ("huber", 0.5)  # type: ignore[union-attr]
    assert config.data.features.exclude == ["id"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("training.batch_size.x=3", "training.batch_size is a single value and has no keys"),
        ("seed.x.y=3", "seed is a single value and has no keys; set seed=VALUE"),
        ("model.hidden.0.x=3", "model.hidden.0 is a single value and has no keys"),
        ("model.hidden.x=3", "model.hidden is a list; set model.hidden=[...]"),
        ("data.features.exclude=[id]", "set data.features=[...], or data.features={exclude: ...}"),
        ("data.features.2=c", "no item 2 in the list, whose items are 0 to 1"),
        ("data.target.0=c", "no list there to change; set data.target=[...]"),
    ],
)
def test_a_key_below_what_has_none(override: str, reason: str) -> None:
    text = DATA.replace("y}", "y, features: [a, b]}")
    text += "model: {hidden: [3]}\ntraining: {batch_size: full}\n"
    (line,) = errors(text, override)
    assert line.startswith(f"--set {override.partition('=')[0]}: ")
    assert reason in line


def test_set_of_an_item_of_a_list_that_is_not_there() -> None:
    (line,) = errors(DATA, "model.hidden.0=5")
    assert line == "--set model.hidden.0: no list there to change; set model.hidden=[...]"


@pytest.mark.parametrize(
    ("lines", "place", "fragment"),
    [
        ("target: [y, z, y]", "3:3: data.target: ", "column 'y' is named twice as target"),
        ("target: y\n  weight: y", "4:3: data.weight: ", "twice, as target and as weight"),
        (
            "target: y\n  split: {kind: column, column: y}",
            "4:3: data.split: ",
            "as target and as split.column",
        ),
        (
            "target: y\n  weight: s\n  split: {kind: column, column: s}",
            "5:3: data.split: ",
            "as weight and as split.column",
        ),
    ],
)
def test_a_column_has_one_part_only(lines: str, place: str, fragment: str) -> None:
    for override in ((), ("data.source=digits.csv",), ("seed=3",)):
        line = errors(f"data:\n  source: sklearn\n  {lines}\n", *override)[-1]
        assert line.startswith(f"c.yaml:{place}")
        assert fragment in line


@pytest.mark.parametrize("value", ["'5'", '"1e-3"'])
@pytest.mark.parametrize("key", ["epochs", "batch_size", "time_budget"])
def test_numbers_in_quotes_are_no_numbers(key: str, value: str) -> None:
    (line,) = errors(DATA + f"training: {{{key}: {value}}}\n")
    assert f"training.{key}: expected a number" in line
    assert "got the text" in line
    assert "write it without quotes" in line


def test_numbers_in_scientific_notation() -> None:
    for text in ("1e-3", "1E-3", "1.0e-3", ".001", "0.001"):
        assert (
            load(DATA + f"optimizer: {{learning_rate: {text}}}\n").optimizer.learning_rate == 1e-3
        )
    assert load(DATA, "optimizer.learning_rate=1e-3").optimizer.learning_rate == 1e-3
    assert load(DATA, "optimizer.learning_rate=1").optimizer.learning_rate == 1


def test_a_file_in_place_of_a_source() -> None:
    for name, kind in (("other.csv", "csv"), ("d/t.parquet", "parquet")):
        (line,) = errors(f"data: {{source: {name}, target: y}}\n")
        assert line.endswith(f"got '{name}'; for a file write {{kind: {kind}, path: {name}}}")


def test_marks_of_missing_values_are_texts_or_numbers() -> None:
    text = 'data: {source: {kind: csv, path: t.csv, missing_values: ["?", -999, 9.5]}, target: y}\n'
    source = load(text).data.source
    assert isinstance(source, CsvSource)
    assert source.missing_values == ["?", "-999", "9.5"]
    (line,) = errors(text.replace("-999", "true"))
    assert "data.source.missing_values.1" in line


def test_set_can_give_all_of_a_config() -> None:
    config = load("", "data.source.kind=csv", "data.source.path=t.csv", "data.target=y")
    assert config.data.target == ["y"]


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ("seed", ["--set seed", "expected key.path=value"]),
        ("=3", ["--set =3", "expected key.path=value"]),
        ("a..b=3", ["--set a..b=3", "expected key.path=value"]),
        ("seed=[", ["--set seed=[", "not valid YAML"]),
        ("seed={a: 1, a: 2}", ["--set", "given twice"]),
        ("seed=x", ["--set", "seed: expected"]),
        ("sed=1", ["--set", "sed: unknown key, did you mean seed?"]),
        (
            "training.epoch=1",
            ["--set", "training.epoch: unknown key, did you mean epochs?"],
        ),
        ("model.hidden.4=3", ["--set model.hidden.4", "no item 4"]),
        ("model.hidden.0=1.5", ["--set", "model.hidden.0: expected"]),
        ("model.hidden.first=1", ["--set", "model.hidden.first"]),
        ("seed.x=3", ["--set", "seed"]),
        ("data.source.path.x=3", ["--set", "data.source.path"]),
        ("optimizer.kind=adm", ["--set", "optimizer", "did you mean adam?"]),
        ("training.batch_size=0", ["--set", "training.batch_size"]),
    ],
)
def test_wrong_set_says_so(override: str, fragments: list[str]) -> None:
    (line,) = errors(DATA + "model: {kind: mlp, hidden: [8]}\n", override)
    for fragment in fragments:
        assert fragment in line


def test_set_is_blamed_for_what_it_made_only() -> None:
    wrong = DATA + "training: {epochs: 0}\n"
    assert errors(wrong, "training.shuffle=false")[0].startswith("c.yaml:2:12: training.epochs: ")
    assert errors(wrong, "training={epochs: 0}")[0].startswith("c.yaml (--set): training.epochs: ")
    test = "training.convergence={gradient_norm: 1}"  # the section of the text, or one of its own
    assert errors(DATA + "training: {epochs: 1}\n", test)[0].startswith("c.yaml:2:1: training: ")
    assert errors(DATA, test)[0].startswith("c.yaml (--set): training: convergence.gradient_norm")
    assert errors(DATA, "optimizer.kind=adan")[0].startswith("c.yaml (--set): optimizer.kind: ")


def test_a_dataframe_in_place_of_the_source_is_no_override() -> None:
    with pytest.raises(ConfigError, match=r"^config: data\.target: is required$"):
        load_config({"data": {}}, dataframe=True)
    source = load_config({"data": TABLE}, ["data.source.path=u.csv"], dataframe=True).data.source
    assert source.kind == "dataframe"


@pytest.mark.parametrize("source", [None, [1], 3])
def test_a_config_that_is_none(source: Any) -> None:
    with pytest.raises(InputError, match="config must be the path of a YAML file, a dictionary"):
        load_config(source)


def test_overrides_that_are_no_list() -> None:
    with pytest.raises(InputError, match=r"must be a list such as \['training.epochs=5'\]"):
        load_config({"data": TABLE}, "training.epochs=1")


def test_dictionary_is_not_changed_by_overrides() -> None:
    given_config = {"data": dict(TABLE), "model": {"kind": "mlp", "hidden": [3]}}
    kept = {"data": dict(TABLE), "model": {"kind": "mlp", "hidden": [3]}}
    config = load_config(given_config, ["model.hidden.0=5", "data.target=z", "seed=1"])
    assert (config.model.hidden, config.data.target, config.seed) == ([5], ["z"], 1)
    assert given_config == kept


def test_errors_of_a_dictionary_name_the_path() -> None:
    with pytest.raises(ConfigError, match=r"data\.target: is required"):
        load_config({"data": {"source": "sklearn"}})


def test_a_config_can_be_loaded_again() -> None:
    config = load_config({"data": TABLE, "name": "a"})
    assert load_config(config) == config
    assert load_config(config, ["seed=3"]).seed == 3
    assert config.seed == 0


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"model": "linear", "loss": {"kind": "huber", "delta": 0.1}, "optimizer": "rmsprop"},
        {
            "seed": 2**64 - 1,
            "name": "on",
            "model": {"kind": "mlp", "hidden": [], "activation": [], "initializer": "he_normal"},
            "optimizer": {
                "kind": "sgd",
                "learning_rate": 1e-30,
                "momentum": 1 / 3,
                "nesterov": True,
                "schedule": {"kind": "exponential", "every": 0.1, "warmup": 3},
            },
            "training": {"batch_size": "full", "convergence": {"gradient_norm": 1e-300}},
            "output": {"directory": "ré: #x"},
        },
    ],
)
def test_resolved_config_loads_equal(sections: dict[str, Any], tmp_path: Path) -> None:
    features = {"exclude": ["a*", "null", "1", "a: b", "", "# x", "'", "\n", "été"]}
    config = load_config({"data": {**TABLE, "features": features, "weight": "yes"}, **sections})
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere/config.yaml"
    path.write_text(config_text(config), encoding="utf-8")
    assert load_config(path) == config
    assert config_text(load_config(path)) == config_text(config)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-10, 2**65)
    | st.floats()
    | st.sampled_from(["csv", "mlp", "adam", "linear", "full", "auto", "x", "", "mse"])
)
KEYS = st.sampled_from(
    [
        "data", "model", "loss", "optimizer", "training", "output", "seed", "name", "source",
        "target", "features", "split", "kind", "path", "hidden", "activation", "initializer",
        "schedule", "early_stopping", "convergence", "learning_rate", "exclude", "x", "0",
    ]
)  # fmt: skip
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def config_or_error(source: object) -> None:
    try:
        config = load_config(source)  # type: ignore[arg-type]
    except ConfigError:
        return
    assert load_config(config) == config


@settings(max_examples=150, deadline=None)
@given(junk=st.dictionaries(KEYS, JUNK, max_size=5))
def test_junk_is_a_config_or_a_config_error(junk: dict[str, Any]) -> None:
    config_or_error(junk)
    config_or_error({"data": TABLE, **junk})


@settings(max_examples=100, deadline=None)
@given(
    section=st.sampled_from(["data", "model", "loss", "optimizer", "training", "output"]),
    junk=JUNK,
)
def test_junk_in_a_section_is_a_config_or_a_config_error(section: str, junk: Any) -> None:
    config_or_error({"data": TABLE, section: junk})
    if isinstance(junk, dict):
        config_or_error({"data": {**TABLE, **junk}})


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="ab:{}[]-&*!|>'\"#%@,? \n\t01.", max_size=30))
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    Path("junk.yaml").write_text(text, encoding="utf-8")
    config_or_error("junk.yaml")


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("delimiter=,", "delimiter", ","),
        ("delimiter=|", "delimiter", "|"),
        ("delimiter=\\t", "delimiter", "\t"),
        ("delimiter=blanks", "delimiter", "blanks"),
        ("comment=#", "comment", "#"),
        ("quote='", "quote", "'"),
        ("quote=null", "quote", None),
        ("quote=~", "quote", None),
        ("header=false", "header", False),
        ("skip_rows=2", "skip_rows", 2),
    ],
)
def test_a_single_mark_stands_for_itself(override: str, key: str, value: object) -> None:
    data = {"source": {"kind": "csv", "path": "t.csv"}, "target": "y"}
    config = load_config({"data": data}, [f"data.source.{override}"])
    assert getattr(config.data.source, key) == value


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("delimiter=ab", "one character such as , or ; or the word blanks"),
        ("quote=ab", "not one ASCII character"),
        ("escape=é", "not one ASCII character"),
        ("delimiter=\\", "must be different"),
        ("comment=' '", "cannot begin a comment"),
        ("comment=''", "cannot begin a comment"),
        ("skip_rows=-1", "skip_rows"),
    ],
)
def test_marks_that_cannot_be(override: str, fragment: str) -> None:
    source = {"kind": "csv", "path": "t.csv", "escape": "\\"}
    with pytest.raises(ConfigError) as caught:
        load_config({"data": {"source": source, "target": "y"}}, [f"data.source.{override}"])
    assert fragment in str(caught.value)
