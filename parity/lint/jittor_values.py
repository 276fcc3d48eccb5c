"""Jittor: what computes other values than PyTorch, without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.calls import Call, constant, number
from parity.lint.kinds import Kind
from parity.lint.names import Value
from parity.lint.rule import Topic
from parity.lint.source import Source

TOPIC = Topic()

_INTERPOLATE = "jittor.nn.interpolate"
_INTERPOLATE_ARGUMENTS = ("size", "scale_factor", "mode", "align_corners")


def _resizes(source: Source) -> Iterator[Call]:
    """Calls of interpolate, the picture taken off."""
    return (call.after_first() for call in source.calls(_INTERPOLATE))


@TOPIC.rule(
    "JT101",
    happens="Jittor's softplus is log(1 + exp(x)) as written: 2 % off at x = -13, 0 below -17",
    write="nn.relu(x) + jt.log(1 + jt.exp(-jt.abs(x))), with a series for the logarithm of what is "
    "near 1 (jittor_impl.layers.softplus)",
    bad="nn.softplus(x * 2 - 13)",
    good="""
small = jt.exp(-jt.abs(x * 2 - 13))
series = small - small * small / 2 + small * small * small / 3
result = nn.relu(x * 2 - 13) + jt.ternary(small < 1e-2, series, jt.log(1 + small))
""",
)
def softplus(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.calls("jittor.nn.softplus", "jittor.nn.Softplus"))


@TOPIC.rule(
    "JT102",
    happens="Jittor adds one number after another in float32: the mean of a million is 1 % off",
    write="the mean over one axis after the other (x.mean(3).mean(2)), or in float64",
    bad="jt.full((1024, 1024), 0.1).mean()",
    good="jt.full((1024, 1024), 0.1).mean(1).mean(0)",
)
def whole_sum(source: Source) -> Iterator[ast.AST]:
    """Over all numbers, or over several axes at once, unless sums were taken before."""
    for call in source.operations("jittor", "mean", "sum"):
        axes = call.get("dim", 0) or call.get("dims", 0)
        is_whole = call.lacks("dim", 0) and call.lacks("dims", 0)
        is_wide = is_whole or isinstance(axes, ast.Tuple | ast.List)
        is_tensor = source.kinds.of(call.receiver) is not Kind.UNKNOWN
        is_exact = _is_double(call.receiver) or _is_reduced(source, call.receiver)
        if is_wide and is_tensor and not is_exact:
            yield call.node


def _is_reduced(source: Source, node: ast.expr | None, depth: int = 0) -> bool:
    """Whether an expression has few numbers: sums or means along an axis, some that were stacked,
    and what is computed of them."""
    if node is None or depth > 12:
        return False
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=name)):
            axes = [*node.args, *(one.value for one in node.keywords if one.arg in ("dim", "dims"))]
            is_sum = name in ("sum", "mean", "max", "min") and bool(axes)
            if is_sum or source.names.resolve(node.func) == "jittor.stack":
                return True
            parts = [value, *node.args[:1]]
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
        case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.UnaryOp(operand=value):
            parts = [value]
        case ast.Name():
            bindings, _ = source.names.scope_of[node].lookup(node.id)
            values = [one for one in bindings if isinstance(one, Value) and not one.is_part]
            parts = [values[0].node] if len(bindings) == len(values) == 1 else []
        case _:
            parts = []
    return any(_is_reduced(source, part, depth + 1) for part in parts)


def _is_double(node: ast.expr | None) -> bool:
    """Whether an expression is visibly cast to float64."""
    return isinstance(node, ast.Call) and any(
        word in ast.unparse(node) for word in ("float64", "double")
    )


@TOPIC.rule(
    "JT103",
    happens="Jittor's normalizations take the variance as a mean of squares minus a square: 3e-1 "
    "off where the mean is 1000, and wrong by percents where it is 100 times the spread",
    write="a normalization of your own that takes the mean off first "
    "(jittor_impl.layers.LayerNorm)",
    bad="nn.LayerNorm(4)(x + 1000)",
    good="""
centered = (x + 1000) - (x + 1000).mean(dim=-1, keepdims=True)
result = centered / jt.sqrt((centered * centered).mean(dim=-1, keepdims=True) + 1e-5)
""",
)
def normalization(source: Source) -> Iterator[ast.AST]:
    names = ("LayerNorm", "GroupNorm", "InstanceNorm", "InstanceNorm2d", "layer_norm")
    return (call.node for call in source.calls(*(f"jittor.nn.{name}" for name in names)))


@TOPIC.rule(
    "JT104",
    happens="Jittor's interpolate is bilinear unless told otherwise; PyTorch's is nearest",
    write="mode= as the original means it",
    bad="nn.interpolate(x, size=(8, 8))",
    good="nn.interpolate(x, size=(8, 8), mode='nearest')",
)
def interpolate_default(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in _resizes(source) if call.lacks("mode", 2))


@TOPIC.rule(
    "JT105",
    happens="Jittor's interpolate steps by the ratio of the rounded sizes, PyTorch's by the factor "
    "itself: pixels move unless size times factor is whole",
    write="the size, in both frameworks",
    bad="nn.interpolate(x, scale_factor=0.9, mode='bilinear', align_corners=False)",
    good="nn.interpolate(x, size=(3, 3), mode='bilinear', align_corners=False)",
)
def interpolate_by_a_factor(source: Source) -> Iterator[ast.AST]:
    for call in (*_resizes(source), *source.calls("jittor.nn.Upsample")):
        factor = call.get("scale_factor", 1 if call.name == _INTERPOLATE else 0)
        is_size = call.name == _INTERPOLATE and call.get("size", 0) is not None
        value = number(factor)
        is_whole = value is not None and value == int(value)
        is_ratio = isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Div)
        if (
            not is_size
            and factor is not None
            and (is_ratio or (value is not None and not is_whole))
        ):
            yield call.node


@TOPIC.rule(
    "JT106",
    happens="Jittor's grouped transposed convolution is silently wrong without oneDNN or in "
    "float64 where a group has other numbers of maps in and out",
    write="a transposed convolution per group, joined by jt.concat",
    bad="nn.ConvTranspose(4, 8, 3, groups=2)(x[:, :1].repeat(1, 4, 1, 1)).shape[1]",
    good="2 * nn.ConvTranspose(2, 4, 3)(x[:, :2]).shape[1]",
)
def grouped_transposed(source: Source) -> Iterator[ast.AST]:
    names = ("ConvTranspose", "ConvTranspose2d", "conv_transpose", "conv_transpose2d")
    for call in source.calls(*(f"jittor.nn.{name}" for name in names)):
        groups = call.get("groups", 6)
        if groups is not None and number(groups) != 1:
            yield call.node


@TOPIC.rule(
    "JT107",
    happens="Jittor's AdaptiveAvgPool2d takes windows of one size: other means than PyTorch's "
    "unless the size divides the map's, and none for smaller maps",
    write="nn.avg_pool2d where it divides, or a product with matrices of means "
    "(jittor_impl.layers.adaptive_avg_pool)",
    bad="nn.AdaptiveAvgPool2d(4)(x.reshape(1, 1, 6, 8))",
    good="""
rows, columns = ((0, 2), (1, 3), (3, 5), (4, 6)), ((0, 2), (2, 4), (4, 6), (6, 8))
y = jt.stack([x.reshape(1, 1, 6, 8)[:, :, a:b].mean(dim=2) for a, b in rows], dim=2)
result = jt.stack([y[:, :, :, a:b].mean(dim=3) for a, b in columns], dim=3)
""",
)
def adaptive_pooling(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("jittor.nn.AdaptiveAvgPool2d"):
        if constant(call.get("output_size", 0)) not in (1, (1, 1)):
            yield call.node


@TOPIC.rule(
    "JT108",
    happens="a tensor of Jittor that has one number has shape (1,), never ()",
    write="code that takes both: x.reshape(-1), x.numel() == 1",
    bad="x.mean().ndim == 0",
    good="x.mean().numel() == 1",
)
def scalar(source: Source) -> Iterator[ast.AST]:
    for node in source.of_type(ast.Compare):
        left = node.left
        if source.framework != "jittor" or not isinstance(left, ast.Attribute):
            continue
        if source.kinds.of(left.value) in (Kind.NUMPY, Kind.PYTHON):
            continue
        right = constant(node.comparators[0])
        if (left.attr == "ndim" and right == 0) or (left.attr == "shape" and right == ()):
            yield node


@TOPIC.rule(
    "JT109",
    happens="Jittor's var divides by n unless told otherwise, PyTorch's by n - 1",
    write="unbiased=, as the original means it",
    bad="x.var()",
    good="x.var(unbiased=True)",
)
def variance(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("jittor", "var"):
        if call.lacks("unbiased", 2):
            yield call.node


@TOPIC.rule(
    "JT110",
    happens="Jittor's std is never below 1e-3",
    write="jt.sqrt(x.var(unbiased=True))",
    bad="(x * 1e-5).std()",
    good="jt.sqrt((x * 1e-5).var(unbiased=True))",
)
def deviation(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.operations("jittor", "std"))


@TOPIC.rule(
    "JT111",
    happens="Jittor's round takes halves away from zero, PyTorch's and NumPy's to the even number",
    write="jt.floor(x + 0.5), less one where that makes an odd number of a half",
    bad="jt.round(x * 0 + 2.5)",
    good="""
y = x * 0 + 2.5
up = jt.floor(y + 0.5)
result = up - (up - 2 * jt.floor(up / 2)) * (up == y + 0.5)
""",
)
def rounding(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.operations("jittor", "round"))


@TOPIC.rule(
    "JT112",
    happens="// and % of Jittor's tensors truncate as in C: -7 // 2 is -3",
    write="jt.floor(x / y), and x - y * jt.floor(x / y)",
    bad="(x - 5) // 2",
    good="jt.floor((x - 5) / 2)",
)
def integer_division(source: Source) -> Iterator[ast.AST]:
    for node in source.of_type(ast.BinOp):
        is_whole = isinstance(node.op, ast.FloorDiv | ast.Mod) and source.framework == "jittor"
        if is_whole and source.kinds.of(node.left) is Kind.TENSOR:
            yield node


@TOPIC.rule(
    "JT113",
    happens="Jittor's norm is along the last axis unless told otherwise, PyTorch's is over all",
    write="dim=, or jt.sqrt((x * x).sum())",
    bad="x.norm()",
    good="jt.sqrt((x * x).sum())",
)
def norm(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("jittor", "norm"):
        if call.lacks("dim", 1):
            yield call.node


@TOPIC.rule(
    "JT114",
    happens="Jittor's max and min along an axis give the values alone: [0] is their first row",
    write="x.max(dim=d) for the values, jt.argmax(x, d)[0] for the places",
    bad="x[0].max(dim=0)[0]",
    good="x[0].max(dim=0)",
)
def maximum(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("jittor", "max", "min"):
        if call.get("dim", 0) is not None and _is_taken_apart(source, call.node):
            yield call.node


def _is_taken_apart(source: Source, node: ast.Call) -> bool:
    """Whether the result is taken for a pair of values and places."""
    match source.parent(node):
        case ast.Subscript(slice=ast.Constant(value=0 | 1)):
            return True
        case ast.Attribute(attr="values" | "indices"):
            return True
        case ast.Assign(targets=[ast.Tuple(elts=[_, _])]):
            return True
    return False


@TOPIC.rule(
    "JT115",
    happens="Jittor's argmax and argmin give the places and the values",
    write="jt.argmax(x, dim)[0]",
    bad="jt.argmax(x, 1)",
    good="jt.argmax(x, 1)[0]",
)
def argmax(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("jittor", "argmax", "argmin"):
        parent = source.parent(call.node)
        is_pair = isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple)
        if not isinstance(parent, ast.Subscript) and not is_pair:
            yield call.node


@TOPIC.rule(
    "JT116",
    happens="Jittor's AvgPool2d ignores count_include_pad=False: the border is averaged with zeros",
    write="the pooled picture over the pooled ones",
    bad="nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)(x)",
    good="""
pool = nn.AvgPool2d(3, stride=1, padding=1)
result = pool(x) / pool(jt.ones_like(x))
""",
)
def counted_padding(source: Source) -> Iterator[ast.AST]:
    pools = source.calls(
        "jittor.nn.AvgPool2d", "jittor.nn.avg_pool2d", "jittor.nn.Pool", "jittor.nn.pool"
    )
    for call in pools:
        if constant(call.get("count_include_pad")) is False:
            yield call.node


@TOPIC.rule(
    "JT117",
    happens="Jittor compiles with -Ofast: no number differs from itself, not even NaN",
    write="jt.isnan(x)",
    bad="""
y = jt.array([float("nan")])
result = y != y
""",
    good="""
y = jt.array([float("nan")])
result = jt.isnan(y)
""",
)
def nan(source: Source) -> Iterator[ast.AST]:
    for node in source.of_type(ast.Compare):
        if source.framework != "jittor" or not isinstance(node.ops[0], ast.NotEq | ast.Eq):
            continue
        is_same = ast.dump(node.left) == ast.dump(node.comparators[0])
        if is_same and source.kinds.of(node.left) not in (Kind.NUMPY, Kind.PYTHON):
            yield node


@TOPIC.rule(
    "JT118",
    happens="jt.array makes float32 of float64 and int32 of int64, without a word",
    write="jt.array64(x), or the cast that is meant",
    bad="jt.array(np.float64([1 + 1e-12])) - 1",
    good="jt.array64(np.float64([1 + 1e-12])) - jt.array64(np.float64([1]))",
)
def narrowing(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("jittor.array", "jittor.Var"):
        first = call.get("data", 0)
        if call.lacks("dtype", 1) and first is not None and _is_wide(source, first):
            yield call.node


def _is_wide(source: Source, node: ast.expr) -> bool:
    """Whether an expression makes numbers of 64 bits before anything else."""
    wide = ("numpy.float64", "numpy.int64", "numpy.double")
    if not isinstance(node, ast.Call):
        return False
    if source.names.resolve(node.func) in wide:
        return True
    given = [*node.args, *(one.value for one in node.keywords if one.arg == "dtype")]
    is_cast = isinstance(node.func, ast.Attribute) and node.func.attr == "astype"
    is_made = (source.names.resolve(node.func) or "").startswith("numpy.")
    return (is_cast or is_made) and any(
        source.names.resolve(one) in wide or constant(one) in ("float64", "int64") for one in given
    )


@TOPIC.rule(
    "JT119",
    happens="the momentum of Jittor's BatchNorm is the weight of the new value, as PyTorch's; one "
    "above 0.5 looks like its complement",
    write="PyTorch's number, 0.1 by default",
    bad="""
layer = nn.BatchNorm(3, momentum=0.9)
layer.train()
layer(x)
result = layer.running_mean
""",
    good="""
layer = nn.BatchNorm(3, momentum=0.1)
layer.train()
layer(x)
result = layer.running_mean
""",
)
def momentum(source: Source) -> Iterator[ast.AST]:
    names = ("BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
    for call in source.calls(*(f"jittor.nn.{name}" for name in names)):
        value = number(call.get("momentum", 2))
        if value is not None and value > 0.5:
            yield call.node
