"""NIfTI-1 and NIfTI-2 (``.nii``, ``.nii.gz``): volumes for medical viewers, through nibabel.

The file lays out x fastest, then y, z, t and channels; images here are ``(c, t, z, y, x)`` in C
order, which is the same bytes. Lengths are written in millimeters, with a diagonal affine (qform
and sform, code 1) whose translation is the origin. NIfTI keeps single precision, so the exact
scales, units and names go along in a comment extension; they are used when they agree with the
header, which a program that resamples or crops changes.

Files of others may be turned or mirrored. Their axes are those of the data: x is the first index
of the file, whatever it is in the patient. The affine is kept in ``extra.other["nifti"]``, and
written again with the image. Pixels are handed out as stored; a slope and an intercept become the
image's `Valuation`.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats._block_file import BlockFileSink
from fijibridge.formats._format import Finding, Format, ReadOptions, WriteOptions
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._lazy import LazySource, check_no_level, first_line
from fijibridge.formats._nifti.header import Header, header_bytes, read_header
from fijibridge.formats._target import Staged
from fijibridge.formats._tiff.arrays import MappedArray, WholeArray
from fijibridge.formats._tiff.axes import rename_axes
from fijibridge.model import ImageSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSource

__all__ = ["FORMAT"]

DTYPES = frozenset(
    {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}
    | {"float32", "float64"}
)
_MAGICS = ((344, b"n+1\0"), (4, b"n+2\0\r\n\x1a\n"))
_GZIP = b"\x1f\x8b"
#: deflate makes at most 1032 bytes of one.
_LARGEST_RATIO = 1100
_STEP = 2**22


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _sniff(path: Path, head: bytes, /) -> bool:
    """Whether it is one file with header and pixels; pairs (.hdr, .img) are not read."""
    if head.startswith(_GZIP):
        return path.name.lower().endswith(".nii.gz")
    if len(head) < 348:  # cut off so early that only its name says what it was
        return path.name.lower().endswith((".nii", ".nii.gz"))
    return any(head[at : at + len(magic)] == magic for at, magic in _MAGICS)


def _read(path: Path) -> tuple[Header, bool]:
    """Return the header and whether the file is packed."""
    what = str(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            if packed:
                from isal import igzip

                with igzip.IGzipFile(fileobj=file) as unpacked:
                    header = read_header(unpacked, what)
            else:
                header = read_header(file, what)
        size = path.stat().st_size
    except FijiBridgeError:
        raise
    except Exception as error:
        # zlib and nibabel raise what they please on broken bytes
        raise FormatError(
            f"{what!r} is no readable NIfTI file: {first_line(error)}.", "Copy the file again."
        ) from error
    most = _LARGEST_RATIO * size + 1024 if packed else size
    if header.offset + header.nbytes > most:
        raise FormatError(
            f"{what!r} is truncated: its shape {header.axes.shape} of {header.dtype} needs "
            f"{header.nbytes} bytes, it has {size}{' packed ones' if packed else ''}.",
            "Copy the file again from its source.",
        )
    return header, packed


def _loader(path: Path, header: Header) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        from isal import igzip

        data = np.empty(header.axes.shape, header.dtype)
        view = memoryview(data.reshape(-1).view(np.uint8).data)
        with igzip.open(path, "rb") as file:
            left = header.offset
            while left:
                left -= len(file.read(min(left, _STEP))) or _ended(path)
            while view:
                n = file.readinto(view[:_STEP]) or _ended(path)
                view = view[n:]
        return data.astype(header.dtype.newbyteorder("="), copy=False)

    return load


def _ended(path: Path) -> int:
    raise FormatError(f"{str(path)!r} is truncated: it ends within its pixels.", "Copy it again.")


def _open(where: Location, options: ReadOptions, /) -> ImageSource:
    what = repr(str(where))
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} holds one image, nothing called {where.inner!r}.")
    check_no_level(options.level, what)
    header, packed = _read(where.path)
    axes = header.axes
    if options.axes is not None:
        axes = rename_axes(axes, options.axes)
    spec = ImageSpec(
        axes=axes,
        dtype=header.dtype.newbyteorder("="),
        role=options.role or header.role,
        name=where.path.name,
        extra=header.extra,
    )
    if packed:
        array = WholeArray(_loader(where.path, header))
        return LazySource(spec, array, what)
    mapped = MappedArray(where.path, header.dtype, header.offset, axes.shape)
    return LazySource(spec, mapped, what, close=mapped.close)


def _pack(plain: Path, packed: Path) -> None:
    from isal import igzip

    with (
        plain.open("rb") as source,
        packed.open("wb") as raw,
        # no name and no time: the same image gives the same bytes
        igzip.IGzipFile("", "wb", compresslevel=2, fileobj=raw, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target, _STEP)


def _check(spec: ImageSpec, options: WriteOptions, /) -> None:
    axes = spec.axes
    if "y" not in axes or "x" not in axes or 0 in spec.shape:
        raise UnsupportedError(
            f"A NIfTI file holds planes of x and y; the image has the axes {axes.keys!r} and the "
            f"shape {spec.shape}."
        )
    if spec.dtype.name not in DTYPES:
        raise UnsupportedError(
            f"NIfTI cannot hold {spec.dtype} pixels; it holds {', '.join(sorted(DTYPES))}.",
            "Convert them first: fijibridge export INPUT --export_dtype float32",
        )
    if options.compression not in (None, "gzip", "none"):
        raise SettingsError(
            f"NIfTI compression {options.compression!r} is unknown; files that end in .nii.gz are "
            "packed with gzip.",
            "Leave it out.",
        )


def _create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    _check(spec, options)
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} holds one image, nothing called {where.inner!r}.")
    header, order = header_bytes(spec)
    staged = Staged(where.path, overwrite=options.overwrite)
    place, packed = staged.path, _is_packed(where.path)
    return BlockFileSink(
        staged,
        spec,
        header=header,
        order=order,
        dtype=spec.dtype.newbyteorder("<"),
        plain=place.with_name(place.name.removesuffix(".gz")) if packed else None,
        pack=(lambda plain: _pack(plain, place)) if packed else None,
    )


def _describe(where: Location, /) -> dict[str, Any]:
    header, packed = _read(where.path)
    spec = _open(where, ReadOptions()).spec
    return {
        "format": f"NIfTI-{header.version}{', packed' if packed else ''}",
        **describe_spec(spec),
        "nifti": dict(spec.extra.other.get("nifti", {})),
    }


def _validate(where: Location, /) -> list[Finding]:
    try:
        header, packed = _read(where.path)
        source = _open(where, ReadOptions())
        if packed:  # the only way to know that all of it is there
            from fijibridge.model import Region as Box

            source.read(Box.whole(source.spec.shape))
        source.close()
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    return [Finding("note", text) for text in header.doubts]


FORMAT = Format(
    name="nifti",
    suffixes=(".nii", ".nii.gz"),
    title="NIfTI volume",
    sniff=_sniff,
    open_image=_open,
    create_image=_create,
    check_image=_check,
    describe=_describe,
    validate=_validate,
    dtypes=DTYPES,
    extra="medical",
)
