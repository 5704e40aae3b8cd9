"""ilastik's output formats, as formats of the shelf, and what an image becomes in each of them.

Decisions where ilastik is silent: a picture format that lacks the pixel type is an error (ilastik
stretches the values to the whole range unasked); ``blockwise hdf5`` is ordinary HDF5 in blocks
(ilastik fails); formats that are not written here are named as such.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError, nearest
from fijibridge.export.steps import Convert, KeepLabels, Rename, Transpose

if TYPE_CHECKING:
    from fijibridge.export.steps import Step
    from fijibridge.formats import Format
    from fijibridge.model import ImageSpec

__all__ = ["OUTPUTS", "Output", "fit_steps", "output_for_suffix", "output_named", "shelf_format"]

Kind = Literal["array", "tiff", "plane", "zarr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One of ilastik's formats.

    Parameters
    ----------
    name
        ilastik's name.
    shelf
        Name of the format of the shelf.
    suffixes
        Endings of its files, the first is ilastik's.
    kind
        What it holds: any array, planes of a TIFF, one plane, an OME-Zarr image.
    compression
        Codec name of the shelf's format.
    sequence
        One file for each sample of the first axis.
    levels
        How many levels a pyramid has; None = as many as it needs.
    """

    name: str
    shelf: str
    suffixes: tuple[str, ...]
    kind: Kind
    compression: str | None = None
    sequence: bool = False
    levels: int | None = None

    @property
    def inner(self) -> bool:
        """Whether the path goes on inside the file."""
        return self.shelf == "hdf5"


_H5 = (".h5", ".hdf5", ".hdf")
_TIFF = (".tiff", ".tif")
_OME_TIFF = (".tiff", ".tif", ".ome.tiff", ".ome.tif")
_ZARR = (".zarr", ".ome.zarr")
_PICTURES = {
    "bmp": "bmp",
    "gif": "gif",
    "jpeg": "jpeg",
    "jpg": "jpeg",
    "pbm": "pnm",
    "pgm": "pnm",
    "png": "png",
    "pnm": "pnm",
    "ppm": "pnm",
}


def _outputs() -> dict[str, Output]:
    found = [
        Output(name="hdf5", shelf="hdf5", suffixes=_H5, kind="array", compression="none"),
        Output(
            name="compressed hdf5", shelf="hdf5", suffixes=_H5, kind="array", compression="gzip"
        ),
        Output(name="blockwise hdf5", shelf="hdf5", suffixes=_H5, kind="array", compression="none"),
        Output(name="numpy", shelf="numpy", suffixes=(".npy",), kind="array"),
        Output(name="multipage tiff", shelf="ome-tiff", suffixes=_OME_TIFF, kind="tiff"),
        Output(name="imagej tiff", shelf="imagej tiff", suffixes=(".tif", ".tiff"), kind="tiff"),
        Output(name="multi-scale OME-Zarr", shelf="ome-zarr", suffixes=_ZARR, kind="zarr"),
        Output(
            name="single-scale OME-Zarr", shelf="ome-zarr", suffixes=_ZARR, kind="zarr", levels=1
        ),
    ]
    singles = [
        Output(name=name, shelf=shelf, suffixes=(f".{name}",), kind="plane")
        for name, shelf in _PICTURES.items()
    ]
    singles += [
        Output(
            name=name,
            shelf="plain tiff",
            suffixes=(f".{name}",),
            kind="plane",
            compression="lzw",
        )
        for name in ("tif", "tiff")
    ]
    found += singles
    found += [replace(one, name=f"{one.name} sequence", sequence=True) for one in singles]
    found.append(
        Output(
            name="multipage tiff sequence",
            shelf="ome-tiff",
            suffixes=_OME_TIFF,
            kind="tiff",
            sequence=True,
        )
    )
    return {one.name.lower(): one for one in found}


OUTPUTS = _outputs()
#: ilastik's formats that nothing here writes.
_ELSEWHERE = frozenset(
    {"n5", "compressed n5", "dvid"}
    | {f"{name}{more}" for name in ("hdr", "ras", "xv") for more in ("", " sequence")}
)
#: What a suffix means where no format is named.
_BY_SUFFIX = {
    ".h5": "compressed hdf5",
    ".hdf5": "compressed hdf5",
    ".hdf": "compressed hdf5",
    ".npy": "numpy",
    ".ome.tif": "multipage tiff",
    ".ome.tiff": "multipage tiff",
    ".tif": "imagej tiff",
    ".tiff": "imagej tiff",
    ".zarr": "multi-scale ome-zarr",
    ".ome.zarr": "multi-scale ome-zarr",
    **{f".{name}": name for name in _PICTURES},
}


def output_named(name: str) -> Output:
    """Return the format of a name, whatever its case.

    Raises
    ------
    SettingsError
        When there is none of that name.
    UnsupportedError
        When ilastik has it, but nothing here writes it.
    """
    word = " ".join(name.lower().split())
    if word in OUTPUTS:
        return OUTPUTS[word]
    names = [one.name for one in OUTPUTS.values()]
    if word in _ELSEWHERE:
        raise UnsupportedError(
            f"The format {name!r} is not written here.", f"Formats: {', '.join(names)}."
        )
    raise SettingsError(
        f"output_format is {name!r}; there is no such format.{nearest(word, names)}",
        f"Formats: {', '.join(names)}.",
    )


def output_for_suffix(pattern: str) -> Output | None:
    """Return the format that the suffix of a name means, sequences where the name has an index."""
    from fijibridge.export.naming import has_slice_index, strip_suffix

    _, suffix = strip_suffix(pattern, _BY_SUFFIX)
    if not suffix:
        return None
    found = OUTPUTS[_BY_SUFFIX[suffix.lower()]]
    if has_slice_index(pattern):
        names = (f"{suffix.lower()[1:]} sequence", f"{found.name.lower()} sequence")
        return next((OUTPUTS[name] for name in names if name in OUTPUTS), found)
    return found


def known_suffixes() -> tuple[str, ...]:
    """Return all suffixes that mean a format."""
    return tuple(dict.fromkeys([*_BY_SUFFIX, *(s for o in OUTPUTS.values() for s in o.suffixes)]))


def shelf_format(output: Output) -> Format:
    """Return the format of the shelf."""
    from fijibridge.formats import all_formats

    return next(fmt for fmt in all_formats() if fmt.name == output.shelf)


def fit_steps(output: Output, spec: ImageSpec, *, exact: bool) -> list[Step]:
    """Return the steps that make an image what the format holds: its axes, its pixel type.

    What comes out is what is then found on disk. ``exact`` is ilastik's layout.
    """
    steps: list[Step] = []
    order = "tczyx" if exact and output.kind == "zarr" else _order(output, spec)
    if order != spec.axes.keys:
        steps.append(Transpose(spec.axes.keys, order))
    if output.kind == "plane":
        plane = _plane(output, spec)
        if plane != "yx":
            names = dict(zip(plane, "yx", strict=True))
            steps.append(Rename(order, "".join(names.get(key, key) for key in order)))
    labels = spec.role == "labels" and spec.dtype.kind in "iu"
    if output.shelf == "imagej tiff":
        if labels and spec.dtype.itemsize > 2:
            steps.append(KeepLabels(np.dtype(np.float32)))
        elif labels and spec.dtype.kind == "i":
            steps.append(_unsigned(spec.dtype))
        elif spec.dtype == np.float16:
            steps.append(Convert(np.dtype(np.float32)))
    return steps


def _unsigned(dtype: np.dtype[Any]) -> Step:
    return Convert(np.dtype(f"u{dtype.itemsize}"))


def _order(output: Output, spec: ImageSpec) -> str:
    axes = spec.axes
    if output.kind == "zarr":
        return "".join(key for key in "tczyx" if key in axes)
    if output.kind == "array":
        return axes.keys
    long = [a.key for a in axes if a.size != 1 or a.key in "yx"]
    if output.kind == "plane":
        colours = "c" in long and (output.shelf != "plain tiff" or _is_rgb(spec))
        plane = _plane(output, spec)
        return plane + "c" if colours else ("c" if "c" in long else "") + plane
    order = "tzyxc" if _is_rgb(spec) else "tzcyx"
    return "".join(key for key in order if key in long or key in "yx")


def _plane(output: Output, spec: ImageSpec) -> str:
    """Return the two axes of a picture: x is across wherever it is, else y, else z.

    Source: vigra writes images by their axis tags, not by their order.
    """
    axes = spec.axes
    long = [key for key in "tzyx" if axes.size(key) != 1]
    if len(long) > 2:
        sizes = ", ".join(f"{a.key} of {a.size}" for a in axes)
        raise UnsupportedError(
            f"The format {output.name!r} holds one plane; what is exported has {sizes}.",
            f"Use '{output.name.removesuffix(' sequence')} sequence' or multipage tiff, or cut "
            "a plane out with --cutout_subregion.",
        )
    free = [key for key in "xyzt" if key not in long]
    chosen = [*long, *free[: 2 - len(long)]]
    return "".join(key for key in "tzyx" if key in chosen)


def _is_rgb(spec: ImageSpec) -> bool:
    return spec.extra.rgb and spec.axes.size("c") == 3 and spec.dtype == np.uint8
