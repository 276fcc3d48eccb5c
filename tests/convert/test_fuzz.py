"""Mutated files of every format leave the reader only through its one kind of error.

And the other way round: whatever can be written comes back the same, and pickles of plain data are
what Python's own unpickler makes of them.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from restoration.errors import InputError
from tests.convert.seeds import make_seeds
from weights_convert import convert, scan, verify
from weights_convert.checkpoints.checkpoint import open_checkpoint
from weights_convert.checkpoints.reading import read_tree
from weights_convert.commands.inspection import content_hash
from weights_convert.files.integrity import check
from weights_convert.pickles.writer import PickleWriter, is_plain

NAMES = (
    "x.pth",
    "old.pth",
    "x.pkl",
    "numpy.pkl",
    "protocol0.pkl",
    "x.npz",
    "deflated.npz",
    "x.ckpt",
    "crc.ckpt",
    "x.safetensors",
    "x.npy",
    "object.npz",
    "dumped.pkl",
    "download.zip",
    "download.tar",
)
INDEXES = ("x.index.json",)
EXAMPLES = 250  # per format: a few seconds each in all
WITHIN_S = 10.0
INTERESTING = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00" * 8,
    b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x00\x00\x00\x80", b".", b"(", b"R", b"\x81", b"b", b"i",
    b"h\x00", b"cos\nsystem\n", b"cbuiltins\neval\n", b"PK\1\2", b"PK\5\6", b"crc_num", b"HCAJSLHD",
    b'"', b"[", b"-1", b"1e9", b"99999999999999999999", b"\x0a", b"\x12",
)  # fmt: skip

_PLACE = st.floats(0, 1)
_MUTATION = st.one_of(
    st.tuples(st.just("overwrite"), _PLACE, st.sampled_from(INTERESTING)),
    st.tuples(st.just("overwrite"), _PLACE, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("insert"), _PLACE, st.sampled_from(INTERESTING)),
    st.tuples(st.just("delete"), _PLACE, st.integers(1, 64)),
    st.tuples(st.just("repeat"), _PLACE, st.integers(1, 200)),
    st.tuples(st.just("cut"), _PLACE, st.just(0)),
    st.tuples(st.just("flip"), _PLACE, st.integers(0, 7)),
)


def _mutated(content: bytes, mutations: list[tuple[str, float, Any]]) -> bytes:
    result = bytearray(content)
    for kind, place, value in mutations:
        at = int(place * max(len(result) - 1, 0))
        if kind == "overwrite":
            result[at : at + len(value)] = value
        elif kind == "insert":
            result[at:at] = value
        elif kind == "delete":
            del result[at : at + value]
        elif kind == "repeat":
            result[at:at] = result[at : at + value]
        elif kind == "cut":
            del result[at:]
        elif result:
            result[at] ^= 1 << value
    return bytes(result)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutated")


@pytest.mark.parametrize("name", NAMES + INDEXES)
def test_mutated_files_are_read_or_refused(
    seeds: dict[str, bytes], folder: Path, name: str
) -> None:
    path = folder / name
    (folder / "part.safetensors").write_bytes(seeds["x.safetensors"])

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(st.lists(_MUTATION, min_size=1, max_size=4))
    def try_one(mutations: list[tuple[str, float, Any]]) -> None:
        path.write_bytes(_mutated(seeds[name], mutations))
        _read_all(path)

    try_one()


# Pieces that a pickle can be made of, so that most of what is made gets past the first operation.
_FRAGMENTS = (
    b"(", b"0", b"1", b"2", b"]", b"}", b")", b"N", b"\x88", b"\x8f", b"K\1", b"K\0",
    b"J\xff\xff\xff\xff", b"X\1\0\0\0a", b"X\7\0\0\0storage", b"X\1\0\0\x000", b"\x8c\1b",
    b"C\2ab", b"B\2\0\0\0ab", b"U\1c", b"G" + struct.pack(">d", 0.5), b"I01\n", b"L5L\n",
    b"F1.5\n", b"S'x'\n", b"Vx\n", b"t", b"l", b"d", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s",
    b"u", b"\x90", b"\x91", b"q\0", b"q\1", b"h\0", b"h\1", b"\x94", b"p0\n", b"g0\n", b"R",
    b"\x81", b"b", b"o", b"Q", b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_tensor_v3\n", b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch._tensor\n_rebuild_from_type_v2\n", b"ctorch.nn.modules.conv\nConv2d\n",
    b"ccollections\nOrderedDict\n", b"ccopy_reg\n_reconstructor\n", b"c__builtin__\nset\n",
    b"cbuiltins\nbytearray\n", b"c__builtin__\nobject\n", b"c_codecs\nencode\n",
    b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy.core.multiarray\nscalar\n", b"cnumpy.core.numeric\n_frombuffer\n",
    b"ctorch.storage\n_load_from_bytes\n", b"cown\nThing\n", b"cown\n_rebuild_own_tensor\n",
    b"ctorch\nfloat32\n", b"cjittor\njittor_core.Var\n", b"X\2\0\0\0f4", b"X\1\0\0\0<",
    b"(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb", b"X\x0b\0\0\0_parameters",
    b"X\x08\0\0\0_modules", b"X\x08\0\0\0_buffers",
)  # fmt: skip


@settings(max_examples=800, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=40))
def test_random_pickles_are_read_or_refused(tmp_path: Path, fragments: list[bytes]) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04" + b"".join(fragments) + b".")
    _read_all(path)


def _read_all(path: Path) -> None:
    started = time.process_time()
    try:
        checkpoint = open_checkpoint(path)
        content_hash(checkpoint.tensors)
        check(checkpoint.file, checkpoint.checksums, with_sha256=True)
    except InputError as problem:
        assert re.match(r"checkpoint .+: expected ", str(problem))  # noqa: PT017
        assert str(problem).isprintable()  # noqa: PT017
    with contextlib.suppress(InputError):
        scan(path).to_json()
    assert time.process_time() - started < WITHIN_S


# What is right stays right.

_DTYPES = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32",
    "uint16", "uint8", "bool",
)  # fmt: skip
_LEAF = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="/\\."),
            min_size=1, max_size=12)
    # Hypothesis takes texts from the sources, and with them the names of MindSpore's optimizers.
    .filter(lambda name: "_" not in name),
    st.just("momentum"),
)  # fmt: skip


@st.composite
def _arrays(draw: st.DrawFn) -> np.ndarray:
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    dtype = np.dtype(draw(st.sampled_from(_DTYPES)))
    count = int(np.prod(shape)) * dtype.itemsize
    content = draw(st.binary(min_size=count, max_size=count))
    if dtype.kind == "b":
        content = bytes(byte & 1 for byte in content)
    array = np.frombuffer(content, dtype).reshape(shape)
    return np.asfortranarray(array) if draw(st.booleans()) else array


@settings(max_examples=60, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.dictionaries(_LEAF, _arrays(), min_size=1, max_size=5), st.sampled_from(("npz", "pkl")))
@example({"momentum": np.zeros(1)}, "npz")
def test_any_weights_survive_every_format(
    tmp_path: Path, arrays: dict[str, np.ndarray], kind: str
) -> None:
    path = tmp_path / f"x.{kind}"
    path.write_bytes(pickle.dumps(arrays) if kind == "pkl" else _npz(arrays))
    checkpoint = open_checkpoint(path)
    for name, array in arrays.items():
        found = checkpoint.tensors[name].to_numpy()
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
    found = verify(path)
    assert found.ok
    refused = [trip.format for trip in found.round_trips if trip.content is None]
    is_nothing_for_mindspore = any(
        array.shape == (0,) or (name == "momentum" and array.size == 1)
        for name, array in arrays.items()
    )
    assert refused == (["mindspore"] if is_nothing_for_mindspore else [])


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """As np.savez, whose own arguments are names that no array can have."""
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as record:
                np.lib.format.write_array(record, array)
    return result.getvalue()


_KEYS = st.one_of(st.text(max_size=20), st.integers(-(1 << 59), 1 << 59))
_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 100), 1 << 100)
    | st.floats(allow_nan=False)
    | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(_KEYS, inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(_PLAIN, st.integers(0, 5))
def test_plain_data_is_read_as_python_reads_it(
    tmp_path: Path, value: object, protocol: int
) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps([value], protocol=protocol))
    _, _, contents = read_tree(path)
    assert contents.tree == [value]
    assert repr(contents.tree) == repr([value])


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(_PLAIN, st.sampled_from((2, 4)))
def test_plain_data_is_written_as_python_reads_it(value: object, protocol: int) -> None:
    assert is_plain(value)
    result = io.BytesIO()

    def no_tensor(*arguments: object) -> None:
        raise AssertionError(arguments)

    PickleWriter(result, protocol=protocol, put_tensor=no_tensor).dump(value)
    assert repr(pickle.loads(result.getvalue())) == repr(value)


def test_the_seeds_are_all_formats(seeds: dict[str, bytes], folder: Path) -> None:
    assert tuple(seeds) == (*NAMES, *INDEXES)
    found = set()
    (folder / "part.safetensors").write_bytes(seeds["x.safetensors"])
    for name, content in seeds.items():
        (folder / name).write_bytes(content)
        found.add(open_checkpoint(folder / name).format.name)
    assert found == {
        "torch", "torch-legacy", "jittor", "pickle", "npz", "npy", "mindspore", "safetensors",
    }  # fmt: skip
    result = convert(folder / "x.pth", folder / "y.npz", to="kept")
    assert result.tensors == 5
