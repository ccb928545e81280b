"""Where a run looks for its table: first where it was as seen from the run."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tftrain.config import load_config
from tftrain.config.loading import config_text
from tftrain.errors import DataError, InputError
from tftrain.runs import RunDirectory
from tftrain.runs.table import path_from_run, require_table, with_source, with_table_found

RUN = "runs/houses/0001"


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with a table and a run, as `train` writes them."""
    monkeypatch.chdir(tmp_path)
    make_run(Path("project"), "houses.csv")


def make_run(project: Path, table: str) -> None:
    directory = RunDirectory.at(project / RUN)
    (project / "houses.csv").write_text("x,y\n1,2\n")
    (project / "houses.yaml").write_text(
        f"data: {{source: {{kind: csv, path: {table}}}, target: y}}"
    )
    config = load_config(project / "houses.yaml")
    directory.write_text(directory.config, config_text(config))
    table_entry = {"table": path_from_run(directory, config)}
    directory.write_json(
        directory.environment, {"config": config.model_dump(mode="json"), **table_entry}
    )


def found(run: str | Path) -> Path:
    directory = RunDirectory(Path(run))
    config = with_table_found(directory, load_config(directory.config))
    return Path(config.data.source.path)  # type: ignore[union-attr]


def change(run: Path, **entries: Any) -> None:
    file = run / "environment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


def test_the_path_starts_at_the_run() -> None:
    told = json.loads(Path("project", RUN, "environment.json").read_text())
    assert told["table"] == "../../../houses.csv"


def test_where_nothing_was_moved(tmp_path: Path) -> None:
    assert found(f"project/{RUN}") == tmp_path / "project/houses.csv"


def test_a_project_that_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("elsewhere").mkdir()
    shutil.move("project", "elsewhere/renamed")
    table = tmp_path / "elsewhere/renamed/houses.csv"
    assert found(f"elsewhere/renamed/{RUN}") == table
    monkeypatch.chdir(f"elsewhere/renamed/{RUN}")
    assert found(".") == table
    assert found(Path.cwd()) == table
    monkeypatch.chdir("..")
    assert found("0001") == table


def test_a_pattern_of_files_in_a_project_that_was_moved(tmp_path: Path) -> None:
    make_run(Path("several"), "hou*.csv")
    shutil.move("several", "moved")
    assert found(f"moved/{RUN}") == tmp_path / "moved/hou*.csv"


def test_a_copy_does_not_read_the_table_of_the_original(tmp_path: Path) -> None:
    shutil.copytree("project", "copy")
    assert found(f"copy/{RUN}") == tmp_path / "copy/houses.csv"
    assert found(f"project/{RUN}") == tmp_path / "project/houses.csv"


def test_a_run_that_was_moved_by_itself(tmp_path: Path) -> None:
    shutil.move(f"project/{RUN}", "best")
    assert found("best") == tmp_path / "project/houses.csv"


def test_a_link_to_a_run_of_a_project_that_was_moved(tmp_path: Path) -> None:
    shutil.move("project", "moved")
    os.symlink(tmp_path / "moved" / RUN, "latest")
    assert found("latest") == tmp_path / "moved/houses.csv"


def test_a_path_that_was_edited_counts(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("x,y\n3,4\n")
    config = Path("project", RUN, "config.yaml")
    config.write_text(config.read_text().replace("project/houses.csv", "other.csv"))
    assert found(f"project/{RUN}") == tmp_path / "other.csv"


def test_a_table_that_is_nowhere_is_named_where_it_was(tmp_path: Path) -> None:
    shutil.move("project", "moved")
    Path("moved/houses.csv").unlink()
    assert found(f"moved/{RUN}") == tmp_path / "project/houses.csv"
    config = load_config(f"moved/{RUN}/config.yaml")
    with pytest.raises(DataError, match=r"project/houses\.csv: no such file .*data\.source\.path="):
        require_table(config)


@pytest.mark.parametrize("table", [None, 3, [], "", "\0", "x" * 10_000, "../" * 500, "[", "no/**"])
def test_an_entry_that_is_no_path_does_not_matter(tmp_path: Path, table: Any) -> None:
    change(Path("project", RUN), table=table)
    assert found(f"project/{RUN}") == tmp_path / "project/houses.csv"


def test_a_pattern_is_not_searched_for_before_the_table_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The runs of strangers may hold one that takes hours."""
    make_run(Path("wide"), "'*.csv'")
    change(Path("wide", RUN), table="../../../../**/*.csv")
    directory = RunDirectory(Path("wide", RUN))
    config = load_config(directory.config)
    monkeypatch.setattr("glob.glob", lambda *_, **__: pytest.fail("searched"))
    place = with_table_found(directory, config).data.source.path  # type: ignore[union-attr]
    assert place.endswith("/**/*.csv")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"table": "x"}', '{"config": 3}'])
def test_a_run_without_the_entry_or_a_damaged_one(tmp_path: Path, text: str | None) -> None:
    file = Path("project", RUN, "environment.json")
    file.unlink() if text is None else file.write_text(text)
    assert found(f"project/{RUN}") == tmp_path / "project/houses.csv"


def test_a_run_without_a_file_has_no_path() -> None:
    config = load_config({"data": {"source": "sklearn", "target": "target"}})
    directory = RunDirectory(Path("project", RUN))
    assert path_from_run(directory, config) is None
    assert with_table_found(directory, config) == config
    require_table(config)


def test_only_the_source_of_a_run_can_be_set(tmp_path: Path) -> None:
    config = load_config(f"project/{RUN}/config.yaml")
    shutil.move("project/houses.csv", "there.csv")
    changed = with_source(config, ["data.source.path=there.csv"], "no")
    assert changed.data.source.path == str(tmp_path / "there.csv")  # type: ignore[union-attr]
    for other in ("seed=1", "data.target=x", "data={source: sklearn}", "data.sources.path=x"):
        with pytest.raises(InputError, match=r"^no; only keys of data\.source can be set"):
            with_source(config, ["data.source.path=there.csv", other], "no")
    with pytest.raises(InputError, match=r"expected key\.path=value"):
        with_source(config, ["data.source.path"], "no")
