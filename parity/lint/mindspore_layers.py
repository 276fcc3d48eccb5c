"""MindSpore: defaults of layers that are not PyTorch's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from parity.lint.calls import constant, number
from parity.lint.kinds import MODULES
from parity.lint.rule import Topic
from parity.lint.source import Source

TOPIC = Topic()

_CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
_TRANSPOSED = ("Conv1dTranspose", "Conv2dTranspose", "Conv3dTranspose")
_POINT = (1, (1, 1), (1, 1, 1))


def _nn(*names: str) -> list[str]:
    return [f"mindspore.nn.{name}" for name in names]


@TOPIC.rule(
    "MS101",
    happens="MindSpore's convolutions have pad_mode 'same' by default and refuse a padding beside "
    "it; PyTorch's have padding 0",
    write="pad_mode='pad' and padding=, or pad_mode='valid'",
    bad="nn.Conv2d(3, 2, 3, weight_init='ones', has_bias=True, bias_init='zeros')(x)",
    good="nn.Conv2d(3, 2, 3, pad_mode='valid', weight_init='ones', has_bias=True, "
    "bias_init='zeros')(x)",
)
def padding(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(*_nn(*_CONVOLUTIONS)):
        kernel = constant(call.get("kernel_size", 2))
        is_point = kernel in _POINT and call.get("padding", 5) is None
        strides = call.get("stride", 3)
        if call.lacks("pad_mode", 4) and not (is_point and constant(strides) in (None, *_POINT)):
            yield call.node


@TOPIC.rule(
    "MS102",
    happens="MindSpore's convolutions have no bias by default, PyTorch's have one",
    write="has_bias=, as the original has bias",
    bad="nn.Conv2d(3, 2, 1).has_bias",
    good="nn.Conv2d(3, 2, 1, has_bias=True).has_bias",
)
def bias(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(*_nn(*_CONVOLUTIONS, *_TRANSPOSED)):
        if call.lacks("has_bias", 9 if call.name.endswith("Transpose") else 8):
            yield call.node


@TOPIC.rule(
    "MS103",
    happens="MindSpore's transposed convolutions have pad_mode 'same' by default: the size times "
    "the stride, where PyTorch's have (size - 1) stride + kernel",
    write="pad_mode='pad' and padding=, or pad_mode='valid'",
    bad="nn.Conv2dTranspose(3, 2, 3, stride=2, weight_init='ones', has_bias=True, "
    "bias_init='zeros')(x)",
    good="nn.Conv2dTranspose(3, 2, 3, stride=2, pad_mode='valid', weight_init='ones', "
    "has_bias=True, bias_init='zeros')(x)",
)
def transposed_padding(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(*_nn(*_TRANSPOSED)):
        if call.lacks("pad_mode", 4):
            yield call.node


@TOPIC.rule(
    "MS104",
    happens="MindSpore's leaky_relu and LeakyReLU have slope 0.2 by default, PyTorch's 0.01",
    write="alpha=, as the original has negative_slope",
    bad="nn.LeakyReLU()(x)",
    good="nn.LeakyReLU(alpha=0.01)(x)",
)
def slope(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.nn.LeakyReLU"):
        if call.lacks("alpha", 0) and "negative_slope" not in call.keywords:
            yield call.node
    for call in source.calls("mindspore.ops.leaky_relu"):
        if call.lacks("alpha", 1) and "negative_slope" not in call.keywords:
            yield call.node


@TOPIC.rule(
    "MS105",
    happens="MindSpore's pooling layers, and ops.avg_pool2d, have stride 1 by default, PyTorch's "
    "the size of the block",
    write="stride=",
    bad="nn.MaxPool2d(2)(x)",
    good="nn.MaxPool2d(2, stride=2)(x)",
)
def stride_of_pooling(source: Source) -> Iterator[ast.AST]:
    layers = _nn("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d")
    for call in source.calls(*layers, "mindspore.ops.MaxPool", "mindspore.ops.AvgPool"):
        if call.lacks("stride", 1) and "strides" not in call.keywords:
            yield call.node
    for call in source.calls("mindspore.ops.avg_pool1d", "mindspore.ops.avg_pool2d"):
        if call.lacks("stride", 2):
            yield call.node


@TOPIC.rule(
    "MS106",
    happens="MindSpore's LayerNorm has eps 1e-7 by default, PyTorch's 1e-5",
    write="epsilon=1e-5",
    bad="nn.LayerNorm((4,))(x * 1e-3)",
    good="nn.LayerNorm((4,), epsilon=1e-5)(x * 1e-3)",
)
def eps_of_layer_norm(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.nn.LayerNorm"):
        if call.lacks("epsilon", 5):
            yield call.node
    for call in source.calls("mindspore.ops.LayerNorm"):
        if call.lacks("epsilon", 2):
            yield call.node


@TOPIC.rule(
    "MS107",
    happens="MindSpore's nn.GELU() and ops.GeLU are the tanh form, 5e-4 off PyTorch's default",
    write="nn.GELU(approximate=False), ops.gelu(x)",
    bad="nn.GELU()(x)",
    good="nn.GELU(approximate=False)(x)",
)
def gelu(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.nn.GELU"):
        if call.lacks("approximate", 0):
            yield call.node
    for call in source.calls("mindspore.ops.GeLU"):
        yield call.node


@TOPIC.rule(
    "MS108",
    happens="the first argument of MindSpore's nn.Dropout is the share that is kept, of PyTorch's "
    "the share that is dropped",
    write="p=",
    bad="(nn.Dropout(0.1).set_train()(ops.ones((10000,), ms.float32)) == 0).sum() > 2000",
    good="(nn.Dropout(p=0.1).set_train()(ops.ones((10000,), ms.float32)) == 0).sum() > 2000",
)
def dropout(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(*_nn("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")):
        is_kept = call.name.endswith("Dropout") and bool(call.arguments)
        if (
            is_kept
            or "keep_prob" in call.keywords
            or (call.name.endswith("Dropout") and call.lacks("p", 1))
        ):
            yield call.node
    for call in source.calls("mindspore.ops.Dropout", "mindspore.ops.Dropout2D"):
        yield call.node


@TOPIC.rule(
    "MS109",
    happens="the momentum of MindSpore's BatchNorm is the weight of the old value: 1 minus "
    "PyTorch's; one below 0.5 looks like PyTorch's",
    write="1 - momentum, 0.9 for PyTorch's default",
    bad="""
layer = nn.BatchNorm2d(3, momentum=0.1).set_train()
layer(x)
result = layer.moving_mean
""",
    good="""
layer = nn.BatchNorm2d(3, momentum=0.9).set_train()
layer(x)
result = layer.moving_mean
""",
)
def momentum(source: Source) -> Iterator[ast.AST]:
    for call in source.calls(*_nn("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")):
        value = number(call.get("momentum", 2))
        if value is not None and value < 0.5:
            yield call.node


@TOPIC.rule(
    "MS110",
    happens="a fresh Cell does not train: dropout and batch statistics are off until set_train(), "
    "a fresh module of PyTorch trains",
    write="network.set_train() before the loop",
    bad="""
optimizer = nn.SGD(nn.Dense(4, 1).trainable_params(), 0.1)
network = nn.Dropout(p=0.5)
step = ms.value_and_grad(lambda x: network(x).sum(), 0)
result = bool((network(x) == 0).any())
""",
    good="""
optimizer = nn.SGD(nn.Dense(4, 1).trainable_params(), 0.1)
network = nn.Dropout(p=0.5)
network.set_train()
step = ms.value_and_grad(lambda x: network(x).sum(), 0)
result = bool((network(x) == 0).any())
""",
)
def fresh_cell(source: Source) -> Iterator[ast.AST]:
    optimizers = ("SGD", "Adam", "AdamWeightDecay", "Momentum", "RMSProp")
    trains = [
        *source.calls("mindspore.value_and_grad", "mindspore.ops.value_and_grad"),
    ]
    has_optimizer = any(source.calls(*_nn(*optimizers))) or any(
        name.startswith(("mindspore.experimental.optim.", "mindspore.mint.optim."))
        for name in source.called
    )
    if trains and has_optimizer and "set_train" not in source.called_methods:
        yield trains[0].node


@TOPIC.rule(
    "MS111",
    happens="MindSpore's smooth_l1_loss has reduction 'none' by default, PyTorch's 'mean'",
    write="reduction='mean'",
    bad="ops.smooth_l1_loss(x, x + 1)",
    good="ops.smooth_l1_loss(x, x + 1, reduction='mean')",
)
def smooth_l1(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.nn.SmoothL1Loss"):
        if call.lacks("reduction", 1):
            yield call.node
    for call in source.calls("mindspore.ops.smooth_l1_loss"):
        if call.lacks("reduction", 3):
            yield call.node


@TOPIC.rule(
    "MS112",
    happens="MindSpore's std and var divide by n by default, PyTorch's by n - 1",
    write="ddof=1",
    bad="x.std()",
    good="x.std(ddof=1)",
)
def deviation(source: Source) -> Iterator[ast.AST]:
    for call in source.operations("mindspore", "std", "var", places=("ops",)):
        if call.lacks("ddof", 1):
            yield call.node


@TOPIC.rule(
    "MS113",
    happens="MindSpore's meshgrid has indexing 'xy' by default, PyTorch's 'ij': axes are swapped",
    write="indexing='ij'",
    bad="ops.meshgrid(x[0, 0, 0], x[0, 0, 0])[0]",
    good="ops.meshgrid(x[0, 0, 0], x[0, 0, 0], indexing='ij')[0]",
)
def meshgrid(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.ops.meshgrid", "mindspore.numpy.meshgrid"):
        if call.lacks("indexing"):
            yield call.node
    for call in source.calls("mindspore.ops.Meshgrid"):
        if call.lacks("indexing", 0):
            yield call.node


@TOPIC.rule(
    "MS114",
    happens="MindSpore's ResizeBilinearV2, ResizeNearestNeighborV2 and ResizeBicubic take pixels "
    "for points unless half_pixel_centers=True: the picture moves by half a pixel",
    write="ops.interpolate(x, size=..., mode=..., align_corners=False), or half_pixel_centers=True",
    bad="ops.ResizeBilinearV2()(x, (8, 8))",
    good="ops.interpolate(x, size=(8, 8), mode='bilinear', align_corners=False)",
)
def pixel_centers(source: Source) -> Iterator[ast.AST]:
    names = ("ResizeBilinearV2", "ResizeNearestNeighborV2", "ResizeBilinear", "ResizeBicubic")
    for call in source.calls(*(f"mindspore.ops.{name}" for name in names)):
        aligned = call.get("align_corners", 0)
        if constant(aligned) is not True and call.lacks("half_pixel_centers", 1):
            yield call.node


@TOPIC.rule(
    "MS115",
    happens="cells in a plain list are not registered: weights are neither loaded nor trained",
    write="nn.CellList([...])",
    bad="""
class Network(nn.Cell):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Dense(2, 2), nn.Dense(2, 2)]
result = len(list(Network().get_parameters()))
""",
    good="""
class Network(nn.Cell):
    def __init__(self):
        super().__init__()
        self.layers = nn.CellList([nn.Dense(2, 2), nn.Dense(2, 2)])
result = len(list(Network().get_parameters()))
""",
)
def list_of_cells(source: Source) -> Iterator[ast.AST]:
    networks = set(source.classes(MODULES[1]))
    for node in source.of_type(ast.Assign):
        target, value = node.targets[0], node.value
        is_own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
        if not is_own or not networks or not isinstance(value, ast.List | ast.ListComp):
            continue
        parts = value.elts if isinstance(value, ast.List) else [value.elt]
        names = [source.names.resolve(one.func) or "" for one in parts if isinstance(one, ast.Call)]
        if any(
            name.startswith("mindspore.nn.") and name.rpartition(".")[2][:1].isupper()
            for name in names
        ):
            yield node


@TOPIC.rule(
    "MS116",
    happens="MindSpore's ops.full makes int64 unless told otherwise: 0.5 becomes 0",
    write="dtype=ms.float32",
    bad="ops.full((2,), 0.5)",
    good="ops.full((2,), 0.5, dtype=ms.float32)",
)
def full(source: Source) -> Iterator[ast.AST]:
    for call in source.calls("mindspore.ops.full", "mindspore.mint.full"):
        if call.lacks("dtype") and not isinstance(constant(call.get("fill_value", 1)), int):
            yield call.node
