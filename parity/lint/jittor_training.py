"""Jittor: running, loading and training."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.kinds import Kind
from parity.lint.rule import Topic
from parity.lint.source import Source

TOPIC = Topic()

_CLOCKS = ("time.time", "time.perf_counter", "time.monotonic", "time.process_time")
_WAITS = ("sync_all", "data", "numpy", "item", "sync", "fetch_sync", "tolist")


@TOPIC.rule(
    "JT301",
    happens="eval() also stops the gradients of a network's parameters: what comes after trains "
    "nothing",
    write="train() before the gradients, or is_train = False on each layer "
    "(jittor_impl.training.set_training)",
    bad="""
model = nn.Linear(4, 1)
jt.init.constant_(model.weight, 1.0)
model.eval()
result = jt.grad(model(x).sum(), model.weight)
""",
    good="""
model = nn.Linear(4, 1)
jt.init.constant_(model.weight, 1.0)
model.train()
result = jt.grad(model(x).sum(), model.weight)
""",
)
def gradients_after_eval(source: Source) -> Iterator[ast.AST]:
    trains = [call.node for call in source.calls("jittor.grad")]
    trains += [
        call.node
        for call in source.methods("jittor", "step", "backward")
        if source.kinds.of(call.receiver) is Kind.OPTIMIZER or call.arguments
    ]
    switches = list(source.methods("jittor", "train"))
    for call in source.methods("jittor", "eval"):
        around = source.function_of(call.node)
        line, receiver = call.node.lineno, ast.dump(call.receiver or call.node)
        back = [
            one.node.lineno
            for one in switches
            if ast.dump(one.receiver or one.node) == receiver and one.node.lineno > line
        ]
        until = min(back, default=10**9)
        if any(source.function_of(one) is around and line < one.lineno < until for one in trains):
            yield call.node


@TOPIC.rule(
    "JT302",
    happens="Jittor's loading says nothing of missing, unexpected or misshapen entries",
    write="a comparison of names and shapes with state_dict() first (jittor_impl.engine.load)",
    bad="""
model = nn.Linear(2, 1)
model.load_state_dict({"wait": jt.zeros(1)})
result = 1
""",
    good="""
model, weights = nn.Linear(2, 1), {"weight": jt.zeros((1, 2)), "bias": jt.zeros(1)}
own = model.state_dict()
assert {name: tuple(one.shape) for name, one in own.items()} == {
    name: tuple(one.shape) for name, one in weights.items()
}
for name, value in own.items():
    value.assign(weights[name])
result = 1
""",
)
def silent_loading(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("jittor", "load_state_dict", "load_parameters", "load"):
        kind = source.kinds.of(call.receiver)
        may_be = kind is Kind.MODULE or call.name != "load" or _is_called_network(call.receiver)
        if may_be and kind is not Kind.OPTIMIZER and call.arguments:
            yield call.node


def _is_called_network(node: ast.expr | None) -> bool:
    """Whether a value has the name of a network."""
    words = ast.unparse(node).lower() if node is not None else ""
    return words.endswith(("net", "network", "model", "module", "generator", "discriminator"))


@TOPIC.rule(
    "JT303",
    happens="Jittor's Adam adds eps before the bias correction: steps of a hundredth where "
    "gradients are small",
    write="jt.optim.AdamW(..., weight_decay=0)",
    bad="""
weight = x.clone()
optimizer = jt.optim.Adam([weight], lr=0.1, eps=1e-2)
for _ in range(3):
    optimizer.step((weight * 1e-3).sum())
result = weight
""",
    good="""
weight = x.clone()
optimizer = jt.optim.AdamW([weight], lr=0.1, eps=1e-2, weight_decay=0)
for _ in range(3):
    optimizer.step((weight * 1e-3).sum())
result = weight
""",
)
def adam(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.calls("jittor.optim.Adam", "jittor.nn.Adam"))


@TOPIC.rule(
    "JT304",
    happens="the decay of Jittor's AdamW is 0 by default, PyTorch's 0.01",
    write="weight_decay=, as the original means it",
    bad="""
weight = x.clone()
jt.optim.AdamW([weight], lr=0.1).step((weight * 0).sum())
result = weight
""",
    good="""
weight = x.clone()
jt.optim.AdamW([weight], lr=0.1, weight_decay=0.01).step((weight * 0).sum())
result = weight
""",
)
def decay(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("jittor.optim.AdamW"):
        if call.lacks("weight_decay", 4):
            yield call.node


@TOPIC.rule(
    "JT305",
    happens="Jittor computes nothing before it is asked for: the clock is read before the work",
    write="jt.sync_all(True) before each reading",
    bad="""
import time
start = time.perf_counter()
y = nn.relu(x)
result = time.perf_counter() - start
""",
    good="""
import time
start = time.perf_counter()
y = nn.relu(x)
jt.sync_all(True)
result = time.perf_counter() - start
""",
)
def clock(source: Source) -> Iterator[ast.AST]:
    if source.framework != "jittor":
        return
    readings: dict[ast.AST, list[ast.Call]] = {}
    for call in source.calls(*_CLOCKS):
        readings.setdefault(source.function_of(call.node), []).append(call.node)
    for around, found in readings.items():
        if len(found) < 2:
            continue
        inside = list(ast.walk(around))
        attributes = {one.attr for one in inside if isinstance(one, ast.Attribute)}
        calls = [one for one in inside if isinstance(one, ast.Call)]
        if not attributes & set(_WAITS) and any(_is_work(source, one) for one in calls):
            yield found[-1]


def _is_work(source: Source, node: ast.Call) -> bool:
    """Whether a call computes with tensors, or runs what is called a network."""
    return _is_called_network(node.func) or source.kinds.of(node) is Kind.TENSOR


@TOPIC.rule(
    "JT306",
    happens="a module of Jittor has one forward hook, the last wins, and registering gives nothing "
    "that could remove it",
    write="one hook that serves all, and module.remove_forward_hook()",
    bad="""
model = nn.Linear(4, 1)
handle = model.register_forward_hook(lambda *_: None)
handle.remove()
result = 1
""",
    good="""
model = nn.Linear(4, 1)
model.register_forward_hook(lambda *_: None)
model.remove_forward_hook()
result = 1
""",
)
def hook(source: Source) -> Iterator[ast.AST]:
    for call in source.methods("jittor", "register_forward_hook", "register_pre_forward_hook"):
        if not isinstance(source.parent(call.node), ast.Expr | ast.Lambda):
            yield call.node


@TOPIC.rule(
    "JT307",
    happens="Jittor's schedules MultiStep, Cosine and Exponential lag PyTorch's by one step",
    write="one more scheduler.step() at the start",
    bad="""
optimizer = jt.optim.SGD([jt.ones(1)], 0.1)
scheduler = jt.lr_scheduler.MultiStepLR(optimizer, milestones=[1], gamma=0.1)
for _ in range(1):
    scheduler.step()
result = optimizer.lr
""",
    good="""
optimizer = jt.optim.SGD([jt.ones(1)], 0.1)
scheduler = jt.lr_scheduler.MultiStepLR(optimizer, milestones=[1], gamma=0.1)
scheduler.step()
for _ in range(1):
    scheduler.step()
result = optimizer.lr
""",
)
def schedule(source: Source) -> Iterator[ast.AST]:
    """Silent where step() follows the making of the schedule at once."""
    names = ("MultiStepLR", "CosineAnnealingLR", "ExponentialLR")
    for call in source.calls(*(f"jittor.lr_scheduler.{name}" for name in names)):
        statement = source.parent(call.node)
        around = source.parent(statement) if statement else None
        block = list(ast.iter_child_nodes(around)) if around else []
        after = block[block.index(statement) + 1 :][:1] if statement in block else []
        is_stepped = any(
            isinstance(one, ast.Expr) and ast.unparse(one).endswith(".step()") for one in after
        )
        if not is_stepped:
            yield call.node


@TOPIC.rule(
    "JT308",
    happens="jt.load runs whatever a pickle says, and loads a saved slice of columns with wrong "
    "values",
    write="weights as .npz or safetensors (weights-convert FILE weights.npz), and numpy.load",
    bad="""
weights = jt.load("weights.pkl")
result = 1
""",
    good="""
weights = np.load("weights.npz", allow_pickle=False)
result = 1
""",
)
def unsafe_loading(source: Source) -> Iterator[ast.AST]:
    return (call.node for call in source.calls("jittor.load"))
