"""Jittor: what is missing, refused, or called something else; what it does without being asked."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.calls import Call, constant
from parity.lint.kinds import Kind
from parity.lint.rule import Topic
from parity.lint.source import Source

TOPIC = Topic()


@TOPIC.rule(
    "JT201",
    happens="Jittor has no nn.functional",
    write="the function from jittor.nn itself: nn.relu, nn.interpolate, nn.pad",
    bad="nn.functional.relu(x)",
    good="nn.relu(x)",
)
def functional(source: Source) -> Iterator[ast.AST]:
    found = [*source.mentions("jittor.nn.functional")]
    starts = ("jittor.nn.functional.",)
    found += [one.node for one in source.names.imports if one.dotted.startswith(starts)]
    return iter(dict.fromkeys(found))


@TOPIC.rule(
    "JT202",
    happens="the slope of Jittor's leaky_relu and LeakyReLU is called scale; negative_slope is "
    "refused",
    write="nn.leaky_relu(x, slope), nn.LeakyReLU(slope)",
    bad="nn.leaky_relu(x, negative_slope=0.1)",
    good="nn.leaky_relu(x, 0.1)",
)
def negative_slope(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("jittor.nn.leaky_relu", "jittor.nn.LeakyReLU"):
        if "negative_slope" in call.keywords:
            yield call.node


@TOPIC.rule(
    "JT203",
    happens="Jittor's interpolate calls its picture X: input= is refused",
    write="the picture by position",
    bad="nn.interpolate(input=x, size=(8, 8), mode='nearest')",
    good="nn.interpolate(x, size=(8, 8), mode='nearest')",
)
def interpolate_input(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("jittor.nn.interpolate", "jittor.nn.upsample", "jittor.nn.resize"):
        if "input" in call.keywords:
            yield call.node


@TOPIC.rule(
    "JT204",
    happens="item() of Jittor differs by version and is refused by some",
    write="float(x.data[0])",
    bad="x.mean().item()",
    good="float(x.mean().data[0])",
)
def item(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.methods("jittor", "item"))


@TOPIC.rule(
    "JT205",
    happens="data of a tensor of Jittor is an array of NumPy already, which has no numpy()",
    write="x.numpy(), or x.data alone",
    bad="x.data.numpy()",
    good="x.numpy()",
)
def numpy_of_data(source: Source) -> Iterator[ast.AST]:
    if source.framework != "jittor":
        return
    for call in source.all_methods("numpy"):
        steps = call.receiver
        while isinstance(steps, ast.Call) and isinstance(steps.func, ast.Attribute):
            steps = steps.func.value
        if isinstance(steps, ast.Attribute) and steps.attr == "data":
            yield call.node


@TOPIC.rule(
    "JT206",
    happens="backward() of a tensor does nothing in Jittor: the next step() has no gradients",
    write="optimizer.step(loss), or optimizer.backward(loss) and optimizer.step()",
    bad="""
weight = x.clone()
optimizer = jt.optim.SGD([weight], 0.1)
loss = (weight * weight).sum()
loss.backward()
optimizer.step()
result = weight
""",
    good="""
weight = x.clone()
optimizer = jt.optim.SGD([weight], 0.1)
loss = (weight * weight).sum()
optimizer.step(loss)
result = weight
""",
)
def backward(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("jittor", "backward"):
        if not call.arguments and source.kinds.of(call.receiver) is not Kind.OPTIMIZER:
            yield call.node


@TOPIC.rule(
    "JT207",
    happens="Jittor places tensors itself: a network has no to(), and cuda() fails without a GPU",
    write="jt.flags.use_cuda = jt.has_cuda, once",
    bad="nn.Linear(4, 2).to('cpu')(x).shape[3]",
    good="nn.Linear(4, 2)(x).shape[3]",
)
def placing(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("jittor", "to", "cuda"):
        given = call.get("device", 0)
        if call.name == "cuda" or _is_device(source, given):
            yield call.node


def _is_device(source: Source, node: ast.expr | None) -> bool:
    """Whether an argument of `to` is a device, by value or by name."""
    value = constant(node)
    if isinstance(value, str):
        return value.partition(":")[0] in ("cpu", "cuda", "gpu")
    words = ast.unparse(node).lower() if node is not None else ""
    return "device" in words or words.startswith("torch.")


@TOPIC.rule(
    "JT208",
    happens="a module of Jittor is called through execute: forward is never run",
    write="def execute(self, ...)",
    bad="""
class Twice(nn.Module):
    def forward(self, x):
        return x + x
result = Twice()(x)
""",
    good="""
class Twice(nn.Module):
    def execute(self, x):
        return x + x
result = Twice()(x)
""",
)
def forward(source: Source) -> Iterator[ast.AST]:
    for node in source.classes("jittor.nn.Module"):
        for one in node.body:
            if isinstance(one, ast.FunctionDef) and one.name == "forward":
                yield one


@TOPIC.rule(
    "JT209",
    happens="Jittor has no manual_seed",
    write="jt.set_global_seed(seed)",
    bad="""
jt.manual_seed(1)
result = 1
""",
    good="""
jt.set_global_seed(1)
result = 1
""",
)
def manual_seed(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.calls("jittor.manual_seed"))


@TOPIC.rule(
    "JT210",
    happens="jt.clamp takes min_v and max_v: min= and max= are refused",
    write="jt.clamp(x, min_v=0, max_v=1)",
    bad="jt.clamp(x, min=0.0)",
    good="jt.clamp(x, min_v=0.0)",
)
def clamp(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("jittor", "clamp", "clamp_"):
        if "min" in call.keywords or "max" in call.keywords:
            yield call.node


@TOPIC.rule(
    "JT211",
    happens="jt.chunk into one piece fails in some processes with an UnboundLocalError",
    write="[x]",
    bad="jt.chunk(x, 1)[0]",
    good="[x][0]",
)
def chunk(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("jittor", "chunk"):
        if constant(call.get("chunks", 0)) == 1:
            yield call.node


@TOPIC.rule(
    "JT212",
    happens="Jittor has no Fourier transform and no complex numbers on the CPU",
    write="products with cosines and sines (jittor_impl.layers.fft2, rfft2, irfft2)",
    bad="jt.fft.rfft2(x)",
    good="""
angles = 2 * np.pi * np.outer(np.arange(4), np.arange(4)) / 4
result = jt.matmul(x, jt.array(np.cos(angles).astype(np.float32)))
""",
)
def fourier(source: Source) -> Iterator[ast.AST]:
    names = ("jittor.fft", "jittor.nn._fft2", "jittor.complex", "jittor.nn.ComplexNumber")
    return source.mentions(*names)


@TOPIC.rule(
    "JT213",
    happens="Jittor's convolutions have no padding_mode, and no padding by name",
    write="nn.pad(x, ..., mode='reflect'), then a convolution without padding; padding=k // 2",
    bad="nn.Conv2d(3, 4, 3, padding=1, padding_mode='reflect')(x).shape[3]",
    good="nn.Conv2d(3, 4, 3)(nn.pad(x, (1, 1, 1, 1), mode='reflect')).shape[3]",
)
def padding_mode(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(
        "jittor.nn.Conv", "jittor.nn.Conv1d", "jittor.nn.Conv2d", "jittor.nn.Conv3d"
    ):
        if "padding_mode" in call.keywords or isinstance(constant(call.get("padding", 4)), str):
            yield call.node


_ABSENT = ("gumbel_softmax", "PixelUnshuffle", "pixel_unshuffle", "Unfold", "adaptive_avg_pool2d")


@TOPIC.rule(
    "JT214",
    happens="Jittor does not have this",
    write="it from reshape, permute and what there is (nn.unfold, nn.AdaptiveAvgPool2d(1); "
    "jittor_impl.layers)",
    bad="nn.PixelUnshuffle(2)(x)",
    good="""
result = x.reshape(1, 3, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(1, 12, 2, 2)
""",
)
def absent(source: Source) -> Iterator[ast.AST]:
    return source.mentions(*(f"jittor.nn.{name}" for name in _ABSENT))


@TOPIC.rule(
    "JT215",
    happens="JITTOR_HOME is written down in the user's home, and redirects every later run of "
    "everybody",
    write="another HOME for the process, as jittor_impl.runtime does",
    bad="""
import os
os.environ["JITTOR_HOME"] = "cache"
result = 1
""",
    good="""
import os
os.environ["HOME"] = "home"
result = 1
""",
)
def home(source: Source) -> Iterator[ast.AST]:
    for node in source.of_type(ast.Subscript):
        is_environment = source.names.resolve(node.value) == "os.environ"
        is_home = constant(node.slice) == "JITTOR_HOME" and isinstance(node.ctx, ast.Store)
        if is_environment and is_home:
            yield node
    for call in source.calls("os.environ.setdefault", "os.putenv"):
        if constant(call.get("key", 0)) == "JITTOR_HOME":
            yield call.node


@TOPIC.rule(
    "JT216",
    happens="assigning the bias of Jittor's Conv1d is ignored",
    write="layer.bias.assign(value)",
    bad="""
layer = nn.Conv1d(3, 2, 1, bias=False)
layer.bias = jt.ones(2)
result = layer(x[:, :, 0]) * 0 + layer(x[:, :, 0] * 0)
""",
    good="""
layer = nn.Conv1d(3, 2, 1)
layer.bias.assign(jt.ones(2))
result = layer(x[:, :, 0] * 0)
""",
)
def bias_of_conv1d(source: Source) -> Iterator[ast.AST]:
    layers = {
        ast.dump(_loaded(target)) for target in _targets(source, source.calls("jittor.nn.Conv1d"))
    }
    for node in source.of_type(ast.Attribute):
        is_set = node.attr == "bias" and isinstance(node.ctx, ast.Store)
        if is_set and ast.dump(node.value) in layers:
            yield node


def _targets(source: Source, found: Iterator[Call]) -> Iterator[ast.expr]:
    """What the results of calls are assigned to."""
    for call in found:
        parent = source.parent(call.node)
        if isinstance(parent, ast.Assign):
            yield from parent.targets


def _loaded(node: ast.expr) -> ast.expr:
    """The expression that reads what one assigns."""
    if isinstance(node, ast.Name):
        return ast.Name(node.id, ast.Load())
    if isinstance(node, ast.Attribute):
        return ast.Attribute(node.value, node.attr, ast.Load())
    return node
