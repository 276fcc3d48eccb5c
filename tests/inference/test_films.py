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
from tests.inference.conftest import MIMO, limited_files

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


def _unchanged(frames: Any) -> Any:
    return ((frame, frame.pixels) for frame in frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("turned", [(90, False), (-90, True), (180, False), (0, True)])
def test_a_film_is_turned_and_flipped_as_it_was(
    turned: tuple[int, bool], suffix: str, tmp_path: Path
) -> None:
    """As films of phones are: by a matrix for players, the pixels lie as the sensor does."""
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    with av.open(str(source), "w") as film:
        stream: Any = film.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.set_display_rotation(turned[0], hflip=turned[1])
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), "rgb24")
        film.mux([*stream.encode(frame), *stream.encode(None)])
    video.restore_film(source, target, _unchanged, warn=pytest.fail)
    matrices = []
    for path in (source, target):
        with av.open(str(path)) as film:
            decoded = next(film.decode(video=0))
            assert (decoded.width, decoded.height) == (48, 32)
            matrices.append(np.frombuffer(decoded.side_data.get("DISPLAYMATRIX"), np.int32))
    assert np.array_equal(*matrices)


def test_subtitles_and_chapters_are_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "a.mkv", tmp_path / "b.mkv"
    text = "1\n00:00:00,040 --> 00:00:00,400\nA word.\n\n"
    (tmp_path / "a.srt").write_text(text)
    with av.open(str(_film(tmp_path / "b.mkv"))) as film, av.open(str(source), "w") as output:
        subtitles = av.open(str(tmp_path / "a.srt"))
        streams = [*film.streams, *subtitles.streams]
        made = {id(one): output.add_stream_from_template(one) for one in streams}
        made[id(subtitles.streams[0])].metadata["language"] = "eng"
        chapter = {"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000)}
        output.set_chapters([{**chapter, "metadata": {"title": "a chapter"}}])
        for opened in (film, subtitles):
            for packet in opened.demux():
                if packet.dts is not None:
                    packet.stream = made[id(packet.stream)]
                    output.mux(packet)
        subtitles.close()
    video.restore_film(source, target, _unchanged, warn=pytest.fail)
    found = []
    for path in (source, target):
        with av.open(str(path)) as film:
            (stream,) = film.streams.subtitles
            packets = [
                (bytes(one), float(one.pts * one.time_base), float(one.duration * one.time_base))
                for one in film.demux(stream)
                if one.size
            ]
            titles = [one["metadata"].get("title") for one in film.chapters()]
            found.append((stream.name, stream.language, packets, titles, len(film.streams)))
    assert found[0] == found[1]
    assert found[0][2] == [(b"A word.", 0.04, 0.36)]
    assert found[0][3] == ["a chapter"]


def test_without_room_a_film_is_no_fault_of_its_source(tmp_path: Path) -> None:
    """The system allows files of 6000 bytes, half of what the film takes."""
    source = _film(tmp_path / "b.mkv")
    with limited_files(6000), pytest.raises(OSError, match="File too large") as caught:
        video.restore_film(source, tmp_path / "c.mkv", _unchanged, warn=pytest.fail)
    assert not isinstance(caught.value, av.FFmpegError)
    assert str(tmp_path / "c.mkv") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["b.mkv"]


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


@pytest.mark.frameworks("torch")
def test_restore_of_a_film_without_the_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a film")
    monkeypatch.setitem(sys.modules, "av", None)
    words = [str(tmp_path / "a.mp4"), "-o", str(tmp_path / "b.mp4"), "-m", "mimo_unet"]
    assert cli.main([*words, "-w", str(MIMO)]) == ExitCode.INCOMPLETE
    told = capsys.readouterr().err
    assert (
        "films: expected the package av, got none; pip install 'restoration-suite[video]'" in told
    )
    assert "Traceback" not in told


def test_what_is_no_film_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.mkv").write_bytes(b"nothing")
    with pytest.raises(InputError, match="film: expected a film that can be decoded"):
        video.restore_film(tmp_path / "x.mkv", tmp_path / "y.mkv", iter, warn=print)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["x.mkv"]
