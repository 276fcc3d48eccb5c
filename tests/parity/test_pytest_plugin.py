"""The plugin of pytest, in environments that have one framework: the others are hidden from every
process that a test starts. One that is made from nothing has the marker `goldens`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from restoration.process import cache
from restoration.process.frameworks import FRAMEWORKS
from tests.backends import ROOT
from tests.packaging.environments import Environment, build_wheel
from tests.parity.sloped import NETWORK

pytest_plugins = ["pytester"]

CACHE = str(cache.home())  # what Jittor compiled is there; pytester has another home
EXAMPLES = ROOT / "examples" / "pytest"
HIDING = """
import functools, importlib.machinery
found = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {hidden!r} else found(name, path, target)
importlib.machinery.PathFinder.find_spec = functools.partial(find_spec)  # binds to no object
"""


_PLUGIN = ("-p", "parity.pytest_plugin")

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def only(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """Gives what runs pytest in the test's folder where there is one framework."""

    def choose(framework: str) -> Run:
        hidden = {name for name in FRAMEWORKS if name != framework}
        folder = pytester.mkdir("hiding")
        (folder / "sitecustomize.py").write_text(HIDING.format(hidden=hidden))
        path = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path)
        monkeypatch.setenv(cache.VARIABLE, CACHE)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        plugins = (*_PLUGIN, "-p", "no:cacheprovider")
        return lambda *words: pytester.runpytest_subprocess(*plugins, *words)

    return choose


def _text(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def test_importing_the_plugin_imports_neither_a_framework_nor_the_comparison() -> None:
    program = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import parity.pytest_plugin\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        f"sys.exit(str(tops) if tops & {{*{(*FRAMEWORKS, 'numpy', 'rich')!r}}} or "
        "'parity.commands.compare' in sys.modules else 0)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.frameworks("torch")
def test_live_modules_pass_and_fail_and_stay_as_they_are(
    pytester: pytest.Pytester, only: Callable[[str], Run]
) -> None:
    run = only("torch")
    (pytester.path / "network.py").write_text(NETWORK)
    pytester.makepyfile(
        test_live="""
        import random, sys
        import numpy as np, pytest, torch
        sys.path.insert(0, ".")
        from network import Net
        from parity import assert_parity

        def pair(slope):
            one, other = Net(), Net(slope)
            other.load_state_dict(one.state_dict())
            return one, other

        def test_honest(parity):
            parity(*pair(0.1), torch.rand(1, 3, 8, 12))

        def test_another_slope():
            assert_parity(*pair(0.2), {"x": "1x3x8x12"})

        def test_other_weights():
            assert_parity(Net(), Net(), np.zeros((1, 3, 8, 12)))

        def test_moved_weights():
            assert_parity(Net(), Net(), "1x3x8x12", move_weights=True)

        def test_weights_by_name():
            weights = Net().state_dict()
            assert_parity(Net(), Net(), "1x3x8x12", weights=weights, move_weights=True)
            with pytest.raises(Exception, match="expected its 4 entries"):
                assert_parity(Net(), Net(), weights={"head.weight": 1.0})

        def test_nothing_is_changed():
            (one, other), another = pair(0.1), Net()
            before = {name: value.clone() for name, value in other.state_dict().items()}
            torch.manual_seed(1), random.seed(1), np.random.seed(1)
            drawn = torch.rand(1).item(), random.random(), np.random.random()
            torch.manual_seed(1), random.seed(1), np.random.seed(1)
            assert_parity(another, other, "1x3x8x12", move_weights=True)
            assert drawn == (torch.rand(1).item(), random.random(), np.random.random())
            assert other.training and not other.head._forward_hooks
            assert all(torch.equal(before[n], value) for n, value in other.state_dict().items())

        def test_no_network():
            assert_parity(Net(), 3)

        def test_missing_framework():
            assert_parity(Net(), "jittor:network.py:build")
        """
    )
    result = run("test_live.py")
    result.assert_outcomes(passed=4, failed=4)
    text = _text(result)
    result.stdout.fnmatch_lines(
        [
            '>*assert_parity(*pair(0.2), {"x": "1x3x8x12"})',
            "E*ParityError: DIFFER: torch:network.py:Net against torch:network.py:Net, *compared",
            "E*module: act (network.py:12) / act (network.py:12): * times rounding; "
            "slope: 0.2 for 0.1 (with it *)",
            "E*port network.py:12: return x + self.tail(self.act(self.head(x)))",
        ]
    )
    assert "weights: head.weight / head.weight" in text
    assert "expected a module of PyTorch, Jittor, MindSpore, or text" in text
    assert "Jittor is not installed" in text
    assert "parity record SIDE -o FILE, and give arrays:FILE" in text
    assert "asserting.py" not in text  # tracebacks end in the tests


BASELINES = """
import sys
sys.path.insert(0, ".")
from network import Net
import pytest

@pytest.mark.parametrize("shape", ["1x3x8x12", "1x3x9x9:-1,1"])
def test_recorded(parity, shape):
    parity(Net(), Net(), shape, baseline=True, move_weights=True)

def test_named(parity):
    parity(Net(), Net(SLOPE), "1x3x8x12", baseline="mine", move_weights=True)
"""


@pytest.mark.frameworks("torch")
def test_baselines_are_missed_written_used_and_reported(
    pytester: pytest.Pytester, only: Callable[[str], Run]
) -> None:
    run, xdist = only("torch"), ("-p", "xdist", "-n", "2")
    (pytester.path / "network.py").write_text(NETWORK)
    test = pytester.path / "test_it.py"
    test.write_text(BASELINES.replace("SLOPE", "0.1"))
    result = run()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*ParityError: baseline 'mine': expected a file, got none at *"])
    assert "pytest --parity-update writes it" in _text(result)
    assert "pytest_plugin.py" not in _text(result)

    run(*xdist, "--parity-update").assert_outcomes(passed=3)
    folder = pytester.path / "parity_baselines" / "test_it"
    mine, *others = sorted(folder.iterdir())
    assert mine.name == "mine.safetensors"
    assert len(others) == 2
    assert all(
        re.match(r"test_recorded-1x3x[\w.-]+-[0-9a-f]{8}\.saf", path.name) for path in others
    )
    assert str(pytester.path).encode() not in mine.read_bytes()

    (folder / "old.safetensors").write_bytes(b"")
    test.write_text(BASELINES.replace("SLOPE", "0.2"))
    result = run("--junitxml", "result.xml", "-o", "parity_bound=17")
    result.assert_outcomes(passed=2, failed=1)
    assert "unused" not in _text(result)  # what failed may have wanted it
    written = (pytester.path / "result.xml").read_text()
    assert '<property name="parity_verdict" value="DIFFER"' in written

    result = run(*xdist, "--parity-bound", "1e9")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*= parity baselines =*", f"unused*{folder}/old.safetensors"])
    assert _text(result).count("unused") == 1
    assert "unused" in _text(run("-o", "parity_bound=1e9"))
    assert "unused" not in _text(run("--parity-bound", "1e9", "-k", "named"))

    test.write_text(BASELINES.replace("SLOPE", "0.1").replace("1x3x8x12", "1x3x8x14"))
    result = run("test_it.py::test_named")
    result.assert_outcomes(failed=1)
    assert "inputs: expected those of the recording, got others" in _text(result)
    result = run("test_it.py::test_named", "-o", "parity_update=true")
    result.assert_outcomes(passed=1)
    assert "unused" not in _text(result)


@pytest.mark.parametrize("bound", ["0", "wide"])
def test_a_bound_that_is_none_is_a_wrong_use(
    pytester: pytest.Pytester, only: Callable[[str], Run], bound: str
) -> None:
    result = only("torch")("-o", f"parity_bound={bound}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"expected a number above 0, got '{bound}'" in _text(result)


@pytest.mark.frameworks("torch")
def test_a_name_of_a_module_cannot_write_lines_of_its_own(
    pytester: pytest.Pytester, only: Callable[[str], Run]
) -> None:
    run = only("torch")
    (pytester.path / "network.py").write_text(NETWORK)
    pytester.makepyfile(
        """
        import sys
        sys.path.insert(0, ".")
        from network import Net
        from parity import assert_parity

        class Hostile(Net):
            def __init__(self, slope):
                super().__init__(slope)
                self.add_module("a\\nE   AGREE\\n::error::b\\u202e\\x1b[2J", self.act)
                del self.act
            def forward(self, x):
                (act,) = [one for name, one in self.named_children() if name.startswith("a")]
                return x + self.tail(act(self.head(x)))

        def test_it():
            assert_parity(Hostile(0.1), Hostile(0.2), "1x3x8x12", move_weights=True)
        """
    )
    result = run("--color=no")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert r"a\nE   AGREE\n::error::b\u202e\x1b[2J" in text
    assert not any(line.startswith(("E   AGREE", "::error")) for line in text.splitlines())
    assert "\x1b" not in text
    assert "\u202e" not in text


LIVE = """
import sys
from pathlib import Path
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from jittor_impl import runtime
runtime.prepare("cpu", report=print, warn=print)
from parity import assert_parity

REFERENCE = f"arrays:{HERE}/parity_baselines/test_port/network.safetensors"

def test_live_port():
    from port import build
    assert_parity(REFERENCE, build(), move_weights=True)

def test_live_faulty_port():
    from faulty_port import build
    assert_parity(REFERENCE, build(), move_weights=True)
"""


@pytest.mark.frameworks("jittor")
def test_a_port_is_compared_with_a_recorded_reference_whose_framework_is_not_there(
    pytester: pytest.Pytester, only: Callable[[str], Run]
) -> None:
    """The example's recording of PyTorch's network beside Jittor alone, also by a live module."""
    run = only("jittor")
    shutil.copytree(EXAMPLES, pytester.path / "it")
    (pytester.path / "it" / "test_live.py").write_text(LIVE)
    result = run("it/test_port.py", "it/test_live.py", "-k", "recorded or live")
    result.assert_outcomes(passed=2, failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "E*ParityError: DIFFER: jittor:faulty_port.py:Upscaler against arrays:network.saf*",
            "E*code: tail (network.py:21) / tail (faulty_port.py:19): * times rounding; *",
            "E*reference network.py:21: return torch.sigmoid(self.tail(large))",
            "E*port faulty_port.py:19: return jt.sigmoid(self.tail(large))",
        ]
    )


def _told(text: str) -> list[str]:
    """What a failure says, without the digits of ratios."""
    lines = re.findall(r"^E .*$", text, re.MULTILINE)
    return [re.sub(r"[\d.]+e\+\d+|(?<=with it )[\d.]+", "", line) for line in lines]


@pytest.mark.frameworks("torch", "jittor")
def test_the_examples_pass_and_fail_as_the_page_shows() -> None:
    finished = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", EXAMPLES,
            "-c", os.devnull, *_PLUGIN, EXAMPLES,
        ],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 failed, 2 passed" in finished.stdout, finished.stdout + finished.stderr
    page = (ROOT / "docs" / "pytest.md").read_text()
    assert len(_told(page)) > 5
    assert _told(finished.stdout) == _told(page)


@pytest.mark.goldens
def test_an_environment_made_from_nothing_has_the_plugin(tmp_path: Path) -> None:
    """The wheel with PyTorch alone: pytest finds the plugin by its entry point."""
    environment = Environment(tmp_path / "env")
    environment.install(f"{build_wheel(tmp_path)}[torch]", "pytest")
    (tmp_path / "network.py").write_text(NETWORK)
    (tmp_path / "test_it.py").write_text(
        "def test_agrees(parity):\n"
        "    parity('torch:network.py:build', 'torch:network.py:build', '1x3x8x12')\n"
        "def test_differs(parity):\n"
        "    side = 'torch:network.py:build'\n"
        "    parity(side, side, '1x3x8x12', port_args={'slope': 0.2}, baseline=True)\n"
        "def test_other_framework(parity):\n"
        "    parity('torch:network.py:build', 'jittor:network.py:build')\n"
    )
    finished = environment.run("pytest", "-q", "--parity-update", cwd=tmp_path)
    assert "2 failed, 1 passed" in finished.stdout, finished.stdout + finished.stderr
    assert "/ tail (network.py:12): " in finished.stdout  # a recording tells places by weights
    assert "Jittor is not installed" in finished.stdout
