"""What a port with a fault gets to hear: this test fails, and docs/pytest.md shows its message."""

from pathlib import Path

from parity import assert_parity

HERE = Path(__file__).parent


def test_the_port_agrees():
    reference, port = f"torch:{HERE}/network.py:build", f"jittor:{HERE}/faulty_port.py:build"
    assert_parity(reference, port, {"x": "1x3x12x16:0,1"})
