"""Terms of losses against NumPy and SciPy, where the default run has no golden of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.signal import correlate

from restoration.blur.kernel_priors import boundary_penalty
from restoration.errors import InputError
from restoration.models.kernel_prediction import KernelPredictionSpec
from restoration.models.lmd_vit import LMDViTSpec, LMDViTStageSpec
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.pwc_flow import PWCFlowSpec
from restoration.models.self_blind_vsr import SelfBlindVSRSpec
from restoration.training.vgg import VGG16, VGG19, conv_names, read_vgg
from tests.backends import Backend, RaisedError

GOLDEN = Path(__file__).parents[1] / "golden" / "training" / "data-kernels.safetensors"
DISTANCES = {"l2": "L2", "l1": "L1", "huber": "Huber", "kl": "KL"}


def _images(*shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.random(shape)
    return first, (first + 0.2 * rng.standard_normal(shape)).clip(0, 1)


@pytest.fixture(scope="module")
def reblur() -> dict[str, np.ndarray]:
    content = load_file(GOLDEN)
    return {
        name.split("/reblur/")[1]: array.astype(np.float64)
        for name, array in content.items()
        if "/reblur/" in name
    }


def test_reblurring_is_the_authors(backend: Backend, reblur: dict[str, np.ndarray]) -> None:
    names = ("sharp", "kernels", "masks_valid")
    dtype, tolerance = _precision(backend)
    arrays = [reblur[name].astype(dtype) for name in names]
    (found,) = backend.call("loss", "reblur", arrays)
    np.testing.assert_allclose(found, reblur["forward_valid"], rtol=0, atol=tolerance)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_of_kernels_are_the_authors(
    backend: Backend, reblur: dict[str, np.ndarray], distance: str
) -> None:
    dtype, tolerance = _precision(backend)
    names = ("kernels", "masks_valid", "gt_kernels", "gt_masks", "mask_weights")
    arrays = [reblur[name].astype(dtype) for name in names]
    arrays[-1] = arrays[-1][:, None]
    (found,) = backend.call("loss", "kernel_difference", arrays, {"distance": distance})
    expected = reblur[f"kernel_loss_{DISTANCES[distance]}"]
    np.testing.assert_allclose(found, expected, rtol=10 * tolerance)


def _precision(backend: Backend) -> tuple[type, float]:
    return (np.float64, 1e-12) if backend.framework == "torch" else (np.float32, 1e-6)


@pytest.mark.frameworks("torch")
def test_the_loss_of_kernel_prediction_adds_both_up(
    backends: Callable[[str], Backend], reblur: dict[str, np.ndarray]
) -> None:
    outputs = {"kernels": reblur["kernels"], "masks": reblur["masks_valid"]}
    masks = np.zeros_like(reblur["gt_masks"])
    masks[:, 0, :, :7], masks[:, 1, :, 9:] = 1, 0.97  # columns 7 and 8 lie between masks
    batch = {
        "image": reblur["blurred"],
        "target": reblur["sharp"],
        "kernels": reblur["gt_kernels"],
        "masks": masks,
    }
    spec = KernelPredictionSpec()
    found = backends("torch").call("loss_terms", "KernelFieldLoss", spec, {}, outputs, batch)
    n, _, height, width = masks.shape
    weights = np.zeros((n, height, width))
    weights[:, :, :7] = 1 / (1 + 7 * height)
    weights[:, :, 9:] = 1 / (1 + 0.97 * (width - 9) * height)
    difference = reblur["forward_valid_saturated"] - reblur["blurred"]
    expected = (difference**2 * weights[:, None]).sum() / n
    np.testing.assert_allclose(found["reblur"], expected, rtol=1e-12)
    kernels = [
        np.einsum("nkij,nkhw->nijhw", *pair)
        for pair in ((outputs["kernels"], outputs["masks"]), (batch["kernels"], masks))
    ]
    distance = ((kernels[0] - kernels[1]) ** 2).sum((1, 2))
    np.testing.assert_allclose(found["kernel"], (distance * weights).sum() / n, rtol=1e-12)
    np.testing.assert_allclose(found["loss"], found["reblur"] + found["kernel"], rtol=1e-12)


def test_similarity_at_five_scales(backend: Backend) -> None:
    """At sizes that are odd after one and after three halvings, by SciPy."""
    output, target = _images(1, 2, 178, 164)
    dtype, tolerance = (np.float64, 1e-6) if backend.framework == "torch" else (np.float32, 1e-5)
    arrays = [output.astype(dtype), target.astype(dtype)]
    (found,) = backend.call("loss", "multiscale_similarity", arrays)
    weights = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(weights, weights)[None, None] / weights.sum() ** 2
    product = np.ones((1, 2))
    for level, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if level:
            output, target = _halved(output), _halved(target)
        means = [correlate(x, window, "valid") for x in (output, target)]
        squares = [correlate(x * x, window, "valid") for x in (output, target)]
        covariance = correlate(output * target, window, "valid") - means[0] * means[1]
        variances = [square - mean**2 for square, mean in zip(squares, means, strict=True)]
        term = (2 * covariance + 0.03**2) / (sum(variances) + 0.03**2)
        if level == 4:
            both = 2 * means[0] * means[1] + 0.01**2
            term = term * both / (means[0] ** 2 + means[1] ** 2 + 0.01**2)
        product *= term.mean((2, 3)).clip(0) ** exponent
    np.testing.assert_allclose(found, product.mean(), rtol=tolerance)


def _halved(x: np.ndarray) -> np.ndarray:
    x = np.pad(x, ((0, 0), (0, 0), (x.shape[2] % 2, 0), (x.shape[3] % 2, 0)))
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def test_similarity_below_zero_counts_as_zero_and_has_no_gradient(backend: Backend) -> None:
    output, _ = _images(1, 1, 176, 176)
    arrays = [output.astype(np.float32), (1 - output).astype(np.float32)]
    (found,) = backend.call("loss", "multiscale_similarity", arrays)
    assert found == 0
    probe = np.ones(1, np.float32)
    slopes = backend.call("weighted_loss_gradients", "multiscale_similarity", arrays, probe, {})
    assert not any(slope.any() for slope in slopes)


def test_differences_of_pixels(backend: Backend) -> None:
    output, target = _images(2, 3, 9, 12)
    output = (4 * output).astype(np.float32)
    target = target.astype(np.float32)
    difference = output.astype(np.float64) - target
    laplacian = sum(
        factor * difference[:, :, 1 + i : 8 + i, 1 + j : 11 + j]
        for i, j, factor in ((0, 0, -4), (1, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1))
    )
    modulus = np.abs(difference)
    assert modulus.max() > 1 > modulus.min()
    expected = {
        "charbonnier_difference": np.sqrt(difference**2 + 1e-6).mean(),
        "smooth_difference": np.where(modulus < 1, difference**2 / 2, modulus - 0.5).mean(),
        "laplacian_difference": np.abs(laplacian).mean(),
    }
    for name, value in expected.items():
        (found,) = backend.call("loss", name, [output, target])
        np.testing.assert_allclose(found, value, rtol=2e-6, err_msg=name)


def test_the_ports_form_of_mimo_unets_loss(backend: Backend) -> None:
    """Content alone, of every second and every fourth pixel of the label."""
    full, target = (array.astype(np.float32) for array in _images(1, 3, 16, 24))
    outputs = {"quarter": full[:, :, :4, :6], "half": full[:, :, :8, :12], "full": full}
    outputs = {name: np.ascontiguousarray(array) for name, array in outputs.items()}
    settings = {"spectral_weight": 0.0, "labels": "nearest"}
    found = backend.call(
        "loss_terms", "MultiScaleLoss", MIMOUNetSpec(), settings, outputs, {"target": target}
    )
    expected = sum(
        np.abs(outputs[name].astype(np.float64) - target[:, :, ::step, ::step]).mean()
        for name, step in (("quarter", 4), ("half", 2), ("full", 1))
    )
    assert list(found) == ["loss", "content"]
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-6)


def test_pruning_learns_from_the_mask_of_blur(backend: Backend) -> None:
    """The cross-entropy of "keep", where any pixel below is blurred."""
    rng = np.random.default_rng(1)
    mask = (rng.random((2, 1, 8, 12)) < 0.1).astype(np.float32)
    score = rng.standard_normal((2, 4, 6, 2)).astype(np.float32)
    coarse = rng.standard_normal((2, 2, 3, 2)).astype(np.float32)
    (found,) = backend.call("pruning_entropy", [score, coarse], mask)
    expected = []
    for one, factor in ((score, 2), (coarse, 4)):
        kept = mask.reshape(2, 8 // factor, factor, 12 // factor, factor).max((2, 4))
        shares = np.exp(one.astype(np.float64))
        shares /= shares.sum(3, keepdims=True)
        expected.append(-np.log(np.where(kept == 1, shares[..., 0], shares[..., 1])).mean())
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)


def test_priors_of_kernels(backend: Backend) -> None:
    rng = np.random.default_rng(2)
    kernels = rng.random((2, 1, 7, 7)).astype(np.float32)
    kernels[0, 0, 2] = 0
    exact = kernels.astype(np.float64)
    spec = SelfBlindVSRSpec(kernel_size=7, mode="train")
    frames = rng.random((2, 5, 3, 4, 6)).astype(np.float32)
    outputs = {"restored_reduced": frames[:, 1], "cycle": frames[:, 4], "kernel": kernels}
    outputs = {name: np.ascontiguousarray(array) for name, array in outputs.items()}
    found = backend.call("loss_terms", "BlindVideoLoss", spec, {}, outputs, {"frames": frames})
    mass = exact.sum((1, 2, 3))
    row = (exact * np.arange(7)[:, None]).sum((1, 2, 3)) / mass - 3
    column = (exact * np.arange(7)).sum((1, 2, 3)) / mass - 3
    expected = {
        "reconstruction": np.abs(frames[:, 1].astype(np.float64) - frames[:, 2]).mean(),
        "cycle": np.abs(frames[:, 4].astype(np.float64) - frames[:, 2]).mean(),
        "boundaries": np.abs(exact * boundary_penalty(7)).mean(),
        "sparsity": np.sqrt(exact).mean(),
        "centralized": ((row**2 + column**2) / 2).mean(),
    }
    factors = dict(zip(expected, (1, 1, 0.5, 0.04, 1), strict=True))
    expected = {"loss": sum(factors[name] * value for name, value in expected.items()), **expected}
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
    probe = np.ones(1, np.float32)
    (slope,) = backend.call("weighted_loss_gradients", "root_mean", [kernels], probe, {})
    assert not slope[0, 0, 2].any()
    np.testing.assert_allclose(slope[1], 0.5 / np.sqrt(exact[1]) / exact.size, rtol=1e-5)


def test_a_flow_that_explains_the_second_image_has_no_warping_error(backend: Backend) -> None:
    first, _ = _images(1, 3, 12, 16)
    first = first.astype(np.float32)
    second = np.zeros_like(first)
    second[:, :, 2:, 1:] = first[:, :, :-2, :-1]
    flow = np.zeros((1, 2, 12, 16), np.float32)
    flow[:, 0, :-2, :-1], flow[:, 1, :-2, :-1] = 1, 2
    batch = {"first": first, "second": second}
    found = backend.call("loss_terms", "WarpingLoss", PWCFlowSpec(), {}, {"flow": flow}, batch)
    wrong = first.astype(np.float64) - second
    wrong[:, :, :-2, :-1] = 0
    expected = np.sqrt(wrong**2 + 1e-6).mean()
    np.testing.assert_allclose(found["warping"], expected, rtol=1e-4)
    rows, columns = np.abs(np.diff(flow, axis=2)).mean(), np.abs(np.diff(flow, axis=3)).mean()
    np.testing.assert_allclose(found["smoothness"], rows + columns, rtol=1e-6)


@pytest.mark.parametrize("is_activated", [True, False])
def test_vgg_is_convolutions_and_poolings(backend: Backend, is_activated: bool) -> None:
    rng = np.random.default_rng(3)
    shapes = [[(4, 3), (5, 4)], [(6, 5)]]
    stages = [
        [
            (rng.standard_normal((*shape, 3, 3)).astype(np.float32) / 5, rng.random(shape[0]))
            for shape in stage
        ]
        for stage in shapes
    ]
    stages = [[(w, b.astype(np.float32)) for w, b in stage] for stage in stages]
    image = rng.standard_normal((1, 3, 9, 10)).astype(np.float32)
    found = backend.call("vgg_maps", stages, image, is_activated)
    x = image.astype(np.float64)
    for number, stage in enumerate(stages):
        if number:
            x = x[:, :, :8].reshape(1, 5, 4, 2, 5, 2).max((3, 5))
        for weight, bias in stage:
            padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))
            maps = [correlate(padded, w, "valid")[0] + b for w, b in zip(weight, bias, strict=True)]
            x = np.stack(maps)[None].clip(0)
            if number == 1 and not is_activated:
                x = np.stack(maps)[None]
        np.testing.assert_allclose(found[number], x, rtol=0, atol=1e-5)


def test_weights_of_vgg_have_torchvisions_names(tmp_path: Path) -> None:
    assert conv_names(VGG19)[-1] == [f"features.{place}" for place in (28, 30, 32, 34)]
    assert conv_names(VGG16)[-1] == [f"features.{place}" for place in (17, 19, 21)]
    state = {"classifier.0.weight": np.zeros((2, 2), np.float32)}
    channels = 3
    for name in (name for stage in conv_names(VGG19) for name in stage):
        state[f"{name}.weight"] = np.ones((4, channels, 3, 3), np.float32)
        state[f"{name}.bias"] = np.ones(4, np.float32)
        channels = 4
    path = tmp_path / "vgg.safetensors"
    save_file(state, path)
    assert [len(stage) for stage in read_vgg(str(path), VGG19)] == list(VGG19)
    with pytest.raises(InputError, match=r"no features\.17\.weight, features\.17\.bias"):
        read_vgg(str(path), VGG16)
    save_file(state | {"features.2.bias": np.ones(3, np.float32)}, path)
    with pytest.raises(InputError, match=r"features\.2: shapes \(4, 4, 3, 3\) and \(3,\)"):
        read_vgg(str(path), VGG19)
    path.write_text("no weights")
    with pytest.raises(InputError, match="a readable file of weights"):
        read_vgg(str(path), VGG19)


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(
    ("stages", "is_legacy"),
    [pytest.param(VGG19, False, id="19"), pytest.param(VGG16, True, id="16")],
)
def test_weights_of_vgg_are_read_as_torchvision_publishes_them(
    backends: Callable[[str], Backend], tmp_path: Path, stages: tuple[int, ...], is_legacy: bool
) -> None:
    rng = np.random.default_rng(8)
    state = {"classifier.0.weight": rng.random((2, 2), np.float32)}
    channels = 3
    for name in (name for stage in conv_names(stages) for name in stage):
        state[f"{name}.weight"] = rng.random((4, channels, 3, 3), np.float32)
        state[f"{name}.bias"] = rng.random(4, np.float32)
        channels = 4
    path = tmp_path / "vgg.pth"
    backends("torch").call("training.stepping.save_as_pth", str(path), state, is_legacy)
    found = read_vgg(str(path), stages)
    assert tuple(len(stage) for stage in found) == stages
    for names, stage in zip(conv_names(stages), found, strict=True):
        for name, (weight, bias) in zip(names, stage, strict=True):
            np.testing.assert_array_equal(weight, state[f"{name}.weight"])
            np.testing.assert_array_equal(bias, state[f"{name}.bias"])
    path.write_text("no weights")
    with pytest.raises(InputError, match="a readable file of weights"):
        read_vgg(str(path), stages)


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(("original", "name"), [(False, "vgg19"), (True, "vgg16")])
def test_a_perceptual_loss_without_weights_says_where_they_come_from(
    backends: Callable[[str], Backend], original: bool, name: str
) -> None:
    image = np.zeros((1, 3, 8, 8), np.float32)
    with pytest.raises(RaisedError) as caught:
        backends("torch").call(
            "loss_terms", "PhaseformerLoss", None, {"original": original}, {"low": image}, {}
        )
    assert f"torchvision.models.{name}(weights='IMAGENET1K_V1')" in str(caught.value)


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(
    ("loss", "settings", "text"),
    [
        ("MultiScaleLoss", {"labels": "cubic"}, "'cubic'"),
        ("LocalMotionLoss", {"masked": True}, "an array 'mask'"),
        ("BlindVideoLoss", {}, "one that gives 'restored_reduced', got"),
        ("L1Loss", {"defect_no_skip": True}, "a network that adds bilinear interpolation"),
    ],
)
def test_what_a_loss_cannot_do_without_is_said(
    backends: Callable[[str], Backend], loss: str, settings: dict[str, object], text: str
) -> None:
    image = np.zeros((1, 3, 16, 16), np.float32)
    outputs, batch = {"restored": image}, {"target": image}
    with pytest.raises(RaisedError, match=text):
        backends("torch").call("loss_terms", loss, LMDViTSpec(), settings, outputs, batch)


@pytest.mark.parametrize(
    ("term", "side", "least"),
    [("multiscale_similarity", 160, 161), ("local_dissimilarity", 10, 11)],
)
def test_pictures_that_are_too_small_for_a_term_are_told_of(
    backend: Backend, term: str, side: int, least: int
) -> None:
    picture = np.zeros((1, 1, side, least), np.float32)
    with pytest.raises(RaisedError, match=f"at least {least} px, got {side}x{least}"):
        backend.call("loss", term, [picture, picture])
    large = np.full((1, 1, least, least), 0.5, np.float32)
    backend.call("loss", term, [large, large])


def test_a_block_that_drops_all_windows_passes_no_gradient(backend: Backend) -> None:
    """Neither to itself nor to its predictor; what goes in comes out."""
    spec = LMDViTStageSpec(
        width=4, depth=1, heads=2, window=2, mlp_ratio=1.0, pruned=True, drop_path=(0.0,)
    )
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 4, 4, 4)).astype(np.float32)
    noise = np.zeros((2, 4, 2), np.float32)
    noise[:, :, 1] = 100  # "drop"
    probe = rng.standard_normal(x.shape).astype(np.float32)
    dropped = backend.call("stage_gradients", spec, {"x": x, "noise": noise}, {"y": probe})
    np.testing.assert_allclose(dropped.inputs["x"], probe / x.size, rtol=1e-6)
    assert not any(gradient.any() for gradient in dropped.parameters.values())
    noise[1, 0] = -100, 0
    noise[1, 1] = 100, 0  # one window of the batch is kept
    kept = backend.call("stage_gradients", spec, {"x": x, "noise": noise}, {"y": probe})
    assert all(
        gradient.any()
        for name, gradient in kept.parameters.items()
        if ".predictor." not in name  # the straight-through gradient is next to nothing here
    )


def test_drop_paths_can_be_given(backend: Backend) -> None:
    """A window whose branches are both dropped stays as it is; factors of one change nothing."""
    spec = LMDViTStageSpec(
        width=4, depth=2, heads=2, window=2, mlp_ratio=1.0, shift=False, drop_path=(0.5, 0.5)
    )
    x = np.random.default_rng(5).standard_normal((1, 4, 4, 4)).astype(np.float32)
    paths = np.ones((1, 8, 2), np.float32)
    plain = backend.call("stage_outputs", spec, {"x": x})["y"]
    ones = backend.call("stage_outputs", spec, {"x": x, "paths": paths})["y"]
    np.testing.assert_allclose(ones, plain, rtol=0, atol=1e-6)
    paths[0, [1, 5]] = 0  # the second window of both blocks
    some = backend.call("stage_outputs", spec, {"x": x, "paths": paths})["y"]
    np.testing.assert_array_equal(some[0, :2, 2:], x[0, :2, 2:])
    np.testing.assert_allclose(some[0, 2:], plain[0, 2:], rtol=0, atol=1e-6)
    paths[0, 1] = 2, 0
    doubled = backend.call("stage_outputs", spec, {"x": x, "paths": paths})["y"]
    assert not np.allclose(doubled[0, :2, 2:], plain[0, :2, 2:])


def test_noise_of_training_fits_the_network() -> None:
    spec = LMDViTSpec(width=4, window=2, depths=(1, 2, 3, 1, 1, 1, 1, 2, 1), heads=(1,) * 9)
    inputs = {"image": np.zeros((2, 3, 64, 32), np.float32)}
    noise = spec.training_noise(inputs, np.random.default_rng(0))
    spec.check_inputs(inputs | noise)
    first, last = noise["paths"][:, : 32 * 16], noise["paths"][:, -32 * 16 :]
    assert (first == 1).all()  # the first block's rate is 0
    assert (last == 1).all()
    kept = noise["paths"][noise["paths"] > 0]
    rates = np.array([rate for stage in spec.stages() for rate in stage.drop_path])
    assert np.isclose(kept[:, None], 1 / (1 - np.unique(rates))).any(axis=1).all()
    assert 0 < (noise["paths"] == 0).mean() < 0.1
