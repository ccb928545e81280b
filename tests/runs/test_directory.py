"""The run directory: where it goes, and that its files are whole."""

import json
import os
from pathlib import Path

import pytest

from tftrain.errors import OutputError, RunError
from tftrain.runs import RunDirectory, load_run


def test_directories_are_numbered(tmp_path: Path) -> None:
    parent = tmp_path / "runs/a"
    made = [RunDirectory.create(parent).path.name for _ in range(3)]
    assert made == ["0001", "0002", "0003"]
    (parent / "0041").mkdir()
    (parent / "notes").mkdir()
    assert RunDirectory.create(parent).path.name == "0042"


def test_own_directory_is_made_or_must_be_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        directory = RunDirectory.at(tmp_path / name)
        assert directory.path == tmp_path / name
        with directory.locked():
            directory.require_empty()
            directory.write_json(directory.summary, {"state": "running"})
        assert directory.state == "running"
        remedy = r"is not empty.*--output.*--resume goes on with the run in it"
        with pytest.raises(OutputError, match=remedy):
            directory.require_empty()


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for make in (RunDirectory.create, RunDirectory.at):
        with pytest.raises(OutputError, match=r"file.*cannot be written: .*--output"):
            make(tmp_path / "file/below")
        with pytest.raises(OutputError, match="cannot be written"):
            make(tmp_path / "file")


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    directory = RunDirectory.at(tmp_path)
    directory.write_json(directory.summary, {"a": 1})
    with pytest.raises(TypeError, match="JSON"):
        directory.write_json(directory.summary, {"a": object()})
    assert json.loads(directory.summary.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_numbers_that_json_cannot_say_are_null(tmp_path: Path) -> None:
    directory = RunDirectory.at(tmp_path)
    value = {"a": [1.5, float("nan"), {"b": float("-inf")}], "c": (2, "x", None, True)}
    directory.write_json(directory.summary, value)
    expected = {"a": [1.5, None, {"b": None}], "c": [2, "x", None, True]}
    assert json.loads(directory.summary.read_text()) == expected


@pytest.mark.parametrize(
    ("files", "fragment"),
    [
        (None, "no such directory"),
        ({}, "not a run directory"),
        ({"summary.json": "{"}, "cannot be read"),
        ({"summary.json": "[]"}, "not a run's summary"),
        ({"summary.json": ""}, "cannot be read"),
        ({"summary.json": '{"state": "running"}'}, "config.yaml"),
        (
            {
                "summary.json": '{"state": "failed", "error": "the loss became nan"}',
                "config.yaml": "data: {source: sklearn, target: target}",
            },
            "'failed': the loss became nan",
        ),
    ],
)
def test_what_is_no_run(tmp_path: Path, files: dict[str, str] | None, fragment: str) -> None:
    path = tmp_path / "run"
    if files is not None:
        path.mkdir()
    for name, text in (files or {}).items():
        (path / name).write_text(text)
    with pytest.raises(ValueError, match=fragment) as caught:
        load_run(path)
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]


def test_a_folder_of_runs_names_the_newest_last(tmp_path: Path) -> None:
    for i in range(1, 9):
        run = tmp_path / f"runs/{'ab'[i % 2]}/000{i}"
        run.mkdir(parents=True)
        for name in ("summary.json", "environment.json"):
            (run / name).write_text("{}")
        os.utime(run / "summary.json", (100 - i, 100 - i))  # 0008 is the oldest
    (tmp_path / "runs/a/other").mkdir()
    (tmp_path / "runs/a/other/summary.json").write_text("{}")  # of another program
    with pytest.raises(RunError) as caught:
        load_run(tmp_path / "runs")
    named = [part.strip()[-4:] for part in str(caught.value).rpartition(": ")[2].split(",")]
    assert named == ["0005", "0004", "0003", "0002", "0001"]


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("seed: 1")
    with pytest.raises(RunError, match=r"t\.yaml: not a run directory \(it is a file\); expected"):
        load_run(tmp_path / "t.yaml")
