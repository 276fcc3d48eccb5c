"""The cost volume of optical flow: how alike a pixel is to the 81 around it in another map.

Unlike the models this file differs between the frameworks. "composed" is made of the framework's
operators; "compiled" of kernels of its own, of which there are none.
"""

from __future__ import annotations

from mindspore import Tensor, ops
from mindspore.ops import constexpr

from restoration.engine.cost_volume import REACH, SIDE, VARIABLE
from restoration.engine.kernel_backend import kernel_backend
from restoration.errors import UnavailableError


def cost_volume(first: Tensor, second: Tensor, *, method: str | None = None) -> Tensor:
    """Mean over channels of products with shifted maps, 2 x (n, c, h, w) -> (n, 81, h, w).

    Channel q looks q % 9 - 4 pixels to the right and q // 9 - 4 down; what lies outside is 0.
    method: "compiled", "composed", or "auto", which takes "compiled" where it is faster and can be
    had; by default what the environment variable RESTORATION_COST_VOLUME says, else "auto".

    Raises:
        InputError: there is no such method.
        UnavailableError: "compiled" is asked for and cannot be had.
    """
    # Native: absent.
    _check(method)
    n, c, h, w = first.shape
    around = ops.pad(second, (REACH, REACH, REACH, REACH)).transpose(0, 2, 1, 3)
    rows = first.transpose(0, 2, 3, 1)
    bands = []
    for down in range(SIDE):
        # All products of a row with one below it. Its band of the 9 nearest, one further to the
        # right from pixel to pixel, becomes a column when the rows get one longer.
        products = ops.BatchMatMul()(rows, around[:, down : down + h])
        products = ops.pad(products.reshape(n, h, w * (w + SIDE - 1)), (0, w))
        bands.append(products.reshape(n, h, w, w + SIDE)[:, :, :, :SIDE])
    volume = ops.stack(bands, axis=1).transpose(0, 1, 4, 2, 3)
    return volume.reshape(n, SIDE * SIDE, h, w) / c


@constexpr
def _check(method: str | None) -> bool:
    """Refuse what there is not. A function of constants, which Graph mode leaves to Python."""
    if kernel_backend(method, VARIABLE) == "compiled":
        raise UnavailableError(
            "the cost volume has no compiled kernels for MindSpore; "
            f'choose "composed" by argument or {VARIABLE}'
        )
    return True
