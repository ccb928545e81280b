"""The command line, run in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tftrain.cli.main import run

Outcome = tuple[int, str, str]
Tftrain = Callable[..., Outcome]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tftrain:
    """Return a function that runs `tftrain` in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(list(arguments))
        streams = capsys.readouterr()
        assert "Traceback" not in streams.err
        return code, streams.out, streams.err

    return call
