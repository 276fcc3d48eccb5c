"""Names that no checkpoint has a use for: what they do when they are called is the point of them.

Nothing that a pickle names is ever run here, so this list is no protection. It only tells a file
that was made to do harm, which is refused, from one with objects that are left out.
"""

from __future__ import annotations

from weights_convert.pickles.objects import Name

_MODULES = frozenset({
    "_ctypes", "_frozen_importlib", "_io", "_pickle", "_posixsubprocess", "_socket", "asyncio",
    "bdb", "cPickle", "cProfile", "code", "codeop", "commands", "ctypes", "distutils",
    "doctest", "ensurepip", "fileinput", "ftplib", "http", "idlelib", "imp", "importlib", "io",
    "joblib", "lib2to3", "marshal", "nt", "os", "pdb", "pickle", "pip", "pkgutil", "popen2",
    "posix", "profile", "pty", "pydoc", "requests", "runpy", "setuptools", "shelve", "shutil",
    "smtplib", "socket", "subprocess", "sys", "telnetlib", "timeit", "trace", "urllib", "venv",
    "webbrowser", "xmlrpc", "zipimport",
})  # fmt: skip
_SUBMODULES = (
    "numpy.f2py", "numpy.testing", "torch.hub", "torch.utils.cpp_extension",
    "torch.utils.model_zoo",
)  # fmt: skip
_BUILTINS = frozenset({
    "__import__", "apply", "breakpoint", "compile", "delattr", "eval", "exec", "execfile",
    "exit", "file", "globals", "help", "input", "locals", "open", "quit", "raw_input", "reload",
    "setattr",
})  # fmt: skip
_NAMES = frozenset({("torch.serialization", "load"), ("torch", "load"), ("numpy", "load")})
_DATA = frozenset({("io", "BytesIO"), ("_io", "BytesIO"), ("io", "StringIO"), ("_io", "StringIO")})


def is_harmful(name: Name) -> bool:
    """Whether a name stands for running code, or for reaching files, programs or the network."""
    first = name.name.split(".")[0]
    if name.module in ("builtins", "__builtin__"):
        return first in _BUILTINS
    if (name.module, name.name) in _DATA:
        return False
    if (name.module, name.name) in _NAMES:
        return True
    in_sub = any(name.module == one or name.module.startswith(one + ".") for one in _SUBMODULES)
    return in_sub or name.module.split(".")[0] in _MODULES
