"""ilastik's output formats, as formats of the shelf, and what an image becomes in each of them.

Decisions where ilastik is silent: a picture format that lacks the pixel type is an error (ilastik
stretches the values to the whole range unasked, and leaves a broken ``hdr`` of integers behind);
``blockwise hdf5`` is ordinary HDF5 in blocks (ilastik fails); ``xv``, which ilastik's documentation
names and its code has dropped, is written. ``dicom`` is a grey volume, of labels a Segmentation
object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError, nearest
from fijibridge.export.steps import Convert, KeepLabels, Rename, Transpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.export.steps import Step
    from fijibridge.formats import Format, WriteOptions
    from fijibridge.model import Axes, ImageSpec

__all__ = [
    "OUTPUTS",
    "Output",
    "check_fits",
    "fit_steps",
    "known_suffixes",
    "output_for_role",
    "output_for_suffix",
    "output_named",
    "shelf_format",
    "stored_dtype",
]

Kind = Literal["array", "tiff", "plane", "zarr", "volume"]


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
        What it holds: any array, planes of a TIFF, one plane, an OME-Zarr image, a volume in an
        order of its own.
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
        return self.shelf in ("hdf5", "n5")

    @property
    def remote(self) -> bool:
        """Whether the target is no file, but a place on a server."""
        return self.shelf == "dvid"


_H5 = (".h5", ".hdf5", ".hdf")
_TIFF = (".tiff", ".tif")
_OME_TIFF = (".tiff", ".tif", ".ome.tiff", ".ome.tif")
_ZARR = (".zarr", ".ome.zarr")
_VOLUMES = {
    "nifti": ("nifti", (".nii", ".nii.gz")),
    "dicom": ("dicom", (".dcm",)),
    "dicom seg": ("dicom seg", (".dcm",)),
    "dvid": ("dvid", ("",)),
}
_PICTURES = {
    "bmp": "bmp",
    "gif": "gif",
    "hdr": "hdr",
    "jpeg": "jpeg",
    "jpg": "jpeg",
    "pbm": "pnm",
    "pgm": "pnm",
    "png": "png",
    "pnm": "pnm",
    "ppm": "pnm",
    "ras": "sun raster",
    "xv": "viff",
}


def _spellings(name: str) -> tuple[str, ...]:
    """Return the endings of a picture's name, ilastik's first."""
    pairs = {"jpeg": "jpg", "jpg": "jpeg", "tiff": "tif", "tif": "tiff"}
    return tuple(f".{one}" for one in (name, pairs.get(name)) if one)


def _outputs() -> dict[str, Output]:
    found = [
        Output(name="hdf5", shelf="hdf5", suffixes=_H5, kind="array", compression="none"),
        Output(
            name="compressed hdf5", shelf="hdf5", suffixes=_H5, kind="array", compression="gzip"
        ),
        Output(name="blockwise hdf5", shelf="hdf5", suffixes=_H5, kind="array", compression="none"),
        Output(name="n5", shelf="n5", suffixes=(".n5",), kind="array", compression="none"),
        Output(
            name="compressed n5", shelf="n5", suffixes=(".n5",), kind="array", compression="gzip"
        ),
        Output(name="numpy", shelf="numpy", suffixes=(".npy",), kind="array"),
        Output(name="multipage tiff", shelf="ome-tiff", suffixes=_OME_TIFF, kind="tiff"),
        Output(name="imagej tiff", shelf="imagej tiff", suffixes=(".tif", ".tiff"), kind="tiff"),
        Output(name="multi-scale OME-Zarr", shelf="ome-zarr", suffixes=_ZARR, kind="zarr"),
        Output(
            name="single-scale OME-Zarr", shelf="ome-zarr", suffixes=_ZARR, kind="zarr", levels=1
        ),
    ]
    found += [
        Output(name=name, shelf=shelf, suffixes=suffixes, kind="volume")
        for name, (shelf, suffixes) in _VOLUMES.items()
    ]
    singles = [
        Output(name=name, shelf=shelf, suffixes=_spellings(name), kind="plane")
        for name, shelf in _PICTURES.items()
    ]
    singles += [
        Output(
            name=name,
            shelf="plain tiff",
            suffixes=_spellings(name),
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
#: What a suffix means where no format is named.
_BY_SUFFIX = {
    ".h5": "compressed hdf5",
    ".hdf5": "compressed hdf5",
    ".hdf": "compressed hdf5",
    ".n5": "compressed n5",
    ".npy": "numpy",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".dcm": "dicom",
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
    """
    word = " ".join(name.lower().split())
    if word in OUTPUTS:
        return OUTPUTS[word]
    names = [one.name for one in OUTPUTS.values()]
    raise SettingsError(
        f"output_format is {name!r}; there is no such format.{nearest(word, names)}",
        f"Formats: {', '.join(names)}.",
    )


def output_for_suffix(pattern: str) -> Output | None:
    """Return the format that the suffix of a name means, sequences where the name has an index."""
    from fijibridge.export.naming import has_slice_index, strip_suffix
    from fijibridge.formats.dvid import is_dvid

    if is_dvid(pattern):
        return OUTPUTS["dvid"]
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
    found = [*_BY_SUFFIX, *(s for o in OUTPUTS.values() for s in o.suffixes if s)]
    return tuple(dict.fromkeys(found))


def output_for_role(output: Output, spec: ImageSpec) -> Output:
    """Return the format that is meant for what the pixels are: DICOM keeps labels as segments."""
    if output.name == "dicom" and spec.role == "labels" and spec.dtype.kind in "iu":
        return OUTPUTS["dicom seg"]
    return output


def stored_dtype(output: Output, spec: ImageSpec) -> np.dtype[Any]:
    """Return the pixel type that is found in the file.

    Labels have no sign in a TIFF. In a picture and in DICOM they become the smallest integers that
    hold all values of their type, or else the largest ones; a label beyond them is an error when
    it comes.
    """
    if spec.role != "labels" or spec.dtype.kind not in "iu":
        return spec.dtype
    if output.shelf in ("ome-tiff", "plain tiff"):
        return np.dtype(f"u{min(4, spec.dtype.itemsize)}")
    shelf = shelf_format(output)
    held = sorted((np.iinfo(d).max, d) for d in shelf.dtypes if np.dtype(d).kind in "iu")
    narrow = output.kind == "plane" or output.shelf.startswith("dicom")
    if not (narrow and held) or spec.dtype.name in shelf.dtypes:
        return spec.dtype
    top = np.iinfo(spec.dtype).max
    return np.dtype(next((d for most, d in held if most >= top), held[-1][1]))


def shelf_format(output: Output) -> Format:
    """Return the format of the shelf."""
    from fijibridge.formats import all_formats

    return next(fmt for fmt in all_formats() if fmt.name == output.shelf)


def check_fits(output: Output, spec: ImageSpec, options: WriteOptions) -> None:
    """Raise UnsupportedError when the format cannot hold an image; it says what to type."""
    shelf = shelf_format(output)
    if shelf.check_image is None:
        return
    try:
        shelf.check_image(spec, options)
    except UnsupportedError as error:
        held = [name for name in ("uint8", "uint16", "float32") if name in shelf.dtypes]
        if spec.dtype.name in shelf.dtypes or not held or spec.role == "labels":
            raise
        raise UnsupportedError(error.message, _convert_hint(spec, held)) from error


def _convert_hint(spec: ImageSpec, held: Sequence[str]) -> str:
    wanted = held[-1] if spec.dtype.kind == "f" and held[-1] == "float32" else held[0]
    if wanted == "float32":
        return "Say --export_dtype float32, or choose another format (.tif, .h5, .ome.zarr)."
    given: tuple[float, float] = (0.0, 1.0)
    if spec.extra.drange is not None:
        given = spec.extra.drange
    elif spec.dtype.kind in "iu":
        limits = np.iinfo(spec.dtype)
        given = (int(limits.min), int(limits.max))
    return (
        f'Say --export_dtype {wanted} --pipeline_result_drange "({given[0]},{given[1]})" '
        f'--export_drange "(0,{np.iinfo(wanted).max})" with the range of your values, or choose '
        "another format (.tif, .h5, .ome.zarr)."
    )


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
            steps.append(KeepLabels(np.dtype(f"u{spec.dtype.itemsize}")))
        elif spec.dtype == np.float16:
            steps.append(Convert(np.dtype(np.float32)))
    return steps


def _order(output: Output, spec: ImageSpec) -> str:
    axes = spec.axes
    if output.kind == "zarr":
        return "".join(key for key in "tczyx" if key in axes)
    if output.kind == "array":
        return axes.keys
    long = [a.key for a in axes if a.size != 1 or a.key in "yx"]
    if output.kind == "volume":
        return _volume_order(output, axes, long)
    if output.kind == "plane":
        colours = "c" in long and (output.shelf != "plain tiff" or _is_rgb(spec))
        plane = _plane(output, spec)
        return plane + "c" if colours else ("c" if "c" in long else "") + plane
    order = "tzyxc" if _is_rgb(spec) else "tzcyx"
    return "".join(key for key in order if key in long or key in "yx")


def _volume_order(output: Output, axes: Axes, long: list[str]) -> str:
    if output.shelf == "dvid":
        return "zyx" if set(long) <= set("zyx") else axes.keys
    kept = {*long, "y", "x"}
    if output.shelf == "nifti" and kept == {"y", "x"} and "z" in axes:
        kept.add("z")  # the only one of the axes of size 1 that is found again
    return "".join(key for key in "ctzyx" if key in kept)


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
