"""The pytest plugin: gradient checks in the tests of whoever installs tftrain.

    def test_my_network(assert_gradient_parity):
        assert_gradient_parity(network, x, y, loss="mse", optimizer="adam")

    $ pytest --tftrain-configs configs/      # every config in the folder is a test

TensorFlow is imported when the first gradient is checked, not before.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tftrain.errors import TftrainError

OPTION = "--tftrain-configs"

SUFFIXES = (".yaml", ".yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that makes tests of configs."""
    parser.getgroup("tftrain").addoption(
        OPTION,
        metavar="PATH",
        action="append",
        default=[],
        help="check the gradients of a tftrain config, or of every config in a folder "
        "(may be repeated)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the configs to what is collected."""
    places = [_place_of(config, path) for path in config.getoption(OPTION)]
    config.option.tftrain_configs = [str(place) for place in places]
    if _wants_configs(config):
        config.args += config.option.tftrain_configs


def _place_of(config: pytest.Config, path: str) -> Path:
    """Return the place of the configs that an option names.

    On the command line it is in the current folder, in pytest's settings in theirs.
    """
    current = config.invocation_params.dir
    settings = [config.inipath.parent] if config.inipath else []
    folders = [*settings, config.rootpath, current]
    if path in _given(config):
        folders.insert(0, current)
    place = next((folder / path for folder in folders if (folder / path).exists()), None)
    if place is None:
        raise pytest.UsageError(f"{OPTION} {path}: no such file or folder")
    files = place.rglob("*") if place.is_dir() else [place]
    if not any(file.suffix in SUFFIXES for file in files):
        wanted = " or ".join(SUFFIXES)
        raise pytest.UsageError(f"{OPTION} {path}: no config ({wanted}) there")
    return place


def _given(config: pytest.Config) -> list[str]:
    """Return the paths that the option has on the command line."""
    arguments = [str(argument) for argument in config.invocation_params.args]
    after = [path for option, path in pairwise(arguments) if option == OPTION]
    return [*after, *(a.split("=", 1)[1] for a in arguments if a.startswith(f"{OPTION}="))]


def _wants_configs(config: pytest.Config) -> bool:
    """Return whether to add the configs: not where `addopts` names them, and others are wanted."""
    return bool(_given(config)) or config.args_source != pytest.Config.ArgsSource.ARGS


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ConfigFile | None":
    """Make a YAML file a test if it lies where the option says."""
    folders = [Path(path).resolve() for path in parent.config.option.tftrain_configs]
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember which test is run: fixtures of any scope may check gradients."""
    item.config.stash[CURRENT] = item


CURRENT = pytest.StashKey[pytest.Item]()


@pytest.fixture(scope="session")
def assert_gradient_parity(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Return a function that fails unless every gradient of a network is right.

    It takes the arguments of `tftrain.gradcheck`, and two more. Gradients that are all zero, which
    test nothing, fail the check unless `allow_zero` is set. With `require_proof`, evidence alone
    fails it too. The report's notes appear in pytest's summary.
    """

    def check(
        network: Any,
        x: Any,
        y: Any,
        *,
        allow_zero: bool = False,
        require_proof: bool = False,
        **options: Any,
    ) -> None:
        __tracebackhide__ = True
        import tftrain

        try:
            report = tftrain.gradcheck(network, x, y, **options)
        except TftrainError as error:
            pytest.fail(f"the gradients cannot be checked: {error}", pytrace=False)
        _require(report)
        if report.all_zero and not allow_zero:
            raise AssertionError(
                "every gradient is zero on this batch, so that nothing was put to the test: give "
                f"other data or weights, or allow_zero=True\n{report}"
            )
        if require_proof and not report.certified:
            raise AssertionError(f"not every gradient is proven\n{report}")
        pytestconfig.stash[CURRENT].user_properties += [(NOTE, note) for note in report.notes]

    return check


NOTE = "note of the gradient check"
"""Name of the property of a test that holds a sentence to read with its result."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the notes of all gradient checks that passed."""
    notes = [
        f"{report.nodeid}: {note}"
        for report in terminalreporter.stats.get("passed", [])
        for name, note in getattr(report, "user_properties", ())
        if name == NOTE and report.when == "call"
    ]
    if notes:
        terminalreporter.section("notes of gradient checks")
        for note in notes:
            terminalreporter.line(note)


def _require(report: Any) -> None:
    __tracebackhide__ = True
    if not report.ok:
        raise AssertionError(f"a gradient is wrong\n{report}")
