"""What every image format promises: the round-trip contract that each of them inherits.

A subclass names a format and says what it can hold::

    class TestHdf5(ImageContract):
        fmt = "hdf5"
        suffix = ".h5"
        dtypes = ("uint8", "float32")
        axes_sets = ("yx", "tzyxc")
        keeps = frozenset({"scale", "unit", "origin"})
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, SettingsError
from fijibridge.formats import Location, WriteOptions
from fijibridge.model import Axes, Image, LabelImage, Region

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {"t": 2, "z": 3, "y": 13, "x": 17, "c": 2}


def random_pixels(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Values over the whole range of a dtype, the extremes among them."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        data = rng.normal(0, 1000, shape).astype(kind)
    else:
        info = np.iinfo(kind)
        data = rng.integers(info.min, info.max, shape, kind, endpoint=True)
        if data.size > 1:
            data.flat[0], data.flat[-1] = info.min, info.max
    return data


def random_regions(rng: np.random.Generator, shape: tuple[int, ...], n: int) -> list[Region]:
    """`n` random boxes inside a shape; none is empty."""
    out = []
    for _ in range(n):
        start = [int(rng.integers(0, s)) for s in shape]
        stop = [int(rng.integers(a + 1, s + 1)) for a, s in zip(start, shape, strict=True)]
        out.append(Region(tuple(start), tuple(stop)))
    return out


def blocks(shape: tuple[int, ...], edge: tuple[int, ...]) -> list[Region]:
    """Cut a shape into blocks."""
    cuts = [range(0, s, e) for s, e in zip(shape, edge, strict=True)]
    return [
        Region(start, tuple(min(a + e, s) for a, e, s in zip(start, edge, shape, strict=True)))
        for start in itertools.product(*cuts)
    ]


class ImageContract:
    """Inherit it, name it ``Test…`` and fill in the first lines."""

    #: Name of the format, as in `Format.name`.
    fmt: ClassVar[str]
    #: Suffix of the files.
    suffix: ClassVar[str]
    #: Intensity dtypes that come back as they are.
    dtypes: ClassVar[tuple[str, ...]] = ("uint8",)
    #: Label dtypes whose values come back as they are (up to `label_max`).
    label_dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16")
    label_max: ClassVar[int] = 2**31
    #: Sets of axes it can hold; singletons may be dropped on reading.
    axes_sets: ClassVar[tuple[str, ...]] = ("yx",)
    #: Sizes by letter, where the format needs special ones.
    sizes: ClassVar[dict[str, int]] = SIZES
    #: What is kept: ``scale`` and ``origin`` of x, y and z, ``unit``, ``time``, ``channel_names``.
    keeps: ClassVar[frozenset[str]] = frozenset()
    #: The format takes pixels in blocks of any shape and order.
    blockwise: ClassVar[bool] = True
    #: Path inside the file, for containers.
    inner: ClassVar[str] = ""

    def read_options(self, axes: str) -> dict[str, Any]:
        """Options for reading what was written with these axes."""
        del axes
        return {}

    def target(self, folder: Path, name: str = "a") -> Path:
        """A path to write to."""
        path = folder / f"{name}{self.suffix}"
        return path / self.inner if self.inner else path

    def image(self, axes: str, dtype: str, seed: int = 1, **more: Any) -> Image:
        """A random image."""
        rng = np.random.default_rng(seed)
        data = random_pixels(rng, tuple(self.sizes[k] for k in axes), dtype)
        full = Axes.of(
            axes,
            data.shape,
            scale={"x": 0.1625, "y": 0.25, "z": 1.5, "t": 2.5},
            unit={"x": "micrometer", "y": "micrometer", "z": "micrometer", "t": "second"},
            origin={"x": -0.65, "y": 1.25, "z": 3.0} if "origin" in self.keeps else None,
        )
        return Image.from_array(data, full, name="a", **more)

    def back(self, path: Path, axes: str, **more: Any) -> Image:
        """Read, with the axes put back into the written order."""
        return formats.read_image(path, **self.read_options(axes), **more).reorder(axes)

    def combinations(self) -> list[tuple[str, str]]:
        """Every pair of axes and dtype."""
        return list(itertools.product(self.axes_sets, self.dtypes))

    def test_the_shelf_knows_it(self) -> None:
        found = [f for f in formats.all_formats() if f.name == self.fmt]
        assert len(found) == 1
        assert self.suffix in found[0].suffixes
        assert found[0].create_image is not None
        assert set(self.dtypes) <= found[0].dtypes

    def test_read_gives_what_was_written(self, tmp_path: Path) -> None:
        for i, (axes, dtype) in enumerate(self.combinations()):
            image = self.image(axes, dtype, seed=i)
            path = self.target(tmp_path, f"{axes}-{dtype}")
            formats.write_image(image, path, to=self.fmt)
            back = self.back(path, axes)
            assert back.dtype == image.dtype, (axes, dtype)
            np.testing.assert_array_equal(back.data, image.data, err_msg=f"{axes} {dtype}")

    def test_regions_are_slices_of_the_whole(self, tmp_path: Path) -> None:
        for i, (axes, dtype) in enumerate(self.combinations()):
            path = self.target(tmp_path, f"{axes}-{dtype}")
            formats.write_image(self.image(axes, dtype, seed=i), path, to=self.fmt)
            source = formats.open_image(path, **self.read_options(axes))
            try:
                shape = source.spec.shape
                whole = source.read(Region.whole(shape))
                assert whole.shape == shape
                assert whole.dtype == source.spec.dtype
                for region in random_regions(np.random.default_rng(i), shape, 8):
                    part = source.read(region)
                    np.testing.assert_array_equal(part, whole[region.slices])
                empty = Region((0,) * len(shape), (0, *shape[1:]))
                assert source.read(empty).shape == empty.shape
                with pytest.raises(FijiBridgeError):
                    source.read(Region((0,) * len(shape), tuple(s + 1 for s in shape)))
                with pytest.raises(FijiBridgeError):
                    source.read(Region((0,), (1,) * 1) if len(shape) > 1 else Region((), ()))
            finally:
                source.close()

    def test_blocks_in_any_order_give_the_whole(self, tmp_path: Path) -> None:
        if not self.blockwise:
            pytest.skip("the format is written whole")
        rng = np.random.default_rng(5)
        for i, (axes, dtype) in enumerate(self.combinations()):
            image = self.image(axes, dtype, seed=i)
            path = self.target(tmp_path, f"b-{axes}-{dtype}")
            fmt = next(f for f in formats.all_formats() if f.name == self.fmt)
            sink = fmt.create_image(Location.parse(path), image.spec, WriteOptions())
            edge = tuple(int(rng.integers(1, s + 1)) for s in image.shape)
            order = blocks(image.shape, edge)
            rng.shuffle(order)
            buffer = np.empty(edge, image.dtype)
            for region in order:
                # one buffer for all: a sink must not keep what it was given
                block = buffer[tuple(slice(0, n) for n in region.shape)]
                block[...] = image.data[region.slices]
                sink.write(region, block)
                block[...] = 0
            sink.commit()
            np.testing.assert_array_equal(self.back(path, axes).data, image.data)

    def test_labels_come_back(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(9)
        for axes in self.axes_sets:
            if "c" in axes:
                continue
            for dtype in self.label_dtypes:
                top = min(self.label_max, np.iinfo(dtype).max)
                shape = tuple(self.sizes[k] for k in axes)
                data = rng.integers(0, top, shape, np.int64, endpoint=True).astype(dtype)
                data.flat[-1] = top
                path = self.target(tmp_path, f"l-{axes}-{dtype}")
                formats.write_labels(LabelImage.from_array(data, axes), path, to=self.fmt)
                options = self.read_options(axes)
                back = formats.read_labels(path, **options).reorder(axes)
                np.testing.assert_array_equal(back.data, data, err_msg=f"{axes} {dtype}")

    def test_abort_leaves_nothing(self, tmp_path: Path) -> None:
        axes, dtype = self.combinations()[0]
        image = self.image(axes, dtype)
        fmt = next(f for f in formats.all_formats() if f.name == self.fmt)
        sink = fmt.create_image(Location.parse(self.target(tmp_path)), image.spec, WriteOptions())
        sink.write(Region.whole(image.shape), image.data)
        assert not (tmp_path / f"a{self.suffix}").exists()
        sink.abort()
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_target_is_refused(self, tmp_path: Path) -> None:
        axes, dtype = self.combinations()[0]
        first, second = self.image(axes, dtype, 1), self.image(axes, dtype, 2)
        path = self.target(tmp_path)
        formats.write_image(first, path, to=self.fmt)
        with pytest.raises(SettingsError, match="exists"):
            formats.write_image(second, path, to=self.fmt)
        np.testing.assert_array_equal(self.back(path, axes).data, first.data)
        assert [p.name for p in tmp_path.iterdir()] == [f"a{self.suffix}"]

    def test_overwrite_replaces(self, tmp_path: Path) -> None:
        axes, dtype = self.combinations()[0]
        path = self.target(tmp_path)
        formats.write_image(self.image(axes, dtype, 1), path, to=self.fmt)
        second = self.image(axes, dtype, 2)
        formats.write_image(second, path, to=self.fmt, overwrite=True)
        np.testing.assert_array_equal(self.back(path, axes).data, second.data)
        assert [p.name for p in tmp_path.iterdir()] == [f"a{self.suffix}"]

    def test_what_it_keeps_is_kept(self, tmp_path: Path) -> None:
        dtype = self.dtypes[0]
        for axes in self.axes_sets:
            image = self.image(axes, dtype)
            path = self.target(tmp_path, axes)
            formats.write_image(image, path, to=self.fmt)
            back = self.back(path, axes)
            for key in set(axes) & set("zyx"):
                was, now = image.axes[key], back.axes[key]
                if "scale" in self.keeps:
                    assert now.scale == pytest.approx(was.scale, rel=1e-12), (axes, key)
                if "unit" in self.keeps:
                    assert now.unit == was.unit, (axes, key)
                if "origin" in self.keeps:
                    assert now.origin == pytest.approx(was.origin, rel=1e-12), (axes, key)
            if "time" in self.keeps and "t" in axes:
                assert back.axes["t"].scale == pytest.approx(2.5)
                assert back.axes["t"].unit == "second"

    def test_wrong_axes_are_named(self, tmp_path: Path) -> None:
        axes, dtype = self.combinations()[0]
        path = self.target(tmp_path)
        formats.write_image(self.image(axes, dtype), path, to=self.fmt)
        for wrong in ("q", "yyx", "tzyxcq", ""):
            with pytest.raises(SettingsError):
                formats.open_image(path, axes=wrong)
