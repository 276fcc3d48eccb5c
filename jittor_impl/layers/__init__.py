"""What PyTorch, Jittor and MindSpore mean differently, under one name and signature in all three.

A file is a topic. Each `# Native:` comment names the framework's own call and its default. What
means the same in all three has no shim: models call it natively. Arrays are (n, c, h, w).
"""

from jittor_impl.layers.activation import (
    PReLU,
    cos_sin,
    gelu,
    leaky_relu,
    sigmoid,
    softmax,
    softplus,
)
from jittor_impl.layers.attention import (
    RelativePositionBias,
    mask_shifted_windows,
    scaled_dot_product_attention,
)
from jittor_impl.layers.conv import (
    Conv2d,
    ConvTranspose2d,
    DepthwiseConv2d,
    conv1x1,
    conv2d,
    filter_valid,
)
from jittor_impl.layers.dropout import ChannelDropout, DropPath
from jittor_impl.layers.fourier import (
    angle,
    fft2,
    half_counts,
    ifft2,
    irfft2,
    rfft2,
    unit_spectrum,
)
from jittor_impl.layers.indexing import (
    chunk_columns,
    fold,
    gather_rows,
    has_rows,
    modulate_rows,
    nonzero,
    repeat_rows,
    roll,
    scale_rows,
    scatter_rows,
    to_indices,
    unless_none,
)
from jittor_impl.layers.linear import Linear, linear, matmul
from jittor_impl.layers.norm import LayerNorm, LayerNorm2d
from jittor_impl.layers.padding import pad_bottom_right, pad_replicate, pad_to, shift_reflected
from jittor_impl.layers.pooling import adaptive_avg_pool, avg_pool, global_avg_pool, max_pool
from jittor_impl.layers.resize import (
    downsample_bilinear,
    downsample_nearest,
    expand,
    pixel_shuffle,
    pixel_unshuffle,
    resize_bilinear,
    upsample,
    zero_insert,
)
from jittor_impl.layers.tensors import (
    Embedding,
    constant_parameter,
    fixed_parameter,
    materialize,
    no_grad,
    tensor_like,
    uniform_parameter,
)

__all__ = [
    "ChannelDropout",
    "Conv2d",
    "ConvTranspose2d",
    "DepthwiseConv2d",
    "DropPath",
    "Embedding",
    "LayerNorm",
    "LayerNorm2d",
    "Linear",
    "PReLU",
    "RelativePositionBias",
    "adaptive_avg_pool",
    "angle",
    "avg_pool",
    "chunk_columns",
    "constant_parameter",
    "conv1x1",
    "conv2d",
    "cos_sin",
    "downsample_bilinear",
    "downsample_nearest",
    "expand",
    "fft2",
    "filter_valid",
    "fixed_parameter",
    "fold",
    "gather_rows",
    "gelu",
    "global_avg_pool",
    "half_counts",
    "has_rows",
    "ifft2",
    "irfft2",
    "leaky_relu",
    "linear",
    "mask_shifted_windows",
    "materialize",
    "matmul",
    "max_pool",
    "modulate_rows",
    "no_grad",
    "nonzero",
    "pad_bottom_right",
    "pad_replicate",
    "pad_to",
    "pixel_shuffle",
    "pixel_unshuffle",
    "repeat_rows",
    "resize_bilinear",
    "rfft2",
    "roll",
    "scale_rows",
    "scaled_dot_product_attention",
    "scatter_rows",
    "shift_reflected",
    "sigmoid",
    "softmax",
    "softplus",
    "tensor_like",
    "to_indices",
    "uniform_parameter",
    "unit_spectrum",
    "unless_none",
    "upsample",
    "zero_insert",
]
