"""NumPy files: ``.npy`` (mapped, so only what is asked for is read) and ``.npz`` (``a.npz/name``).

Pickled objects are never loaded.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats._block_file import BlockFileSink
from fijibridge.formats._format import Finding, Format, ReadOptions, WriteOptions
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._lazy import LazySource, first_line, pixel_dtype
from fijibridge.formats._target import Staged
from fijibridge.formats._tiff.arrays import WholeArray
from fijibridge.model import Axes, ImageSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSource

__all__ = ["FORMATS", "NPY", "NPZ", "guess_axes"]

_DTYPES = frozenset(
    {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}
    | {"float16", "float32", "float64"}
)
_MAGIC = b"\x93NUMPY"
#: deflate makes at most 1032 bytes of one.
_LARGEST_RATIO = 1100
_DEFAULT_MEMBER = "data"


def guess_axes(shape: tuple[int, ...], what: str) -> str:
    """Guess the axes of an array that does not name them, as ilastik does.

    Examples
    --------
    >>> [guess_axes(s, "a") for s in ((4, 5), (9, 4, 5), (9, 9, 3), (2, 9, 9, 3))]
    ['yx', 'zyx', 'yxc', 'zyxc']

    Source: lazyflow get_default_axisordering: 3 axes end with channels when there are 4 or fewer.
    """
    match len(shape):
        case 1:
            return "x"
        case 2:
            return "yx"
        case 3:
            return "yxc" if shape[-1] <= 4 else "zyx"
        case 4:
            return "zyxc"
        case 5:
            return "tzyxc"
    raise FormatError(
        f"{what!r} holds an array of {len(shape)} axes (shape {shape}); an image has 1 to 5.",
        "Save a part of it.",
    )


@dataclass(frozen=True, slots=True)
class _Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    begin: int

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def _read_header(file: IO[bytes], what: str) -> _Header:
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version, np.lib.format.read_array_header_2_0)
        shape, fortran, dtype = read(file)
    except Exception as error:
        # numpy raises what its parser raises
        raise FormatError(
            f"{what!r} is no NumPy array, or a broken one: {first_line(error)}.",
            "Save it again with numpy.save.",
        ) from error
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise FormatError(
            f"{what!r} holds {dtype} values; pixels are integers or floats.",
            "Pickled objects are never loaded; save numbers.",
        )
    if any(n < 0 for n in shape):
        raise FormatError(f"{what!r} says that its shape is {shape}.")
    return _Header(tuple(int(n) for n in shape), bool(fortran), dtype, file.tell())


def _spec(
    shape: tuple[int, ...], dtype: np.dtype[Any], options: ReadOptions, name: str, what: str
) -> ImageSpec:
    keys = guess_axes(shape, what) if options.axes is None else options.axes.lower()
    axes = Axes.of(keys, shape)
    if options.level not in (0, "0"):
        raise SettingsError(f"{what!r} has no level {options.level!r}; it has one level, 0.")
    return ImageSpec(
        axes=axes, dtype=pixel_dtype(dtype), role=options.role or "intensity", name=name
    )


def _check_fits(header: _Header, present: int, what: str) -> None:
    if header.nbytes > present:
        raise FormatError(
            f"{what!r} is truncated: its shape {header.shape} of {header.dtype} needs "
            f"{header.nbytes} bytes, it holds {present}.",
            "Copy the file again from its source.",
        )


def _open_npy(where: Location, options: ReadOptions, /) -> ImageSource:
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} holds one array, nothing called {where.inner!r}.")
    what = str(where)
    try:
        with where.path.open("rb") as file:
            header = _read_header(file, what)
            size = where.path.stat().st_size
        _check_fits(header, size - header.begin, what)
        spec = _spec(header.shape, header.dtype, options, where.path.name, what)
        if 0 in header.shape:
            array: np.ndarray = np.zeros(header.shape, header.dtype)
        else:
            order = "F" if header.fortran else "C"
            array = np.memmap(
                where.path,
                header.dtype,
                "r",
                header.begin,
                header.shape,
                order,  # type: ignore[call-overload]  # F or C
            )
    except OSError as error:
        raise FormatError(f"{what!r} cannot be read: {error.strerror or error}.") from error
    return LazySource(spec, _Copied(array), repr(what))


class _Copied:
    """An array whose slices are copies: nobody writes into, or waits for, a mapped file."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        return np.array(self._array[slices])


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:
        # zipfile raises what it pleases on broken bytes
        raise FormatError(
            f"{str(path)!r} is no readable .npz file: {first_line(error).rstrip('.')}.",
            "It is truncated or no .npz file; copy it again from its source.",
        ) from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    files = (i for i in archive.infolist() if i.filename and not i.filename.endswith("/"))
    return {i.filename.removesuffix(".npy"): i for i in files}


def _open_npz(where: Location, options: ReadOptions, /) -> ImageSource:
    with _zip(where.path) as archive:
        members = _members(archive)
        name = where.inner.removesuffix(".npy")
        if not name and len(members) == 1:
            name = next(iter(members))
        if name not in members:
            names = ", ".join(repr(f"{where.path}/{m}") for m in list(members)[:20])
            problem = f"no array {name!r}" if name else f"{len(members)} arrays"
            raise FormatError(f"{str(where.path)!r} holds {problem}.", f"Name one of: {names}.")
        info = members[name]
        what = f"{where.path}/{name}"
        if info.file_size > _LARGEST_RATIO * info.compress_size + 1024:
            raise FormatError(
                f"{what!r} says it holds {info.file_size} bytes, packed in {info.compress_size}."
            )
        try:
            with archive.open(info) as file:
                header = _read_header(file, what)
        except FijiBridgeError:
            raise
        except Exception as error:
            # zipfile raises what its codecs raise
            raise FormatError(f"{what!r} cannot be read: {first_line(error)}.") from error
        _check_fits(header, info.file_size - header.begin, what)
    spec = _spec(header.shape, header.dtype, options, where.path.name, what)
    array = WholeArray(_loader(where.path, info.filename, header))
    return LazySource(spec, array, repr(what))


def _loader(path: Path, member: str, header: _Header) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            file.read(header.begin)
            raw = file.read(header.nbytes)
        data = np.frombuffer(raw, header.dtype)
        return data.reshape(header.shape, order="F" if header.fortran else "C")

    return load


def _header_bytes(spec: ImageSpec) -> bytes:
    described = {
        "descr": np.lib.format.dtype_to_descr(spec.dtype),
        "fortran_order": False,
        "shape": spec.shape,
    }
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, described)
    return out.getvalue()


def _may_add(where: Location, member: str) -> bool:
    """Whether the target is a container in which this array is new."""
    if not where.inner or not where.path.exists():
        return False
    with _zip(where.path) as archive:
        return member not in _members(archive)


def _pack(plain: Path, packed: Path, where: Location, member: str, options: WriteOptions) -> None:
    """Make an archive of the new array and of those that the target holds already."""
    method = zipfile.ZIP_STORED
    if options.compression not in (None, "none"):
        method = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(packed, "w", method) as new:
        if where.path.exists() and where.inner:
            with _zip(where.path) as old:
                for name, info in _members(old).items():
                    if name != member:
                        with old.open(info) as source, new.open(info.filename, "w") as copy:
                            shutil.copyfileobj(source, copy)
        new.write(plain, f"{member}.npy")


def _check(spec: ImageSpec, options: WriteOptions, /) -> None:
    del options
    if spec.dtype.name not in _DTYPES:
        raise UnsupportedError(f"A NumPy file here holds numbers, not {spec.dtype} values.")


def _create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    _check(spec, options)
    if where.inner and where.path.suffix.lower() == ".npy":
        raise SettingsError(f"{str(where.path)!r} holds one array, nothing called {where.inner!r}.")
    packed = where.path.suffix.lower() == ".npz"
    member = where.inner.removesuffix(".npy") or _DEFAULT_MEMBER
    adds = packed and _may_add(where, member)
    staged = Staged(where.path, overwrite=options.overwrite or adds)
    place = staged.path
    return BlockFileSink(
        staged,
        spec,
        header=_header_bytes(spec),
        order=spec.axes.keys,
        dtype=spec.dtype,
        plain=place.with_name(place.name + ".npy") if packed else None,
        pack=(lambda plain: _pack(plain, place, where, member, options)) if packed else None,
    )


def _describe_npy(where: Location, /) -> dict[str, Any]:
    source = _open_npy(where, ReadOptions())
    return {"format": "NumPy array", **describe_spec(source.spec)}


def _describe_npz(where: Location, /) -> dict[str, Any]:
    with _zip(where.path) as archive:
        names = list(_members(archive))
    found: dict[str, Any] = {"format": "NumPy archive", "arrays": names}
    if where.inner or len(names) == 1:
        found.update(describe_spec(_open_npz(where, ReadOptions()).spec))
    return found


def _validate(where: Location, /) -> list[Finding]:
    packed = where.path.suffix.lower() == ".npz"
    try:
        found = _describe_npz(where) if packed else _describe_npy(where)
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    if "axis_order" not in found:
        return []
    return [Finding("note", f"The axes are a guess: {found['axis_order']}. Say --axes to be sure.")]


def _sniff_npy(path: Path, head: bytes, /) -> bool:
    if len(head) < len(_MAGIC):  # cut off so early that only its name says what it was
        return path.suffix.lower() == ".npy"
    return head.startswith(_MAGIC)


NPY = Format(
    name="numpy",
    suffixes=(".npy",),
    title="NumPy array",
    sniff=_sniff_npy,
    open_image=_open_npy,
    create_image=_create,
    check_image=_check,
    describe=_describe_npy,
    validate=_validate,
    dtypes=_DTYPES,
)
NPZ = Format(
    name="npz",
    suffixes=(".npz",),
    title="NumPy archive of arrays",
    open_image=_open_npz,
    create_image=_create,
    check_image=_check,
    describe=_describe_npz,
    validate=_validate,
    dtypes=_DTYPES,
    container=True,
)
FORMATS = (NPY, NPZ)
