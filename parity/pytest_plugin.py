"""The plugin of pytest: the fixture `parity`, its options, and baselines.

    def test_port(parity):
        parity("torch:network.py:build", "jittor:port.py:build", {"x": "1x3x32x40"})

    def test_port_where_there_is_only_jittor(parity):
        parity("torch:network.py:build", "jittor:port.py:build", baseline="network")

A baseline is what the reference gave, kept beside the tests in `parity_baselines/TEST_FILE/NAME`:
it stands for the reference. Importing this imports no framework, and none of the comparison.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from parity import asserting
from parity.asserting import ParityError, Request, assert_parity
from restoration.errors import RestorationError

if TYPE_CHECKING:
    from parity.report.comparison import Comparison

FOLDER = "parity_baselines"
SUFFIX = ".safetensors"


@dataclass
class Used:
    """What became known of baselines, by paths. used: files that were asked for. tests: files of
    tests that were met. partial: those of them of which not all tests ran. is_known: whether the
    rest is true."""

    used: set[str] = field(default_factory=set)
    tests: set[str] = field(default_factory=set)
    partial: set[str] = field(default_factory=set)
    is_known: bool = True

    def to_plain(self) -> dict[str, list[str]]:
        return {name: sorted(getattr(self, name)) for name in ("used", "tests", "partial")}

    def add(self, plain: dict[str, list[str]]) -> None:
        for name, values in plain.items():
            getattr(self, name).update(values)

    def unused(self) -> list[Path]:
        """Baselines that no test asked for, of files all of whose tests ran."""
        kept = [
            path
            for test in sorted(self.tests - self.partial)
            for path in sorted(folder_of(Path(test)).glob(f"*{SUFFIX}"))
        ]
        return [path for path in kept if str(path) not in self.used]


_USED = pytest.StashKey[Used]()
_BOUND_BEFORE = pytest.StashKey[float | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "comparing networks across frameworks")
    about_bound = "bound on ratios of errors (default: 16, twice that for stretches of code)"
    about_update = "write the baselines of the tests that run anew"
    group.addoption("--parity-bound", type=float, metavar="RATIO", help=about_bound)
    group.addoption("--parity-update", action="store_true", help=about_update)
    parser.addini("parity_bound", about_bound)
    parser.addini("parity_update", about_update, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_USED] = Used()
    config.stash[_BOUND_BEFORE] = asserting.default_bound()
    asserting.set_default_bound(_bound(config))


def pytest_unconfigure(config: pytest.Config) -> None:
    asserting.set_default_bound(config.stash.get(_BOUND_BEFORE, None))


def _bound(config: pytest.Config) -> float | None:
    """Raises UsageError: the bound is no number above 0."""
    given = config.getoption("parity_bound")
    text = config.getini("parity_bound") if given is None else given
    if text in ("", None):
        return None
    try:
        bound = float(text)
    except ValueError:
        bound = 0.0
    if not bound > 0:
        raise pytest.UsageError(f"parity bound: expected a number above 0, got {text!r}")
    return bound


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Parity:
    """Asserts that a port agrees with its reference: `assert_parity`, with baselines."""
    return Parity(request)


class Parity:
    """What the fixture gives; called as `assert_parity`."""

    def __init__(self, request: pytest.FixtureRequest):
        self._node = request.node
        self._config = request.config

    def __call__(
        self,
        reference: Any,
        port: Any,
        inputs: Any = None,
        *,
        baseline: str | bool | None = None,
        bound: float | None = None,
        **options: Any,
    ) -> Comparison:
        """Compare; the result, if they agree.

        baseline: the name of a recording that stands for the reference, or True for the test's
        name. The rest as for `assert_parity`.

        Raises:
            ParityError: they differ, not everything could be compared, or there is no baseline.
        """
        __tracebackhide__ = True
        if baseline:
            name = self._node.name if baseline is True else baseline
            try:
                reference = self._baseline(name, Request(reference, port, inputs, **options))
            except (ParityError, RestorationError) as problem:
                raise problem.with_traceback(None) from None
        try:
            result = assert_parity(reference, port, inputs, bound=bound, **options)
        except ParityError as problem:
            self._tell(problem.result)
            raise
        self._tell(result)
        return result

    def _baseline(self, name: str, request: Request) -> str:
        """The recording that stands for the reference; made anew, if that was asked for."""
        path = folder_of(self._node.path) / f"{_file_name(name)}{SUFFIX}"
        self._config.stash[_USED].used.add(str(path))
        if self._config.getoption("parity_update") or self._config.getini("parity_update"):
            path.parent.mkdir(parents=True, exist_ok=True)
            request.record(path)
        elif not path.is_file():
            raise ParityError(
                f"baseline {name!r}: expected a file, got none at {path}; pytest --parity-update "
                "writes it, where the framework of the reference is installed"
            )
        return f"arrays:{path}"

    def _tell(self, result: Comparison | None) -> None:
        """Leave verdict and numbers where JUnit files and other plugins find them."""
        if result is not None:
            self._node.user_properties += [
                ("parity_verdict", result.verdict),
                ("parity_compared", f"{result.compared} of {result.expected}"),
                ("parity_worst_ratio", f"{result.worst_ratio:.3g}"),
            ]


def folder_of(test: Path) -> Path:
    """Where the baselines of a file of tests are."""
    return test.parent / FOLDER / test.stem


def _file_name(name: str) -> str:
    """A name as a file's; those that differ stay different."""
    plain = re.sub(r"[^\w.+=-]+", "-", name, flags=re.ASCII)[:80].strip(".-")
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"


def pytest_itemcollected(item: pytest.Item) -> None:
    item.config.stash[_USED].tests.add(str(item.path))


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[_USED].partial.add(str(item.path))


def pytest_collection_finish(session: pytest.Session) -> None:
    """A test that was named alone leaves out the others of its file."""
    known = session.config.stash[_USED]
    for argument in session.config.args:
        file, separator, _ = argument.partition("::")
        if separator:
            known.partial.add(str(session.config.invocation_params.dir / file))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist tells what it knows."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["parity"] = session.config.stash[_USED].to_plain()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Takes what a worker of xdist told; one that crashed told nothing."""
    known = node.config.stash[_USED]
    told = getattr(node, "workeroutput", {}).get("parity")
    if error or told is None:
        known.is_known = False
    else:
        known.add(told)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Names baselines that no test asked for, if all that could have asked ran to their end."""
    known, stats = config.stash[_USED], terminalreporter.stats
    was_cut = bool(config.getoption("maxfail", 0)) and ("failed" in stats or "error" in stats)
    if exitstatus > pytest.ExitCode.TESTS_FAILED or was_cut or config.option.collectonly:
        return
    for kind in ("failed", "error", "skipped", "xfailed", "xpassed"):
        for report in stats.get(kind, ()):
            known.partial.add(str(config.rootpath / report.nodeid.partition("::")[0]))
    unused = known.unused() if known.is_known else []
    if unused:
        terminalreporter.section("parity baselines")
        for path in unused:
            terminalreporter.line(f"unused, no test asks for it: {path}")
