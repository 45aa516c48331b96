"""The screenshots' files: smaller, and nearly the same."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from .small_png import COLOURS, shrink


def read(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def write(path: Path, picture: NDArray[np.uint8]) -> None:
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png")
        stream.height, stream.width, _ = picture.shape
        stream.pix_fmt = "rgb24"
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")), *stream.encode()]:
            container.mux(packet)


@pytest.mark.parametrize(("height", "width"), [(30, 50), (1, 1), (7, 3)])
def test_a_picture_of_few_colours_stays_as_it_is(tmp_path: Path, height: int, width: int):
    rows, columns = np.indices((height, width))
    picture = np.stack([rows % 8 * 30, columns % 16 * 15, np.zeros_like(rows)], axis=2).astype(np.uint8)
    path = tmp_path / "a.png"
    write(path, picture)
    shrink(path)
    assert np.array_equal(read(path), picture)


def test_of_many_colours_the_frequent_ones_stay_and_the_others_become_the_nearest(tmp_path: Path):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32] = np.random.default_rng(1).integers(0, 256, (32, 64, 3))
    picture[32:] = (17, 105, 95)
    path = tmp_path / "a.png"
    write(path, picture)
    before = path.stat().st_size
    shrink(path)
    shown = read(path)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= COLOURS
    assert np.array_equal(shown[32:], picture[32:])
    assert path.stat().st_size < before
