"""In any file: calls that were removed or deprecated, and defaults that changed or are easily
taken for another's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.calls import constant
from parity.lint.kinds import Kind
from parity.lint.rule import Topic
from parity.lint.source import FRAMEWORKS, Source

TOPIC = Topic()

_ALIASES = ("float", "int", "bool", "object", "str", "complex", "long", "unicode")


@TOPIC.rule(
    "PT101",
    happens="NumPy 1.24 removed np.float, np.int, np.bool, np.object, np.str and np.complex",
    write="float, int, bool, or np.float64, np.int64, np.bool_",
    bad="np.zeros(3, np.float)",
    good="np.zeros(3, float)",
)
def numpy_aliases(source: Source) -> Iterator[ast.AST]:
    return source.mentions(*(f"numpy.{name}" for name in _ALIASES))


_REMOVED_2 = (
    "float_",
    "complex_",
    "cfloat",
    "singlecomplex",
    "unicode_",
    "string_",
    "Inf",
    "Infinity",
    "NaN",
    "NAN",
    "PINF",
    "NINF",
    "product",
    "cumproduct",
    "sometrue",
    "alltrue",
    "asfarray",
    "issubclass_",
    "in1d",
    "trapz",
    "row_stack",
    "find_common_type",
    "round_",
    "mat",
    "msort",
)


@TOPIC.rule(
    "PT102",
    happens="NumPy 2 removed or deprecates this name",
    write="float64, nan, inf, prod, cumprod, any, all, asarray, isin, trapezoid, vstack, round",
    bad="np.product([2, 3])",
    good="np.prod([2, 3])",
)
def numpy_2(source: Source) -> Iterator[ast.AST]:
    return source.mentions(*(f"numpy.{name}" for name in _REMOVED_2))


_SCIPY = (
    "scipy.ndimage.measurements",
    "scipy.ndimage.interpolation",
    "scipy.ndimage.filters",
    "scipy.ndimage.morphology",
    "scipy.ndimage.fourier",
    "scipy.misc.imread",
    "scipy.misc.imresize",
    "scipy.misc.imsave",
    "scipy.misc.toimage",
    "scipy.misc.fromimage",
    "scipy.signal.gaussian",
    "scipy.integrate.trapz",
    "scipy.integrate.simps",
    "scipy.interp",
)


@TOPIC.rule(
    "PT103",
    happens="SciPy removed or deprecates this",
    write="the function from scipy.ndimage itself; imageio and Pillow for pictures; "
    "scipy.signal.windows.gaussian",
    bad="""
from scipy.signal import gaussian
result = gaussian(5, 1.0)
""",
    good="""
from scipy.signal.windows import gaussian
result = gaussian(5, 1.0)
""",
)
def scipy(source: Source) -> Iterator[ast.AST]:
    found = [*source.mentions(*_SCIPY)]
    starts = tuple(f"{name}." for name in _SCIPY)
    found += [one.node for one in source.names.imports if one.dotted.startswith(starts)]
    return iter(dict.fromkeys(found))


@TOPIC.rule(
    "PT104",
    happens="`is` with a text or number asks for one object, not for equal values",
    write="==",
    bad="""
mode = "".join(["bi", "cubic"])
result = mode is "bicubic"
""",
    good="""
mode = "".join(["bi", "cubic"])
result = mode == "bicubic"
""",
)
def identity(source: Source) -> Iterator[ast.AST]:
    for node in source.of_type(ast.Compare):
        pairs = zip(node.ops, [node.left, *node.comparators], node.comparators, strict=False)
        for operator, left, right in pairs:
            if isinstance(operator, ast.Is | ast.IsNot) and any(
                isinstance(constant(one), str | int | float) and not isinstance(constant(one), bool)
                for one in (left, right)
            ):
                yield node


_MEASURES = tuple(
    f"skimage.measure.{name}"
    for name in ("compare_psnr", "compare_ssim", "compare_mse", "compare_nrmse")
)


@TOPIC.rule(
    "PT105",
    happens="scikit-image removed this: measure.compare_*, and multichannel=",
    write="skimage.metrics.peak_signal_noise_ratio and structural_similarity, channel_axis=-1",
    bad="""
from skimage.measure import compare_psnr
result = 1
""",
    good="""
from skimage.metrics import peak_signal_noise_ratio
result = 1
""",
)
def skimage(source: Source) -> Iterator[ast.AST]:
    yield from source.mentions(*_MEASURES)
    for name in source.called:
        if name.startswith("skimage."):
            yield from (call.node for call in source.calls(name) if "multichannel" in call.keywords)


@TOPIC.rule(
    "PT106",
    happens="Pillow 10 removed this name",
    write="Image.Resampling.LANCZOS; font.getbbox",
    bad="""
from PIL import Image
result = int(Image.ANTIALIAS)
""",
    good="""
from PIL import Image
result = int(Image.Resampling.LANCZOS)
""",
)
def pillow(source: Source) -> Iterator[ast.AST]:
    return source.mentions("PIL.Image.ANTIALIAS", "PIL.Image.LINEAR", "PIL.Image.CUBIC")


_PYTHON = (
    *(
        f"collections.{name}"
        for name in ("Iterable", "Mapping", "MutableMapping", "Sequence", "Callable", "Hashable")
    ),
    "inspect.getargspec",
    "time.clock",
    "string.letters",
    "imp.reload",
    "asyncio.coroutine",
    "fractions.gcd",
)


@TOPIC.rule(
    "PT107",
    happens="Python removed this name",
    write="collections.abc, inspect.signature, time.perf_counter, importlib.reload, math.gcd",
    bad="""
from collections import Iterable
result = 1
""",
    good="""
from collections.abc import Iterable
result = 1
""",
)
def python(source: Source) -> Iterator[ast.AST]:
    return source.mentions(*_PYTHON)


_TORCH = (
    *(
        f"torch.{name}"
        for name in (
            "rfft",
            "irfft",
            "ifft",
            "gels",
            "lstsq",
            "symeig",
            "eig",
            "solve",
            "qr",
            "matrix_rank",
            "chain_matmul",
            "_six",
        )
    ),
    "torch.autograd.Variable",
    "torch.cuda.FloatTensor",
    "torch.utils.model_zoo",
    "torch.utils.ffi",
    "torch.cuda.amp.autocast",
    "torch.cuda.amp.GradScaler",
    "torch.nn.utils.weight_norm",
    "torch.nn.functional.upsample",
    "torch.nn.functional.tanh",
    "torch.nn.functional.sigmoid",
    "torch.nn.UpsamplingBilinear2d",
    "torch.nn.init.xavier_uniform",
    "torch.nn.init.kaiming_normal",
    "torch.nn.init.normal",
    "torch.nn.init.constant",
    "torch.nn.utils.clip_grad_norm",
    "torch.set_default_tensor_type",
)


@TOPIC.rule(
    "PT201",
    happens="PyTorch removed or deprecates this",
    write="torch.fft, torch.linalg, torch.amp, F.interpolate, torch.tanh and sigmoid, "
    "parametrizations.weight_norm, the names of init that end in _",
    bad="torch.rfft(x, 2)",
    good="torch.abs(torch.fft.rfft2(x))",
)
def torch(source: Source) -> Iterator[ast.AST]:
    yield from source.mentions(*_TORCH)
    for call in source.calls("torch.fft"):
        yield call.node
    for name in source.called:
        if name.startswith("torch.nn.") and name.endswith(("Loss", "_loss", "cross_entropy")):
            for call in source.calls(name):
                if {"size_average", "reduce"} & set(call.keywords):
                    yield call.node


@TOPIC.rule(
    "PT202",
    happens="torch.meshgrid without indexing warns that its default will change",
    write="indexing='ij'",
    bad="torch.meshgrid(x[0, 0, 0], x[0, 0, 0])[0]",
    good="torch.meshgrid(x[0, 0, 0], x[0, 0, 0], indexing='ij')[0]",
)
def torch_meshgrid(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("torch.meshgrid"):
        if call.lacks("indexing"):
            yield call.node


@TOPIC.rule(
    "PT203",
    happens="softmax without an axis guesses it",
    write="dim=",
    bad="F.softmax(x[0, 0])",
    good="F.softmax(x[0, 0], dim=1)",
)
def softmax_axis(source: Source) -> Iterator[ast.AST]:
    names = ("softmax", "log_softmax", "softmin")
    for call in source.calls(*(f"torch.nn.functional.{name}" for name in names)):
        if call.lacks("dim", 1):
            yield call.node
    for call in source.calls("torch.nn.Softmax", "torch.nn.LogSoftmax"):
        if call.lacks("dim", 0):
            yield call.node
    for call in source.calls("jittor.nn.softmax", "mindspore.ops.softmax"):
        if call.lacks("dim", 1) and "axis" not in call.keywords:
            yield call.node


@TOPIC.rule(
    "PT301",
    happens="align_corners is left to a default, which changed in PyTorch 1.3 (grid_sample, from "
    "True to False) and is warned of",
    write="align_corners=, as the weights were trained",
    bad="F.grid_sample(x, x.permute(0, 2, 3, 1)[..., :2])",
    good="F.grid_sample(x, x.permute(0, 2, 3, 1)[..., :2], align_corners=True)",
)
def align_corners(source: Source) -> Iterator[ast.AST]:
    places = ("torch.nn.functional", "jittor.nn", "mindspore.ops")
    for place in places:
        for call in source.calls(f"{place}.grid_sample", f"{place}.affine_grid"):
            position = 4 if call.name.endswith("sample") else 2
            if call.lacks("align_corners", position):
                yield call.node
        for call in source.calls(f"{place}.interpolate", f"{place}.upsample"):
            mode = constant(call.get("mode", 3))
            if call.lacks("align_corners", 4) and mode in _SMOOTH:
                yield call.node
    for framework in FRAMEWORKS:
        for call in source.calls(f"{framework}.nn.Upsample"):
            if call.lacks("align_corners", 3) and constant(call.get("mode", 2)) in _SMOOTH:
                yield call.node


_SMOOTH = ("bilinear", "bicubic", "linear", "trilinear")


@TOPIC.rule(
    "PT302",
    happens="np.meshgrid has indexing 'xy' by default, torch.meshgrid 'ij': the axes are swapped",
    write="indexing=, as the original means it",
    bad="np.meshgrid(np.arange(2.0), np.arange(3.0))[0]",
    good="np.meshgrid(np.arange(2.0), np.arange(3.0), indexing='ij')[0]",
)
def numpy_meshgrid(source: Source) -> Iterator[ast.AST]:
    """In files of a framework only: elsewhere nobody expects PyTorch's."""
    if source.framework is None:
        return
    for call in source.calls("numpy.meshgrid"):
        if call.lacks("indexing"):
            yield call.node


@TOPIC.rule(
    "PT303",
    happens="NumPy's std and var divide by n, PyTorch's by n - 1",
    write="ddof=, as the original means it",
    bad="np.std(np.arange(4.0))",
    good="np.std(np.arange(4.0), ddof=1)",
)
def numpy_deviation(source: Source) -> Iterator[ast.AST]:
    if source.framework in (None, "torch"):
        return
    for call in source.calls("numpy.std", "numpy.var"):
        if call.lacks("ddof", 4):
            yield call.node


@TOPIC.rule(
    "PT304",
    happens="torch.load ran whatever a pickle says until 2.6, also where it was told not to",
    write="weights_only=True, or the weights as .npz or safetensors (weights-convert)",
    bad="""
weights = torch.load("weights.pth")
result = 1
""",
    good="""
weights = torch.load("weights.pth", weights_only=True)
result = 1
""",
)
def unsafe_loading(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("torch.load"):
        if constant(call.get("weights_only")) is not True and not call.is_open:
            yield call.node
    for call in source.calls("numpy.load"):
        if constant(call.get("allow_pickle", 2)) is True:
            yield call.node


@TOPIC.rule(
    "PT305",
    happens="half precision inside the network: 1e-3 off float32",
    write="float32, and mixed precision where both sides have it",
    bad="""
class Square(nn.Module):
    def forward(self, x):
        return torch.matmul(x.half(), x.half()).float()
result = Square()(x)
""",
    good="""
class Square(nn.Module):
    def forward(self, x):
        return torch.matmul(x, x)
result = Square()(x)
""",
)
def half(source: Source) -> Iterator[ast.AST]:
    for framework in ("torch", "jittor"):
        for call in source.methods(framework, "half", "float16", "bfloat16"):
            around = source.function_of(call.node)
            is_inside = getattr(around, "name", "") in ("forward", "execute", "__init__")
            if is_inside and source.kinds.of(call.receiver) in (Kind.TENSOR, Kind.MODULE):
                yield call.node


@TOPIC.rule(
    "PT306",
    happens="scheduler.step() before the first optimizer.step() leaves out the first rate since "
    "PyTorch 1.1",
    write="scheduler.step() at the end of the epoch",
    bad="""
weight = torch.nn.Parameter(x)
optimizer = torch.optim.SGD([weight], 0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
for epoch in range(1):
    scheduler.step()
    rate = optimizer.param_groups[0]["lr"]
    optimizer.step()
result = rate
""",
    good="""
weight = torch.nn.Parameter(x)
optimizer = torch.optim.SGD([weight], 0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
for epoch in range(1):
    rate = optimizer.param_groups[0]["lr"]
    optimizer.step()
    scheduler.step()
result = rate
""",
)
def schedule(source: Source) -> Iterator[ast.AST]:
    if source.framework != "torch":
        return
    for loop in source.of_type(ast.For):
        if not loop.body:
            continue
        for statement in loop.body[:1]:
            words = ast.unparse(statement)
            is_step = isinstance(statement, ast.Expr) and words.endswith("scheduler.step()")
            if is_step and any("optimizer.step(" in ast.unparse(one) for one in loop.body[1:]):
                yield statement
