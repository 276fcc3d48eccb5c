"""MindSpore: loading, gradients, training and the process."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.calls import constant
from parity.lint.rule import Topic
from parity.lint.source import Source

TOPIC = Topic()

_ADAM = """
from mindspore.experimental import optim
weight = ms.Parameter(x + 0, name="weight")
optimizer = {optimizer}
for _ in range(3):
    optimizer((ops.full_like(x, 1e-3),))
result = weight
"""
_RIGHT = "optim.AdamW([weight], lr=0.1, eps=1e-2, weight_decay=0.0)"


@TOPIC.rule(
    "MS401",
    happens="load_param_into_net says nothing of missing or unexpected entries, even when strict",
    write="missing, unexpected = ms.load_param_into_net(...), and an error unless both are empty",
    bad="""
ms.load_param_into_net(nn.Dense(2, 1), {"wait": ms.Parameter(ms.Tensor([0.0]))}, strict_load=True)
result = 1
""",
    good="""
missing, unexpected = ms.load_param_into_net(
    nn.Dense(2, 1), {"wait": ms.Parameter(ms.Tensor([0.0]))}
)
assert not missing and not unexpected
result = 1
""",
)
def silent_loading(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.load_param_into_net"):
        if isinstance(source.parent(call.node), ast.Expr):
            yield call.node
    for call in source.calls("mindspore.load_checkpoint"):
        if call.get("net", 1) is not None:
            yield call.node


@TOPIC.rule(
    "MS402",
    happens="ms.grad by one position gives a bare tensor, by two a tuple: [0] is its first row",
    write="the result as it is",
    bad="ms.grad(lambda x: (x * x).sum())(x[0])[0]",
    good="ms.grad(lambda x: (x * x).sum())(x[0])",
)
def bare_gradient(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.grad", "mindspore.ops.grad"):
        position = constant(call.get("grad_position", 1))
        is_one = call.lacks("grad_position", 1) or isinstance(position, int)
        is_one = is_one or (isinstance(position, tuple) and len(position) == 1)
        outer = source.parent(call.node)
        around = source.parent(outer) if outer else None
        is_part = isinstance(around, ast.Subscript) and constant(around.slice) == 0
        is_called = isinstance(outer, ast.Call) and outer.func is call.node
        if is_called and is_one and is_part and call.lacks("weights", 2):
            yield call.node


@TOPIC.rule(
    "MS403",
    happens="MindSpore's nn.Adam adds eps before the bias correction (steps of a hundredth where "
    "gradients are small), and AdamWeightDecay corrects nothing",
    write="mindspore.experimental.optim.AdamW(..., weight_decay=0.0)",
    bad=_ADAM.format(optimizer="nn.Adam([weight], learning_rate=0.1, eps=1e-2)"),
    good=_ADAM.format(optimizer=_RIGHT),
)
def adam(source: Source) -> Iterator[ast.AST]:
    names = ("mindspore.nn.Adam", "mindspore.nn.AdamWeightDecay")
    return (call.node for call in source.calls(*names))


@TOPIC.rule(
    "MS404",
    happens="the optimizers of mindspore.mint never move a weight in PyNative mode",
    write="mindspore.experimental.optim",
    bad=_ADAM.format(optimizer="ms.mint.optim.Adam([weight], lr=0.1, eps=1e-2)"),
    good=_ADAM.format(optimizer=_RIGHT),
)
def mint_optimizers(source: Source) -> Iterator[ast.AST]:
    for name in source.called:
        if name.startswith("mindspore.mint.optim."):
            yield from (call.node for call in source.calls(name))


@TOPIC.rule(
    "MS405",
    happens="MindSpore takes its device before the first operator only; here one came before",
    write="set_device, or device_target of set_context, first of all",
    bad="""
y = ops.relu(x).asnumpy()
ms.set_device("CPU")
result = 1
""",
    good="""
y = ops.relu(x).asnumpy()
result = 1
""",
)
def late_device(source: Source) -> Iterator[ast.AST]:
    settings = list(source.calls("mindspore.set_device"))
    settings += [
        call
        for call in source.calls("mindspore.set_context", "mindspore.context.set_context")
        if "device_target" in call.keywords
    ]
    operators = [
        (source.function_of(call.node), call.node.lineno)
        for name in source.called
        if name.startswith(("mindspore.ops.", "mindspore.mint."))
        for call in source.calls(name)
        if call.name.rpartition(".")[2].islower()
    ]
    for call in settings:
        around = source.function_of(call.node)
        if any(one is around and line < call.node.lineno for one, line in operators):
            yield call.node


@TOPIC.rule(
    "MS406",
    happens="ms.manual_seed does not seed the random numbers of MindSpore's operators",
    write="ms.set_seed(seed)",
    bad="""
ms.manual_seed(1)
first = ops.randn(4).asnumpy()
ms.manual_seed(1)
result = bool((ops.randn(4).asnumpy() == first).all())
""",
    good="""
ms.set_seed(1)
first = ops.standard_normal((4,)).asnumpy()
ms.set_seed(1)
result = bool((ops.standard_normal((4,)).asnumpy() == first).all())
""",
)
def manual_seed(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.calls("mindspore.manual_seed"))
