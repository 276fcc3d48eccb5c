"""Films by PyAV: every frame with its time, and every other stream as it is.

A film is written with the codec, the pixel format, the color range and matrix, and the time stamps
of its source; sound, subtitles and attachments are copied packet by packet.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from restoration.errors import InputError, UnavailableError

_ENCODERS = {
    "h264": ("libx264", {"crf": "12", "preset": "medium"}),
    "hevc": ("libx265", {"crf": "14", "x265-params": "log-level=error"}),
    "vp9": ("libvpx-vp9", {"crf": "15", "b": "0"}),
    "vp8": ("libvpx", {"crf": "8", "b": "20M"}),
    "av1": ("libsvtav1", {"crf": "15"}),
    "ffv1": ("ffv1", {}),
    "mpeg4": ("mpeg4", {"qscale": "2"}),
    "mjpeg": ("mjpeg", {"qscale": "2"}),
    "mpeg2video": ("mpeg2video", {"qscale": "2"}),
}
"""By codec of a source: the encoder, and options that leave no more loss than an eye can see."""

_INSTEAD = ("libx264", {"crf": "12", "preset": "medium"})
_RGB = "gbrpf32le"  # floating point: frames are rounded once, to the depth of the film
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_COPIED = ("audio", "subtitle", "attachment", "data")


@dataclass(frozen=True)
class Frame:
    """A frame of a film.

    pixels: (1, 3, h, w) in [0, 1]. pts: its time, in units of the stream. native: PyAV's own.
    """

    pixels: np.ndarray
    pts: int | None
    native: Any


def packages() -> Any:
    """The package that decodes and encodes films.

    Raises:
        UnavailableError: it is not installed; the text says which extra brings it.
    """
    try:
        import av
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            "films: expected the package av, got none; pip install 'restoration-suite[video]' "
            "brings it"
        ) from problem
    av.logging.set_level(av.logging.ERROR)
    return av


def restore_film(
    source: Path,
    target: Path,
    restore: Callable[[Iterator[Frame]], Iterator[tuple[Frame, np.ndarray]]],
    *,
    warn: Callable[[str], None],
) -> int:
    """Write a film with frames that `restore` makes of those of another; how many there were.

    restore: takes frames in order and gives each with its new pixels (1, 3, H, W). The target
    appears complete or not at all.

    Raises:
        InputError: the source is no film that can be decoded, or the container cannot hold it.
        UnavailableError: PyAV is missing.
    """
    av = packages()
    partial = target.with_name(f".{target.stem}.partial{target.suffix}")
    count = 0
    try:
        with av.open(str(source)) as film, av.open(str(partial), "w") as output:
            stream = _picture_stream(film, source)
            stream.thread_type = "AUTO"
            output.metadata.update(film.metadata)
            if hasattr(film, "chapters"):
                output.set_chapters(film.chapters())
            writer = _Writer(av, output, stream, _copied_streams(film, output, stream, warn), warn)
            for frame, pixels in restore(_frames(film, stream, writer)):
                writer.write(frame, pixels)
                count += 1
            writer.end()
        if not count:
            raise _bad(source, "no frames")
        os.replace(partial, target)
    except av.FFmpegError as problem:
        if problem.errno in _NO_ROOM:
            raise OSError(problem.errno, os.strerror(problem.errno), str(target)) from problem
        raise _bad(source, f"{type(problem).__name__}: {problem.strerror or problem}") from problem
    finally:
        partial.unlink(missing_ok=True)
    return count


def read_frames(source: Path) -> Iterator[Frame]:
    """The frames of a film in order."""
    av = packages()
    try:
        with av.open(str(source)) as film:
            for native in film.decode(_picture_stream(film, source)):
                yield Frame(to_pixels(native), native.pts, native)
    except av.FFmpegError as problem:
        raise _bad(source, f"{type(problem).__name__}: {problem.strerror or problem}") from problem


def to_pixels(native: Any) -> np.ndarray:
    """A frame of PyAV's as (1, 3, h, w) in [0, 1], by its own matrix and range."""
    rgb = native.reformat(format=_RGB, dst_color_range="JPEG").to_ndarray()
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], np.float32)


class _Writer:
    """Encodes restored frames as the source's were, and copies packets of other streams.

    These wait until the first frame is restored: only then is the size of the pictures known, and
    with it the header of the file.
    """

    def __init__(
        self,
        av: Any,
        output: Any,
        source: Any,
        others: dict[int, Any],
        warn: Callable[[str], None],
    ):
        self._av, self._output, self._source, self._others = av, output, source, others
        self._warn = warn
        self._stream: Any = None
        self._waiting: list[Any] = []

    def copy(self, packet: Any) -> None:
        """Copy a packet of another stream of the source's."""
        if packet.stream.index in self._others and packet.dts is not None:
            packet.stream = self._others[packet.stream.index]
            self._waiting.append(packet)
            self._release()

    def _release(self) -> None:
        if self._stream is not None:
            for packet in self._waiting:
                self._output.mux(packet)
            self._waiting.clear()

    def write(self, frame: Frame, pixels: np.ndarray) -> None:
        native = self._to_native(frame, pixels)
        if self._stream is None:
            self._stream = self._made_stream(native)
            self._turn_as(frame.native)
        self._output.mux(self._stream.encode(native))
        self._release()

    def end(self) -> None:
        if self._stream is not None:
            self._output.mux(self._stream.encode(None))

    def _to_native(self, frame: Frame, pixels: np.ndarray) -> Any:
        av, was = self._av, frame.native
        rgb = np.ascontiguousarray(pixels[0].clip(0, 1).transpose(1, 2, 0), np.float32)
        made = av.VideoFrame.from_ndarray(rgb, format=_RGB)
        made = made.reformat(
            format=was.format.name,
            src_color_range="JPEG",
            dst_color_range=was.color_range or "MPEG",
            dst_colorspace=was.colorspace,
        )
        made.pts, made.time_base = frame.pts, was.time_base
        made.color_range = was.color_range
        made.colorspace = was.colorspace
        return made

    def _turn_as(self, native: Any) -> None:
        """Have players turn and flip the pictures as they do those of the source."""
        matrix = native.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return
        if hasattr(self._stream, "set_display_matrix"):
            self._stream.set_display_matrix(np.frombuffer(matrix, np.int32).tolist())
        else:
            self._warn("the rotation is left out, which PyAV before 18.1 cannot write")

    def _made_stream(self, native: Any) -> Any:
        source, context = self._source, self._source.codec_context
        name, options = _ENCODERS.get(context.name, _INSTEAD)
        if name not in self._av.codecs_available:
            name, options = _INSTEAD
        rate = source.average_rate or source.guessed_rate or Fraction(25)
        stream = self._output.add_stream(name, rate=rate, options=dict(options))
        made = stream.codec_context
        made.width, made.height = native.width, native.height
        made.pix_fmt = native.format.name
        made.time_base = source.time_base
        stream.time_base = source.time_base
        for attribute in ("color_range", "colorspace", "color_primaries", "color_trc"):
            value = getattr(context, attribute, None)
            if value is not None:
                setattr(made, attribute, value)
        if context.sample_aspect_ratio:
            made.sample_aspect_ratio = context.sample_aspect_ratio
        stream.metadata.update(source.metadata)
        return stream


def _frames(film: Any, stream: Any, writer: _Writer) -> Iterator[Frame]:
    """Frames in order; packets of other streams are copied on the way."""
    for packet in film.demux():
        if packet.stream.index == stream.index:
            for native in packet.decode():
                yield Frame(to_pixels(native), native.pts, native)
        else:
            writer.copy(packet)


def _copied_streams(
    film: Any, output: Any, pictures: Any, warn: Callable[[str], None]
) -> dict[int, Any]:
    """Streams of the output for those that are copied, by index of the source's."""
    found = {}
    for stream in film.streams:
        if stream.index == pictures.index:
            continue
        name = f"stream {stream.index} ({stream.type})"
        if stream.type not in _COPIED:
            warn(f"{name} is left out: one stream of pictures is restored")
            continue
        try:
            found[stream.index] = output.add_stream_from_template(stream)
            found[stream.index].metadata.update(stream.metadata)
        except (ValueError, TypeError) as problem:
            warn(f"{name} is left out: {problem}")
    return found


def _picture_stream(film: Any, source: Path) -> Any:
    if not film.streams.video:
        raise _bad(source, "no stream of pictures")
    return film.streams.video[0]


def _bad(source: Path, got: str) -> InputError:
    return InputError(
        "film",
        expected="a film that can be decoded and written to its kind of container",
        got=got,
        where=str(source),
        next_step="check that it plays, or convert it to .mkv",
    )
