"""Errors, ratios and verdicts on arrays made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.diagnose.locate import first_fault
from parity.judge.errors import Norms, error_of, have_equal_nonfinite, nonfinite, norms_of
from parity.judge.measurement import ArrayKey, ArrayKind, PortMeasurement, ReferenceMeasurement
from parity.judge.noise import HALF_ULP, Noise, noise_of
from parity.judge.verdicts import (
    BOUND,
    ArrayVerdict,
    CaseVerdict,
    Verdict,
    judge_array,
    judge_case,
    judge_decisions,
    judge_reference,
)
from restoration.process import arrays

RNG = np.random.default_rng(0)
TRUTH = RNG.standard_normal((4, 5))
EXACT = TRUTH.astype(np.float32)
NOISE = Noise(Norms(2e-6, 5e-7), Norms(1.0, 1.0))
X = ArrayKey.output("x")


def _off_by(error: float) -> np.ndarray:
    """The truth with one element off; float32 keeps the error to a percent."""
    array = np.zeros((4, 5), np.float32)
    array[1, 2] = error
    return array


def test_error_in_both_norms() -> None:
    array = (TRUTH + 0.5).astype(np.float32)
    error = error_of(array, TRUTH)
    assert error.mismatch == ""
    assert error.two_norm == pytest.approx(np.sqrt(20) * 0.5, rel=1e-6)
    assert error.max_norm == pytest.approx(0.5, rel=1e-6)
    assert norms_of(TRUTH) == pytest.approx((np.linalg.norm(TRUTH), np.abs(TRUTH).max()))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (EXACT[:, :4], "shape (4, 4), expected (4, 5)"),
        (EXACT[..., None], "shape (4, 5, 1)"),
        (EXACT.astype(np.float64), "dtype float64, expected float32"),
        (EXACT.astype(np.float16), "dtype float16"),
        (np.where(np.arange(20).reshape(4, 5) == 3, np.nan, EXACT), "NaN or Inf at 1 places"),
        (np.where(np.arange(20).reshape(4, 5) < 2, np.inf, EXACT), "NaN or Inf at 2 places"),
    ],
)
def test_what_cannot_be_compared_differs(array: np.ndarray, text: str) -> None:
    if "NaN" in text:
        array = array.astype(np.float32)
    verdict = judge_array(X, array, TRUTH, NOISE)
    assert verdict.verdict is Verdict.DIFFER
    assert verdict.ratio == np.inf
    assert text in verdict.why


def test_nan_where_the_truth_has_it_is_right() -> None:
    truth = TRUTH.copy()
    truth[0, :3] = np.nan, np.inf, -np.inf
    array = truth.astype(np.float32)
    assert judge_array(X, array, truth, NOISE).verdict is Verdict.AGREE
    array[0, 1] = -np.inf
    assert judge_array(X, array, truth, NOISE).verdict is Verdict.DIFFER
    array[0, 1] = 0
    assert "NaN or Inf at 1 places" in judge_array(X, array, truth, NOISE).why


def test_integers_must_be_equal() -> None:
    truth = np.arange(6)
    assert judge_array(X, truth.copy(), truth, NOISE).verdict is Verdict.AGREE
    assert "2 of 6 integers differ" in judge_array(X, np.maximum(truth, 2), truth, NOISE).why


def test_ratio_is_the_error_over_the_largest_of_the_references() -> None:
    truth = np.zeros((4, 5))
    verdict = judge_array(X, _off_by(1e-5), truth, NOISE)
    assert verdict.two_ratio == pytest.approx(5, rel=1e-6)  # of 2e-6
    assert verdict.max_ratio == pytest.approx(20, rel=1e-6)  # of 5e-7
    assert verdict.ratio == verdict.max_ratio
    assert verdict.verdict is Verdict.DIFFER
    assert "20 times the reference's own error in the max-norm" in verdict.why
    assert judge_array(X, _off_by(5e-7), truth, NOISE).verdict is Verdict.AGREE


def test_one_wrong_pixel_among_many_is_seen() -> None:
    """The 2-norm over a large array hides it, the max-norm does not."""
    truth = np.ones((1000, 1000))
    array = truth.astype(np.float32)
    array[0, 0] += 5e-6
    verdict = judge_array(X, array, truth, Noise(Norms(1e-4, 1.2e-7), Norms(1000.0, 1.0)))
    assert verdict.two_ratio < 1
    assert verdict.verdict is Verdict.DIFFER


def test_a_weak_error_everywhere_is_seen() -> None:
    """The max-norm next to one large error of the reference hides it, the 2-norm does not."""
    truth = np.ones((1000, 1000))
    array = (truth * (1 + 3e-6)).astype(np.float32)
    verdict = judge_array(X, array, truth, Noise(Norms(1e-4, 1e-4), Norms(1000.0, 1.0)))
    assert verdict.max_ratio < 1
    assert verdict.two_ratio > BOUND
    assert verdict.verdict is Verdict.DIFFER


def test_a_reference_without_error_gets_the_floor() -> None:
    array = (TRUTH * (1 + 4 * HALF_ULP)).astype(np.float32)
    verdict = judge_array(X, array, TRUTH, Noise(Norms(0.0, 0.0), norms_of(TRUTH)))
    assert verdict.verdict is Verdict.AGREE
    assert 1 < verdict.ratio < 8
    zero, none = np.zeros(3), Noise(Norms(0.0, 0.0), Norms(0.0, 0.0))
    assert judge_array(X, zero.astype(np.float32), zero, none).ratio == 0
    tiny = np.full(3, 1e-30, np.float32)
    assert judge_array(X, tiny, zero, none).verdict is Verdict.DIFFER


def _keyed(values: dict[str, Any]) -> dict[ArrayKey, Any]:
    return {ArrayKey.parse(name): value for name, value in values.items()}


def _reference(
    norms: dict[str, Norms], noise: dict[str, dict[str, Norms]], **facts: Any
) -> ReferenceMeasurement:
    """A reference's measurement by the names of arrays."""
    return ReferenceMeasurement(norms=_keyed(norms), noise=_keyed(noise), **facts)


def test_an_array_is_not_expected_to_be_more_exact_than_its_kind() -> None:
    """The floor is the median of the kind's relative errors; gradients are a kind of their own."""
    errors = {"tap/a": 1e-7, "tap/b": 3e-7, "tap/c": 9e-7, "gradient/parameter/w": 5e-6}
    reference = _reference(
        dict.fromkeys(errors, Norms(10.0, 1.0)),
        {name: {"plain": Norms(10 * error, error)} for name, error in errors.items()},
    )
    noise = {str(key): found for key, found in noise_of(reference).items()}
    for name in ("tap/a", "tap/b", "tap/c"):
        assert noise[name].floor == pytest.approx((3e-6, 3e-7))
    assert noise["gradient/parameter/w"].floor == pytest.approx((5e-5, 5e-6))
    assert noise["tap/a"].error == pytest.approx((1e-6, 1e-7))


def test_what_is_zero_but_for_rounding_is_measured_by_its_kind() -> None:
    """The gradient of a bias before a softmax: 1e-18 in float64, 1e-9 in float32."""
    a, b, zero = (f"gradient/parameter/{name}" for name in ("a", "b", "zero"))
    reference = _reference(
        {a: Norms(1.0, 0.1), b: Norms(3.0, 0.3), zero: Norms(1e-17, 1e-17)},
        {
            a: {"plain": Norms(1e-6, 1e-7)},
            b: {"plain": Norms(3e-6, 3e-7)},
            zero: {"plain": Norms(1e-9, 1e-9)},
        },
    )
    key = ArrayKey.parse(zero)
    noise = noise_of(reference)[key]
    assert noise.is_vanishing
    assert noise.floor == pytest.approx((2e-6, 2e-7))
    truth = np.full((4, 5), 1e-18)
    assert judge_array(key, _off_by(5e-8), truth, noise).verdict is Verdict.AGREE
    assert judge_array(key, _off_by(5e-6), truth, noise).verdict is Verdict.DIFFER


@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 1000))
def test_the_verdict_does_not_depend_on_the_scale(scale: float, seed: int) -> None:
    """An honest 1000-fold activation must not fail, a small one not pass."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(50)
    errors = 1e-4 * rng.standard_normal(50)
    noise = 1e-5 * rng.standard_normal(50)

    def ratio(factor: float) -> float:
        array = (factor * (truth + errors)).astype(np.float32)
        run = factor * noise
        noise_of_run = Noise(norms_of(run), norms_of(factor * truth))
        return judge_array(X, array, factor * truth, noise_of_run).ratio

    assert ratio(scale) == pytest.approx(ratio(1.0), rel=0.05)


def _case(
    tmp_path: Path, port: dict[str, np.ndarray], modes: tuple[str, ...] = (), **facts: Any
) -> Any:
    truth = {"output/y": TRUTH, "tap/(network)#0.in0": TRUTH, "gradient/parameter/w": TRUTH}
    problem = {"inputs/x": EXACT, "weights/w": EXACT}
    reference = _reference(
        {name: norms_of(array) for name, array in truth.items()},
        {name: {"plain": Norms(1e-6, 1e-6)} for name in truth},
        **facts,
    )
    for name, content in (("truth", truth), ("problem", problem), ("port", port)):
        arrays.write(tmp_path / name, content)
    with (
        arrays.reading(tmp_path / "truth") as exact,
        arrays.reading(tmp_path / "problem") as given_,
        arrays.reading(tmp_path / "port") as found,
    ):
        return judge_case(found, exact, given_.group("weights"), reference, modes)


PORT = {
    "output/y": EXACT,
    "tap/(network)#0.in0": EXACT,
    "gradient/parameter/w": EXACT,
    "parameter/w": EXACT,
}


def test_everything_compared_and_equal_agrees(tmp_path: Path) -> None:
    judged = _case(tmp_path, PORT)
    assert judged.verdict is Verdict.AGREE
    assert (judged.expected, judged.compared) == (4, 4)


@pytest.mark.parametrize("missing", PORT)
def test_anything_missing_is_incomplete(tmp_path: Path, missing: str) -> None:
    judged = _case(tmp_path, {name: array for name, array in PORT.items() if name != missing})
    assert judged.verdict is Verdict.INCOMPLETE
    assert (judged.expected, judged.compared) == (4, 3)


def test_anything_unexpected_is_incomplete(tmp_path: Path) -> None:
    judged = _case(tmp_path, PORT | {"tap/extra#0.out0": EXACT})
    assert judged.verdict is Verdict.INCOMPLETE
    assert (judged.expected, judged.compared) == (5, 4)


def test_a_further_mode_must_give_its_outputs(tmp_path: Path) -> None:
    assert _case(tmp_path, PORT, ("graph",)).verdict is Verdict.INCOMPLETE
    with_graph = PORT | {"output@graph/y": EXACT}
    assert _case(tmp_path, with_graph, ("graph",)).verdict is Verdict.AGREE
    wrong = PORT | {"output@graph/y": EXACT + np.float32(0.1)}
    assert _case(tmp_path, wrong, ("graph",)).verdict is Verdict.DIFFER


def test_a_difference_outweighs_a_gap(tmp_path: Path) -> None:
    port = {"output/y": EXACT + np.float32(0.1), "parameter/w": EXACT}
    assert _case(tmp_path, port).verdict is Verdict.DIFFER


def test_a_parameter_must_come_back_bit_for_bit(tmp_path: Path) -> None:
    port = PORT | {"parameter/w": np.nextafter(EXACT, np.float32(9))}
    judged = _case(tmp_path, port)
    assert judged.verdict is Verdict.DIFFER
    assert first_fault(judged, []) == "1 parameters changed by loading, as w"


def test_a_reference_that_fails_in_float32_is_no_pass(tmp_path: Path) -> None:
    judged = _case(tmp_path, PORT, unusable={ArrayKey.output("y"): "NaN or Inf at 3 places"})
    assert judged.verdict is Verdict.INCOMPLETE
    why = next(array.why for array in judged.arrays if str(array.key) == "output/y")
    assert why == "the reference's own float32 run has NaN or Inf at 3 places"


def test_nothing_to_compare_is_no_pass() -> None:
    assert judge_reference(ReferenceMeasurement(norms={}, noise={})).verdict is Verdict.INCOMPLETE


def test_decisions_are_judged_by_their_margins() -> None:
    """A decision may fall otherwise only where rounding could have moved it."""
    margins = np.array([0.3, -0.2, 1e-8, 0.1])
    truth = (margins > 0).astype(np.float64)
    noise = Noise(error=Norms(2e-8, 1e-8), norms=Norms(0.37, 0.3))
    key = ArrayKey.output("decision")

    def judged(*changed: int) -> ArrayVerdict:
        decisions = truth.astype(np.float32)
        for place in changed:
            decisions[place] = 1 - decisions[place]
        return judge_decisions(key, decisions, truth, margins, noise)

    assert judged() == ArrayVerdict(key, Verdict.AGREE, 0.0)
    near = judged(2)
    assert near.verdict is Verdict.AGREE
    assert 0 < near.ratio <= 1
    assert "1 of 4 decisions differ" in near.why
    far = judged(2, 3)
    assert far.verdict is Verdict.DIFFER
    assert "2 of 4 decisions differ, one against a margin of 0.1" in far.why
    empty = judge_decisions(key, truth[:2].astype(np.float32), truth, margins, noise)
    assert empty.verdict is Verdict.DIFFER


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("output/full", ArrayKey(ArrayKind.OUTPUT, "full")),
        ("output@graph/full", ArrayKey.output("full", "graph")),
        ("tap/a.0#1.out2", ArrayKey.tap("a.0#1.out2")),
        ("gradient/input/image", ArrayKey.input_gradient("image")),
        ("gradient/parameter/a/b.weight", ArrayKey.parameter_gradient("a/b.weight")),
        ("parameter/a@b", ArrayKey.parameter("a@b")),
    ],
)
def test_names_of_arrays_are_read_as_they_are_written(text: str, key: ArrayKey) -> None:
    assert ArrayKey.parse(text) == key
    assert str(key) == text


@pytest.mark.parametrize("text", ["", "output", "output/", "outputs/x", "gradient/x", "weights/w"])
def test_what_names_no_array_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no array; expected KIND/NAME, output, tap"):
        ArrayKey.parse(text)


def test_the_place_of_a_tap() -> None:
    place = ArrayKey.tap("decoder1.0.conv1#3.in1").place
    assert (place.module, place.call, place.side, place.index) == ("decoder1.0.conv1", 3, "in", 1)
    assert ArrayKey.tap("(network)#0.out2").place.module == ""
    with pytest.raises(ValueError, match="output/x is no tap"):
        _ = X.place


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gradient/parameter/stem.weight", "gradient of stem.weight"),
        ("gradient/input/image", "gradient of image"),
        ("tap/decoder1.0.conv1#0.out0", "decoder1.0.conv1, output"),
        ("tap/(network)#2.in1", "(network), input of call 3"),
        ("output@graph/full", "output@graph full"),
        ("parameter/stem.weight", "parameter stem.weight"),
    ],
)
def test_names_of_arrays_in_words(name: str, words: str) -> None:
    assert ArrayKey.parse(name).in_words == words


def test_measurements_cross_between_processes_as_json() -> None:
    key, margin = ArrayKey.output("decision"), ArrayKey.output("margin")
    reference = ReferenceMeasurement(
        taps=[ArrayKey.tap("(network)#0.in0")],
        norms={key: Norms(2.0, 1.0), margin: Norms(3.0, 0.1)},
        noise={key: {"plain": Norms(0.0, np.inf)}, margin: {}},
        unusable={key: "NaN"},
        decisions={key: margin},
        engine={"precision": "float32"},
        seconds=1.5,
        peak_mb=70,
    )
    back = json.loads(json.dumps(reference.to_json()))
    assert ReferenceMeasurement.from_json(back) == reference
    port = PortMeasurement(
        modes=["graph"], refusals={"pynative": "why"}, engine={}, seconds=2.0, peak_mb=1
    )
    assert PortMeasurement.from_json(json.loads(json.dumps(port.to_json()))) == port


def _no_truth(tmp_path: Path, name: str, port: np.ndarray) -> CaseVerdict:
    """A port's array where the truth has a NaN and a minus infinity, all else as it should be."""
    truth = {key: EXACT.astype(np.float64) for key in PORT if key != "parameter/w"}
    truth[name] = truth[name] * np.where(np.arange(EXACT.size).reshape(EXACT.shape) == 2, np.nan, 1)
    found = PORT | {name: port}
    reference = _reference(
        {key: norms_of(array) for key, array in truth.items()},
        {key: {"plain": Norms(1e-6, 1e-6)} for key in truth},
        nonfinite={ArrayKey.parse(name): nonfinite(truth[name])},
    )
    arrays.write(tmp_path / "truth", truth)
    arrays.write(tmp_path / "port", found)
    with arrays.reading(tmp_path / "truth") as exact, arrays.reading(tmp_path / "port") as read:
        return judge_case(read, exact, {"w": EXACT}, reference, ())


@pytest.mark.parametrize("name", ["output/y", "gradient/parameter/w"])
def test_a_result_that_is_not_finite_in_float64_blames_no_port(tmp_path: Path, name: str) -> None:
    judged = _no_truth(tmp_path, name, EXACT)
    assert judged.verdict is Verdict.INCOMPLETE
    assert (judged.expected, judged.compared) == (4, 3)
    why = next(array.why for array in judged.arrays if str(array.key) == name)
    assert why == "the float64 truth itself has 1 NaN"
    assert first_fault(judged, [ArrayKey.parse("tap/(network)#0.in0")]) == ""


def test_what_a_module_masks_by_infinity_is_compared(tmp_path: Path) -> None:
    """A tap alone that is not finite, as scores that a mask sets to minus infinity."""
    tap = "tap/(network)#0.in0"
    assert _no_truth(tmp_path, tap, EXACT).verdict is Verdict.DIFFER
    same = EXACT * np.where(np.arange(EXACT.size).reshape(EXACT.shape) == 2, np.nan, 1)
    assert _no_truth(tmp_path, tap, same.astype(np.float32)).verdict is Verdict.AGREE


def test_a_reference_that_overflows_is_not_said_to_differ() -> None:
    key = ArrayKey.output("y")
    noise = {"plain": Norms(1e-6, 1e-6), "other": Norms(1e-6, 1e-6)}
    measured = _reference({"output/y": Norms(1, 1)}, {"output/y": noise}, unusable={key: "1 NaN"})
    assert judge_reference(measured).verdict is Verdict.INCOMPLETE


def test_numbers_that_are_none_are_counted() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1])
    assert nonfinite(array) == "1 NaN, 2 infinite"
    assert nonfinite(array[3:]) == nonfinite(np.array([2])) == ""
    assert have_equal_nonfinite(array, array.copy())
    assert not have_equal_nonfinite(array, array[[0, 2, 1, 3]])
    assert not have_equal_nonfinite(array, array[[3, 1, 2, 0]])
