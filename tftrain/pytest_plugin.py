"""The pytest plugin: gradient checks in the tests of whoever installs tftrain.

    def test_my_network(assert_gradient_parity):
        assert_gradient_parity(network, x, y, loss="mse", optimizer="adam")

    $ pytest --tftrain-configs configs/      # every config in the folder is a test

TensorFlow is imported when the first gradient is checked, not before.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tftrain.errors import TftrainError

SUFFIXES = (".yaml", ".yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that makes tests of configs."""
    parser.getgroup("tftrain").addoption(
        "--tftrain-configs",
        metavar="PATH",
        action="append",
        default=[],
        help="check the gradients of a tftrain config, or of every config in a folder "
        "(may be repeated)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the configs to what is collected."""
    for path in config.getoption("--tftrain-configs"):
        place = config.invocation_params.dir / path
        if not place.exists():
            raise pytest.UsageError(f"--tftrain-configs {path}: no such file or folder")
        files = place.rglob("*") if place.is_dir() else [place]
        if not any(file.suffix in SUFFIXES for file in files):
            wanted = " or ".join(SUFFIXES)
            raise pytest.UsageError(f"--tftrain-configs {path}: no config ({wanted}) there")
        config.args.append(str(config.invocation_params.dir / path))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ConfigFile | None":
    """Make a YAML file a test if it lies where the option says."""
    folders = [
        (parent.config.invocation_params.dir / path).resolve()
        for path in parent.config.getoption("--tftrain-configs")
    ]
    wanted = any(file_path.resolve().is_relative_to(folder) for folder in folders)
    if file_path.suffix not in SUFFIXES or not wanted:
        return None
    return ConfigFile.from_parent(parent, path=file_path)


class ConfigFile(pytest.File):
    """A config file."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the test of its gradients."""
        yield GradientCheck.from_parent(self, name="gradcheck")


class GradientCheck(pytest.Item):
    """Checks every gradient of a config, in all modes and dtypes."""

    def runtest(self) -> None:
        """Fail with the table of checks unless every gradient is proven."""
        from tftrain.experiment.gradcheck import check_file

        _require(check_file(self.path))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what is wrong without a traceback, which would show nothing but this file."""
        if isinstance(excinfo.value, (AssertionError, TftrainError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the test stands, and its name."""
        return self.path, None, f"gradcheck {self.path.name}"


@pytest.fixture(scope="session")
def assert_gradient_parity() -> Callable[..., None]:
    """Return a function that fails unless every gradient of a network is right.

    It takes the arguments of `tftrain.gradcheck`.
    """

    def check(network: Any, x: Any, y: Any, **options: Any) -> None:
        __tracebackhide__ = True
        import tftrain

        try:
            report = tftrain.gradcheck(network, x, y, **options)
        except TftrainError as error:
            pytest.fail(f"the gradients cannot be checked: {error}", pytrace=False)
        _require(report)

    return check


def _require(report: Any) -> None:
    __tracebackhide__ = True
    if not report.ok:
        raise AssertionError(f"a gradient is wrong\n{report}")
