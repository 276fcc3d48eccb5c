"""docs/porting/jittor.md, line by line: Jittor is still so, and our answer is right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from restoration.models.mimo_unet import MIMOUNetSpec
from tests.backends import Backend, RaisedError
from tests.porting.native import Native, differs, relative_error

pytestmark = pytest.mark.frameworks("jittor")

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    backend = Backend("jittor", tmp_path_factory.mktemp("porting"))
    yield Native(backend)
    backend.close()


def _draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def test_softplus(native: Native) -> None:
    x = np.linspace(-14, 4, 40, dtype=np.float32)
    exact = np.logaddexp(0, x.astype(np.float64))
    error = relative_error(native("jt.nn.softplus(x)", x=x), exact)
    differs(error > 1e-3, "softplus", "layers.softplus")
    assert relative_error(native("layers.softplus(x)", x=x), exact) < 1e-6


def test_sums(native: Native) -> None:
    x = np.full((1, 1, 1024, 1024), 0.1, np.float32)
    error = relative_error(native("x.mean()", x=x), np.array(0.1))
    differs(error > 1e-3, "mean", "layers/sums.py")
    assert relative_error(native("layers.global_avg_pool(x)", x=x), np.array(0.1)) < 1e-7


def test_softmax(native: Native) -> None:
    """A gradient is a difference of what is nearly equal, so errors of the sum show."""
    x, probe = _draw(4, 33 * 33), np.abs(_draw(4, 33 * 33)) + 1
    shares = np.exp(x.astype(np.float64))
    shares /= shares.sum(1, keepdims=True)
    exact = shares * (probe - (shares * probe).sum(1, keepdims=True))
    program = "jt.grad(({name}(x, dim=1) * probe).sum(), [x])[0]"

    def error(name: str) -> float:
        found = native(program.format(name=name), x=x, probe=probe)
        return float(np.abs(found - exact).max() / np.abs(exact).max())

    differs(error("nn.softmax") > 1e-5, "softmax", "the gradient in layers.softmax")
    assert error("layers.softmax") < 5e-7


def test_layer_norm(native: Native) -> None:
    x = _draw(4, 64) + np.float32(1000)
    exact = x.astype(np.float64)
    centered = exact - exact.mean(1, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(1, keepdims=True) + 1e-5)
    error = np.abs(native("nn.LayerNorm(64)(x)", x=x) - expected).max()
    differs(error > 1e-2, "LayerNorm", "layers.LayerNorm")
    assert np.abs(native("layers.LayerNorm(64, eps=1e-5)(x)", x=x) - expected).max() < 1e-3


def test_gradient_of_a_bias(native: Native) -> None:
    """Of the mean of a linear map; taking the mean first leaves nothing to add up. And of a mean
    over pixels, which a convolution adds up in float64."""
    x, weight, bias = _draw(1_000_000, 3), _draw(2, 3), np.zeros(2, np.float32)
    program = "jt.grad({result}.sum(), [bias])[0]"
    after = program.format(result="(nn.matmul_transpose(x, weight) + bias).mean(dim=0)")
    found = native(after, x=x, weight=weight, bias=bias)
    differs(bool(np.abs(found - 1).max() > 1e-4), "gradient of a bias", "the order in Predictor")
    before = program.format(result="layers.linear(x.mean(dim=0, keepdims=True), weight, bias)")
    found = native(before, x=x, weight=weight, bias=bias)
    assert np.abs(found - 1).max() < 1e-6
    program = """
layer = {layers}.Conv2d(1, 2, 1, padding=0, bias=True)
result = jt.grad(layer(x).mean(), [layer.bias])[0]
"""
    image = _draw(1, 1, 1000, 1000)
    found = native(program.format(layers="nn"), x=image)
    differs(bool(np.abs(found - 0.5).max() > 1e-4), "gradient of a bias", "layers.sums.spread")
    found = native(program.format(layers="layers"), x=image)
    assert np.abs(found - 0.5).max() < 1e-6


def test_interpolate_default(native: Native) -> None:
    x = _draw(1, 1, 2, 2)
    repeated = x.repeat(2, 2).repeat(2, 3)
    found = native("nn.interpolate(x, size=(4, 4))", x=x)
    differs(not np.array_equal(found, repeated), "default of interpolate", "the word in upsample")
    assert np.array_equal(native("layers.upsample(x, 2, mode='nearest')", x=x), repeated)


def test_interpolate_by_a_factor(native: Native) -> None:
    """PyTorch steps by the factor it was given, Jittor by the ratio of the rounded sizes."""
    x = np.arange(10, dtype=np.float32)[None, None, None].repeat(10, axis=2)
    found = native(
        "nn.interpolate(x, scale_factor=0.35, mode='bilinear', align_corners=False)", x=x
    )
    by_the_factor, by_the_ratio = (0.5 * step - 0.5 for step in (1 / 0.35, 10 / 3))
    assert found[0, 0, 0, 0] == pytest.approx(by_the_ratio, rel=1e-5)
    differs(
        found[0, 0, 0, 0] != pytest.approx(by_the_factor, rel=1e-2),
        "interpolate by a factor",
        "the sizes in layers.downsample_bilinear",
    )
    found = native("layers.downsample_bilinear(x, 2)", x=x)
    np.testing.assert_allclose(found[0, 0, 0], np.arange(5) * 2 + 0.5, rtol=1e-6)


def test_chunk_of_one(native: Native) -> None:
    x = _draw(2, 3)
    raised = native(
        """
try:
    jt.chunk(x, 1)
    result = ""
except UnboundLocalError:
    result = "UnboundLocalError"
""",
        x=x,
    )
    differs(raised == "UnboundLocalError", "chunk", "the case of one block in layers.chunk_columns")
    (found,) = native("layers.chunk_columns(x, 1)", x=x)
    assert np.array_equal(found, x)


def test_adaptive_pooling(native: Native) -> None:
    x = _draw(1, 1, 5, 7)
    pieces = [(0, 2), (1, 4), (3, 5)], [(0, 3), (2, 5), (4, 7)]
    exact = np.array([[x[0, 0, a:b, c:d].mean() for c, d in pieces[1]] for a, b in pieces[0]])
    found = native("nn.AdaptiveAvgPool2d(3)(x)", x=x)
    differs(
        found.shape != (1, 1, 3, 3) or np.abs(found - exact).max() > 0.01,
        "AdaptiveAvgPool2d",
        "layers.adaptive_avg_pool",
    )
    found = native("layers.adaptive_avg_pool(x, 3)", x=x)
    np.testing.assert_allclose(found[0, 0], exact, atol=1e-6)


def test_arctan2(native: Native) -> None:
    y, x = np.float32([1]), np.float32([-1])
    found = native("jt.arctan2(y, x)", y=y, x=x)
    differs(abs(found[0] - 0.75 * np.pi) > 5e-4, "arctan2", "layers.angle")
    found = native("layers.angle(x, y)", y=y, x=x)
    np.testing.assert_allclose(found, [0.75 * np.pi], rtol=1e-6)


def test_pooling_of_one_block(native: Native) -> None:
    x = _draw(2, 3, 2, 2)
    native.refuses("nn.max_pool2d(x, 2)", "should be larger than", "the padding in max_pool", x=x)
    found = native("layers.max_pool(x, 2)", x=x)
    assert np.array_equal(found, x.max((2, 3), keepdims=True))


def test_no_fourier_transform(native: Native) -> None:
    x = _draw(1, 1, 6, 5)
    native.refuses(
        "nn._fft2(jt.stack([x[0], x[0]], dim=3))", "AssertionError", "the matrices of fft2", x=x
    )
    differs(not native("hasattr(jt, 'fft')"), "fft", "the matrices of layers.fft2")
    real, imaginary = native("layers.fft2(x)", x=x)
    exact = np.fft.fft2(x.astype(np.float64))
    np.testing.assert_allclose(real, exact.real, atol=1e-5)
    np.testing.assert_allclose(imaginary, exact.imag, atol=1e-5)


def test_eval_stops_gradients(native: Native) -> None:
    x = _draw(3, 2)
    program = """
model = nn.Linear(2, 1)
{switch}
result = jt.grad(model(x).sum(), model.weight)
"""
    found = native(program.format(switch="model.eval()"), x=x)
    differs(not found.any(), "eval()", "training.set_training")
    found = native(program.format(switch="training.set_training(model, False)"), x=x)
    np.testing.assert_allclose(found[0], x.sum(0), rtol=1e-6)


def test_loading_is_silent(native: Native) -> None:
    before, after = native(
        """
model = nn.Linear(2, 1)
before = model.weight.numpy().copy()
model.load_state_dict({"wait": jt.zeros(1), "weight": jt.zeros((7, 7))})
result = [jt.array(before), model.weight]
"""
    )
    differs(np.array_equal(before, after), "load_state_dict", "check_state in JittorEngine.load")
    with pytest.raises(RaisedError, match="76 entries, got 1 entries that differ in 77: -stem"):
        native.backend.call(
            "round_trip", MIMOUNetSpec(width=2, blocks=1), {"wait": np.zeros(1, np.float32)}
        )


def test_adam(native: Native) -> None:
    """Three steps along a constant gradient of 0.001: each is rate * 0.001 / (0.001 + eps)."""
    start = np.float32([1e-3])
    exact = 1e-3 - 3 * 0.1 * 1e-3 / (1e-3 + 1e-2)
    program = """
weight = jt.array(x.numpy())
optimizer = {optimizer}
for _ in range(3):
    optimizer.step((weight * x).sum())
result = weight
"""
    adam = "jt.optim.Adam([weight], lr=0.1, eps=1e-2)"
    found = native(program.format(optimizer=adam), x=start)
    differs(relative_error(found, np.array(exact)) > 0.5, "Adam", "jittor_impl.optimizers")
    ours = """
from jittor_impl.optimizers import Optimizer
from restoration.training.optimizers import Group
from restoration.training.settings import OptimizerSettings
weight = jt.array(x.numpy())
settings = OptimizerSettings(learning_rate=0.1, eps=1e-2)
optimizer = Optimizer({"weight": weight}, [Group(("weight",), 0.1, 0.0)], settings)
for _ in range(3):
    optimizer.step({"weight": x}, 1.0)
result = weight
"""
    found = native(ours, x=start)
    assert relative_error(found, np.array(exact)) < 1e-5


def test_nothing_is_computed_before_it_is_asked_for(native: Native) -> None:
    program = """
counts = []
jt.sync_all(True)
for _ in range(5):
    x = x - 0.1 * x * x
    {synchronize}
    counts.append(jt.number_of_lived_ops())
result = counts
"""
    x = _draw(5)
    counts = native(program.format(synchronize="pass"), x=x)
    differs(counts[4] >= counts[0] + 16, "laziness", "sync_all in JittorTrainer.step")
    counts = native(program.format(synchronize="jt.sync_all(True)"), x=x)
    assert len(set(counts)) == 1


def test_one_hook_per_module(native: Native) -> None:
    x = _draw(1, 2)
    program = """
model, result = nn.Linear(2, 1), []
model.register_forward_hook(lambda *_: result.append("first"))
handle = model.register_forward_hook(lambda *_: result.append("second"))
model(x)
result = [result, str(handle)]
"""
    differs(
        native(program, x=x) == [["second"], "None"], "hook", "remove_forward_hook in run_tapped"
    )
    assert native(program.replace("handle = ", "model.remove_forward_hook()\nhandle = "), x=x)


def test_scalars_have_an_axis(native: Native) -> None:
    x = _draw(1, 3, 8, 8)
    differs(native("list(x.mean().shape)", x=x) == [1], "scalar", "the reshape in losses")
    found = native(
        """
from jittor_impl import losses
result = losses.absolute_difference(x, x * 2)
""",
        x=x,
    )
    assert found.shape == (1,)
    assert relative_error(found, np.abs(x).mean(dtype=np.float64)) < 1e-5
