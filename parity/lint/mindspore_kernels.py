"""MindSpore: what is missing, refused, slow or called something else."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.calls import constant
from parity.lint.kinds import FOREIGN, Kind
from parity.lint.rule import Topic
from parity.lint.source import Source

TOPIC = Topic()


@TOPIC.rule(
    "MS301",
    happens="MindSpore's roll has no CPU kernel",
    write="mindspore.numpy.roll, or split and concat",
    bad="ops.roll(x, (1,), (3,))",
    good="ops.concat((x[:, :, :, -1:], x[:, :, :, :-1]), 3)",
)
def roll(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("mindspore", "roll", places=("ops", "mint")):
        yield call.node


_ABSENT = (
    "mindspore.ops.einsum",
    "mindspore.ops.layer_norm",
    "mindspore.nn.InstanceNorm2d",
    "mindspore.nn.InstanceNorm1d",
    "mindspore.nn.InstanceNorm3d",
    "mindspore.nn.Unfold",
)


@TOPIC.rule(
    "MS302",
    happens="MindSpore has no CPU kernel for this",
    write="matmul for einsum, nn.LayerNorm for layer_norm, means for InstanceNorm, ops.unfold for "
    "nn.Unfold, tile for repeat",
    bad="ops.einsum('nchw,nchw->nchw', x, x)",
    good="x * x",
)
def absent(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(*_ABSENT):
        yield call.node
    for call in source.methods("mindspore", "repeat"):
        if source.kinds.of(call.receiver) is Kind.TENSOR:
            yield call.node


_MINT = ("mindspore.mint.nn.", "mindspore.mint.optim.")
_MINT_WORKS = ("mindspore.mint.nn.Linear", "mindspore.mint.nn.Identity", "mindspore.mint.nn.ReLU")


@TOPIC.rule(
    "MS303",
    happens="most of mindspore.mint.nn has no CPU kernel",
    write="the same from mindspore.nn and mindspore.ops, with every argument spelled out",
    bad="ms.mint.nn.functional.gelu(x)",
    good="ops.gelu(x)",
)
def mint(source: Source) -> Iterator[ast.AST]:
    for name in source.called:
        if name.startswith(_MINT[0]) and name not in _MINT_WORKS:
            yield from (call.node for call in source.calls(name))
    for call in source.calls("mindspore.mint.cumsum"):
        yield call.node


@TOPIC.rule(
    "MS304",
    happens="the gradient of a slice with a step raises in PyNative mode",
    write="reshape and the first of each block, ops.flip for a step of -1",
    bad="ms.grad(lambda x: x[:, :, ::2, ::2].sum())(x)",
    good="ms.grad(lambda x: x.reshape(1, 3, 2, 2, 2, 2)[:, :, :, 0, :, 0].sum())(x)",
)
def strided_slice(source: Source) -> Iterator[ast.AST]:
    for node in source.of_type(ast.Subscript):
        kind = source.kinds.of(node.value)
        if source.framework != "mindspore" or kind in FOREIGN:
            continue
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if kind is not Kind.TENSOR and len(parts) < 3:  # of a list, say
            continue
        steps = [one.step for one in parts if isinstance(one, ast.Slice) and one.step is not None]
        if any(constant(step) != 1 for step in steps) and isinstance(node.ctx, ast.Load):
            yield node


@TOPIC.rule(
    "MS305",
    happens="products of complex numbers have no gradient in MindSpore, and abs() of one has none",
    write="real and imaginary parts (mindspore_impl.layers.fft2, rfft2, irfft2)",
    bad="ms.grad(lambda x: ops.real(ops.fft2(x) * ops.fft2(x)).sum())(x)",
    good="""
def square(x):
    spectrum = ops.fft2(x)
    real, imaginary = ops.real(spectrum), ops.imag(spectrum)
    return (real * real - imaginary * imaginary).sum()
result = ms.grad(square)(x)
""",
)
def complex_product(source: Source) -> Iterator[ast.AST]:
    for node in source.of_type(ast.BinOp):
        kinds = {source.kinds.of(node.left), source.kinds.of(node.right)}
        is_product = isinstance(node.op, ast.Mult | ast.Div) and source.framework == "mindspore"
        if is_product and Kind.COMPLEX in kinds:
            yield node
    for call in source.operations("mindspore", "abs", places=("ops",)):
        if source.kinds.of(call.receiver) is Kind.COMPLEX:
            yield call.node


@TOPIC.rule(
    "MS306",
    happens="MindSpore's interpolate refuses a scale_factor in most modes",
    write="size=; recompute_scale_factor=True where size times factor is whole",
    bad="ops.interpolate(x, scale_factor=2.0, mode='nearest')",
    good="ops.interpolate(x, size=(8, 8), mode='nearest')",
)
def interpolate_by_a_factor(source: Source) -> Iterator[ast.AST]:
    names = ("mindspore.ops.interpolate", "mindspore.ops.upsample")
    resizes = [call.after_first() for call in source.calls(*names)]
    for call in (*resizes, *source.calls("mindspore.nn.Upsample")):
        factor = call.get("scale_factor", 1)
        is_recomputed = constant(call.get("recompute_scale_factor", 4)) is True
        if factor is not None and constant(factor) is not False and not is_recomputed:
            yield call.node


@TOPIC.rule(
    "MS307",
    happens="the gradient of MindSpore's ops.max_pool2d takes 50 times as long as its layer's",
    write="nn.MaxPool2d(k, stride=k)(x), made once",
    bad="ops.max_pool2d(x, 2)",
    good="nn.MaxPool2d(2, stride=2)(x)",
)
def slow_max_pool(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.calls("mindspore.ops.max_pool2d"))


@TOPIC.rule(
    "MS308",
    happens="MindSpore has no nn.functional and no nn.Module",
    write="the function from mindspore.ops, nn.Cell",
    bad="nn.functional.relu(x)",
    good="ops.relu(x)",
)
def functional(source: Source) -> Iterator[ast.AST]:
    names = (
        "mindspore.nn.functional",
        "mindspore.nn.Module",
        "mindspore.nn.ModuleList",
        "mindspore.nn.Linear",
        "mindspore.nn.ConvTranspose2d",
    )
    found = [*source.mentions(*names)]
    start = "mindspore.nn.functional."
    found += [one.node for one in source.names.imports if one.dotted.startswith(start)]
    return iter(dict.fromkeys(found))


@TOPIC.rule(
    "MS309",
    happens="the slope of MindSpore's leaky_relu and LeakyReLU is called alpha; negative_slope is "
    "refused",
    write="alpha=",
    bad="ops.leaky_relu(x, negative_slope=0.1)",
    good="ops.leaky_relu(x, alpha=0.1)",
)
def negative_slope(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.ops.leaky_relu", "mindspore.nn.LeakyReLU"):
        if "negative_slope" in call.keywords:
            yield call.node


_BY_AXIS = (
    "cat",
    "concat",
    "stack",
    "softmax",
    "log_softmax",
    "split",
    "chunk",
    "squeeze",
    "mean",
    "gather",
    "cumsum",
    "repeat_interleave",
)


@TOPIC.rule(
    "MS310",
    happens="this function of mindspore.ops takes axis; dim is refused",
    write="axis=",
    bad="ops.cat([x, x], dim=1)",
    good="ops.cat([x, x], axis=1)",
)
def axis(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(*(f"mindspore.ops.{name}" for name in _BY_AXIS)):
        if "dim" in call.keywords:
            yield call.node


@TOPIC.rule(
    "MS311",
    happens="a tensor of MindSpore has no backward, detach, cuda or cpu, and to() of a device is "
    "not what it is in PyTorch",
    write="ms.value_and_grad for backward(), ops.stop_gradient(x) for detach(), ms.set_device once",
    bad="x.detach()",
    good="ops.stop_gradient(x)",
)
def methods_of_tensors(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("mindspore", "backward", "detach", "cuda", "cpu"):
        if not call.arguments:
            yield call.node
    for call in source.methods("mindspore", "to"):
        value = constant(call.get("device", 0))
        words = ast.unparse(call.arguments[0]).lower() if call.arguments else ""
        is_device = isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda", "gpu")
        if is_device or words in ("device", "self.device", "args.device"):
            yield call.node


@TOPIC.rule(
    "MS312",
    happens="a Cell is called through construct: forward is never run",
    write="def construct(self, ...)",
    bad="""
class Twice(nn.Cell):
    def forward(self, x):
        return x + x
result = Twice()(x)
""",
    good="""
class Twice(nn.Cell):
    def construct(self, x):
        return x + x
result = Twice()(x)
""",
)
def forward(source: Source) -> Iterator[ast.AST]:
    for node in source.classes("mindspore.nn.Cell"):
        for one in node.body:
            if isinstance(one, ast.FunctionDef) and one.name == "forward":
                yield one


_OF_MODULES = (
    "train",
    "eval",
    "named_modules",
    "named_parameters",
    "zero_grad",
    "modules",
    "requires_grad_",
)


@TOPIC.rule(
    "MS313",
    happens="a Cell has no train, eval, named_modules, named_parameters or zero_grad",
    write="set_train(True), set_train(False), cells_and_names(), parameters_and_names(); gradients "
    "are values and need no zeroing",
    bad="""
network = nn.Dense(2, 2)
network.eval()
result = 1
""",
    good="""
network = nn.Dense(2, 2)
network.set_train(False)
result = 1
""",
)
def methods_of_cells(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("mindspore", *_OF_MODULES):
        receiver = source.names.resolve(call.receiver) or ""
        if len(call.arguments) < 2 and not receiver.startswith("mindspore"):
            yield call.node


@TOPIC.rule(
    "MS314",
    happens="size of a tensor of MindSpore is a number, not a method",
    write="x.shape[i], x.shape",
    bad="x.size(1)",
    good="x.shape[1]",
)
def size(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.methods("mindspore", "size"))


@TOPIC.rule(
    "MS315",
    happens="MindSpore's max along an axis is a pair for max(1), and the values alone for "
    "max(axis=1) and in graph mode",
    write="ops.max(x, axis)[0], ops.argmax(x, axis)",
    bad="x[0].max(axis=0)[0]",
    good="ops.max(x[0], 0)[0]",
)
def maximum(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("mindspore", "max", "min"):
        parent = source.parent(call.node)
        is_part = isinstance(parent, ast.Subscript) and constant(parent.slice) in (0, 1)
        is_pair = isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple)
        is_tensor = source.kinds.of(call.receiver) is Kind.TENSOR
        is_by_place = is_tensor and bool(call.arguments) and not call.keywords
        if is_by_place or ((is_part or is_pair) and call.get("axis", 0) is not None):
            yield call.node
