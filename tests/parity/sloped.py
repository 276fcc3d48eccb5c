"""A stranger's network in PyTorch whose slope is an argument: another one is a fault."""

NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, slope=0.1):
        super().__init__()
        self.head = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.LeakyReLU(slope)
        self.tail = nn.Conv2d(4, 3, 3, padding=1)
    def forward(self, x):
        return x + self.tail(self.act(self.head(x)))

def build(slope=0.1):
    return Net(slope)
"""
