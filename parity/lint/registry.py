"""All rules, by code."""

from __future__ import annotations

from parity.lint import (
    general,
    jittor_names,
    jittor_training,
    jittor_values,
    mindspore_kernels,
    mindspore_layers,
    mindspore_training,
    mindspore_values,
)
from parity.lint.rule import Rule

_TOPICS = (
    jittor_values,
    jittor_names,
    jittor_training,
    mindspore_layers,
    mindspore_values,
    mindspore_kernels,
    mindspore_training,
    general,
)

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in sorted(
        (rule for topic in _TOPICS for rule in topic.TOPIC.rules), key=lambda rule: rule.code
    )
}
