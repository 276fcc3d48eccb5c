"""The one list of models. Each has its file in this folder: its spec and what is known of it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from restoration.errors import unknown_name
from restoration.models.model import Model
from restoration.models.spec import Spec

STEMS = (
    "mimo_unet",
    "kernel_prediction",
    "lmd_vit",
    "nimbusr",
    "phaseformer",
    "spectroformer",
    "pwc_flow",
    "self_blind_vsr",
    "edsr",
    "rdn",
    "swinir",
    "lmf",
    "liif",
    "lte",
    "ciaosr",
)
"""Files of models; a line here is what it takes for the suite to know one."""

_FILES = [importlib.import_module(f"restoration.models.{stem}") for stem in STEMS]

MODELS: Mapping[str, Model] = {model.name: model for file in _FILES for model in file.MODELS}

_OLD_SPEC_TYPES = {
    "MimoUnetSpec": "MIMOUNetSpec",
    "NimbusrSpec": "NIMBUSRSpec",
    "PwcFlowSpec": "PWCFlowSpec",
    "SelfBlindVsrSpec": "SelfBlindVSRSpec",
    "LmdVitStageSpec": "LMDViTStageSpec",
    "LmdVitSpec": "LMDViTSpec",
    "EdsrSpec": "EDSRSpec",
    "RdnSpec": "RDNSpec",
    "SwinirSpec": "SwinIRSpec",
    "LmLiifSpec": "LMLIIFSpec",
    "LmLteSpec": "LMLTESpec",
    "LmCiaosrSpec": "LMCiaoSRSpec",
    "LiifSpec": "LIIFSpec",
    "LteSpec": "LTESpec",
    "CiaosrSpec": "CiaoSRSpec",
}
"""Types of specs as files name them that were written before they were renamed."""


def find(name: str) -> Model:
    """A model by its name.

    Raises:
        InputError: there is none of that name; the text suggests the nearest.
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS, where="restoration/models")
    return MODELS[name]


def spec_from_dict(values: Mapping[str, Any]) -> Spec:
    """The inverse of `Spec.to_dict`, also of what older versions wrote.

    Raises:
        InputError: the type is unknown, or its hyper-parameters do not fit together.
    """
    types = {spec_type.__name__: spec_type for spec_type in _subclasses(Spec)}
    given = dict(values)
    name = given.pop("type", None)
    name = _OLD_SPEC_TYPES.get(str(name), name)
    if name not in types:
        raise unknown_name("type of spec", name, types, where="restoration/models")
    return types[name](**{field: _from_plain(value) for field, value in given.items()})


def _subclasses(spec_type: type[Spec]) -> list[type[Spec]]:
    """All specs below one."""
    below = spec_type.__subclasses__()
    return below + [deeper for found in below for deeper in _subclasses(found)]


def _from_plain(value: Any) -> Any:
    """A hyper-parameter from what JSON makes of it."""
    if isinstance(value, Mapping):
        return spec_from_dict(value)
    return tuple(value) if isinstance(value, list) else value
