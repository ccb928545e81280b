"""What README shows is true."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tftrain.cli.main import run
from tftrain.config import load_config
from tftrain.errors import ConfigError
from tftrain.reference import layers

README = Path(__file__).parent.parent / "README.md"
CONTRIBUTING = README.with_name("CONTRIBUTING.md")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found.group(1)


def test_the_example_config_loads(tmp_path: Path) -> None:
    (tmp_path / "houses.yaml").write_text(block("yaml"))
    config = load_config(tmp_path / "houses.yaml")
    assert config.data.target == ["price"]


def test_the_example_mistakes_are_reported_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = block("yaml").replace("learning_rate:", "learning_rat:")
    Path("houses.yaml").write_text(text.replace("{patience: 50}", "{patience: 0}"))
    with pytest.raises(ConfigError) as caught:
        load_config("houses.yaml")
    assert f"error: {caught.value}\n" in README.read_text(encoding="utf-8")


def test_the_explanation_is_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    config = README.parent / "configs" / "two_hidden_layers.yaml"
    assert run(["explain", str(config), "--row", "2"]) == 0
    text = capsys.readouterr().out
    # The tables have a column of rounding errors, which may differ between machines.
    written = text[: text.index("3. GRADIENTS")]
    assert written in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=lambda page: page.name)
def test_what_the_examples_register_is_proven(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "REFERENCES", dict(layers.REFERENCES))
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    [example] = [dedent(block) for block in blocks if "reference.register" in block]
    assert "assert report.certified" in example
    exec(compile(example, page.name, "exec"), {"__name__": "example"})
