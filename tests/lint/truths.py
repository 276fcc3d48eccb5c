"""What PyTorch or NumPy makes of the samples of each rule, as programs in PyTorch's words.

`x` is 48 numbers from -2 to 2 in the shape (1, 3, 4, 4). A pair: of the bad sample, then of the
good one, where what is advised is another computation in PyTorch too.
"""

from __future__ import annotations

Truth = str | tuple[str, str]

_MOVED = """
layer = nn.BatchNorm2d(3)
layer(x)
result = layer.running_mean
"""
_ADAM = """
weight = nn.Parameter(x.clone())
optimizer = torch.optim.Adam([weight], lr=0.1, eps=1e-2)
for _ in range(3):
    optimizer.zero_grad()
    (weight * 1e-3).sum().backward()
    optimizer.step()
result = weight
"""
_SLOPE = """
slope = torch.tensor([0.25], dtype=torch.float64, requires_grad=True)
F.prelu(torch.full((1, 1, 1000, 1000), -0.1, dtype=torch.float64), slope).sum().backward()
result = slope.grad
"""
_MEAN = "F.layer_norm({x}, (4,))"
_SQUARES = """
x = x.requires_grad_()
torch.real(torch.fft.fft2(x) ** 2).sum().backward()
result = x.grad
"""
_STEPS = """
x = x.requires_grad_()
x[:, :, ::2, ::2].sum().backward()
result = x.grad
"""
_ORDER = """
weight = nn.Parameter(x)
optimizer = torch.optim.SGD([weight], 0.1)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1], gamma=0.1)
optimizer.step()
scheduler.step()
result = optimizer.param_groups[0]["lr"]
"""

OTHER_VALUES: dict[str, tuple[Truth, float]] = {
    "JT101": ("F.softplus(x.double() * 2 - 13)", 1e-5),
    "JT102": ("torch.tensor(0.1)", 1e-4),
    "JT103": (_MEAN.format(x="(x + 1000)"), 1e-2),
    "JT104": ("F.interpolate(x, size=(8, 8))", 1e-6),
    "JT105": (
        (
            "F.interpolate(x, scale_factor=0.9, mode='bilinear', align_corners=False)",
            "F.interpolate(x, size=(3, 3), mode='bilinear', align_corners=False)",
        ),
        1e-5,
    ),
    "JT107": ("F.adaptive_avg_pool2d(x.reshape(1, 1, 6, 8), 4)", 1e-5),
    "JT109": ("x.var()", 1e-5),
    "JT110": ("(x * 1e-5).std()", 1e-5),
    "JT111": ("torch.round(x * 0 + 2.5)", 1e-6),
    "JT112": ("(x - 5) // 2", 1e-6),
    "JT113": ("x.norm()", 1e-5),
    "JT114": ("x[0].max(dim=0)[0]", 1e-6),
    "JT115": ("x.argmax(1)", 1e-6),
    "JT116": ("F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)", 1e-5),
    "JT117": ("torch.isnan(torch.tensor([float('nan')]))", 1e-6),
    "JT118": ("torch.tensor([1 + 1e-12], dtype=torch.float64) - 1", 1e-3),
    "JT119": (_MOVED, 1e-5),
    "JT108": ("x.mean().ndim == 0", 1e-6),
    "JT301": ("x.sum((0, 1, 2))", 1e-5),
    "JT303": (_ADAM, 1e-5),
    "JT304": ("x * (1 - 0.1 * 0.01)", 1e-6),
    "JT307": (_ORDER, 1e-6),
    "MS101": ("F.conv2d(x, torch.ones(2, 3, 3, 3))", 1e-5),
    "MS102": ("nn.Conv2d(3, 2, 1).bias is not None", 1e-6),
    "MS103": ("F.conv_transpose2d(x, torch.ones(3, 2, 3, 3), stride=2)", 1e-5),
    "MS104": ("nn.LeakyReLU()(x)", 1e-6),
    "MS105": ("nn.MaxPool2d(2)(x)", 1e-6),
    "MS106": (_MEAN.format(x="x * 1e-3"), 1e-4),
    "MS107": ("nn.GELU()(x)", 5e-5),
    "MS108": ("(nn.Dropout(0.1)(torch.ones(10000)) == 0).sum() > 2000", 1e-6),
    "MS109": (_MOVED, 1e-5),
    "MS110": ("bool((nn.Dropout(0.5)(x) == 0).any())", 1e-6),
    "MS111": ("F.smooth_l1_loss(x, x + 1)", 1e-6),
    "MS112": ("x.std()", 1e-5),
    "MS113": ("torch.meshgrid(x[0, 0, 0], x[0, 0, 0], indexing='ij')[0]", 1e-6),
    "MS114": ("F.interpolate(x, size=(8, 8), mode='bilinear', align_corners=False)", 1e-5),
    "MS115": ("len(list(nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)]).parameters()))", 1e-6),
    "MS201": ("torch.tanh(x.double() * 3)", 1e-5),
    "MS202": ("F.softplus(x.double() * 2 - 13)", 1e-5),
    "MS203": (_SLOPE, 1e-4),
    "MS204": ("torch.full((8,), 1e5)", 1e-4),
    "MS205": ("F.interpolate(x * x, size=(8, 8), mode='bicubic', align_corners=False)", 1e-4),
    "MS206": (
        "F.conv_transpose2d(x, torch.ones(3, 2, 3, 3), stride=2, padding=1, output_padding=1)",
        1e-5,
    ),
    "MS207": ("x + 1", 1e-6),
    "MS208": ("torch.matmul(x, x)", 1e-4),
    "MS209": ("torch.log_softmax(x.double(), -1)", 1e-9),
    "MS315": ("x[0].max(0)[0]", 1e-6),
    "MS116": ("torch.full((2,), 0.5)", 1e-6),
    "MS402": ("2 * x[0]", 1e-6),
    "MS403": (_ADAM, 1e-5),
    "MS404": (_ADAM, 1e-5),
    "PT301": ("F.grid_sample(x, x.permute(0, 2, 3, 1)[..., :2], align_corners=True)", 1e-4),
    "PT302": ("torch.meshgrid(torch.arange(2.0), torch.arange(3.0), indexing='ij')[0]", 1e-6),
    "PT303": ("torch.std(torch.arange(4.0))", 1e-6),
    "PT305": ("torch.matmul(x, x)", 1e-4),
    "PT306": ("0.1", 1e-6),
}
"""The bad sample runs and gives something else, by more than this share; the good one does not."""

REFUSED: dict[str, tuple[str, Truth]] = {
    "JT201": ("no attribute 'functional'", "F.relu(x)"),
    "JT202": ("negative_slope", "F.leaky_relu(x, 0.1)"),
    "JT203": ("unexpected keyword argument 'input'", "F.interpolate(x, size=(8, 8))"),
    "JT205": ("no attribute 'numpy'", "x"),
    "JT206": ("grads", "x - 0.1 * 2 * x"),
    "JT207": ("no attribute 'to'", "torch.tensor(2)"),
    "JT208": ("Please implement 'execute'", "2 * x"),
    "JT209": ("manual_seed", "1"),
    "JT210": ("unexpected keyword argument 'min'", "x.clamp(min=0)"),
    "JT212": ("no attribute 'fft'", "torch.fft.fft(x).real"),
    "JT213": ("padding_mode", "torch.tensor(4)"),
    "JT214": ("PixelUnshuffle", "nn.PixelUnshuffle(2)(x)"),
    "JT306": ("'NoneType' object has no attribute 'remove'", "1"),
    "MS301": ("Roll unregistered", "torch.roll(x, 1, 3)"),
    "MS302": ("Unsupported op", "x * x"),
    "MS303": ("unregistered", "F.gelu(x)"),
    "MS304": ("StridedSliceGrad", _STEPS),
    "MS305": ("gradient not support for complex type", _SQUARES),
    "MS306": ("'scale_factor' option cannot currently be set", "F.interpolate(x, size=(8, 8))"),
    "MS308": ("no attribute 'functional'", "F.relu(x)"),
    "MS309": ("negative_slope", "F.leaky_relu(x, 0.1)"),
    "MS310": ("unexpected keyword argument 'dim'", "torch.cat([x, x], dim=1)"),
    "MS311": ("no attribute 'detach'", "x"),
    "MS312": ("'construct' is not defined", "2 * x"),
    "MS313": ("no attribute 'eval'", "1"),
    "MS314": ("not callable", "torch.tensor(3)"),
    "PT101": ("float", "torch.zeros(3)"),
    "PT103": ("gaussian", "torch.signal.windows.gaussian(5, std=1.0)"),
    "PT105": ("compare_psnr", "1"),
    "PT106": ("ANTIALIAS", "1"),
    "PT107": ("Iterable", "1"),
    "PT201": ("rfft", "torch.abs(torch.fft.rfft2(x))"),
}
"""The bad sample raises an error with these words; the good one gives what PyTorch does."""

SILENT: dict[str, str] = {
    "JT302": "1",
    "MS401": "1",
}
"""The bad sample runs although something is wrong; the good one refuses or does it right."""

NOT_RUN: dict[str, str] = {
    "JT106": "shows without oneDNN only, which the suite always provides",
    "JT204": "works in the pinned version; the users' notes are of 1.3.8",
    "JT211": "raises in some processes only, see test_chunk_of_one in tests/porting",
    "JT215": "what it does is done to the user's home",
    "JT216": "what the layer had before is random",
    "JT305": "a clock; test_nothing_is_computed_before_it_is_asked_for in tests/porting counts",
    "JT308": "what it runs depends on the file",
    "MS307": "the time it takes: test_gradient_of_max_pool2d_is_slow in tests/porting",
    "MS405": "shows in a bare process: test_the_device_comes_before_the_first_operator in "
    "tests/porting",
    "MS406": "random numbers may be equal by chance",
    "PT102": "NumPy 2; the pinned one is 1.26",
    "PT104": "is a warning, and its result the interpreter's choice",
    "PT202": "is a warning today",
    "PT203": "is a warning today",
    "PT304": "what it runs depends on the file",
}
"""Why a rule's samples are not run."""
