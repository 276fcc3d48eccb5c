"""MIMO-UNet as users of the MindSpore model zoo run it."""
