"""Wrong inputs on the command line: a message with place and remedy, exit code 2, no run."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tftrain.cli.main import run

ROWS = "".join(f"{i},{i * i % 7},{'ab'[i % 2]},{i % 5}\n" for i in range(30))
HEADER = "x,z,word,y\n"
GOOD = HEADER + ROWS
CONFIG = "data: {source: {kind: csv, path: t.csv}, target: y}\nmodel: linear\ntraining: {epochs: 1}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(GOOD)
    Path("t.yaml").write_text(CONFIG)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail with exit code 2 and say why; return its message."""
    code = run(list(arguments))
    streams = capsys.readouterr()
    assert code == 2, streams.err
    assert streams.out == ""
    assert streams.err.startswith("error: ")
    assert "Traceback" not in streams.err
    return streams.err


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        (None, ["t.csv", "no such file"]),
        (b"", ["t.csv", "the file is empty"]),
        (HEADER.encode(), ["t.csv", "a header but no rows"]),
        ((HEADER + "1,2,a,3\n").encode(), ["1 row is too few", "data.split"]),
        (GOOD.replace("y\n", "yy\n", 1).encode(), ["'y'", "data.target", "did you mean yy?"]),
        (
            GOOD.replace("1,1,b,1\n", "1,1,b,much\n").encode(),
            ["'y' (data.target) must be numeric, but holds text such as 'much' in row 2"],
        ),
        ((HEADER + "".join(f"{i},2,a,7\n" for i in range(30))).encode(), ["'y' is 7", "nothing"]),
        (GOOD.replace("1,1,b,1\n", "1,1,b,\n").encode(), ["'y'", "row 2"]),
        (GOOD.replace("1,1,b,1\n", "1,1,b,inf\n").encode(), ["'y'", "infinite", "row 2"]),
        (GOOD.replace("1,1,b,1\n", "inf,1,b,1\n").encode(), ["'x'", "infinite", "row 2"]),
        (
            (HEADER + "".join(f",{i},a,{i}\n" for i in range(30))).encode(),
            ["'x'", "no value", "data.features.exclude"],
        ),
        ((GOOD + "1,2\n").encode(), ["t.csv:32", "2 values", "4 columns"]),
        ((GOOD + "1,2,a,3,4\n").encode(), ["t.csv:32", "5 values", "4 columns"]),
        (GOOD.replace(",", ";").encode(), ["only one column", "';'", "data.source.delimiter"]),
        (GOOD.replace("b", "ö").encode("latin-1"), ["t.csv", "utf-8", "data.source.encoding"]),
        (GOOD.replace("word", "größe").encode("latin-1"), ["t.csv", "data.source.encoding"]),
        (GOOD.replace("z,", "x,", 1).encode(), ["two columns are called 'x'"]),
    ],
)
def test_wrong_csv(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    fragments: list[str],
) -> None:
    Path("t.csv").unlink()
    if content is not None:
        Path("t.csv").write_bytes(content)
    for arguments in (["train", "t.yaml"], ["check", "t.yaml"]):
        message = refused(capsys, *arguments)
        for fragment in fragments:
            assert fragment in message
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("overrides", "fragments"),
    [
        (["data.source.path=tt.csv"], ["tt.csv", "did you mean t.csv?"]),
        (["data.source.path=tt*.csv"], ["tt*.csv: no file matches\n"]),
        (["data.source.path=no/*.csv"], ["no/*.csv: no file matches\n"]),
        (["data.source.path=no/t.csv"], ["no", "does not exist"]),
        (
            ["data.source={kind: sklearn, dataset: california}"],
            ["data.source.dataset: ", "'california'"],
        ),
        (["data.source=dataframe"], ["DataFrame", "--data"]),
        (["data.target=Y"], ["'Y'", "did you mean y?"]),
        (["data.target=word"], ["'word'"]),
        (["data.features=[x, zz]"], ["'zz'", "data.features"]),
        (["data.features={exclude: [q]}"], ["'q'"]),
        (["data.weight=w"], ["'w'", "data.weight"]),
        (["data.split={kind: column, column: word}"], ["'word'", "'a'", "row 1", "train"]),
        (["data.split={kind: ordered, by: when}"], ["'when'", "data.split.by"]),
        (["data.split={kind: fractions, train: 0.99, validation: 0.01, test: 0}"], ["too few"]),
        (["data.source.encoding=utf9"], ["data.source.encoding", "utf9"]),
        (["data.preprocess.numeric=z"], ["data.preprocess.numeric", "standard"]),
        (["optimizer.kind=adm"], ["did you mean adam?"]),
        (["training.epoch=3"], ["training.epoch", "did you mean epochs?"]),
        (["training.epochs"], ["--set", "key.path=value"]),
        (["output.directory=t.csv/runs"], ["t.csv", "cannot be written"]),
    ],
)
def test_wrong_settings(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    fragments: list[str],
) -> None:
    flags = [word for override in overrides for word in ("--set", override)]
    message = refused(capsys, "train", "t.yaml", *flags)
    for fragment in fragments:
        assert fragment in message
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        (CONFIG.replace("target", "taget"), ["t.yaml:1:", "data.taget", "did you mean target?"]),
        (CONFIG + "\nseed: 1\nseed: 2", ["t.yaml:5:1: seed", "given twice"]),
        (CONFIG + "\n  - [", ["t.yaml:", "not valid YAML"]),
        ("", ["t.yaml: the config is empty", "tftrain init"]),
    ],
)
def test_wrong_config(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, fragments: list[str]
) -> None:
    Path("t.yaml").write_text(text)
    for name in ("train", "check"):
        message = refused(capsys, name, "t.yaml")
        for fragment in fragments:
            assert fragment in message
    assert not Path("runs").exists()


def test_missing_config(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean t.yaml?" in refused(capsys, "train", "tt.yaml")
    assert not Path("runs").exists()


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_damaged_parquet(folder: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    path = Path("t.parquet")
    pd.DataFrame({"x": range(99), "y": range(99)}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:-9], "text": GOOD.encode(), "empty": b""}[damage])
    flags = ("--set", "data.source={kind: parquet, path: t.parquet}")
    assert "t.parquet" in refused(capsys, "train", "t.yaml", *flags)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("ending", "name"), [("gz", "gzip"), ("bz2", "bzip2"), ("zst", "zstd"), ("lz4", "lz4")]
)
def test_a_name_that_promises_compression(
    folder: Path, capsys: pytest.CaptureFixture[str], ending: str, name: str
) -> None:
    file = f"u.csv.{ending}"
    Path(file).write_text(GOOD)
    message = refused(capsys, "train", "t.yaml", "--set", f"data.source.path={file}")
    assert f"{file}: is not a {name} file, though its name says so" in message
    with pa.CompressedOutputStream(file, "bz2" if ending == "bz2" else name) as stream:
        stream.write(GOOD.encode())
    assert run(["check", "t.yaml", "--set", f"data.source.path={file}"]) == 0


def test_truncated_gzip(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{x:.9f},1,a,2\n" for x in np.random.default_rng(0).random(9000))
    Path("t.csv.gz").write_bytes(gzip.compress((HEADER + rows).encode())[:-5000])
    assert "t.csv.gz" in refused(capsys, "train", "t.yaml", "--set", "data.source.path=t.csv.gz")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run, trained once for all tests below."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "t.csv").write_text(GOOD)
    (folder / "t.yaml").write_text(CONFIG)
    arguments = ["train", str(folder / "t.yaml"), "--quiet", "--output", str(folder / "run")]
    assert run(arguments) == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["predict", "RUN", "--data", "u.csv"], ["u.csv", "no such file", "did you mean t.csv?"]),
        (["predict", "RUN", "--data", "less.csv"], ["'word'", "did you mean 'wort'?"]),
        (["predict", "RUN", "--data", "t.csv", "--output", "o.txt"], ["o.txt", ".parquet"]),
        (["predict", "RUN", "--data", "t.csv", "--output", "no/o.csv"], ["no does not exist"]),
        (["predict", "nowhere", "--data", "t.csv"], ["nowhere", "not a run directory"]),
        (["evaluate", "."], ["not a run directory"]),
        (["evaluate", "RUN", "--data", "less.csv"], ["'word'", "did you mean 'wort'?"]),
        (["train", "t.yaml", "--output", "RUN"], ["is not empty"]),
        (["train", "t.yaml", "--output", "t.csv/run"], ["t.csv", "cannot be written"]),
        (["init", "t.csv", "--target", "yy", "--output", "o.yaml"], ["'yy'", "did you mean y?"]),
        (
            ["init", "t.cvs", "--target", "y", "--output", "o.yaml"],
            ["t.cvs", "did you mean t.csv?"],
        ),
    ],
)
def test_wrong_use_of_a_run(
    folder: Path,
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    fragments: list[str],
) -> None:
    Path("less.csv").write_text(GOOD.replace("word", "wort"))
    message = refused(capsys, *[word.replace("RUN", str(trained)) for word in arguments])
    for fragment in fragments:
        assert fragment in message
    assert sorted(p.name for p in folder.iterdir()) == ["less.csv", "t.csv", "t.yaml"]


def test_evaluate_when_the_data_are_gone(
    folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = folder / "copy"
    shutil.copytree(trained, copy)
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("/t.csv", "/gone.csv"))
    assert "gone.csv" in refused(capsys, "evaluate", str(copy))
