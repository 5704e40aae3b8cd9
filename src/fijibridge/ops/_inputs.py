"""What users give as an image: a path, a quoted glob, a value, an array."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.ops._kinds import PATH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np

    from fijibridge.model import Image, ImageSpec, LabelImage, Region, Role

__all__ = [
    "calibrated",
    "calibrated_spec",
    "check_label_spec",
    "check_sources",
    "each_path",
    "folder_of",
    "glob_paths",
    "has_label_colors",
    "is_glob",
    "looks_like_labels",
    "nickname",
    "read_stack",
    "slabs",
    "to_image",
    "to_labels",
]

_JUMP = 40  # grey levels
_ALMOST_ALL, _MANY = 0.95, 0.7  # shares of equal neighbours
_FAR, _FEW = 8, 16  # grey levels between neighbours; grey levels of an image
_DOUBLE = (".ome.tiff", ".ome.tif", ".ome.zarr", ".nii.gz")


def is_glob(path: str) -> bool:
    """Return whether a path is a pattern: it has ``* ? [`` and no file is so named."""
    return any(c in path for c in "*?[") and not Path(path).exists()


def _natural(path: str) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", path)
        if part
    ]


def glob_paths(pattern: str) -> list[str]:
    """Return what a path names: itself, or the matches of a pattern, t2 before t10.

    Raises
    ------
    FormatError
        When nothing matches.
    """
    if not is_glob(pattern):
        return [pattern]
    from fijibridge.export.globs import inner_matches

    found = inner_matches(pattern)
    if not found:
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207  # patterns may be absolute
    if not found:
        # a pattern that goes on inside files: d/*.h5/raw
        from fijibridge.formats import Location

        where = Location.parse(pattern)
        if where.inner:
            files = glob.glob(str(where.path), recursive=True)  # noqa: PTH207  # as above
            found = [f"{path}/{where.inner}" for path in files]
    if not found:
        raise FormatError(f"No file matches {pattern!r}.", "Check the folder and the pattern.")
    return sorted(found, key=_natural)


def each_path(inputs: Iterable[str], each: str | None) -> list[str]:
    """Return all inputs: those named, then every match of ``--each``."""
    return [*inputs, *(glob_paths(each) if each is not None else ())]


def check_sources(paths: Iterable[str]) -> None:
    """Raise FormatError when an input file is missing; nothing is read."""
    from fijibridge.formats import Location
    from fijibridge.formats.remote import is_url

    for path in paths:
        if is_url(path):
            continue  # asked for when it is opened
        for one in glob_paths(path):
            where = Location.parse(one)
            if not where.path.exists():
                raise FormatError(
                    f"There is no file '{where.path}'.",
                    "Check the path, or quote it when it holds spaces.",
                )


def nickname(path: str) -> str:
    """Return the NAME of outputs: ``a.tif`` a, ``a.h5/data`` a-data, ``img_*.tif`` img.

    Examples
    --------
    >>> nickname("d/a.b.ome.tif"), nickname("a.h5/volume/data"), nickname("d/img_*.tif")
    ('a.b', 'a-volume-data', 'img')
    """
    from fijibridge.formats import Location

    where = Location.parse(path)
    name = where.path.name
    for suffix in (*_DOUBLE, where.path.suffix):
        if suffix and name.lower().endswith(suffix.lower()):
            name = name[: -len(suffix)]
            break
    if is_glob(path):
        name = re.sub(r"\[[^\]]*\]|[*?]", "", name).strip("-_. ") or where.path.parent.name
    inner = where.inner.replace("/", "-")
    return "-".join(part for part in (name, inner) if part) or "image"


def folder_of(path: str) -> Path:
    """Return the folder an input lies in."""
    from fijibridge.formats import Location

    folder = Location.parse(path).path.parent
    return Path(re.split(r"[*?\[]", str(folder))[0]) if is_glob(str(folder)) else folder


def read_stack(path: str, *, axes: str | None = None, role: Role | None = None) -> Image:
    """Read an image; the matches of a pattern become one stack, along z if that is free, else t.

    Raises
    ------
    FormatError
        When a file is missing or broken, or the files of a stack differ in size or type.
    """
    from fijibridge.formats import read_image

    if not is_glob(path):
        return read_image(path, axes=axes, role=role)
    import numpy as np

    from fijibridge.model import Axes, Axis
    from fijibridge.model import Image as WholeImage

    paths = glob_paths(path)
    planes = [read_image(one, axes=axes, role=role) for one in paths]
    first = planes[0]
    for one, plane in zip(paths, planes, strict=True):
        if (plane.axes.keys, plane.shape, plane.dtype) != (
            first.axes.keys,
            first.shape,
            first.dtype,
        ):
            raise FormatError(
                f"{one!r} is {plane.axes.keys} {plane.shape} {plane.dtype}, {paths[0]!r} is "
                f"{first.axes.keys} {first.shape} {first.dtype}; a stack has one size and type.",
                "Use --each to take every match as its own input.",
            )
    free = next((k for k in "zt" if first.axes.size(k) == 1), None)
    if free is None:
        raise FormatError(
            f"The files of {path!r} have z and t already; no axis is left to stack them along.",
            "Use --each to take every match as its own input.",
        )
    rest = first.axes.keys.replace(free, "")
    data = np.stack([plane.reorder(rest).data for plane in planes])
    items = (Axis(free, len(planes)), *first.axes.reorder(rest))
    extra = replace(first.spec.extra, slice_labels=tuple(Path(p).name for p in paths), overlay=None)
    spec = replace(first.spec, axes=Axes(items), name=nickname(path), extra=extra, scales=())
    return WholeImage(data, spec)


def calibrated(image: Image, pixel_size: Mapping[str, float] | None, unit: str | None) -> Image:
    """Return the image with other pixel sizes and another unit of length."""
    if not pixel_size and unit is None:
        return image
    return type(image)(image.data, calibrated_spec(image.spec, pixel_size, unit))


def calibrated_spec(
    spec: ImageSpec, pixel_size: Mapping[str, float] | None, unit: str | None
) -> ImageSpec:
    """Return a spec with other pixel sizes and another unit of length.

    Raises
    ------
    SettingsError
        When a size is given for an axis that the image has not.
    """
    if not pixel_size and unit is None:
        return spec
    from fijibridge.model import Axes

    sizes = pixel_size or {}
    unknown = [key for key in sizes if key not in spec.axes]
    if unknown:
        raise SettingsError(
            f"pixel_size names the axis {unknown[0]!r}; the image has {spec.axes.keys!r}."
        )
    items = tuple(
        replace(
            axis,
            scale=sizes.get(axis.key, axis.scale),
            unit=unit if unit is not None and axis.key in "zyx" else axis.unit,
        )
        for axis in spec.axes
    )
    return replace(spec, axes=Axes(items))


def check_label_spec(spec: ImageSpec, path: str) -> None:
    """Raise when an image cannot be a label image, before its pixels are read."""
    if spec.extra.rgb or spec.axes.size("c") > 1:
        raise SettingsError(
            f"{path!r} has {spec.axes.size('c')} channels; a label image has one.",
            "Take one channel first.",
        )


def has_label_colors(spec: ImageSpec) -> bool:
    """Return whether the colour table is one for labels: neighbouring values look nothing alike.

    Glasbey's and random tables jump by some 100 grey levels from entry to entry, those for
    intensities by one or two.
    """
    import numpy as np

    if spec.dtype.kind not in "iu" or len(spec.extra.luts) != 1 or spec.extra.rgb:
        return False
    lut = np.asarray(spec.extra.luts[0], np.int64)
    return lut.shape == (256, 3) and bool(np.abs(np.diff(lut[1:], axis=0)).mean() > _JUMP)


def looks_like_labels(plane: np.ndarray) -> bool:
    """Return whether a plane (y, x) holds labels or a mask, though nothing says so.

    Neighbours that are no background are then almost all equal, or many are and the others differ
    by far: small cells that touch. Grey images have noise, or steps of one.

    Examples
    --------
    >>> import numpy as np
    >>> looks_like_labels(np.kron([[0, 7], [3, 0]], np.ones((9, 9), int)))
    True
    >>> looks_like_labels(np.add.outer(np.arange(90), np.arange(90)) // 3)
    False
    """
    import numpy as np

    if plane.dtype.kind == "b":
        return True
    if plane.dtype.kind not in "iu" or plane.size == 0:
        return False
    shares, steps = [], []
    for a, b in ((plane[:, :-1], plane[:, 1:]), (plane[:-1], plane[1:])):
        inside = (a != 0) & (b != 0)
        other = inside & (a != b)
        count = int(inside.sum())
        if count:
            shares.append(1.0 - int(other.sum()) / count)
            steps.append(np.abs(a[other].astype(np.float64) - b[other]))
    if not shares:
        return False
    found = np.concatenate(steps)
    if found.size and found.max() <= 1 and len(np.unique(plane)) > _FEW:
        return False  # a ramp
    return min(shares) > _ALMOST_ALL or (
        min(shares) > _MANY and max(float(np.median(s)) if s.size else 0.0 for s in steps) > _FAR
    )


def slabs(shape: tuple[int, ...], itemsize: int, room: int) -> Iterator[Region]:
    """Yield regions that cover an image, about `room` bytes each, along the first long axis."""
    from math import prod

    from fijibridge.model import Region

    if not shape or min(shape) == 0:
        return
    axis = next((i for i, n in enumerate(shape) if n > 1), 0)
    step = max(1, room // (prod(shape) // shape[axis] * itemsize))
    whole = Region.whole(shape)
    for start in range(0, shape[axis], step):
        first, last = list(whole.start), list(whole.stop)
        first[axis], last[axis] = start, min(start + step, shape[axis])
        yield Region(tuple(first), tuple(last))


def to_image(value: Any, *, axes: str | None = None, role: Role | None = None) -> Image:
    """Return a whole image from a path, an Image, or a numpy, zarr or dask array.

    Parameters
    ----------
    value
        The image.
    axes
        Letters of the axes of an array, C order; an array of two dimensions is ``yx``.
    role
        None = as the file says, else intensity.

    Raises
    ------
    SettingsError
        When the axes are missing or wrong, or `value` is no image.
    """
    from fijibridge.model import Image, ImageSource, Region

    if isinstance(value, (str, os.PathLike)):
        return read_stack(PATH.parse(value, "image"), axes=axes, role=role)
    if isinstance(value, Image):
        return value
    if isinstance(value, ImageSource):
        return Image(value.read(Region.whole(value.spec.shape)), value.spec)
    dimensions = getattr(value, "ndim", None)
    if dimensions is None:
        raise SettingsError(
            f"An image is a path, an Image or an array, not {type(value).__name__}.",
            "Give a file name, fb.read_image(…) or a numpy array.",
        )
    if axes is None:
        if dimensions != 2:
            raise SettingsError(
                f"An array of {dimensions} dimensions needs axes=, one letter each.",
                'Say which is which, such as axes="zyx".',
            )
        axes = "yx"
    return Image.from_array(value, axes, role=role or "intensity")


def to_labels(value: Any, *, axes: str | None = None) -> LabelImage:
    """Return a label image; parameters as in `to_image`.

    Raises
    ------
    SettingsError
        When it holds negative or fractional values, or several channels.
    """
    from fijibridge.model import LabelImage

    if isinstance(value, LabelImage):
        return value
    image = to_image(value, axes=axes, role="labels")
    if image.axes.size("c") == 1 and "c" in image.axes:
        image = image.reorder(image.axes.keys.replace("c", ""))
    try:
        return LabelImage.from_array(
            image.data, image.axes, name=image.name, extra=image.spec.extra
        )
    except SettingsError as error:
        where = os.fspath(value) if isinstance(value, (str, os.PathLike)) else image.name
        raise (_of_file(error, where) if where else error) from None


def _of_file(error: SettingsError, name: str) -> SettingsError:
    """Return the error with the file in it."""
    text = error.message.replace("the array", repr(name))
    return SettingsError(text if name in text else f"{name!r}: {text}", error.hint)
