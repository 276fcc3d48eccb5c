"""The port to Jittor agrees with its reference in PyTorch: run by `pytest examples/pytest`.

Where PyTorch is not installed, `-k recorded` runs what needs Jittor alone.
"""

from pathlib import Path

HERE = Path(__file__).parent
REFERENCE, PORT = f"torch:{HERE}/network.py:build", f"jittor:{HERE}/port.py:build"


def test_the_port_agrees(parity):
    """Outputs, every stretch of code, gradients, and twice the size."""
    parity(REFERENCE, PORT, {"x": "1x3x12x16:0,1"})


def test_the_port_agrees_with_the_recorded_reference(parity):
    """`pytest --parity-update` records it anew, where PyTorch is."""
    parity(REFERENCE, PORT, {"x": "1x3x12x16:0,1"}, baseline="network")
