"""The three implementations of a model differ in vocabulary only.

After the allowed renames the syntax trees of a model's files must be equal; and the share of lines
that differ as text may only fall: `RATCHET` is lowered when it does.
"""

from __future__ import annotations

import ast
import difflib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch_impl", "jittor_impl", "mindspore_impl")
LAYERS = sorted(f"layers/{path.stem}" for path in (ROOT / "torch_impl/layers").glob("[!_]*.py"))
SHIMS = [*LAYERS, "cost_volume"]
SERVING_LAYERS = {
    "compiled",
    "layers/matrices",
    "layers/sums",
    "exporting",  # Jittor has no exporter
    *(
        "compiling",
        "fusing",
        "shrinking",
    ),  # PyTorch compiles ahead, and what it exports may be smaller
    *("config", "model_zoo"),  # what users of MindSpore's model zoo know
    *("mutations", "tape"),  # the reference is changed and followed, to find causes
    *("decisions", "optimizer_rules", "transcript"),  # as are its steps; and written out
}  # what one framework has alone
NOT_MODELS = {
    *("__init__", "runtime", "engine", "arrays", "training", "distributed", "optimizers"),
    *("train", "evaluate", "restore", "export", "exporting", "compiling", "fusing", "shrinking"),
    *("foreign", "tape", "mutations"),  # what `parity compare` asks of a side
    *("decisions", "optimizer_rules", "transcript"),
    *SHIMS,
    *("config", "model_zoo"),
}

RATCHET = {"jittor_impl": 0.12, "mindspore_impl": 0.13}
"""Largest share of a model file's lines that may differ from PyTorch's."""

RENAMES = [
    (r"\bnn\.Cell\b", "nn.Module"),
    (r"\bdef (execute|construct)\b", "def forward"),
    (r"\bnn\.SequentialCell\b", "nn.Sequential"),
    (r"\bnn\.CellList\b", "nn.ModuleList"),
    (r"\bVar\b", "Tensor"),
    (r"\b(jt\.concat|ops\.cat)\b", "torch.cat"),
    (r"\b(jt\.stack|ops\.stack)\b", "torch.stack"),
    (
        r"\b(jt|ops)\."
        r"(abs|chunk|clamp|cos|exp|flip|full_like|log|minimum|sigmoid|sin|sqrt|where)\b",
        r"torch.\2",
    ),
    (r"\b(jt\.detach|ops\.stop_gradient)\b", "torch.detach"),
    (r"\b(nn|ops)\.(grid_sample|unfold)\b", r"F.\2"),
    (r"\b(nn|ops)\.relu\b", "F.relu_"),
    (r"\b(min|max)_v=", r"\1="),
    (r"\bkeep_?dims=", "keepdim="),
    (r"\baxis=", "dim="),
]
"""Plain renames: another word for the same thing, with the same meaning and defaults."""

NATIVE = re.compile(
    r"# Native: "
    r"(absent\b|(torch|jittor|mindspore)\.\w|brackets\b|slices\b|assignment\b|the operator\b)"
)
"""What a shim's comment begins with: the framework's own call."""

MODELS = sorted(
    path.stem for path in (ROOT / "torch_impl").glob("*.py") if path.stem not in NOT_MODELS
)
LOSSES = sorted(f"losses/{path.stem}" for path in (ROOT / "torch_impl/losses").glob("[!_]*.py"))
MIRRORED = [*MODELS, *LOSSES]


def _renamed(package: str, model: str) -> str:
    text = (ROOT / package / f"{model}.py").read_text()
    for pattern, word in RENAMES:
        text = re.sub(pattern, word, text)
    return text


def _tree(package: str, model: str) -> list[str]:
    """The file's statements without imports, each as a text of its syntax tree."""
    statements = ast.parse(_renamed(package, model)).body
    return [
        ast.dump(statement, indent=1)
        for statement in statements
        if not isinstance(statement, ast.Import | ast.ImportFrom)
    ]


def _imported_layers(package: str, model: str) -> list[str]:
    """What a model takes from its package's other files."""
    return sorted(
        alias.name
        for node in ast.parse((ROOT / package / f"{model}.py").read_text()).body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(package)
        for alias in node.names
    )


def test_the_same_files() -> None:
    names = [
        {
            str(path.relative_to(ROOT / package).with_suffix(""))
            for path in (ROOT / package).rglob("*.py")
        }
        - SERVING_LAYERS
        for package in PACKAGES
    ]
    assert names[0] == names[1] == names[2]
    assert MODELS


@pytest.mark.parametrize("package", PACKAGES[1:])
@pytest.mark.parametrize("model", MIRRORED)
def test_the_same_syntax_tree(package: str, model: str) -> None:
    expected, found = _tree("torch_impl", model), _tree(package, model)
    assert len(found) == len(expected)
    for one, other in zip(expected, found, strict=True):
        difference = difflib.unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=2)
        assert one == other, "\n".join(difference)
    assert _imported_layers(package, model) == _imported_layers("torch_impl", model)


@pytest.mark.parametrize("package", PACKAGES[1:])
def test_share_of_differing_lines(package: str) -> None:
    different = total = 0
    for model in MIRRORED:
        expected, found = (
            (ROOT / name / f"{model}.py").read_text().splitlines()
            for name in ("torch_impl", package)
        )
        blocks = difflib.SequenceMatcher(None, expected, found, autojunk=False)
        same = sum(block.size for block in blocks.get_matching_blocks())
        different += len(found) - same
        total += len(found)
    assert different / total <= RATCHET[package], f"{different} of {total} lines"
    assert different / total > RATCHET[package] - 0.03, "lower the ratchet"


def _functions(package: str, file: str) -> dict[str, tuple[str, str]]:
    """Signatures and docstrings of the public functions and classes of a file of shims."""
    text = _renamed(package, file)
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = (ast.unparse(node.args), str(ast.get_docstring(node)))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            signatures = "; ".join(
                f"{item.name}({ast.unparse(item.args)})"
                for item in methods
                if item.name in ("__init__", "forward")
            )
            found[node.name] = (signatures, str(ast.get_docstring(node)))
    return found


@pytest.mark.parametrize("package", PACKAGES[1:])
@pytest.mark.parametrize("file", SHIMS)
def test_shims_have_the_same_names_signatures_and_docstrings(package: str, file: str) -> None:
    assert _functions(package, file) == _functions("torch_impl", file)


@pytest.mark.parametrize("package", PACKAGES)
def test_layers_come_from_one_place(package: str) -> None:
    """`layers/__init__.py` gives what its files define, and models import nothing else of it."""
    defined = sorted(name for file in LAYERS for name in _functions(package, file))
    tree = ast.parse((ROOT / package / "layers/__init__.py").read_text())
    assert defined == sorted(
        alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    )
    for file in (ROOT / package).glob("*.py"):
        assert f"{package}.layers." not in file.read_text(), file


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("file", SHIMS)
def test_every_shim_says_what_is_native(package: str, file: str) -> None:
    text = (ROOT / package / f"{file}.py").read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert NATIVE.search(str(ast.get_source_segment(text, node))), node.name


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("model", MODELS)
def test_model_files_are_only_models(package: str, model: str) -> None:
    tree = ast.parse((ROOT / package / f"{model}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.args.kwarg is None, f"{node.name} takes **{node.args.kwarg}"
            for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
                assert isinstance(default, ast.Constant), f"{node.name} has a mutable default"
        if isinstance(node, ast.Name):
            assert node.id != "print"
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("device", "dtype", "cuda"), f"a model uses .{node.attr}"
