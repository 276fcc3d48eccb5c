"""What the checkpoints that PyTorch writes (`checkpoint_torch.py`) have to give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.zoo import checkpoint_torch
from tests.zoo.checkpoint_base import SMALL, Case, averaged, bfloat16, state

NET = state()
EMA = averaged(NET)


def _case(name: str, what: str, *left_out: str, **more: object) -> Case:
    """A file of PyTorch that holds the network, unless `more` says otherwise."""
    given = {"right": NET, "left_out": frozenset(left_out)} | more
    if given.get("error"):
        given["right"] = None
    return Case(name, what, "torch", **given)  # type: ignore[arg-type]


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _plain()
    yield from _named()
    yield from _kept_beside()
    yield from _everything()
    yield from _devices()
    yield from _refused()
    yield from _several()


def _plain() -> Iterator[Case]:
    yield _case("plain.pth", "state_dict, zip")
    yield _case("before_1.6.pth", "state_dict, before 1.6")
    yield _case("protocol_4.pth", "state_dict, pickle protocol 4")
    yield _case("ordered.pth", "OrderedDict")
    halved = {name: array.astype(np.float16) for name, array in NET.items()}
    doubled = {name: array.astype(np.float64) for name, array in NET.items()}
    yield _case("half.pth", "float16", right=halved)
    yield _case("bfloat16.pth", "bfloat16", right=bfloat16(NET))
    yield _case("double.pth", "float64", right=doubled)
    yield _case("strided.pth", "channels last and transposed")
    yield _case("one_storage.pth", "views of one storage")
    yield _case("parameters.pth", "Parameters")
    yield _case("module.pth", "whole module")
    yield _case("data_parallel.pth", "whole module in DataParallel, in a dictionary", "epoch")
    yield _case("own_module.pth", "whole module of one's own class")
    yield _case("dumped.pkl", "pickle.dump of a state_dict")
    yield _case("dumped_2.pkl", "pickle.dump, protocol 2")
    yield _case("dumped_checkpoint.pkl", "pickle.dump of a checkpoint", "epoch")


def _named() -> Iterator[Case]:
    for name in ("net_g", "generator", "fsdp", "module_model", "long_prefix"):
        yield _case(f"{name}.pth", "prefix of all names")
    yield _case("prefix_without_dot.pth", "prefix G_")
    yield _case("prefix_with_slash.pth", "prefix net/")
    yield _case("lightning.ckpt", "Lightning", "epoch", "callbacks")
    two = "weights of mimo_unet under g_ema. and generator.|under generator. and g_ema."
    yield _case("generator_ema.pth", "two copies by prefix", error=two)
    yield _case("generator_ema.pth, generator", "two copies by prefix", file="generator_ema.pth",
                options={"prefix": "generator."}, left_out=None)  # fmt: skip
    yield _case("generator_ema.pth, g_ema", "two copies by prefix", file="generator_ema.pth",
                options={"prefix": "g_ema"}, right=EMA, left_out=None)  # fmt: skip
    yield _case("online_ema.pt", "two copies and a step", error="under ema_model. and online_mod")
    yield _case("online_ema.pt, ema", "two copies and a step", file="online_ema.pt", right=EMA,
                options={"prefix": "ema_model."}, left_out=None)  # fmt: skip
    yield _case("flat_ema.pth", "a copy under ema.", error=r"under no prefix and ema\.")
    yield _case("flat_ema.pth, ema", "a copy under ema.", file="flat_ema.pth", right=EMA,
                options={"prefix": "ema."}, left_out=None)  # fmt: skip
    yield _case("flat_ema.pth, none", "a copy under ema.", file="flat_ema.pth",
                options={"prefix": ""}, left_out=None)  # fmt: skip
    yield _case("generator_discriminator.pth", "a GAN", error="and 6 others, as discriminator")
    yield _case("generator_discriminator.pth, generator", "a GAN", left_out=None,
                file="generator_discriminator.pth", options={"prefix": "generator"})  # fmt: skip
    for name, first, second in (
        ("state_dict_ema.pth", "state_dict", "state_dict_ema"),
        ("params_ema.pth", "params", "params_ema"),
        ("net_shadow.pth", "net", "shadow"),
    ):
        yield _case(name, "last and averaged", error=f"--key {first} or --key {second}")
        for key, right in ((first, NET), (second, EMA)):
            yield _case(f"{name}, {key}", "last and averaged", file=name, options={"key": key},
                        right=right, left_out=None)  # fmt: skip


def _kept_beside() -> Iterator[Case]:
    yield _case("training.pth", "weights, two optimizers, a scheduler",
                "lr_scheduler", "optimizer", "opt2", "epoch")  # fmt: skip
    yield _case("in_list.pth", "in a list", left_out=None)
    yield _case("own_key.pth", "under a key of one's own", "note")
    yield _case("metrics.pth", "metrics as tensors", "metrics")
    layers = {f"{name.rpartition('.')[0]}.total_ops" for name in NET}
    yield _case("flop_counters.pth", "FLOP counters", "total_ops", "total_params", *layers)
    yield _case("numbers.pth", "numbers, a truth value and a text of training", "step",
                "encoder._float_tensor", "best_psnr", "is_best", "note")  # fmt: skip
    yield _case("numbers_and_prefix.pth", "a prefix and a step", "step")
    yield _case("omegaconf.ckpt", "OmegaConf object", "hyper_parameters", "epoch")
    yield _case("own_config.pth", "object of one's own class", "config")
    yield _case("own_config_flat.pth", "the same among the names", "config")
    yield _case("own_dictionary.pth", "dictionary of one's own class", "epoch")


def _everything() -> Iterator[Case]:
    """Next to the weights, in the same dictionary or not, whatever Python can pickle."""
    keys = [f"beside_{number}" for number in range(checkpoint_torch.BESIDE)]
    for name in ("everything.pth", "everything_before_1.6.pth", "everything_0.pkl",
                 "everything_2.pkl", "everything_5.pkl"):  # fmt: skip
        yield _case(name, "objects of all kinds beside", *keys)


def _devices() -> Iterator[Case]:
    yield _case("npu.pth", "Ascend NPU")
    yield _case("npu_some.pth", "some on an NPU, views", right=SMALL, is_model=False)
    yield _case("mlu.pth", "Cambricon MLU")
    yield _case("xla.pth", "XLA, by CPU tensors")
    yield _case("xla_bfloat16.pth", "XLA, by arrays, bfloat16", right=bfloat16(NET))


def _refused() -> Iterator[Case]:
    for name, what, error in (
        ("complex.pth", "complex numbers", "got torch.ComplexFloatStorage"),
        ("float8.pth", "float8", "got torch.float8_e4m3fn"),
        ("sparse.pth", "sparse tensor", "torch._utils._rebuild_sparse_tensor"),
        ("meta.pth", "tensor without values", "_rebuild_meta_tensor_no_storage"),
        ("quantized.pth", "quantized tensor", "_rebuild_qtensor"),
        ("own_class.pth", "object in the place of a weight", "body.weight is an object of my_pro"),
        ("adam.pth", "an optimizer's state", "an optimizer's state"),
        ("sgd.pth", "an optimizer's state", "an optimizer's state"),
        ("100.state", "training state", "training state"),
        ("script.pt", "TorchScript", "TorchScript program.*state_dict"),
        ("mobile.ptl", "mobile program", "mobile PyTorch program"),
        ("single.pth", "a tensor without a name", "a single tensor without a name"),
        ("list.pth", "tensors without names", "76 tensors without names"),
    ):
        yield _case(name, what, error=error)


def _several() -> Iterator[Case]:
    yield _case("sharded_torch", "shards, by their folder")
    yield _case("sharded_torch/pytorch_model.bin.index.json", "shards, by their index")
    yield _case("sharded_torch/pytorch_model-00001-of-00002.bin", "a shard alone",
                error="part 1 of 2 .*give the index, .*index.json")  # fmt: skip
    distributed = "distributed run of PyTorch.*dcp_to_torch"
    yield _case("distributed", "distributed checkpoint", error=distributed)
    yield _case("distributed/__0_0.distcp", "a file of it", error=distributed)
    yield _case("distributed/.metadata", "a file of it", error=distributed)
