"""The plugin, in projects of its users."""

import contextlib
import os
from pathlib import Path

import pytest

import tftrain

pytest_plugins = ["pytester"]
ROOT = Path(tftrain.__file__).parent.parent

LAYER = """
import numpy as np
import tensorflow as tf
import tftrain

class Scale(tf.Module):
    def __init__(self):
        super().__init__()
        self.gain = tf.Variable([1.5, -0.5], dtype=tf.float64)

    def __call__(self, x):
        @tf.custom_gradient
        def product(x, gain):
            return x * gain, lambda dy: (dy * gain, FACTOR * tf.reduce_sum(dy * x, axis=0))

        return product(x, tf.convert_to_tensor(self.gain))

@tftrain.reference.register(Scale)
class ScaleReference(tftrain.reference.Layer):
    def __init__(self, gain):
        self.gain = gain

    @classmethod
    def of(cls, layer):
        return cls(layer.gain.numpy())

    @property
    def parameters(self):
        return {"gain": self.gain}

    def with_parameters(self, change):
        return ScaleReference(change(self.gain))

    def forward(self, x):
        return x * self.gain

    def backward(self, x, y, dy):
        return dy * self.gain, {"gain": (dy * x).sum(axis=0)}

def test_scale(assert_gradient_parity):
    x = np.arange(6.0).reshape(3, 2)
    network = tftrain.nn.Sequential([Scale(), tftrain.nn.Dense(2, 1, dtype="float64")])
    assert_gradient_parity(network, x, x[:, :1], optimizer="adam")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", os.environ["TF_USE_LEGACY_KERAS"])
    return pytester


def outcome(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=120)


def test_a_wrong_gradient_fails_with_the_table_and_names_the_layer(project) -> None:
    project.makepyfile(LAYER.replace("FACTOR", "1.000001"))
    result = outcome(project)
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "error / bound" in text
    assert "WRONG: 1 Scale: gain" in text
    assert "pytest_plugin.py" not in text  # no traceback through our own files


@pytest.mark.slow
def test_a_mended_gradient_passes(project) -> None:
    project.makepyfile(LAYER.replace("FACTOR", "1.0"))
    outcome(project).assert_outcomes(passed=1)


@pytest.mark.slow
def test_configs_are_tests(project) -> None:
    folder = project.mkdir("configs")
    (folder / "t.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(10)))
    text = "data: {source: {kind: csv, path: t.csv}, target: y}\nmodel: {hidden: [2]}\n"
    (folder / "good.yaml").write_text(text)
    (folder / "bad.yaml").write_text(text.replace("hidden", "hiden"))
    result = outcome(project, "--tftrain-configs", "configs", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*good.yaml*PASSED*"])
    result.stdout.fnmatch_lines(["*bad.yaml:2:9: model.hiden: unknown key, did you mean hidden?*"])
    assert "Traceback" not in result.stdout.str()


def test_without_the_option_no_config_is_collected_and_tensorflow_not_loaded(project) -> None:
    (project.mkdir("configs") / "a.yaml").write_text("data: 3\n")
    project.makepyfile(
        """
        import sys

        def test_nothing():
            assert "tensorflow" not in sys.modules
        """
    )
    outcome(project).assert_outcomes(passed=1)


def test_a_folder_that_does_not_exist(project) -> None:
    result = outcome(project, "--tftrain-configs", "nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--tftrain-configs nowhere: no such file or folder" in result.stderr.str()


@pytest.mark.parametrize("path", ["empty", "notes.txt"])
def test_where_no_config_is(project, path: str) -> None:
    project.mkdir("empty")
    (project.path / "notes.txt").write_text("nothing\n")
    result = outcome(project, "--tftrain-configs", path)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--tftrain-configs {path}: no config (.yaml or .yml) there" in result.stderr.str()


@pytest.mark.slow
def test_what_cannot_be_checked_fails_without_a_traceback(project) -> None:
    project.makepyfile(
        """
        from tftrain import nn

        def test_wrong(assert_gradient_parity):
            assert_gradient_parity(nn.Dense(2, 1), [[1.0, 2.0]], [[1.0]], loss="mes")
        """
    )
    result = outcome(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the gradients cannot be checked: unknown loss 'mes'*mse*"])
    assert "checking.py" not in result.stdout.str()


def test_zero_gradients_notes_and_proof(project) -> None:
    project.makepyfile(
        """
        import numpy as np
        import pytest
        import tensorflow as tf
        from tftrain import nn

        X, Y, ONE = np.ones((4, 3)), np.zeros((4, 1)), {"modes": ["eager"]}

        def dead():
            network = nn.MLP(3, [4], 1, activation="relu", seed=0)
            network.layers[0].bias.assign([-1e3] * 4)
            network.layers[-1].bias.assign([0.0])
            return network

        def test_zero(assert_gradient_parity):
            assert_gradient_parity(dead(), X, Y, **ONE)

        def test_allowed(assert_gradient_parity):
            assert_gradient_parity(dead(), X, Y, allow_zero=True, **ONE)

        def test_evidence(assert_gradient_parity):
            assert_gradient_parity(nn.Sequential([nn.Dense(3, 1), tf.sin]), X, Y, **ONE)

        def test_proof(assert_gradient_parity):
            network = nn.Sequential([nn.Dense(3, 1), tf.sin])
            assert_gradient_parity(network, X, Y, require_proof=True, **ONE)
        """
    )
    result = outcome(project)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*every gradient is zero on this batch*allow_zero=True*",
            "*not every gradient is proven*",
            "*notes of gradient checks*",
            "*test_allowed: Every gradient is zero on this batch*",
            "*test_evidence: The reference does not know sin*",
        ]
    )


def test_fixtures_of_a_module_and_properties_check_gradients(project) -> None:
    project.makepyfile(
        """
        import numpy as np
        import pytest
        import tensorflow as tf
        from hypothesis import given, settings, strategies
        from tftrain import nn

        X, Y, ONE = np.ones((4, 3)), np.zeros((4, 1)), {"modes": ["eager"]}

        @pytest.fixture(scope="module")
        def network(assert_gradient_parity):
            network = nn.Sequential([nn.Dense(3, 1), tf.sin])
            assert_gradient_parity(network, X, Y, **ONE)
            return network

        def test_first(network):
            pass

        @given(strategies.integers(0, 9))
        @settings(max_examples=3, deadline=None)
        def test_property(assert_gradient_parity, seed):
            assert_gradient_parity(nn.Dense(3, 1, seed=seed), X, Y, **ONE)
        """
    )
    result = outcome(project)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_first: The reference does not know sin*"])


@pytest.mark.slow
def test_configs_in_addopts(project) -> None:
    folder = project.mkdir("configs")
    (folder / "bad.yaml").write_text("data: 3\n")
    project.makeini("[pytest]\naddopts = --tftrain-configs configs\n")
    project.makepyfile(test_one="def test_one(): pass\n")
    other = project.mkdir("sub") / "configs"
    other.mkdir()
    (other / "another.yaml").write_text("data: 3\n")
    outcome(project).assert_outcomes(passed=1, failed=1)
    outcome(project, "test_one.py").assert_outcomes(passed=1)
    with contextlib.chdir(project.path / "sub"):
        settings = ["--rootdir", str(project.path), "-c", "../tox.ini"]
        result = outcome(project, *settings)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*bad.yaml*"])
        result = outcome(project, *settings, "--tftrain-configs", "configs")
        result.stdout.fnmatch_lines(["*another.yaml*"])


def test_configs_beside_settings_that_lie_below_the_root(project) -> None:
    (project.mkdir("sub") / "configs").mkdir()
    (project.path / "sub" / "configs" / "bad.yaml").write_text("data: 3\n")
    (project.path / "sub" / "pytest.ini").write_text(
        "[pytest]\naddopts = --tftrain-configs configs\n"
    )
    other = project.mkdir("configs")
    (other / "another.yaml").write_text("data: 3\n")
    (other / "test_one.py").write_text("def test_one(): pass\n")
    settings = ["-c", "sub/pytest.ini", "--rootdir=."]
    result = outcome(project, *settings)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*bad.yaml*"])
    outcome(project, *settings, "configs").assert_outcomes(passed=1)
