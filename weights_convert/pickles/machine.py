"""A pickle machine without calls: names stay names, and calls are handed to a list of meanings.

Python's own unpickler imports what a file names. Even when it is told not to, a file can make it
allocate at will or hash for ever. This one imports nothing, counts every operation and checks every
key. Bytes that are longer than a line stay in the file.
"""

from __future__ import annotations

import codecs
import pickle  # for the numbers of the operations only
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.pickles.objects import Blob, Instance, Key, Meanings, Name

HIGHEST_PROTOCOL = 5
_HELD_BYTES = 256  # longer strings of bytes stay in the file
_CLOCK_EVERY = 4096  # operations between two looks at the clock


@dataclass
class Budget:
    """Operations and time that a pickle may take, together with all that are inside of it."""

    operations: int = limits.MAX_PICKLE_OPCODES
    deadline: float = field(default_factory=lambda: time.monotonic() + limits.MAX_PICKLE_SECONDS)


class Pickle:
    """Runs the pickle that starts at a place of a file.

    budget: what it may take, its own by default. After `load`, `position` is where it ended.
    """

    def __init__(
        self,
        file: MappedFile,
        start: int,
        stop: int,
        meanings: Meanings,
        budget: Budget | None = None,
    ):
        self.position = start
        self._budget = budget
        self._file, self._start, self._stop, self._meanings = file, start, stop, meanings
        self._view = file.view
        self._stack: list[object] = []
        self._marks: list[list[object]] = []
        self._memo: dict[int, object] = {}

    def load(self) -> object:
        """The object that the pickle describes, made of plain data, `Name`, `Instance`, `Blob` and
        what the meanings return.

        Raises:
            InputError: the pickle is damaged, asks for too much, or a meaning refused something.
        """
        budget = self._budget or Budget()
        while (code := self._take(1)[0]) != pickle.STOP[0]:
            operation = _OPERATIONS.get(code)
            if operation is None:
                self._fail("an operation of pickle protocols 0 to 5", f"code 0x{code:02x}")
            try:
                operation(self)
            except (ValueError, struct.error, OverflowError) as problem:
                self._fail("a complete pickle", quoted(str(problem)))
            budget.operations -= 1
            if budget.operations == 0:
                most = limits.MAX_PICKLE_OPCODES
                self._fail(f"less than {most} operations in a pickle", "more")
            if budget.operations % _CLOCK_EVERY == 0 and time.monotonic() > budget.deadline:
                self._fail(f"a pickle that takes {limits.MAX_PICKLE_SECONDS:g} s", "a longer one")
        return self._pop()

    # What operations are made of.

    def _fail(self, expected: str, got: str) -> NoReturn:
        raise self._file.error(expected=expected, got=got, where=f"pickle at byte {self.position}")

    def _take(self, count: int) -> memoryview:
        start, stop = self.position, self.position + count
        if stop > self._stop:
            self._fail(f"{count} more bytes", f"{self._stop - start} before the end")
        self.position = stop
        return self._view[start:stop]

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _line(self) -> bytes:
        stop = min(self._stop, self.position + limits.MAX_NAME_BYTES)
        end = self._file.find(b"\n", self.position, stop)
        if end < 0:
            self._fail(f"a line of at most {limits.MAX_NAME_BYTES} bytes", "a longer one")
        line = bytes(self._view[self.position : end])
        self.position = end + 1
        return line

    def _pop(self) -> object:
        if not self._stack:
            self._fail("an object on the stack", "none")
        return self._stack.pop()

    def _top(self) -> object:
        if not self._stack:
            self._fail("an object on the stack", "none")
        return self._stack[-1]

    def _pop_mark(self) -> list[object]:
        if not self._marks:
            self._fail("a mark on the stack", "none")
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _key(self, key: object) -> object:
        """A key that is cheap to hash: many others can be made to have the same hash."""
        is_long = isinstance(key, int) and key.bit_length() > 60
        if is_long or isinstance(key, list | tuple | dict | set | bytearray):
            return Key(key)
        return key

    # Operations.

    def protocol(self) -> None:
        if self._number(1) > HIGHEST_PROTOCOL:
            self._fail(f"pickle protocol {HIGHEST_PROTOCOL} at most", "a later one")

    def frame(self) -> None:
        length = self._number(8)
        if length > self._stop - self.position:
            self._fail(f"a frame of {length} bytes", f"{self._stop - self.position} to the end")

    def mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def pop_mark(self) -> None:
        self._pop_mark()

    def duplicate(self) -> None:
        self._stack.append(self._top())

    def integer_line(self) -> None:
        line = self._line()
        known = {b"00": False, b"01": True}
        self._stack.append(known[line] if line in known else self._decimal(line))

    def long_line(self) -> None:
        self._stack.append(self._decimal(self._line().rstrip(b"L")))

    def _decimal(self, digits: bytes) -> int:
        if len(digits) > 2 * limits.MAX_INTEGER_BYTES:
            self._fail(f"an integer of at most {limits.MAX_INTEGER_BYTES} bytes", "a longer one")
        return int(digits)

    def float_line(self) -> None:
        self._stack.append(float(self._line()))

    def float_binary(self) -> None:
        self._stack.append(struct.unpack(">d", self._take(8))[0])

    def _long(self, size: int) -> None:
        if size > limits.MAX_INTEGER_BYTES:
            self._fail(f"an integer of at most {limits.MAX_INTEGER_BYTES} bytes", f"{size}")
        self._stack.append(int.from_bytes(self._take(size), "little", signed=True))

    def string_line(self) -> None:
        line = self._line()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"\"'":
            self._fail("a string in quotes", quoted(line))
        content, _ = codecs.escape_decode(line[1:-1])
        self._stack.append(_as_text(content))

    def unicode_line(self) -> None:
        # The one string of protocol 0 that may be long: an array's bytes.
        end = self._file.find(b"\n", self.position, self._stop)
        if end < 0:
            self._fail("the end of a line", "the end of the file")
        text = str(self._view[self.position : end], "raw-unicode-escape")
        self.position = end + 1
        self._stack.append(text)

    def _bytes(self, size: int, *, is_text: bool = False, is_string: bool = False) -> None:
        start, content = self.position, self._take(size)
        if size > _HELD_BYTES and not (is_text and size <= limits.MAX_NAME_BYTES):
            self._stack.append(Blob(start, start + size, is_text))
        elif is_text:
            self._stack.append(str(content, "utf-8", "surrogatepass"))
        else:
            self._stack.append(_as_text(bytes(content)) if is_string else bytes(content))

    def tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def marked_tuple(self) -> None:
        items = self._pop_mark()
        self._stack.append(tuple(items))

    def marked_list(self) -> None:
        items = self._pop_mark()
        self._stack.append(items)

    def marked_dict(self) -> None:
        items = self._pop_mark()
        self._stack.append({})
        self._set(items)

    def marked_frozenset(self) -> None:
        items = self._pop_mark()
        self._stack.append({self._key(item) for item in items})

    def append(self) -> None:
        item = self._pop()
        self._extend([item])

    def appends(self) -> None:
        self._extend(self._pop_mark())

    def add_items(self) -> None:
        items, target = self._pop_mark(), self._top()
        if isinstance(target, Instance):
            target.elements.extend(items)
            return
        if not isinstance(target, set):
            self._fail("a set to add to", type(target).__name__)
        target.update(self._key(item) for item in items)

    def _extend(self, items: list[object]) -> None:
        target = self._top()
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Instance):
            target.elements.extend(items)
        else:
            self._fail("a list to append to", type(target).__name__)

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def set_items(self) -> None:
        self._set(self._pop_mark())

    def _set(self, items: list[object]) -> None:
        target = self._top()
        table = target.items if isinstance(target, Instance) else target
        if not isinstance(table, dict) or len(items) % 2:
            self._fail("a dictionary and pairs for it", f"{type(target).__name__}, {len(items)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            table[self._key(key)] = value

    def put_line(self) -> None:
        self._memo[self._decimal(self._line())] = self._top()

    def get_line(self) -> None:
        self._get(self._decimal(self._line()))

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            self._fail("an object that was remembered", f"number {index}")
        self._stack.append(self._memo[index])

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._top()

    def global_line(self) -> None:
        module, name = self._line(), self._line()
        self._stack.append(self._meanings.find_class(Name(module.decode(), name.decode())))

    def global_stack(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            self._fail("the name of a module and in it", "something else")
        self._stack.append(self._meanings.find_class(Name(module, name)))

    def instance_line(self) -> None:
        arguments = tuple(self._pop_mark())
        found = self._meanings.find_class(Name(self._line().decode(), self._line().decode()))
        self._call(found, arguments)

    def instance_mark(self) -> None:
        items = self._pop_mark()
        if not items:
            self._fail("a class and its arguments", "none")
        self._call(items[0], tuple(items[1:]))

    def reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        self._call(function, arguments)

    def new_object_with_keywords(self) -> None:
        keywords, arguments, cls = self._pop(), self._pop(), self._pop()
        if not isinstance(keywords, dict) or not isinstance(arguments, tuple):
            self._fail("arguments of a new object", "something else")
        self._call(cls, (*arguments, keywords) if keywords else arguments)

    def _call(self, function: object, arguments: object) -> None:
        if isinstance(function, Instance):
            function = Name(function.cls.module, f"{function.cls.name[:100]}(...)")
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            self._fail("a name and arguments to call it with", type(function).__name__)
        self._stack.append(self._meanings.reduce(function, arguments))

    def build(self) -> None:
        state, target = self._pop(), self._top()
        self._meanings.set_state(target, state)

    def persistent_line(self) -> None:
        self._stack.append(self._meanings.persistent_load(self._line().decode()))

    def persistent(self) -> None:
        reference = self._pop()
        self._stack.append(self._meanings.persistent_load(reference))

    def unsupported(self) -> None:
        self._fail("a pickle that stands for itself", "one that needs registered or outside parts")


def _as_text(content: bytes) -> object:
    """A string of Python 2, which may be a name or bytes."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _constant(value: object) -> Callable[[Pickle], None]:
    return lambda machine: machine._stack.append(value)


def _fresh(kind: type) -> Callable[[Pickle], None]:
    return lambda machine: machine._stack.append(kind())


def _int(size: int, *, signed: bool = False) -> Callable[[Pickle], None]:
    return lambda machine: machine._stack.append(
        int.from_bytes(machine._take(size), "little", signed=signed)
    )


_OPERATIONS: dict[int, Callable[[Pickle], None]] = {
    code[0]: operation
    for code, operation in {
        pickle.PROTO: Pickle.protocol,
        pickle.FRAME: Pickle.frame,
        pickle.MARK: Pickle.mark,
        pickle.POP: Pickle.pop,
        pickle.POP_MARK: Pickle.pop_mark,
        pickle.DUP: Pickle.duplicate,
        pickle.NONE: _constant(None),
        pickle.NEWTRUE: _constant(True),
        pickle.NEWFALSE: _constant(False),
        pickle.INT: Pickle.integer_line,
        pickle.BININT: _int(4, signed=True),
        pickle.BININT1: _int(1),
        pickle.BININT2: _int(2),
        pickle.LONG: Pickle.long_line,
        pickle.LONG1: lambda machine: machine._long(machine._number(1)),
        pickle.LONG4: lambda machine: machine._long(machine._number(4)),
        pickle.FLOAT: Pickle.float_line,
        pickle.BINFLOAT: Pickle.float_binary,
        pickle.STRING: Pickle.string_line,
        pickle.BINSTRING: lambda machine: machine._bytes(machine._number(4), is_string=True),
        pickle.SHORT_BINSTRING: lambda machine: machine._bytes(machine._number(1), is_string=True),
        pickle.BINBYTES: lambda machine: machine._bytes(machine._number(4)),
        pickle.SHORT_BINBYTES: lambda machine: machine._bytes(machine._number(1)),
        pickle.BINBYTES8: lambda machine: machine._bytes(machine._number(8)),
        pickle.BYTEARRAY8: lambda machine: machine._bytes(machine._number(8)),
        pickle.UNICODE: Pickle.unicode_line,
        pickle.BINUNICODE: lambda machine: machine._bytes(machine._number(4), is_text=True),
        pickle.SHORT_BINUNICODE: lambda machine: machine._bytes(machine._number(1), is_text=True),
        pickle.BINUNICODE8: lambda machine: machine._bytes(machine._number(8), is_text=True),
        pickle.EMPTY_TUPLE: _constant(()),
        pickle.TUPLE1: lambda machine: machine.tuple_of(1),
        pickle.TUPLE2: lambda machine: machine.tuple_of(2),
        pickle.TUPLE3: lambda machine: machine.tuple_of(3),
        pickle.TUPLE: Pickle.marked_tuple,
        pickle.EMPTY_LIST: _fresh(list),
        pickle.LIST: Pickle.marked_list,
        pickle.APPEND: Pickle.append,
        pickle.APPENDS: Pickle.appends,
        pickle.EMPTY_DICT: _fresh(dict),
        pickle.DICT: Pickle.marked_dict,
        pickle.SETITEM: Pickle.set_item,
        pickle.SETITEMS: Pickle.set_items,
        pickle.EMPTY_SET: _fresh(set),
        pickle.ADDITEMS: Pickle.add_items,
        pickle.FROZENSET: Pickle.marked_frozenset,
        pickle.PUT: Pickle.put_line,
        pickle.BINPUT: lambda machine: machine._put(machine._number(1)),
        pickle.LONG_BINPUT: lambda machine: machine._put(machine._number(4)),
        pickle.MEMOIZE: Pickle.memoize,
        pickle.GET: Pickle.get_line,
        pickle.BINGET: lambda machine: machine._get(machine._number(1)),
        pickle.LONG_BINGET: lambda machine: machine._get(machine._number(4)),
        pickle.GLOBAL: Pickle.global_line,
        pickle.STACK_GLOBAL: Pickle.global_stack,
        pickle.INST: Pickle.instance_line,
        pickle.OBJ: Pickle.instance_mark,
        pickle.REDUCE: Pickle.reduce,
        pickle.NEWOBJ: Pickle.reduce,
        pickle.NEWOBJ_EX: Pickle.new_object_with_keywords,
        pickle.BUILD: Pickle.build,
        pickle.PERSID: Pickle.persistent_line,
        pickle.BINPERSID: Pickle.persistent,
        pickle.EXT1: Pickle.unsupported,
        pickle.EXT2: Pickle.unsupported,
        pickle.EXT4: Pickle.unsupported,
        pickle.NEXT_BUFFER: Pickle.unsupported,
        pickle.READONLY_BUFFER: Pickle.unsupported,
    }.items()
}
