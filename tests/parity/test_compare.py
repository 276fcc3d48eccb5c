"""`parity compare` on strangers' ports: a few of the corpus by default, all of it nightly."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.adapters.sides import parse_side
from parity.commands.compare import compare
from parity.compare.state import Options
from parity.diagnose.causes import CAUSES
from parity.report.build_schema import FILE, schema
from restoration.errors import ExitCode, InputError
from tests.backends import ROOT
from tests.parity import corpus, planted
from tests.parity.strangers import REFERENCE, causes, sides

PORTS = dict(corpus.ports())
QUICK = ("srcnn/port_mindspore.py", "espcn/port_mindspore.py", "unet/port_torch.py")
"""Ports of small networks: three faults in two stretches, an honest one, and a lost gradient."""

FAULTS = (
    ("return x +", "return 0.5 * x +", "residual scale"),
    ("return x + self", "return self", "skip missing"),
    ("x + self.last(", "torch.clamp(x + self.last(", "output clamp"),
    ("self.first(x)", "self.first(x.flip(1))", "channel order"),
    ("return x +", "return x.detach() +", "detach"),
    ("return x +", "return 2 * x - x.detach() +", "gradient scale"),
    (
        *(
            "torch.relu(self.first(x))",
            "torch.lerp(h := torch.relu(self.first(x)), h.detach(), 0.25)",
        ),
        "gradient scale",
    ),
    ("torch.relu(self.first(x))", "torch.relu(self.first(x) * torch.rand(1))", "random"),
)


@pytest.mark.parametrize(
    "port",
    [
        pytest.param(port, marks=pytest.mark.frameworks("torch", PORTS[port]["framework"]))
        for port in QUICK
    ],
)
def test_every_fault_of_a_small_port_is_located_and_its_cause_named(port: str) -> None:
    score = corpus.run(port, PORTS[port])
    assert score.is_right, [finding.in_words for finding in score.result.findings]
    assert score.result.verdict == ("DIFFER" if score.faults else "AGREE")


@pytest.mark.goldens
@pytest.mark.parametrize("port", [port for port in PORTS if port not in QUICK])
def test_every_fault_of_the_corpus_is_located_and_its_cause_named(port: str) -> None:
    score = corpus.run(port, PORTS[port])
    assert score.is_right, [finding.in_words for finding in score.result.findings]


@pytest.mark.goldens
@pytest.mark.parametrize("framework", ["jittor", "mindspore"])
@pytest.mark.parametrize("fault", planted.FAULTS, ids=lambda one: f"{one.model}-{one.causes[0]}")
def test_a_fault_planted_in_our_own_ports_is_named(
    tmp_path: Path, framework: str, fault: planted.Planted
) -> None:
    result = planted.run(fault, framework, tmp_path)
    there = planted.located(fault, result.findings)
    assert any(finding.cause in fault.causes for finding in there)


@pytest.mark.goldens
@pytest.mark.parametrize(
    ("port", "causes"),
    [
        ("mindspore:first_mindspore.py", {"slope", "padding amount", "momentum"}),
        ("mindspore:mindspore_port.py", set()),
        ("jittor:first_jittor.py", {"biased variance"}),
        ("jittor:jittor_port.py", set()),
    ],
)
def test_the_guides_ports_have_the_faults_that_it_tells_of(port: str, causes: set[str]) -> None:
    folder = ROOT / "examples" / "porting"
    framework, _, file = port.partition(":")
    result = compare(
        parse_side(f"torch:{folder / 'network.py'}:build", where="reference"),
        parse_side(f"{framework}:{folder / file}:build", where="port"),
        Options({}),
        lambda _who, _text: None,
    )
    assert set(causes(result)) == causes
    assert result.verdict == ("DIFFER" if causes else "AGREE")


@pytest.mark.frameworks("torch")
def test_an_equal_port_agrees_whatever_its_modules_are_called(tmp_path: Path) -> None:
    port = REFERENCE.replace("first", "layer_b").replace("last", "layer_a")
    result = sides(tmp_path, port)
    assert (result.verdict, result.findings) == ("AGREE", [])
    assert result.compared == result.expected > 0
    assert any("inputs were found by trying: x (1, 3, 32, 40)" in one for one in result.assumptions)


@pytest.mark.frameworks("torch")
def test_a_cause_is_named_with_the_lines_of_both_sides(tmp_path: Path) -> None:
    result = sides(tmp_path, REFERENCE.replace("torch.relu", "torch.nn.functional.silu"))
    (finding,) = result.findings
    assert (finding.kind, finding.cause, finding.detail) == ("code", "activation", "silu for relu")
    assert finding.ratio > 1e4
    assert finding.ratio_after is not None
    assert finding.ratio_after < 16
    line = REFERENCE.splitlines().index("        return x + self.last(torch.relu(self.first(x)))")
    assert finding.reference.first_line == finding.port.first_line == line + 1
    assert "torch.relu" in finding.reference.source()[0]
    assert "silu" in finding.port.source()[0]


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(("old", "new", "cause"), FAULTS)
def test_a_fault_is_called_by_its_name(tmp_path: Path, old: str, new: str, cause: str) -> None:
    port = REFERENCE.replace(old, new)
    if "clamp" in new:
        port = port.replace("(self.first(x)))", "(self.first(x))), 0, 1)")
    assert cause in causes(sides(tmp_path, port))


@pytest.mark.frameworks("torch")
def test_a_state_that_is_not_reset_is_found_by_a_second_call(tmp_path: Path) -> None:
    port = REFERENCE.replace(
        "        return x +", "        self.n += 1\n        return self.n * x +"
    )
    port = port.replace("        self.first", "        self.n = 0\n        self.first", 1)
    assert "state not reset" in causes(sides(tmp_path, port))


@pytest.mark.frameworks("torch")
def test_a_size_that_is_baked_in_is_found_by_another_size(tmp_path: Path) -> None:
    port = REFERENCE.replace("return x +", "return x.reshape(1, 3, 32, 40) +")
    assert causes(sides(tmp_path, port)) == ["size baked in"]


@pytest.mark.frameworks("torch")
def test_an_output_whose_shape_differs_is_never_agreement(tmp_path: Path) -> None:
    port = REFERENCE.replace("return x +", "return x[:, :, 1:] +").replace(
        "(self.first(x)))", "(self.first(x)))[:, :, 1:]"
    )
    assert sides(tmp_path, port).verdict != "AGREE"


@pytest.mark.frameworks("torch")
def test_a_weight_without_a_partner_is_a_gap(tmp_path: Path) -> None:
    port = REFERENCE.replace(
        "    def forward", "        self.more = nn.Parameter(torch.ones(5))\n    def forward"
    )
    result = sides(tmp_path, port)
    assert result.verdict == "INCOMPLETE"
    (finding,) = result.findings
    assert (finding.kind, finding.port.entry) == ("weights", "more")


@pytest.mark.frameworks("torch")
def test_the_map_of_weights_is_written_and_read_and_so_are_converted_weights(
    tmp_path: Path,
) -> None:
    port = REFERENCE.replace("first", "layer_b").replace("last", "layer_a")
    written = {
        "write_rules": tmp_path / "rules.json",
        "write_converted": tmp_path / "port.npz",
    }
    assert sides(tmp_path, port, **written).verdict == "AGREE"
    rules = json.loads((tmp_path / "rules.json").read_text())["rules"]
    assert [r"first\.weight", "layer_b.weight"] in rules
    with np.load(tmp_path / "port.npz") as file:
        assert {"layer_a.bias", "layer_b.weight"} <= set(file.files)
        assert file["layer_b.weight"].shape == (8, 3, 3, 3)
    (tmp_path / "rules.json").write_text(r'{"rules": [["(first|last)\\.(.*)", "layer_b.\\2"]]}')
    wrong = sides(tmp_path, port, rules=tmp_path / "rules.json")
    assert any("by rules" in text for text in wrong.assumptions)


@pytest.mark.frameworks("torch")
def test_code_that_names_a_gpu_parses_arguments_and_imports_siblings_runs(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text("from torch import nn\nconv = nn.Conv2d\n")
    port = "import argparse\nimport parts\n" + REFERENCE.replace("nn.Conv2d", "parts.conv")
    port = port.replace("return Net(width)", "print('made')\n    return Net(width).to('cuda:0')")
    port += "\nif __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n"
    assert sides(tmp_path, port).verdict == "AGREE"


@pytest.mark.frameworks("torch")
def test_the_ports_own_weights_are_judged_apart_from_its_code(tmp_path: Path) -> None:
    import zlib

    rng = np.random.default_rng(zlib.crc32(b"weights"))
    shapes = {"first": (8, 3, 3, 3), "last": (3, 8, 3, 3)}
    weights = {f"{name}.weight": 0.2 * rng.standard_normal(s) for name, s in shapes.items()}
    weights |= {f"{name}.bias": 0.1 * rng.standard_normal(s[0]) for name, s in shapes.items()}
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    np.savez(tmp_path / "reference.npz", **weights)
    wrong = weights | {"first.weight": weights["first.weight"].astype(np.float16)}
    np.savez(tmp_path / "port.npz", **wrong)
    result = sides(
        tmp_path,
        REFERENCE,
        weights=tmp_path / "reference.npz",
        port_weights=tmp_path / "port.npz",
    )
    assert result.verdict == "DIFFER"
    (finding,) = result.findings
    assert (finding.kind, finding.cause) == ("weights", "weights rounded")
    assert (finding.reference.module, finding.port.module) == ("first", "first")


@pytest.mark.frameworks("torch")
def test_the_command_prints_json_that_its_schema_describes(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text(REFERENCE)
    (tmp_path / "port.py").write_text(REFERENCE.replace("torch.relu", "torch.tanh"))
    finished = _parity(tmp_path, "torch:reference.py:build", "torch:port.py:build", "--json")
    assert finished.returncode == ExitCode.DIFFERENT, finished.stderr
    found = json.loads(finished.stdout)
    _check(found, schema(), schema())
    assert found["findings"][0]["cause"]["name"] == "activation"


@pytest.mark.frameworks("torch")
def test_what_was_recorded_elsewhere_is_judged_as_if_it_ran_here(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text(REFERENCE)
    (tmp_path / "port.py").write_text(REFERENCE.replace("torch.relu", "torch.tanh"))
    reference = "torch:reference.py:build"
    for file in ("reference", "port"):
        written = _parity(tmp_path, f"torch:{file}.py:build", "-o", file, command="record")
        assert written.returncode == ExitCode.OK, written.stderr
    # Both were drawn from one seed, so they have the same weights.
    right = _parity(tmp_path, reference, "arrays:reference")
    assert right.returncode == ExitCode.OK, right.stdout + right.stderr
    assert "the port was recorded" in right.stdout
    wrong = _parity(tmp_path, reference, "arrays:port")
    assert wrong.returncode == ExitCode.DIFFERENT
    assert "activation: tanh for relu" in wrong.stdout
    other = _parity(tmp_path, reference, "arrays:port", "--input", "x=1x3x8x8")
    assert other.returncode == ExitCode.BAD_INPUT
    assert "expected those of the recording, got others" in other.stderr


@pytest.mark.goldens
@pytest.mark.frameworks("torch")
def test_a_reference_that_was_recorded_has_places_and_no_causes(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text(REFERENCE)
    (tmp_path / "port.py").write_text(REFERENCE.replace("torch.relu", "torch.tanh"))
    _parity(tmp_path, "torch:reference.py:build", "-o", "reference", command="record")
    same = _parity(tmp_path, "arrays:reference", "torch:reference.py:build", "--json")
    assert json.loads(same.stdout)["verdict"] == "AGREE"
    finished = _parity(tmp_path, "arrays:reference", "torch:port.py:build", "--json")
    found = json.loads(finished.stdout)
    assert found["verdict"] == "DIFFER"
    first = next(finding for finding in found["findings"] if not finding["inherited"])
    assert (first["kind"], first["reference"]["module"], first["cause"]) == ("code", "last", None)
    assert any("the reference is not PyTorch" in text for text in found["assumptions"])


@pytest.mark.frameworks("torch")
def test_an_onnx_file_is_compared_node_by_node(tmp_path: Path) -> None:
    _write_onnx(tmp_path / "port.onnx", "Relu")
    _write_onnx(tmp_path / "wrong.onnx", "Tanh")
    (tmp_path / "reference.py").write_text(REFERENCE)
    words = ("--weights", "weights.npz", "--input", "x=1x3x16x20")
    right = _parity(tmp_path, "torch:reference.py:build", "onnx:port.onnx", *words)
    assert right.returncode == ExitCode.OK, right.stdout + right.stderr
    wrong = _parity(tmp_path, "torch:reference.py:build", "onnx:wrong.onnx", *words, "--json")
    found = json.loads(wrong.stdout)
    causes = [finding["cause"] and finding["cause"]["name"] for finding in found["findings"]]
    assert (found["verdict"], causes) == ("DIFFER", ["activation"])


def test_the_published_schema_is_that_of_the_program_and_lists_every_cause() -> None:
    published = json.loads(FILE.read_text())
    assert published == schema()
    assert set(published["$defs"]["cause"]["properties"]["name"]["enum"]) == set(CAUSES)


@pytest.mark.frameworks("torch")
def test_every_change_that_is_tried_has_a_word_of_the_list() -> None:
    import re

    text = "".join(
        (ROOT / file).read_text()
        for file in (
            "torch_impl/mutations.py",
            "parity/diagnose/search.py",
            "parity/diagnose/statistics.py",
            "parity/adapters/weight_findings.py",
        )
    )
    yielded = re.findall(r'(?:yield|return|cause =)\s*\(?\s*"([^"]+)",?\s', text)
    assert len(yielded) > 60
    assert set(yielded) - {"scale", "constant"} <= set(CAUSES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("network.py:build", "reference: expected FRAMEWORK:FILE.py:FACTORY"),
        ("keras:network.py:build", "framework of reference: expected one that is known"),
        ("torch:absent.py:build", "reference: expected a file, got none at absent.py"),
    ],
)
def test_a_side_that_is_none_is_bad_input(text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_side(text, where="reference")
    assert str(caught.value).startswith(expected)


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("torch:reference.py:make",), "factory: expected a function or class that makes"),
        (("torch:reference.py:torch.ones",), "TypeError"),
        (("torch:reference.py:build", "--port-args", "[1]"), "expected a JSON object"),
        (("torch:reference.py:build", "--input", "x=big"), "expected NAME=SHAPE"),
    ],
)
def test_wrong_words_are_bad_input_in_one_line(
    tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "reference.py").write_text(REFERENCE)
    finished = _parity(tmp_path, "torch:reference.py:build", *words)
    assert finished.returncode in (ExitCode.BAD_INPUT, ExitCode.INCOMPLETE)
    assert expected in finished.stderr
    assert "Traceback" not in finished.stderr


def _write_onnx(path: Path, activation: str) -> None:
    """`REFERENCE` as a graph, and its weights beside it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {"first": (8, 3, 3, 3), "last": (3, 8, 3, 3)}
    weights = {f"{name}.weight": 0.2 * rng.standard_normal(s) for name, s in shapes.items()}
    weights |= {f"{name}.bias": 0.1 * rng.standard_normal(s[0]) for name, s in shapes.items()}
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    np.savez(path.with_name("weights.npz"), **weights)
    pads = [1, 1, 1, 1]
    nodes = [
        helper.make_node("Conv", ["x", "first.weight", "first.bias"], ["a"], pads=pads),
        helper.make_node(activation, ["a"], ["b"]),
        helper.make_node("Conv", ["b", "last.weight", "last.bias"], ["c"], pads=pads),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 16, 20]) for name in "xy"
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "port", values[:1], values[1:], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


def _parity(
    folder: Path, *words: str, command: str = "compare"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "parity", command, *words, "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _check(value: Any, described: dict[str, Any], whole: dict[str, Any]) -> None:
    """A value against a JSON schema, for the words that ours uses."""
    if "$ref" in described:
        return _check(value, whole["$defs"][described["$ref"].rpartition("/")[2]], whole)
    if "anyOf" in described:
        kind = described["anyOf"][1 if value is None else 0]
        return _check(value, kind, whole)
    if "enum" in described:
        assert value in described["enum"]
        return None
    kinds = described["type"] if isinstance(described["type"], list) else [described["type"]]
    names = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    assert any(isinstance(value, names[kind]) for kind in kinds), (value, kinds)
    if isinstance(value, dict):
        assert set(value) == set(described["required"])
        for name, part in value.items():
            _check(part, described["properties"][name], whole)
    if isinstance(value, list) and "items" in described:
        for part in value:
            if "type" in described["items"] or "$ref" in described["items"]:
                _check(part, described["items"], whole)
    if isinstance(value, float):
        assert math.isfinite(value)
    return None
