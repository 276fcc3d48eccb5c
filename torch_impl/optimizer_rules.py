"""What optimizers do, as rules that can be done otherwise: SGD, Adam, AdamW and RMSprop.

Sources: PyTorch's documentation of `torch.optim`; Kingma and Ba, arXiv 1412.6980; Loshchilov and
Hutter, arXiv 1711.05101. A step of the user's own optimizer is undone, and done by a rule. The
words for causes are those of `parity/diagnose/causes.py`.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_BETAS = ((0.9, 0.999), (0.9, 0.99), (0.5, 0.999), (0.9, 0.9), (0.0, 0.99), (0.95, 0.999))
_EPS = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_DECAYS = (0.0, 1e-5, 1e-4, 5e-4, 1e-3, 1e-2, 5e-2, 0.1)
_MOMENTA = (0.0, 0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Rule:
    """How a gradient moves a parameter.

    kind: "sgd", "adam" or "rmsprop". eps_place: "after" the root, "within" it, or "before" the bias
    correction. starts_at_zero: the first gradient is dampened, too. decay: None for that of each
    group. is_coupled: decay is added to the gradient. shift: of the schedule, in steps; None for
    the first step's rate throughout. rate_factor, gradient_factor: what is multiplied.
    """

    kind: str
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    eps_place: str = "after"
    is_corrected: bool = True
    has_largest: bool = False
    decay: float | None = None
    is_coupled: bool = True
    decays_all: bool = True
    momentum: float = 0.0
    dampening: float = 0.0
    starts_at_zero: bool = False
    is_nesterov: bool = False
    has_rate_within: bool = False
    is_accumulated: bool = False
    shift: int | None = 0
    rate_factor: float = 1.0
    gradient_factor: float = 1.0


Variant = tuple[str, str, dict[str, Any]]
"""A cause, what it is in words, and the fields of the rule that are otherwise."""


def optimizers_of(network: nn.Module) -> list[Optimizer]:
    """The optimizers that move a network's parameters, wherever they are kept."""
    mine = {id(parameter) for parameter in network.parameters()}
    return [
        one
        for one in gc.get_objects()
        if issubclass(type(one), Optimizer)
        and any(id(value) in mine for group in one.param_groups for value in group["params"])
    ]


def rule_of(optimizer: Optimizer) -> Rule | None:
    """The rule of an optimizer; None where it is none of those that are known."""
    group = optimizer.param_groups[0]
    if type(optimizer) in (torch.optim.Adam, torch.optim.AdamW):
        is_decoupled = type(optimizer) is torch.optim.AdamW or group.get("decoupled_weight_decay")
        return Rule(
            "adam",
            betas=tuple(map(float, group["betas"])),
            eps=group["eps"],
            is_coupled=not is_decoupled,
            has_largest=group["amsgrad"],
        )
    if type(optimizer) is torch.optim.SGD:
        return Rule(
            "sgd",
            momentum=group["momentum"],
            dampening=group["dampening"],
            is_nesterov=group["nesterov"],
        )
    if type(optimizer) is torch.optim.RMSprop and not group["centered"]:
        return Rule(
            "rmsprop",
            betas=(0.0, group["alpha"]),
            eps=group["eps"],
            momentum=group["momentum"],
            is_corrected=False,
        )
    return None


def variants(rule: Rule, decays: Sequence[float], factor: float) -> Iterator[Variant]:
    """What may be otherwise about a rule, the likeliest first.

    decays: of its groups. factor: by which the first step of the port is longer.
    """
    yield "learning rate", f"{factor:.4g} times", {"rate_factor": float(f"{factor:.4g}")}
    yield "learning rate schedule", "that of the step before", {"shift": -1}
    yield "learning rate schedule", "that of the next step", {"shift": 1}
    yield "learning rate schedule", "that of the first step throughout", {"shift": None}
    yield "gradients not zeroed", "those of earlier steps are added", {"is_accumulated": True}
    yield from _of_roots(rule) if rule.kind != "sgd" else ()
    yield from _of_momentum(rule) if rule.kind != "adam" else ()
    yield from _of_decay(rule, decays)


def _of_roots(rule: Rule) -> Iterator[Variant]:
    yield "optimizer eps place", "within the root", {"eps_place": "within"}
    if rule.kind == "adam":
        yield "optimizer eps place", "before the bias correction", {"eps_place": "before"}
        yield "bias correction", "none", {"is_corrected": False}
        yield "amsgrad", "the other", {"has_largest": not rule.has_largest}
    for eps in _EPS:
        if eps != rule.eps:
            yield "optimizer eps", f"{eps:g} for {rule.eps:g}", {"eps": eps}
    for betas in _BETAS if rule.kind == "adam" else ():
        if betas != rule.betas:
            yield "betas", f"{betas} for {rule.betas}", {"betas": betas}


def _of_momentum(rule: Rule) -> Iterator[Variant]:
    if rule.momentum:
        for from_zero in (True, False):
            fields = {"dampening": rule.momentum, "starts_at_zero": from_zero}
            yield "momentum dampening", f"{rule.momentum:g}", fields
        yield "momentum form", "the other", {"is_nesterov": not rule.is_nesterov}
        yield "momentum form", "the rate within the momentum", {"has_rate_within": True}
    for momentum in _MOMENTA:
        if momentum != rule.momentum:
            words = f"{momentum:g} for {rule.momentum:g}"
            yield "optimizer momentum", words, {"momentum": momentum}


def _of_decay(rule: Rule, decays: Sequence[float]) -> Iterator[Variant]:
    if any(decays):
        form = "decoupled" if rule.is_coupled else "coupled"
        yield "weight decay form", form, {"is_coupled": not rule.is_coupled}
        yield "weight decay of biases and norms", "none", {"decays_all": False}
    for decay in _DECAYS:
        if set(decays) != {decay}:
            yield "weight decay", f"{decay:g} for {decays[0]:g}", {"decay": decay}
            if not any(decays):
                words = f"{decay:g} for 0, decoupled"
                yield "weight decay", words, {"decay": decay, "is_coupled": False}


def otherwise(rule: Rule, variant: Variant) -> Rule:
    """A rule with what a variant has otherwise."""
    return replace(rule, **variant[2])


class Replaced:
    """Undoes each step of an optimizer and does it by a rule, while it is attached.

    rates: of each step by group, as they were met. rule: None to keep the steps and only look.
    """

    def __init__(self, optimizer: Optimizer, rule: Rule | None, rates: Sequence[Sequence[float]]):
        self._optimizer, self._rule, self._given = optimizer, rule, rates
        self.rates: list[list[float]] = []
        self._before: dict[int, Tensor] = {}
        self._states: dict[int, dict[str, Any]] = defaultdict(dict)
        self._hooks = [
            optimizer.register_step_pre_hook(self._remember),
            optimizer.register_step_post_hook(self._replace),
        ]

    def detach(self) -> list[list[float]]:
        """Stop; the rates of all steps, and what the next one would have."""
        for hook in self._hooks:
            hook.remove()
        return [*self.rates, [group["lr"] for group in self._optimizer.param_groups]]

    def _remember(self, *_: Any) -> None:
        self.rates.append([group["lr"] for group in self._optimizer.param_groups])
        for group in self._optimizer.param_groups:
            for value in group["params"]:
                self._before[id(value)] = value.detach().clone()

    def _replace(self, *_: Any) -> None:
        if self._rule is None:
            return
        step = len(self.rates) - 1
        chosen = 0 if self._rule.shift is None else step + self._rule.shift
        rates = self._given[min(max(chosen, 0), len(self._given) - 1)]
        with torch.no_grad():
            for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
                for value in group["params"]:
                    if value.grad is not None:
                        before = self._before[id(value)]
                        state = self._states[id(value)]
                        decay = group["weight_decay"]
                        value.copy_(moved(self._rule, before, value.grad, (rate, decay), state))


def moved(
    rule: Rule, value: Tensor, gradient: Tensor, rates: tuple[float, float], state: dict[str, Any]
) -> Tensor:
    """A parameter after a step. rates: of learning, and of decay. state: of the steps before."""
    rate, decay = rates[0] * rule.rate_factor, rates[1] if rule.decay is None else rule.decay
    if value.ndim < 2 and not rule.decays_all:
        decay = 0.0
    gradient = gradient * rule.gradient_factor
    if rule.is_accumulated:
        gradient = state["sum"] = state.get("sum", 0) + gradient
    if decay and rule.is_coupled:
        gradient = gradient + decay * value
    elif decay:
        value = value * (1 - rate * decay)
    if rule.kind == "sgd":
        return value - _momentum(rule, gradient, rate, state)
    first, second = rule.betas
    count = state["count"] = state.get("count", 0) + 1
    mean = state["mean"] = first * state.get("mean", 0) + (1 - first) * gradient
    square = state["square"] = second * state.get("square", 0) + (1 - second) * gradient**2
    if rule.has_largest:
        square = state["largest"] = torch.maximum(state.get("largest", square), square)
    corrections = (1 - first**count, 1 - second**count) if rule.is_corrected else (1.0, 1.0)
    root = (square / corrections[1]).sqrt() + rule.eps
    if rule.eps_place == "within":
        root = (square / corrections[1] + rule.eps).sqrt()
    elif rule.eps_place == "before":
        root = (square.sqrt() + rule.eps) / corrections[1] ** 0.5
    direction: Tensor = mean / corrections[0] / root
    if rule.kind == "rmsprop":
        return value - _momentum(rule, direction, rate, state)
    return value - rate * direction


def _momentum(rule: Rule, gradient: Tensor, rate: float, state: dict[str, Any]) -> Tensor:
    """How far a gradient moves a parameter with momentum."""
    if not rule.momentum:
        return rate * gradient
    if rule.has_rate_within:
        step: Tensor = rule.momentum * state.get("moment", 0) + rate * gradient
        state["moment"] = step
        return rule.momentum * step + rate * gradient if rule.is_nesterov else step
    share = 1 - rule.dampening
    moment = share * gradient + rule.momentum * state.get("moment", 0)
    if "moment" not in state and not rule.starts_at_zero:
        moment = gradient  # PyTorch's first step knows no dampening
    state["moment"] = moment
    found: Tensor = rate * (gradient + rule.momentum * moment if rule.is_nesterov else moment)
    return found
