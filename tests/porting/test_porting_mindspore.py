"""docs/porting/mindspore.md, line by line: MindSpore is still so, and our answer is right."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

from restoration.models.mimo_unet import MIMOUNetSpec
from tests.backends import Backend, RaisedError
from tests.porting.native import Native, differs, relative_error

pytestmark = pytest.mark.frameworks("mindspore")

RNG = np.random.default_rng(12)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    """A process of its own: an error inside `ms.grad` changes what later gradients do."""
    backend = Backend("mindspore", tmp_path_factory.mktemp("porting"))
    yield Native(backend)
    backend.close()


def _draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def test_convolution(native: Native) -> None:
    x = _draw(1, 2, 5, 6)
    shape, has_bias = native(
        """
layer = nn.Conv2d(2, 3, 3)
result = [list(layer(x).shape), layer.has_bias]
""",
        x=x,
    )
    differs(shape == [1, 3, 5, 6], "padding of Conv2d", "pad_mode in layers.Conv2d")
    differs(has_bias is False, "bias of Conv2d", "has_bias in layers.Conv2d")
    native.refuses("nn.Conv2d(2, 3, 3, padding=1)(x)", "must be zero", "pad_mode in Conv2d", x=x)
    shape = native("list(layers.Conv2d(2, 3, 3, padding=0, bias=True)(x).shape)", x=x)
    assert shape == [1, 3, 3, 4]
    shape = native("list(layers.Conv2d(2, 3, 3, padding=1, bias=True)(x).shape)", x=x)
    assert shape == [1, 3, 5, 6]


def test_transposed_convolution(native: Native) -> None:
    x = _draw(1, 2, 5, 6)
    shape = native("list(nn.Conv2dTranspose(2, 3, 3, stride=2)(x).shape)", x=x)
    differs(shape == [1, 3, 10, 12], "Conv2dTranspose", "pad_mode in layers.ConvTranspose2d")
    ours = "layers.ConvTranspose2d(2, 3, 3, stride=2, padding=0, bias=True)"
    assert native(f"list({ours}(x).shape)", x=x) == [1, 3, 11, 13]


def test_layer_norm(native: Native) -> None:
    x = _draw(4, 8)
    epsilon, names = native(
        """
layer = nn.LayerNorm((8,))
result = [layer.epsilon, [name for name, _ in layer.parameters_and_names()]]
"""
    )
    differs(epsilon == 1e-7, "eps of LayerNorm", "eps in layers.LayerNorm")
    differs(names == ["gamma", "beta"], "names of LayerNorm", "layers.LayerNorm")
    small = 1e-3 * x
    exact = small.astype(np.float64)
    centered = exact - exact.mean(1, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(1, keepdims=True) + 1e-5)
    found = native("layers.LayerNorm(8, eps=1e-5)(x)", x=small)
    assert np.abs(found - expected).max() < 1e-6


def test_gelu(native: Native) -> None:
    x = np.linspace(-4, 4, 101, dtype=np.float32)
    exact = x * 0.5 * (1 + erf(x.astype(np.float64) / np.sqrt(2)))
    error = np.abs(native("nn.GELU()(x)", x=x) - exact).max()
    differs(error > 1e-4, "GELU", "the word in layers.gelu")
    assert np.abs(native("layers.gelu(x)", x=x) - exact).max() < 1e-6


def test_sigmoid(native: Native) -> None:
    x = np.linspace(-30, 5, 200, dtype=np.float32)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    error = relative_error(native("ops.sigmoid(x)", x=x), exact)
    differs(error > 2e-6, "sigmoid", "layers.sigmoid")
    assert relative_error(native("layers.sigmoid(x)", x=x), exact) < 1e-6


def test_gradient_of_a_bias(native: Native) -> None:
    """Of the mean of a linear map; taking the mean first leaves nothing to add up."""
    x, weight, bias = _draw(1_000_000, 3), _draw(2, 3), np.zeros(2, np.float32)
    found = native(
        "ms.grad(lambda b: ops.dense(x, weight, b).mean(axis=0).sum())(bias)",
        x=x,
        weight=weight,
        bias=bias,
    )
    differs(bool(np.abs(found - 1).max() > 1e-4), "gradient of a bias", "the order in Predictor")
    found = native(
        "ms.grad(lambda b: layers.linear(x.mean(axis=0), weight, b).sum())(bias)",
        x=x,
        weight=weight,
        bias=bias,
    )
    assert np.abs(found - 1).max() < 1e-6


def test_gradient_of_prelu(native: Native) -> None:
    x = np.full((1, 1, 1000, 1000), -0.1, np.float32)
    exact = float((x.astype(np.float64)).sum())
    program = "ms.grad(lambda slope: {result}.sum())(ms.Tensor([0.25], ms.float32))"
    found = native(program.format(result="ops.prelu(x, slope)"), x=x)
    differs(relative_error(found, np.array(exact)) > 1e-3, "gradient of prelu", "layers.PReLU")
    program = """
layer = layers.PReLU()
result = ms.grad(lambda x: layer(x).sum(), grad_position=None, weights=layer.weight)(x)
"""
    assert relative_error(native(program, x=x), np.array(exact)) < 1e-6


def test_sums(native: Native) -> None:
    x = np.full((1_000_000, 8), 0.1, np.float32)
    exact = x.astype(np.float64).sum(0)
    error = relative_error(native("x.sum(axis=0)", x=x), exact)
    differs(error > 1e-4, "sum", "means for sums")
    for right in ("x.mean(axis=0) * 1_000_000", "x.sum() / 8", "x.mean() * 1_000_000"):
        assert relative_error(native(right, x=x), exact) < 1e-6, right


def test_leaky_relu(native: Native) -> None:
    x = np.float32([-1])
    found = native("ops.leaky_relu(x)", x=x)
    differs(found != pytest.approx(-0.01), "slope of leaky_relu", "alpha in layers.leaky_relu")
    assert native("layers.leaky_relu(x, 0.01)", x=x) == pytest.approx(-0.01)


def test_stride_of_pooling(native: Native) -> None:
    x = _draw(1, 1, 6, 6)
    blocks = x.reshape(1, 1, 3, 2, 3, 2)
    for layer, ours, exact in (
        ("nn.MaxPool2d", "layers.max_pool", blocks.max((3, 5))),
        ("nn.AvgPool2d", "layers.avg_pool", blocks.mean((3, 5))),
    ):
        found = native(f"{layer}(2)(x)", x=x)
        differs(found.shape == (1, 1, 5, 5), f"stride of {layer}", f"strides in {ours}")
        np.testing.assert_allclose(native(f"{ours}(x, 2)", x=x), exact, rtol=1e-6)


def _cpu_s(native: Native, work: str, **arrays: np.ndarray) -> float:
    """The least CPU time of many runs of an expression: MindSpore's threads spin while they wait
    for a busy processor, which a few runs may all have met."""
    program = f"""
from time import process_time
seconds = []
for _ in range(15):
    start = process_time()
    {work}.asnumpy()
    seconds.append(process_time() - start)
result = min(seconds)
"""
    return float(native(program, **arrays))


def test_gradient_of_max_pool2d_is_slow(native: Native) -> None:
    x = _draw(1, 8, 64, 64)
    slow, fast = (
        _cpu_s(native, f"ms.grad(lambda x: {pool}(x, 2).sum())(x)", x=x)
        for pool in ("ops.max_pool2d", "layers.max_pool")
    )
    differs(slow > 5 * fast, "gradient of ops.max_pool2d", "ops.MaxPool in layers.max_pool")


@pytest.mark.parametrize(
    ("work", "ours"),
    [
        ("ops.gelu(x, approximate='none')", "layers.gelu(x)"),
        ("ops.cat([ops.cos(x), ops.sin(x)], axis=1)", "layers.cos_sin(x)"),
    ],
)
def test_functions_of_numbers_are_slow(native: Native, work: str, ours: str) -> None:
    x = _draw(1000, 1000)
    assert np.abs(native(work, x=x) - native(ours, x=x)).max() < 1e-6
    slow, fast = (_cpu_s(native, function, x=x) for function in (work, ours))
    differs(slow > 3 * fast, f"`{work}`", f"the kernel of {ours}")


def test_roll(native: Native) -> None:
    x = _draw(2, 5)
    native.refuses("ops.roll(x, (2,), (1,))", "Roll unregistered", "the split of roll", x=x)
    assert np.array_equal(native("layers.roll(x, (2,), (1,))", x=x), np.roll(x, 2, 1))


def test_exp(native: Native) -> None:
    x = np.linspace(-85, 0, 50, dtype=np.float32)
    exact = np.exp(x.astype(np.float64))
    differs(
        relative_error(native("ops.exp(x)", x=x), exact) > 1e-5, "exp", "layers.activation._exp"
    )
    assert relative_error(native("layers.activation._exp(x)", x=x), exact) < 2e-7


def test_softplus(native: Native) -> None:
    x = np.linspace(-14, 4, 40, dtype=np.float32)
    exact = np.logaddexp(0, x.astype(np.float64))
    error = relative_error(native("ops.softplus(x)", x=x), exact)
    differs(error > 1e-3, "softplus", "layers.softplus")
    assert relative_error(native("layers.softplus(x)", x=x), exact) < 1e-6


def test_gradient_of_a_strided_slice(native: Native) -> None:
    x, probe = _draw(2, 3, 4, 6), _draw(2, 3, 2, 3)
    gradient = "ms.grad(lambda x: ({down} * probe).sum())(x)"
    native.refuses(
        gradient.format(down="x[:, :, ::2, ::2]"),
        "StridedSliceGrad, 6 input memory out of bounds",
        "the reshape in layers.downsample_nearest",
        x=x,
        probe=probe,
    )
    found = native(gradient.format(down="layers.downsample_nearest(x, 2)"), x=x, probe=probe)
    exact = np.zeros_like(x)
    exact[:, :, ::2, ::2] = probe
    assert np.array_equal(found, exact)


def test_gradient_of_a_complex_product(native: Native) -> None:
    x = _draw(1, 1, 3, 4)
    native.refuses(
        "ms.grad(lambda x: ops.real(ops.fft2(x) * ops.fft2(x)).sum())(x)",
        "gradient not support for complex type",
        "real and imaginary parts in layers.fft2",
        x=x,
    )
    found = native(
        """
def objective(x):
    real, imaginary = layers.fft2(x)
    return (real * real - imaginary * imaginary).sum()
result = ms.grad(objective)(x)
""",
        x=x,
    )
    # The sum over frequencies of F(x)^2 is 12 times the sum of x[-i] x[i].
    exact = 24 * np.roll(x[:, :, ::-1, ::-1], (1, 1), (2, 3))
    np.testing.assert_allclose(found, exact, atol=1e-4)


def test_interpolate_by_a_factor(native: Native) -> None:
    x = _draw(1, 1, 2, 3)
    native.refuses(
        "ops.interpolate(x, scale_factor=2.0, mode='nearest')",
        "'scale_factor' option cannot currently be set",
        "the sizes in layers.upsample",
        x=x,
    )
    found = native("layers.upsample(x, 2, mode='nearest')", x=x)
    assert np.array_equal(found, x.repeat(2, 2).repeat(2, 3))


def test_loading_is_silent(native: Native) -> None:
    left, unknown = native(
        """
model = nn.Dense(2, 1)
result = ms.load_param_into_net(model, {"wait": ms.Parameter(ms.Tensor([0.0]))}, strict_load=True)
""",
    )
    differs((left, unknown) == (["weight", "bias"], ["wait"]), "loading", "check_state in load")
    spec = MIMOUNetSpec(width=2, blocks=1)
    with pytest.raises(RaisedError, match="76 entries, got 1 entries that differ in 77: -stem"):
        native.backend.call("round_trip", spec, {"wait": np.zeros(1, np.float32)})


_ADAM = """
from mindspore.experimental import optim
weight = ms.Parameter(x, name="weight")
optimizer = {optimizer}
for _ in range(3):
    optimizer((x,))
result = weight
"""


def test_adam(native: Native) -> None:
    """Three steps along a constant gradient of 0.001: each is rate * 0.001 / (0.001 + eps)."""
    start = np.float32([1e-3])
    exact = np.array(1e-3 - 3 * 0.1 * 1e-3 / (1e-3 + 1e-2))
    adam = "nn.Adam([weight], learning_rate=0.1, eps=1e-2)"
    error = relative_error(native(_ADAM.format(optimizer=adam), x=start), exact)
    differs(error > 0.5, "nn.Adam", "the eps of mindspore_impl.optimizers")
    ours = """
from mindspore_impl.optimizers import Optimizer
from restoration.training.optimizers import Group
from restoration.training.settings import OptimizerSettings
weight = ms.Parameter(x.copy(), name="weight")
settings = OptimizerSettings(learning_rate=0.1, eps=1e-2)
optimizer = Optimizer({"weight": weight}, [Group(("weight",), 0.1, 0.0)], settings)
for _ in range(3):
    optimizer.step({"weight": x}, 1.0)
result = weight
"""
    assert relative_error(native(ours, x=start), exact) < 1e-5


_SQUARES = """
from mindspore import nn
weight, first, second = (ms.Parameter(ops.zeros(1), name=name) for name in ("w", "m", "v"))
numbers = (ms.Tensor(one, ms.float32) for one in (0.9, 0.999, 1e-3, 0.9, 0.999, 1e-8))
ops.Adam()(weight, first, second, *numbers, x)
result = second
"""


# The second step where the moments stay 1: the rate times the root of 1 - 0.999^2.
_CORRECTION = """
weight, first, second = (ms.Parameter(value, name=name) for name, value in
                         (("w", 0 * x), ("m", 1 * x), ("v", 1 * x)))
numbers = (ms.Tensor(one, ms.float32) for one in (0, 0.999**2, 1, 1, 1, 0))
ops.Adam()(weight, first, second, *numbers, 0 * x)
result = weight
"""


def test_adam_means_of_squares(native: Native) -> None:
    """After one step from zero the mean of squares is a thousandth of the square."""
    moved = native(_CORRECTION, x=np.float32([1.0]))
    error = relative_error(moved, -np.sqrt(np.array([1 - 0.999**2])))
    differs(error > 2e-6, "ops.Adam", "the corrected rate of mindspore_impl.optimizers")
    gradient = np.float32([3.0])
    exact = np.array([9e-3])
    error = relative_error(native(_SQUARES, x=gradient), exact)
    differs(error > 1e-5, "ops.Adam", "the means of squares of mindspore_impl.optimizers")
    ours = """
from mindspore_impl.optimizers import Optimizer
from restoration.training.optimizers import Group
from restoration.training.settings import OptimizerSettings
weight = ms.Parameter(x.copy(), name="weight")
optimizer = Optimizer({"weight": weight}, [Group(("weight",), 0.1, 0.0)], OptimizerSettings())
optimizer.step({"weight": x}, 1.0)
result = ms.Tensor(optimizer.moments()["weight.second"])
"""
    assert relative_error(native(ours, x=gradient), exact) < 1e-6


def test_mint_optimizers_stand_still(native: Native) -> None:
    start = np.float32([1.0])
    found = native(_ADAM.format(optimizer="ms.mint.optim.Adam([weight], lr=0.1)"), x=start)
    differs(np.array_equal(found, start), "mint.optim.Adam", "nothing: it may be used now")
    adam = "optim.AdamW([weight], lr=0.1, eps=1e-8, weight_decay=0.0)"
    assert native(_ADAM.format(optimizer=adam), x=start) == pytest.approx(0.7, rel=1e-5)


def test_one_gradient_comes_bare(native: Native) -> None:
    x = _draw(3)
    kinds = native(
        """
one = ms.grad(lambda x, y: (x * y).sum(), grad_position=(0,))(x, x)
two = ms.grad(lambda x, y: (x * y).sum(), grad_position=(0, 1))(x, x)
result = [type(one).__name__, type(two).__name__]
""",
        x=x,
    )
    differs(kinds == ["Tensor", "tuple"], "gradient by one position", "arrays.name_gradients")
    assert list(native("list(arrays.name_gradients(['image'], x))", x=x)) == ["image"]


def test_a_fresh_cell_does_not_train(native: Native) -> None:
    differs(not native("nn.Dense(1, 1).training"), "Cell", "training.set_training")
    trains = native(
        """
from restoration.models.mimo_unet import MIMOUNetSpec
maker = engine.ENGINE()
network = maker.build(MIMOUNetSpec(width=2, blocks=1))
before = network.module.training
training.set_training(network.module, True)
result = [before, network.module.training, network.module.stem.training]
"""
    )
    assert trains == [False, True, True]


def test_tanh(native: Native) -> None:
    x = np.float32([-5, 0.5, 5, 7])
    found = native("ops.tanh(x)", x=x)
    exact = np.tanh(x.astype(np.float64))
    differs(relative_error(found, exact) > 5e-5, "tanh", "the line of docs/porting/mindspore.md")
    x = np.float32([-3, -1, 0.5, 5])
    exact = x * 0.5 * (1 + erf(x.astype(np.float64) / np.sqrt(2)))
    np.testing.assert_allclose(native("layers.gelu(x)", x=x), exact, rtol=0, atol=5e-7)


def test_gradient_of_one_outer_product(native: Native) -> None:
    x = _draw(1, 1, 3)
    program = "ms.grad(lambda x: ops.matmul(ops.ones((1, 5, 1)), x).sum())(x)"
    native.refuses(program, "must be equal to", "layers.repeat_rows", x=x)
    found = native("ms.grad(lambda x: layers.repeat_rows(x, 5).sum())(x)", x=x[0])
    assert np.array_equal(found, np.full((1, 3), 5.0))


def test_softmax_of_one(native: Native) -> None:
    """The first gradients of five axes and of four: later ones do as the first did."""
    x, probe = _draw(2, 3, 1, 2, 5), _draw(2, 3, 1, 2, 5)
    shares = np.exp(x - x.max(-1, keepdims=True)).astype(np.float64)
    shares /= shares.sum(-1, keepdims=True)
    exact = shares * (probe - (shares * probe).sum(-1, keepdims=True))
    program = """
def gradient(x, probe):
    return ms.grad(lambda x: ({softmax}(x, {dim}=-1) * probe).sum())(x)

result = [gradient(x[..., :1], probe[..., :1]), gradient(x, probe)]
"""
    _, found = native(program.format(softmax="ops.softmax", dim="axis"), x=x, probe=probe)
    differs(np.abs(found - exact).max() > 0.1, "softmax", "layers.softmax")
    one, found = native(program.format(softmax="layers.softmax", dim="dim"), x=x[0], probe=probe[0])
    assert not np.any(one)
    np.testing.assert_allclose(found, exact[0], atol=1e-6)


_BARE = """
import mindspore as ms
import numpy as np
{settings}
x = ms.Tensor(np.ones((1, 8, 16, 16), np.float32))
def say(name, act):
    try:
        act()
    except RuntimeError as problem:
        print(name, str(problem).splitlines()[0])
    else:
        print(name, "passes")
(x + 1).asnumpy()
say("roll", lambda: ms.ops.roll(x, (1,), (0,)))
say("sum", lambda: (x + 1).asnumpy())
say("device", lambda: ms.set_device("CPU"))
ms.nn.Conv2d(8, 8, 3, pad_mode="pad", padding=1)(x).asnumpy()
"""


def _bare(settings: str) -> list[str]:
    """What a process without our engine prints, oneDNN's own report included."""
    environment = {name: value for name, value in os.environ.items() if "ONEDNN" not in name}
    finished = subprocess.run(
        [sys.executable, "-c", _BARE.format(settings=settings)],
        env=environment | {"ONEDNN_VERBOSE": "1", "GLOG_v": "4"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


@pytest.fixture(scope="module")
def bare() -> list[str]:
    return _bare("ms.set_context(mode=ms.PYNATIVE_MODE)")


@pytest.fixture(scope="module")
def prepared() -> list[str]:
    return _bare(
        "from mindspore_impl import runtime\nruntime.prepare('cpu', report=print, warn=print)"
    )


def test_errors_come_one_operator_late(bare: list[str], prepared: list[str]) -> None:
    differs("roll passes" in bare, "order of errors", "launch_blocking in runtime.prepare")
    assert "sum The kernel Roll unregistered." in bare
    assert "roll The kernel Roll unregistered." in prepared
    assert "sum passes" in prepared


def test_the_device_comes_before_the_first_operator(bare: list[str], native: Native) -> None:
    (line,) = (line for line in bare if line.startswith("device "))
    differs("has been initialized" in line, "set_device", "the engine made first by every worker")
    assert native("[(x + 1).sum(), engine.ENGINE().device]", x=_draw(3))[1] == "cpu"


def test_convolutions_with_avx512(bare: list[str], prepared: list[str]) -> None:
    """Other processors never take the reference code, so there is nothing to show on them."""

    def uses_reference_code(lines: list[str]) -> bool:
        (line,) = (line for line in lines if ",exec,cpu,convolution," in line)
        return "ref:any" in line

    if "avx512f" in Path("/proc/cpuinfo").read_text():
        differs(uses_reference_code(bare), "convolution", "ONEDNN_MAX_CPU_ISA in runtime.prepare")
    assert not uses_reference_code(prepared)
