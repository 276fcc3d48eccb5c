"""MindSpore: what computes other values than PyTorch, without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.calls import Call, constant
from parity.lint.kinds import Kind
from parity.lint.rule import Topic
from parity.lint.source import Source

TOPIC = Topic()


@TOPIC.rule(
    "MS201",
    happens="MindSpore's tanh is 1 from x = 5 on, 1e-4 off, on the CPU",
    write="ops.tanh(x.astype(ms.float64)).astype(ms.float32)",
    bad="ops.tanh(x * 3)",
    good="ops.tanh((x * 3).astype(ms.float64)).astype(ms.float32)",
)
def tanh(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("mindspore", "tanh", places=("ops", "mint")):
        if "float64" not in (ast.unparse(call.receiver) if call.receiver else ""):
            yield call.node
    for call in source.calls("mindspore.nn.Tanh"):
        yield call.node


@TOPIC.rule(
    "MS202",
    happens="MindSpore's softplus is log(1 + exp(x)) as written: 2 % off at x = -13",
    write="ops.relu(x) + ops.log1p(ops.exp(-ops.abs(x))) in float64 "
    "(mindspore_impl.layers.softplus)",
    bad="ops.softplus(x * 2 - 13)",
    good="""
wide = (x * 2 - 13).astype(ms.float64)
result = (ops.relu(wide) + ops.log1p(ops.exp(-ops.abs(wide)))).astype(ms.float32)
""",
)
def softplus(source: Source) -> Iterator[ast.AST]:
    names = (
        "mindspore.ops.softplus",
        "mindspore.nn.Softplus",
        "mindspore.mint.nn.functional.softplus",
    )
    return (call.node for call in source.calls(*names))


@TOPIC.rule(
    "MS203",
    happens="the gradient of the slope of MindSpore's PReLU adds one number after another: 1 % off "
    "for a million",
    write="a Cell with a bprop of its own (mindspore_impl.layers.PReLU)",
    bad="""
zero = ms.Tensor([0.25], ms.float32)
result = ms.grad(lambda slope: ops.prelu(-0.1 * ops.ones((1, 1, 1000, 1000)), slope).sum())(zero)
""",
    good="""
class Slope(nn.Cell):
    def construct(self, x, slope):
        return ops.prelu(x, slope)

    def bprop(self, x, slope, result, gradient):
        by_slope = -(gradient * ops.relu(-x)).sum().reshape(1)
        return ops.where(x > 0, gradient, gradient * slope), by_slope

zero, layer = ms.Tensor([0.25], ms.float32), Slope()
result = ms.grad(lambda slope: layer(-0.1 * ops.ones((1, 1, 1000, 1000)), slope).sum())(zero)
""",
)
def prelu(source: Source) -> Iterator[ast.AST]:
    names = ("mindspore.ops.prelu", "mindspore.nn.PReLU", "mindspore.ops.PReLU")
    for call in source.calls(*names):
        around = source.parent(source.function_of(call.node))
        if not isinstance(around, ast.ClassDef) or not _has_own_gradient(around):
            yield call.node


def _has_own_gradient(node: ast.ClassDef) -> bool:
    return any(isinstance(one, ast.FunctionDef) and one.name == "bprop" for one in node.body)


@TOPIC.rule(
    "MS204",
    happens="MindSpore's sum over an axis adds one number after another in float32; mean, and sum "
    "over all, do not",
    write="x.mean(axis) * n",
    bad="(0.1 * ops.ones((1_000_000, 8))).sum(axis=0)",
    good="(0.1 * ops.ones((1_000_000, 8))).mean(axis=0) * 1_000_000",
)
def sum_over_an_axis(source: Source) -> Iterator[ast.AST]:
    """Of maps: over axes of pixels. Over channels there is too little to add up."""
    for call in source.operations("mindspore", "sum", places=("ops", "mint")):
        axes = call.get("axis") or call.get("dim", 0)
        is_of_pixels = _pixels(constant(axes))
        if is_of_pixels and source.kinds.of(call.receiver) in (Kind.TENSOR, Kind.COMPLEX):
            yield call.node


def _pixels(axes: object) -> bool:
    """Whether axes reach over two axes, or over the batch."""
    return axes == 0 or (isinstance(axes, tuple) and len(axes) > 1)


@TOPIC.rule(
    "MS205",
    happens="MindSpore's bicubic interpolation has another kernel (a = -0.5) and another border "
    "than PyTorch's unless corners are aligned: 0.24 off",
    write="two products with matrices of weights (a = -0.75)",
    bad="ops.interpolate(x * x, size=(8, 8), mode='bicubic', align_corners=False)",
    good="""
places = (np.arange(8) + 0.5) / 2 - 0.5
matrix = np.zeros((8, 4))
for row, place in enumerate(places):
    for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
        d = abs(place - tap)
        near = 1.25 * d**3 - 2.25 * d**2 + 1
        far = -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
        matrix[row, min(max(tap, 0), 3)] += near if d <= 1 else far
weights = ms.Tensor(matrix.astype(np.float32))
result = ops.matmul(ops.matmul(weights, x * x), weights.T)
""",
)
def bicubic(source: Source) -> Iterator[ast.AST]:
    for call in _resizes(source):
        is_aligned = constant(call.get("align_corners", 3)) is True
        if constant(call.get("mode", 2)) == "bicubic" and not is_aligned:
            yield call.node


def _resizes(source: Source) -> Iterator[Call]:
    """Resizing calls, with the arguments size, scale_factor, mode, align_corners."""
    names = ("mindspore.ops.interpolate", "mindspore.ops.upsample")
    yield from (call.after_first() for call in source.calls(*names))
    yield from source.calls("mindspore.nn.Upsample")


@TOPIC.rule(
    "MS206",
    happens="MindSpore's Conv2dTranspose is silently wrong with an output_padding beside a padding",
    write="no output_padding: the layer with pad_mode='valid', and the border cut off by a slice",
    bad="nn.Conv2dTranspose(3, 2, 3, stride=2, pad_mode='pad', padding=1, output_padding=1, "
    "has_bias=True, weight_init='ones', bias_init='zeros')(x)",
    good="nn.Conv2dTranspose(3, 2, 3, stride=2, pad_mode='valid', has_bias=True, "
    "weight_init='ones', bias_init='zeros')(x)[:, :, 1:, 1:]",
)
def output_padding(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.nn.Conv2dTranspose"):
        given = call.get("output_padding", 6)
        if given is not None and constant(given) not in (0, (0, 0)):
            yield call.node


_IN_PLACE = ("add_", "sub_", "mul_", "div_", "exp_")


@TOPIC.rule(
    "MS207",
    happens="in PyNative mode add_, sub_, mul_, div_ and exp_ of MindSpore give a new tensor and "
    "leave the original as it was",
    write="x = x + y, ops.assign(x, ...) or x[...] =",
    bad="""
y = x + 0
y.add_(1)
result = y
""",
    good="""
y = x + 0
y = y + 1
result = y
""",
)
def in_place(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("mindspore", *_IN_PLACE):
        if isinstance(source.parent(call.node), ast.Expr):
            yield call.node


@TOPIC.rule(
    "MS208",
    happens="half precision inside the network: 1e-3 off float32",
    write="float32, and mixed precision where both sides have it",
    bad="ops.matmul(x.astype(ms.float16), x.astype(ms.float16)).astype(ms.float32)",
    good="ops.matmul(x, x)",
)
def half(source: Source) -> Iterator[ast.AST]:
    halves = (
        "mindspore.float16",
        "mindspore.bfloat16",
        "mindspore.dtype.float16",
        "mindspore.half",
    )
    for call in source.methods("mindspore", "to_float", "astype", "to"):
        if source.names.resolve(call.get("dtype", 0)) in halves:
            yield call.node
    for call in source.calls("mindspore.ops.cast", "mindspore.ops.Cast"):
        if source.names.resolve(call.get("dtype", 1)) in halves:
            yield call.node


@TOPIC.rule(
    "MS209",
    happens="MindSpore computes in float32 what it is given in float64, here: LayerNorm, "
    "log_softmax, softplus, grid_sample, std and var",
    write="the formula in float64",
    bad="ops.log_softmax(x.astype(ms.float64), -1)",
    good="""
wide = x.astype(ms.float64)
result = wide - wide.max(axis=-1, keepdims=True)
result = result - ops.log(ops.exp(result).mean(axis=-1, keep_dims=True) * 4)
""",
)
def narrow_in_secret(source: Source) -> Iterator[ast.AST]:
    names = ("log_softmax", "softplus", "grid_sample", "std", "var")
    for call in source.operations("mindspore", *names, places=("ops",)):
        if call.receiver is not None and _is_double(source, call.receiver):
            yield call.node


def _is_double(source: Source, node: ast.expr) -> bool:
    """Whether an expression is a cast to float64."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    names = ("mindspore.float64", "mindspore.dtype.float64", "mindspore.double")
    is_cast = node.func.attr in ("astype", "to")
    return is_cast and any(source.names.resolve(one) in names for one in node.args)
