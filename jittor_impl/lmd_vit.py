"""LMD-ViT: local motion deblurring by a U-shaped window transformer that skips sharp windows.

Source: Li, Zhao, Zhou, Feng, Li, Loy, "Adaptive Window Pruning for Efficient Local Motion
Deblurring", ICLR 2024, arXiv 2306.14268.

Input: image (n, 3, h, w), RGB in [0, 1], h and w multiples of 16 windows. Output: the restored
image (n, 3, h, w), not clamped; the gate (n, 1, h, w) in [0.1, 1]; and of each predictor, in the
order they run, scores (n, h', w', 2) of "keep" and "drop", margins (n, 1, rows, columns) by which
a window is kept (its probability minus 0.5), and decisions (n, 1, rows, columns), 1 or 0. Those of
shifted blocks belong to shifted windows.

Optional inputs: decisions (n, windows of all predictors) are taken instead of the network's own,
which it still returns; noise (n, windows of all predictors, 2) from the Gumbel distribution selects
the differentiable path of training, in which every window is computed; paths (n, windows of all
blocks, 2) are factors of what attention and feed-forward add to each window, 0 or one over the
share that is kept, instead of random ones.

A predictor sees the mean of the whole image, so a tile is not restored as the whole image is.
"""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn

from jittor_impl.layers import (
    Conv2d,
    ConvTranspose2d,
    DepthwiseConv2d,
    DropPath,
    Embedding,
    LayerNorm,
    Linear,
    gather_rows,
    gelu,
    has_rows,
    leaky_relu,
    linear,
    nonzero,
    roll,
    scaled_dot_product_attention,
    scatter_rows,
    sigmoid,
    softmax,
    tensor_like,
    to_indices,
    unless_none,
)
from restoration.models.lmd_vit import LMDViTSpec, LMDViTStageSpec
from restoration.models.windows import kinds_of_windows, masks_of_kinds, relative_positions

SLOPE = 0.01
STD = 0.02
LEAST_GATE = 0.1


def to_windows(x: Var, window: int) -> Var:
    """Cut a map, (n, h, w, c) -> (n windows, window^2, c), windows row by row."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, c)


def to_map(z: Var, window: int, height: int, width: int) -> Var:
    """The inverse of `to_windows`, (n windows, window^2, c) -> (n, height, width, c)."""
    c = z.shape[2]
    z = z.reshape(-1, height // window, width // window, window, window, c)
    return z.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, c)


class ConvProjection(nn.Module):
    """A 3x3 convolution per channel, then one over channels, (n, area, c) -> (n, area, c)."""

    def __init__(self, channels: int, *, window: int):
        super().__init__()
        self.window = window
        self.depthwise = Conv2d(channels, channels, 3, padding=1, groups=channels, bias=True)
        self.pointwise = Conv2d(channels, channels, 1, padding=0, bias=True)

    def execute(self, z: Var) -> Var:
        rows, area, c = z.shape
        x = z.reshape(rows, self.window, self.window, c).permute(0, 3, 1, 2)
        x = self.pointwise(nn.relu(self.depthwise(x)))
        return x.permute(0, 2, 3, 1).reshape(rows, area, c)


class Attention(nn.Module):
    """Multi-head attention of tokens, (rows, tokens, c) -> (rows, tokens, c)."""

    def __init__(self, channels: int, *, heads: int, projection: str, window: int):
        super().__init__()
        self.heads = heads
        self.is_linear = projection == "linear"
        if self.is_linear:
            self.query = Linear(channels, channels, bias=True, std=STD)
            self.key_value = Linear(channels, 2 * channels, bias=True, std=STD)
        else:
            self.query = ConvProjection(channels, window=window)
            self.key = ConvProjection(channels, window=window)
            self.value = ConvProjection(channels, window=window)
        self.project = Linear(channels, channels, bias=True, std=STD)

    def execute(self, x: Var, context: Var, offsets: Var | None = None) -> Var:
        rows, tokens, c = x.shape
        query = self.query(x)
        if self.is_linear:
            both = self.key_value(context)
            key, value = both[:, :, :c], both[:, :, c:]
        else:
            key, value = self.key(context), self.value(context)
        result = scaled_dot_product_attention(
            self.split(query),
            self.split(key),
            self.split(value),
            offsets,
            (c // self.heads) ** -0.5,
        )
        return self.project(result.permute(0, 2, 1, 3).reshape(rows, tokens, c))

    def split(self, x: Var) -> Var:
        """Channels to heads, (rows, tokens, c) -> (rows, heads, tokens, c/heads)."""
        rows, tokens, c = x.shape
        return x.reshape(rows, tokens, self.heads, c // self.heads).permute(0, 2, 1, 3)


class FeedForward(nn.Module):
    """Two linear layers, and unless it is "mlp" a 3x3 convolution per channel between them.

    (n, h, w, c) -> (n, h, w, c). Maps are extended by zeros ("leff") or reflection ("lefflocal").
    """

    def __init__(self, channels: int, hidden: int, *, kind: str):
        super().__init__()
        self.kind = kind
        self.linear1 = Linear(channels, hidden, bias=True, std=STD)
        if kind != "mlp":
            border = "zeros" if kind == "leff" else "reflect"
            self.conv = DepthwiseConv2d(hidden, border=border)
        self.linear2 = Linear(hidden, channels, bias=True, std=STD)

    def execute(self, x: Var) -> Var:
        x = gelu(self.linear1(x))
        if self.kind != "mlp":
            x = gelu(self.conv(x))
        return self.linear2(x)


class Predictor(nn.Module):
    """Scores of "keep" and "drop" for every pixel, (n, h, w, c) -> (n, h, w, 2).

    Half of the channels are replaced by their mean over the image.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.half = channels // 2
        self.linear1 = Linear(channels, channels, bias=True, std=STD)
        self.norm = LayerNorm(channels, eps=1e-5)
        self.linear2 = Linear(channels, channels, bias=True, std=STD)
        self.linear3 = Linear(channels, channels // 2, bias=True, std=STD)
        self.linear4 = Linear(channels // 2, channels // 4, bias=True, std=STD)
        self.linear5 = Linear(channels // 4, 2, bias=True, std=STD)

    def execute(self, x: Var) -> Var:
        x = self.norm(gelu(self.linear1(x)))
        weight, bias, half = self.linear2.weight, self.linear2.bias, self.half
        # The mean of a linear map is the linear map of the mean, which loses fewer digits.
        mean = x.mean(dim=2, keepdims=True).mean(dim=1, keepdims=True)
        own = linear(x, weight[:half], bias[:half])
        common = linear(mean, weight[half:], bias[half:])
        x = jt.concat([own, jt.full_like(own, 0.0) + common], dim=3)
        return self.linear5(gelu(self.linear4(gelu(self.linear3(x)))))


class Block(nn.Module):
    """Window attention and a feed-forward, both residual, (n, h, w, c) -> (n, h, w, c).

    A policy (n windows) says by 1 or 0 which windows to process; `is_sampled` tells that its
    gradient is wanted, so that all are computed and multiplied by it. A block that is to process
    none of the whole batch does nothing, and passes no gradient on. paths: (n, windows, 2) factors
    of its two branches instead of random ones; those of each image's first window count for all of
    them where the feed-forward is not local.
    """

    def __init__(self, spec: LMDViTStageSpec, number: int):
        super().__init__()
        channels = spec.width
        self.window = spec.window
        self.heads = spec.heads
        self.is_local = spec.feed_forward == "lefflocal"
        self.shift = spec.window // 2 if spec.shift and number % 2 else 0
        self.has_modulator = spec.modulator
        self.has_cross = spec.cross_modulator
        self.cross_norm = spec.cross_norm
        self.has_predictor = spec.pruned and number < spec.slots
        self.positions = relative_positions(spec.window)
        if spec.modulator:
            self.modulator = Embedding(spec.window**2, channels, std=1.0)
        if spec.cross_modulator:
            self.cross_modulator = Embedding(spec.window**2, channels, std=1.0)
            self.cross_attention = Attention(
                channels, heads=spec.heads, projection="linear", window=spec.window
            )
            self.norm_cross = LayerNorm(channels, eps=1e-5)
        self.norm1 = LayerNorm(channels, eps=1e-5)
        self.attention = Attention(
            channels, heads=spec.heads, projection=spec.projection, window=spec.window
        )
        self.position_bias = Embedding((2 * spec.window - 1) ** 2, spec.heads, std=0.02)
        self.norm2 = LayerNorm(channels, eps=1e-5)
        self.feed_forward = FeedForward(
            channels, int(channels * spec.mlp_ratio), kind=spec.feed_forward
        )
        if self.has_predictor:
            self.predictor = Predictor(channels)
        self.drop_path = DropPath(spec.drop_path[number])

    def execute(
        self,
        x: Var,
        policy: Var | None = None,
        is_sampled: bool = False,
        paths: Var | None = None,
    ) -> Var:
        if policy is None:
            return self.process_all(x, None, paths)
        kept = nonzero(policy)
        if has_rows(kept, 0):
            return x
        if is_sampled:
            return self.process_all(x, policy, paths)
        if has_rows(kept, policy.shape[0]) and self.is_local:
            return self.process_all(x, None, paths)
        return unless_none(policy, self.process_kept(x, kept), x)

    def process_all(self, x: Var, policy: Var | None, paths: Var | None) -> Var:
        """Every window, (n, h, w, c) -> (n, h, w, c)."""
        height, width = x.shape[1], x.shape[2]
        x = self.attend_across(x)
        z = to_windows(self.rolled(x, -self.shift), self.window)
        factor = None if policy is None else policy.reshape(-1, 1, 1)
        first, second = self.branch_factors(paths, 0), self.branch_factors(paths, 1)
        normal = self.norm1(z)
        if factor is not None:
            normal = normal * factor
        mixed = self.attend(normal, self.offsets(x, None))
        if self.is_local:
            z = self.add(z, mixed, first, factor)
            z = self.add(z, self.transform(z), second, factor)
            return self.rolled(to_map(z, self.window, height, width), self.shift)
        if factor is not None:
            mixed = mixed * factor
        mixed = to_map(mixed, self.window, height, width)
        if policy is None:
            x = x + self.drop_path(self.rolled(mixed, self.shift), first)
            return x + self.drop_path(self.feed_forward(self.norm2(x)), second)
        x = self.rolled(x, -self.shift) + self.drop_path(mixed, first)
        x = x + self.drop_path(self.feed_forward(self.norm2(x)), second)
        return self.rolled(x, self.shift)

    def process_kept(self, x: Var, kept: Var) -> Var:
        """Only the windows at indices (kept,), (n, h, w, c) -> (n, h, w, c)."""
        height, width = x.shape[1], x.shape[2]
        x = self.attend_across(x)
        z = to_windows(self.rolled(x, -self.shift), self.window)
        part = gather_rows(z, kept)
        part = part + self.attend(self.norm1(part), self.offsets(x, kept))
        if self.is_local:
            part = part + self.transform(part)
            x = to_map(scatter_rows(z, part, kept), self.window, height, width)
        else:
            x = to_map(scatter_rows(z, part, kept), self.window, height, width)
            x = x + self.feed_forward(self.norm2(x))
        return self.rolled(x, self.shift)

    def attend_across(self, x: Var) -> Var:
        """Attention of all pixels to one learned window, where there is one."""
        if not self.has_cross:
            return x
        tokens = x.reshape(1, -1, x.shape[3])
        query = self.norm_cross(tokens) if self.cross_norm else tokens
        learned = self.cross_modulator.weight.reshape(1, -1, x.shape[3])
        return x + self.cross_attention(query, learned).reshape(x.shape)

    def attend(self, z: Var, offsets: Var) -> Var:
        """The branch of attention on normalized windows."""
        if self.has_modulator:
            z = z + self.modulator.weight
        return self.attention(z, z, offsets)

    def transform(self, z: Var) -> Var:
        """The branch of the feed-forward on windows as separate maps."""
        rows, area, c = z.shape
        windows = self.norm2(z).reshape(rows, self.window, self.window, c)
        return self.feed_forward(windows).reshape(rows, area, c)

    def branch_factors(self, paths: Var | None, branch: int) -> Var | None:
        """What a branch is multiplied by if it is not left to chance, a factor for each member."""
        if paths is None:
            return None
        if self.is_local:
            return paths[:, :, branch].reshape(-1, 1, 1)
        return paths[:, 0, branch].reshape(-1, 1, 1, 1)

    def add(self, z: Var, branch: Var, drop: Var | None, factor: Var | None) -> Var:
        """The sum with a branch that may be dropped, and counts by a factor (rows, 1, 1)."""
        branch = self.drop_path(branch, drop)
        return z + branch if factor is None else z + branch * factor

    def offsets(self, x: Var, kept: Var | None) -> Var:
        """What is added to the logits of all or some windows, (1 or rows, heads, area, area)."""
        n, height, width, _ = x.shape
        area = self.window**2
        table = self.position_bias.weight
        bias = gather_rows(table, to_indices(self.positions, table))
        bias = bias.reshape(1, area, area, self.heads).permute(0, 3, 1, 2)
        if self.shift == 0:
            return bias
        bias = bias + tensor_like(masks_of_kinds(self.window, self.shift), bias)
        kinds = kinds_of_windows(n, height // self.window, width // self.window)
        kinds = to_indices(kinds, bias)
        return gather_rows(bias, kinds if kept is None else gather_rows(kinds, kept))

    def rolled(self, x: Var, shift: int) -> Var:
        """The map shifted down and to the right, circularly."""
        return roll(x, (shift, shift), (1, 2)) if shift else x


class Stage(nn.Module):
    """Blocks of one width, (n, h, w, c) -> (n, h, w, c), scores, margins and decisions.

    The first block, and with shifts the second, may carry a predictor; blocks of its parity follow
    its decision.
    """

    def __init__(self, spec: LMDViTStageSpec):
        super().__init__()
        self.window = spec.window
        self.slots = spec.slots
        self.predictors = spec.predictors
        self.blocks = nn.ModuleList([Block(spec, number) for number in range(spec.depth)])

    def execute(
        self,
        x: Var,
        decisions: Var | None = None,
        noise: Var | None = None,
        paths: Var | None = None,
    ) -> tuple[Var, list[Var], list[Var], list[Var]]:
        scores, margins, own, policies = [], [], [], []
        count = self.windows(x)
        for number, block in enumerate(self.blocks):
            if number < self.predictors:
                score = block.predictor(x)
                means = to_windows(block.rolled(score, -block.shift), self.window).mean(dim=1)
                start, end = number * count, (number + 1) * count
                drawn = None if noise is None else noise[:, start:end].reshape(-1, 2)
                given = None if decisions is None else decisions[:, start:end].reshape(-1)
                margin, decision, policy = self.decide(means, drawn, given)
                shape = (x.shape[0], 1, x.shape[1] // self.window, x.shape[2] // self.window)
                scores.append(score)
                margins.append(margin.reshape(shape))
                own.append(decision.reshape(shape))
                policies.append(policy)
            factors = None if paths is None else paths[:, number * count : (number + 1) * count]
            if self.predictors:
                x = block(x, policies[number % self.slots], noise is not None, factors)
            else:
                x = block(x, None, False, factors)
        return x, scores, margins, own

    def windows(self, x: Var) -> int:
        """How many windows a map (n, h, w, c) has."""
        return (x.shape[1] // self.window) * (x.shape[2] // self.window)

    def decide(self, means: Var, noise: Var | None, given: Var | None) -> tuple[Var, Var, Var]:
        """Margin, own decision and policy (windows,) from mean scores (windows, 2)."""
        if noise is not None:
            means = means + noise
        kept = softmax(means, dim=1)[:, 0]
        margin = kept - 0.5
        one, zero = jt.full_like(margin, 1.0), jt.full_like(margin, 0.0)
        decision = jt.where(margin > 0, one, zero)
        policy = decision if given is None else jt.where(given > 0, one, zero)
        if noise is not None:
            policy = policy + kept - jt.detach(kept)
        return margin, decision, policy


class Downsample(nn.Module):
    """Halves the size, (n, h, w, in) -> (n, h/2, w/2, out)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, 4, stride=2, padding=1, bias=True)

    def execute(self, x: Var) -> Var:
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Upsample(nn.Module):
    """Doubles the size, (n, h, w, in) -> (n, 2h, 2w, out)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = ConvTranspose2d(in_channels, out_channels, 2, stride=2, padding=0, bias=True)

    def execute(self, x: Var) -> Var:
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class LMDViT(nn.Module):
    """The whole network; see the module's docstring for shapes.

    Stages 0 to 3 encode, 4 is the bottleneck, 5 to 8 decode.
    """

    def __init__(self, spec: LMDViTSpec):
        super().__init__()
        width = spec.width
        self.input = Conv2d(3, width, 3, padding=1, bias=True)
        self.stages = nn.ModuleList([Stage(stage) for stage in spec.stages()])
        self.downs = nn.ModuleList([Downsample(width * k, 2 * width * k) for k in (1, 2, 4, 8)])
        self.ups = nn.ModuleList(
            [Upsample(16 * width, 8 * width)]
            + [Upsample(4 * width * k, width * k) for k in (4, 2, 1)]
        )
        self.output = Conv2d(2 * width, 4, 3, padding=1, bias=True)

    def execute(
        self,
        image: Var,
        decisions: Var | None = None,
        noise: Var | None = None,
        paths: Var | None = None,
    ) -> tuple[Var, Var, list[Var], list[Var], list[Var]]:
        skips, scores, margins, own = [], [], [], []
        start, first = 0, 0
        x = leaky_relu(self.input(image), SLOPE).permute(0, 2, 3, 1)
        for number, stage in enumerate(self.stages):
            if number > 4:
                x = jt.concat([self.ups[number - 5](x), skips[8 - number]], dim=3)
            end = start + stage.predictors * stage.windows(x)
            last = first + len(stage.blocks) * stage.windows(x)
            given = None if decisions is None else decisions[:, start:end]
            drawn = None if noise is None else noise[:, start:end]
            factors = None if paths is None else paths[:, first:last]
            x, stage_scores, stage_margins, stage_own = stage(x, given, drawn, factors)
            start, first = end, last
            scores = scores + stage_scores
            margins = margins + stage_margins
            own = own + stage_own
            if number < 4:
                skips = [*skips, x]
                x = self.downs[number](x)
        y = self.output(x.permute(0, 3, 1, 2))
        gate = jt.clamp(sigmoid(y[:, 3:]), min_v=LEAST_GATE)
        return image + y[:, :3] * gate, gate, scores, margins, own
