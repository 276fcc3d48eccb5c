"""Films: every frame restored, and times, sound, range and size as they were."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from restoration.errors import ExitCode, InputError, UnavailableError
from restoration.images import video
from restoration.inference import cli, films, pictures
from tests.inference.conftest import MIMO

TIMES_MS = (0, 40, 100, 120, 300, 301, 500)
KINDS = {
    "a.mp4": ("libx264", "yuv420p", "aac", 1),
    "b.mkv": ("ffv1", "yuv420p", "flac", 2),
    "c.mkv": ("ffv1", "yuv444p16le", "flac", 1),
}


def _film(path: Path) -> Path:
    codec, pixels, sound, color_range = KINDS[path.name]
    with av.open(str(path), "w") as film:
        film.metadata["title"] = "a title"
        stream: Any = film.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, pixels
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        stream.codec_context.color_range = color_range
        stream.codec_context.colorspace = 1
        audio: Any = film.add_stream(sound, rate=8000)
        y, x = np.mgrid[0:32, 0:48]
        for number, time in enumerate(TIMES_MS):
            levels = np.stack([x * 3 + 5 * number, y * 4, x + y], -1) + 40
            frame = av.VideoFrame.from_ndarray(levels.astype(np.uint8), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
        rng = np.random.default_rng(0)
        for number in range(4):
            levels = rng.integers(-9000, 9000, (1, 1024)).astype(np.int16)
            heard = av.AudioFrame.from_ndarray(levels, format="s16", layout="mono")
            heard.sample_rate, heard.pts = 8000, 1024 * number
            film.mux(audio.encode(heard))
        film.mux(audio.encode(None))
    return path


def _sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(audio=0) if packet.size]


def _times(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        return [float(frame.pts * frame.time_base) for frame in film.decode(video=0)]


@pytest.mark.parametrize("name", KINDS)
def test_a_film_keeps_its_times_sound_title_range_and_depth(name: str, tmp_path: Path) -> None:
    """With frames left as they are, colors stay within what 4:2:0 and the codec lose."""
    source, target = _film(tmp_path / name), tmp_path / f"out-{name}"
    count = video.restore_film(
        source, target, lambda frames: ((one, one.pixels) for one in frames), warn=pytest.fail
    )
    assert count == len(TIMES_MS)
    assert _times(target) == _times(source)
    assert _sound(target) == _sound(source)
    with av.open(str(target)) as film, av.open(str(source)) as was:
        assert film.metadata["title"] == "a title"
        after, before = (one.streams.video[0].codec_context for one in (film, was))
        for attribute in ("name", "pix_fmt", "color_range", "colorspace"):
            assert getattr(after, attribute) == getattr(before, attribute), attribute
    for was_frame, frame in zip(video.read_frames(source), video.read_frames(target), strict=True):
        assert np.abs(was_frame.pixels - frame.pixels).mean() < 2 / 255
    if name == "c.mkv":
        assert np.abs(was_frame.pixels - frame.pixels).max() < 0.02 / 255


@pytest.mark.frameworks("torch")
def test_restore_takes_films_beside_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _film(tmp_path / "a.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    words = [str(tmp_path), "-o", str(tmp_path / "out"), "-m", "mimo_unet", "-w", str(MIMO)]
    assert cli.main(words) == ExitCode.INCOMPLETE
    told = capsys.readouterr().err
    assert "> a-00000006 total_time:" in told
    assert "bad.mp4: film: expected a film that can be decoded" in told
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]
    assert _times(tmp_path / "out" / "a.mp4") == _times(tmp_path / "a.mp4")


@pytest.mark.parametrize("count", [2, 3, 6, 9])
@pytest.mark.parametrize("frames", [1, 5])
def test_windows_of_a_film_are_those_of_a_folder(count: int, frames: int) -> None:
    film = [video.Frame(np.zeros(1), number, None) for number in range(count)]
    for with_border in (True, False):
        found = films.windows(iter(film), frames, with_border=with_border)
        numbers = [[one.pts for one in window] for window in found]
        assert numbers == pictures.windows(count, frames, with_border=with_border)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UnavailableError, match=r"pip install 'restoration-suite\[video\]'"):
        video.packages()


def test_what_is_no_film_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.mkv").write_bytes(b"nothing")
    with pytest.raises(InputError, match="film: expected a film that can be decoded"):
        video.restore_film(tmp_path / "x.mkv", tmp_path / "y.mkv", iter, warn=print)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["x.mkv"]
