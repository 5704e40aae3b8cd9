"""DICOM Segmentation objects (``.dcm``): label images with a described segment a label.

Written are label maps (Label Map Segmentation, labels up to 65535) through highdicom: one segment
a label, named as the image names it or else ``label 7``, of the general kind "tissue". Where the
image has no lengths, one pixel is written as one millimeter and a private element says so. The
labels are gathered in a file and described when they are all known; highdicom holds them in
memory.

Read are label maps and segmentations of bits whose segments do not overlap, in planes one behind
the other; frames that were left out as empty are 0. Frames are ordered along their normal.
"""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import (
    FijiBridgeError,
    FormatError,
    MissingDependencyError,
    SettingsError,
    UnsupportedError,
)
from fijibridge.formats._blocks import BlockWriter
from fijibridge.formats._carried import refined, said_of, texts_of
from fijibridge.formats._dicom.read import (
    CREATOR,
    ELEMENT,
    MILLIMETER,
    PRIVATE_GROUP,
    UPRIGHT,
    pydicom_module,
    said_in,
)
from fijibridge.formats._dicom.write import header_bytes
from fijibridge.formats._lazy import LazySource, first_line
from fijibridge.formats._target import Staged, target_errors
from fijibridge.formats._tiff.arrays import WholeArray
from fijibridge.formats._tiff.axes import rename_axes
from fijibridge.model import Axes, Axis, Extra, ImageSpec
from fijibridge.model.units import PIXEL, length_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.formats._format import ReadOptions, WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSource, Region

__all__ = ["LARGEST_LABEL", "SEGMENTATIONS", "SegSink", "check_seg", "open_seg"]

LARGEST_LABEL = 65535
_BITS, _MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS = frozenset({_BITS, _MAP})
#: Frames of nothing pack to nothing.
_LARGEST_RATIO = 2000
_SMALL = 2**28


def _highdicom() -> Any:
    pydicom_module()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import highdicom
    except ImportError:
        raise MissingDependencyError("highdicom", "medical", "DICOM Segmentation") from None
    return highdicom


# ---------------------------------------------------------------------------------------- writing


def check_seg(spec: ImageSpec, options: WriteOptions, /) -> None:
    """Raise when an image is no label volume that a Segmentation holds."""
    del options
    axes = spec.axes
    if "y" not in axes or "x" not in axes or 0 in spec.shape or axes.size("t") * axes.size("c") > 1:
        sizes = ", ".join(f"{a.key} of {a.size}" for a in axes)
        raise UnsupportedError(
            f"A DICOM Segmentation holds one volume of labels; the image has {sizes}.",
            "Use .nii, .tif, .h5 or .ome.zarr, or take a part.",
        )
    if spec.role != "labels" or spec.dtype.kind not in "iu":
        raise UnsupportedError(
            f"A DICOM Segmentation holds labels; the image holds {spec.role} of {spec.dtype}.",
            "Say --role labels, or use the format dicom.",
        )


def _names(spec: ImageSpec) -> dict[int, str]:
    found = {}
    for about in spec.extra.label_properties:
        value = about.get("label-value")
        name = about.get("name") or about.get("class")
        if isinstance(value, int) and isinstance(name, str) and name.strip():
            found[value] = name.strip()[:64]
    return found


class SegSink:
    """Takes blocks of labels from any thread; the object is made when all are there."""

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        check_seg(spec, options)
        _highdicom()
        self._spec = spec
        self._staged = Staged(where.path, overwrite=options.overwrite)
        self._dtype = np.dtype("<u1" if spec.dtype.itemsize == 1 else "<u2")
        self._folder = tempfile.TemporaryDirectory(prefix="fijibridge-seg-")
        self._path = Path(self._folder.name) / "labels"
        order = "".join(key for key in "tczyx" if key in spec.axes)
        try:
            with target_errors(self._path):
                self._path.touch()
                self._blocks = BlockWriter(self._path, 0, spec, order, self._dtype)
        except BaseException:
            self._staged.abort()
            self._folder.cleanup()
            raise

    def write(self, region: Region, block: np.ndarray) -> None:
        self._blocks.check(region, block)
        if block.size:
            low, high = int(block.min()), int(block.max())
            if low < 0:
                raise SettingsError(f"Labels must be 0 or more; the block holds {low}.")
            if high > LARGEST_LABEL:
                raise UnsupportedError(
                    f"DICOM holds labels up to {LARGEST_LABEL}; the image has the label {high}.",
                    "Use .nii, .tif, .h5 or .ome.zarr.",
                )
        with target_errors(self._path):
            self._blocks.write(region, block)

    def commit(self) -> None:
        try:
            self._blocks.close()
            axes = self._spec.axes
            shape = (axes.size("z"), axes.size("y"), axes.size("x"))
            labels = np.memmap(self._path, self._dtype, "r", shape=shape)
            found = _segmentation(self._spec, np.asarray(labels))
            del labels
            with target_errors(self._staged.target):
                found.save_as(self._staged.path)
            self._staged.commit()
        finally:
            self.abort()

    def abort(self) -> None:
        self._blocks.close()
        self._staged.abort()
        self._folder.cleanup()


def _segmentation(spec: ImageSpec, labels: np.ndarray) -> Any:
    """Return the object of labels (z, y, x)."""
    hd = _highdicom()
    from pydicom.sr.codedict import codes

    from fijibridge import __version__

    known = all(
        length_factor(axis.unit, MILLIMETER) is not None for axis in spec.axes if axis.key in "zyx"
    )
    axes = spec.axes.reorder("zyx")
    if not known:
        axes = Axes(tuple(replace(a, unit=MILLIMETER) for a in axes))
    elif "z" not in spec.axes:  # one plane: as thick as wide
        axes = Axes((replace(axes["x"], key="z", size=1, origin=0.0), axes["y"], axes["x"]))
    plain = ImageSpec(axes=axes, dtype=np.dtype(np.uint8), name=spec.name)
    head = header_bytes(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = pydicom_module().dcmread(io.BytesIO(head), stop_before_pixels=True)
        names = _names(spec)
        tissue = codes.SCT.Tissue
        found = hd.seg.Segmentation(
            source_images=[source],
            pixel_array=labels,
            segmentation_type="LABELMAP",
            segment_descriptions=[
                hd.seg.SegmentDescription(
                    segment_number=number,
                    segment_label=names.get(number, f"label {number}"),
                    segmented_property_category=tissue,
                    segmented_property_type=tissue,
                    algorithm_type="MANUAL",
                )
                for number in [int(v) for v in np.unique(labels) if v] or [1]
            ],
            series_instance_uid=hd.UID(),
            series_number=1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="fijibridge",
            manufacturer_model_name="fijibridge",
            software_versions=__version__,
            device_serial_number="0",
            omit_empty_frames=False,
        )
    said = {**said_of(spec), "role": "labels", "dtype": str(labels.dtype), "assumed": not known}
    block = found.private_block(PRIVATE_GROUP, CREATOR, create=True)
    block.add_new(ELEMENT, "UT", json.dumps(said))
    return found


# ---------------------------------------------------------------------------------------- reading


def open_seg(where: Location, options: ReadOptions) -> ImageSource:
    """Open a Segmentation as a label image; its pixels are decoded when they are first read.

    Raises
    ------
    UnsupportedError
        When its frames are no volume, or say how much of a segment is in a pixel.
    FormatError
        When the file is broken.
    """
    path = where.path
    hd = _highdicom()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = hd.seg.segread(path, lazy_frame_retrieval=True)
            geometry = found.get_volume_geometry(allow_missing_positions=True)
        _check_volume(found, geometry, path)
        spec = _spec(found, geometry, path)
    except FijiBridgeError as error:
        if isinstance(error, SettingsError):
            raise FormatError(f"{str(path)!r} is broken: {error}") from error
        raise
    except Exception as error:
        # pydicom and highdicom raise what they please on broken bytes
        raise FormatError(
            f"{str(path)!r} is no readable DICOM Segmentation: {first_line(error)}.",
            "Copy it again.",
        ) from error
    if options.axes is not None:
        spec = replace(spec, axes=rename_axes(spec.axes, options.axes))
    if options.role is not None:
        spec = replace(spec, role=options.role)
    array = WholeArray(_loader(path, spec))
    return LazySource(spec, array, repr(str(path)))


def _check_volume(found: Any, geometry: Any, path: Path) -> None:
    if str(found.get("SegmentationType", "")) == "FRACTIONAL":
        raise UnsupportedError(
            f"{str(path)!r} says how much of a segment lies in a pixel; it holds no labels."
        )
    if geometry is None:
        raise UnsupportedError(
            f"The frames of {str(path)!r} do not lie one behind the other; they are no volume."
        )


def _spec(found: Any, geometry: Any, path: Path) -> ImageSpec:
    depth, rows, columns = (int(n) for n in geometry.spatial_shape)
    size = path.stat().st_size
    if depth * rows * columns > _SMALL and depth * rows * columns > _LARGEST_RATIO * size:
        raise FormatError(
            f"{str(path)!r} says it is {depth} x {rows} x {columns} pixels; it has {size} bytes."
        )
    affine = np.asarray(geometry.affine, np.float64)
    affine = affine @ _flipped(depth)
    said = said_in(found)
    known = not said.get("assumed")
    scales = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    turned = (affine[:3, :3] / scales)[:, [2, 1]].T.ravel()
    upright = np.allclose(turned, UPRIGHT, atol=1e-6)
    origin = affine[:3, 3] if upright else np.zeros(3)
    items = []
    for i, (key, n) in enumerate(zip("zyx", (depth, rows, columns), strict=True)):
        if key == "z" and n == 1:
            continue
        axis = Axis(key, n, float(scales[i]), MILLIMETER if known else PIXEL, float(origin[2 - i]))
        items.append(refined(axis, said, known=known))
    largest = max((int(v) for v in found.segment_numbers), default=0)
    dtype = np.dtype(np.uint8 if largest < 256 else np.uint16)
    if said.get("dtype") in ("uint8", "uint16"):
        dtype = max(dtype, np.dtype(said["dtype"]))
    names, info, properties = texts_of(said)
    about = {} if upright else {"orientation": turned.tolist()}
    extra = Extra(
        channel_names=names,
        info=info,
        properties=MappingProxyType(properties),
        label_properties=_described(found),
        other=MappingProxyType({"dicom": MappingProxyType(about)} if about else {}),
    )
    return ImageSpec(
        axes=Axes(tuple(items)), dtype=dtype, role="labels", name=path.name, extra=extra
    )


def _flipped(depth: int) -> np.ndarray:
    """Return the matrix that counts frames from the other end: highdicom's begin there."""
    turn = np.eye(4)
    turn[0, 0], turn[0, 3] = -1, depth - 1
    return turn


def _described(found: Any) -> tuple[dict[str, Any], ...]:
    """Return the names of segments, where they say more than their number."""
    pairs = [
        (int(item.SegmentNumber), str(item.get("SegmentLabel", "")))
        for item in found.SegmentSequence
    ]
    return tuple(
        {"label-value": number, "name": name}
        for number, name in pairs
        if number and name and name != f"label {number}"
    )


def _loader(path: Path, spec: ImageSpec) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        hd = _highdicom()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = hd.seg.segread(path)
            try:
                volume = found.get_volume(combine_segments=True, dtype=spec.dtype)
            except RuntimeError as error:
                if "overlap" not in str(error).lower():
                    raise
                raise UnsupportedError(
                    f"The segments of {str(path)!r} overlap; a label image cannot show them.",
                    "Read its segments one by one with highdicom.",
                ) from error
        return np.asarray(volume.array)[::-1].reshape(spec.shape)

    return load
