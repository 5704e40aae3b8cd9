"""DICOM (``.dcm``): grey volumes in one multi-frame file, through pydicom.

Written are uint8 and uint16 as Multi-frame Grayscale Byte or Word Secondary Capture, plane by
plane: frame 1 is z = 0, and its position grows along z. Lengths are millimeters in
``PixelSpacing``, ``SpacingBetweenSlices`` and the frames' positions; exact scales, units and texts
go along in a private element. Label images are written as grey values up to 65535 with that
element saying so, or (format ``dicom seg``) as a DICOM Segmentation object.

Read are files of one or many frames, grey or RGB, mapped where the pixels are not packed. Frames
stay in the order of the file, whichever way they lie in the patient; geometry that is not upright
is kept in ``extra.other["dicom"]``. Rescale slope and intercept become the image's `Valuation`.
Segmentation objects are label images. A file of over 4 GB is impossible.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, SettingsError, UnsupportedError
from fijibridge.formats._block_file import BlockFileSink
from fijibridge.formats._dicom.read import pydicom_module, read_file
from fijibridge.formats._dicom.seg import SEGMENTATIONS, SegSink, check_seg, open_seg
from fijibridge.formats._dicom.write import header_bytes, stored_dtype
from fijibridge.formats._format import Finding, Format, ReadOptions, WriteOptions
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._lazy import LazySource, check_no_level
from fijibridge.formats._target import Staged
from fijibridge.formats._tiff.arrays import MappedArray, WholeArray
from fijibridge.formats._tiff.axes import rename_axes
from fijibridge.model import ImageSpec
from fijibridge.model import Region as Box

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSource

__all__ = ["FORMATS"]

DTYPES = frozenset({"uint8", "uint16"})
_LARGEST_LABEL = 65535
_MAGIC, _MAGIC_AT = b"DICM", 128
_LONGEST_SIDE, _MOST_BYTES = 65535, 2**32 - 2


def _sniff(path: Path, head: bytes, /) -> bool:
    if len(head) < _MAGIC_AT + 4:  # too short to say it itself
        return path.suffix.lower() == ".dcm"
    return head[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC


def _never(path: Path, head: bytes, /) -> bool:
    del path, head
    return False


# ---------------------------------------------------------------------------------------- reading


def _loader(path: Path, shape: tuple[int, ...]) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(pydicom_module().dcmread(path).pixel_array).reshape(shape)

    return load


def _is_segmentation(path: Path) -> bool:
    """Return whether a file is a Segmentation object; a broken one is not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom_module().dcmread(
                path, stop_before_pixels=True, specific_tags=["SOPClassUID"]
            )
        return str(found.get("SOPClassUID", "")) in SEGMENTATIONS
    except FijiBridgeError:
        raise
    except Exception:  # noqa: BLE001  # pydicom raises what it pleases; the reader says what
        return False


def _open(where: Location, options: ReadOptions, /) -> ImageSource:
    what = repr(str(where))
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} holds one image, nothing called {where.inner!r}.")
    check_no_level(options.level, what)
    if _is_segmentation(where.path):
        return open_seg(where, options)
    file = read_file(where.path)
    axes = file.axes if options.axes is None else rename_axes(file.axes, options.axes)
    spec = ImageSpec(
        axes=axes,
        dtype=file.dtype.newbyteorder("="),
        role=options.role or file.role,
        name=where.path.name,
        extra=file.extra,
    )
    if file.begin is None:
        array = WholeArray(_loader(where.path, axes.shape))
        return LazySource(spec, array, what)
    mapped = MappedArray(where.path, file.dtype, file.begin, axes.shape)
    return LazySource(spec, mapped, what, close=mapped.close)


# ---------------------------------------------------------------------------------------- writing


def _check(spec: ImageSpec, options: WriteOptions, /) -> None:
    del options
    axes, hint = spec.axes, "Use .nii, .tif, .h5 or .ome.zarr, or take a part."
    if "y" not in axes or "x" not in axes or 0 in spec.shape or axes.size("t") * axes.size("c") > 1:
        sizes = ", ".join(f"{a.key} of {a.size}" for a in axes)
        raise UnsupportedError(f"A DICOM file holds a grey volume; the image has {sizes}.", hint)
    labels = spec.role == "labels" and spec.dtype.kind in "iu"
    if spec.dtype.name not in DTYPES and not labels:
        raise UnsupportedError(
            f"DICOM cannot hold {spec.dtype} pixels; it holds uint8 and uint16.",
            "Convert them first: fijibridge export INPUT --export_dtype uint16",
        )
    nbytes = math.prod(spec.shape) * stored_dtype(spec).itemsize
    if max(axes.size("y"), axes.size("x")) > _LONGEST_SIDE or nbytes > _MOST_BYTES:
        raise UnsupportedError(
            f"DICOM holds at most 4 GB and {_LONGEST_SIDE} pixels a side; the image has the shape "
            f"{spec.shape}.",
            hint,
        )


def _check_labels(largest: int, /) -> None:
    if largest > _LARGEST_LABEL:
        raise UnsupportedError(
            f"DICOM holds labels up to {_LARGEST_LABEL}; the image has the label {largest}.",
            "Use .nii, .tif, .h5 or .ome.zarr.",
        )


def _create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    _check(spec, options)
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} holds one image, nothing called {where.inner!r}.")
    dtype = stored_dtype(spec)
    odd = math.prod(spec.shape) * dtype.itemsize % 2
    header = header_bytes(spec)
    return BlockFileSink(
        Staged(where.path, overwrite=options.overwrite),
        spec,
        header=header,
        order="".join(key for key in "tczyx" if key in spec.axes),
        dtype=dtype,
        behind=b"\0" * odd,
        check_labels=_check_labels,
    )


def _describe(where: Location, /) -> dict[str, Any]:
    spec = _open(where, ReadOptions()).spec
    return {
        "format": "DICOM",
        **describe_spec(spec),
        "dicom": dict(spec.extra.other.get("dicom", {})),
    }


def _create_seg(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} holds one image, nothing called {where.inner!r}.")
    return SegSink(where, spec, options)


def _validate(where: Location, /) -> list[Finding]:
    try:
        if _is_segmentation(where.path):
            source = open_seg(where, ReadOptions())
            source.read(Box.whole(source.spec.shape))
            return []
        file = read_file(where.path)
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    if file.extra.other:
        return [Finding("note", "The volume is turned; its geometry is kept beside the pixels.")]
    return []


DICOM = Format(
    name="dicom",
    suffixes=(".dcm",),
    title="DICOM multi-frame image",
    sniff=_sniff,
    open_image=_open,
    create_image=_create,
    check_image=_check,
    check_label_max=_check_labels,
    describe=_describe,
    validate=_validate,
    dtypes=DTYPES,
    extra="medical",
)
SEG = Format(
    name="dicom seg",
    suffixes=(".dcm",),
    title="DICOM Segmentation (label map)",
    sniff=_never,  # the other format reads both
    create_image=_create_seg,
    check_image=check_seg,
    check_label_max=_check_labels,
    dtypes=DTYPES,
    extra="medical",
)
FORMATS = (DICOM, SEG)
