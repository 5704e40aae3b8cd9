"""Sinks that write ImageJ TIFFs and, through tifffile, OME-, plain and BigTIFFs."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.errors import FijiBridgeError, SettingsError, UnsupportedError
from fijibridge.formats._blocks import BlockWriter, file_order
from fijibridge.formats._target import Staged, target_errors
from fijibridge.formats._tiff import encode
from fijibridge.formats._tiff.imagej import ROLE_PROPERTY
from fijibridge.model.units import PIXEL, length_factor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Extra, ImageSpec, Region

__all__ = ["ImageJSink", "TifffileSink", "check_labels_float32", "is_rgb", "label_dtype"]

#: The largest whole number up to which a 32-bit float counts.
LARGEST_EXACT = 2**24
_LARGER = "Use .ome.tif, .h5 or .ome.zarr, which hold 32-bit labels, or renumber them."
#: Room for the display range, which is known when all pixels are written.
_SLACK = 512


def is_rgb(spec: ImageSpec, dtypes: tuple[str, ...]) -> bool:
    """Whether the channels are written as the colours of pixels."""
    return spec.extra.rgb and spec.axes.size("c") == 3 and spec.dtype.name in dtypes


def check_labels_float32(largest: int) -> None:
    """Raise UnsupportedError for labels that ImageJ cannot hold."""
    if largest > LARGEST_EXACT:
        raise UnsupportedError(
            f"An ImageJ TIFF holds labels up to {LARGEST_EXACT} (32-bit float); the image has the "
            f"label {largest}.",
            _LARGER,
        )


def label_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the unsigned type in which labels are kept while they are written."""
    if dtype.kind == "f":
        return np.dtype(np.float32)
    return np.dtype({1: np.uint8, 2: np.uint16}.get(dtype.itemsize, np.uint32))


def _all_finite(values: np.ndarray) -> bool:
    """Return whether no value is NaN or infinite, by one pass without a mask."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(values.sum(dtype=np.float64)))


class _Sink:
    """What both sinks share: a hidden file, blocks that are checked and converted."""

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        if where.inner:
            raise SettingsError(
                f"{str(where.path)!r} is a file; there is no place inside it for {where.inner!r}."
            )
        self._spec = spec
        self._options = options
        self._staged = Staged(where.path, overwrite=options.overwrite)
        self._blocks: BlockWriter
        self._lock = threading.Lock()
        self._largest = 0

    def _converted(self, block: np.ndarray) -> np.ndarray:
        """Check labels; other pixels must have the type that was announced."""
        spec = self._spec
        if spec.role != "labels" or block.dtype.kind not in "iu" or not block.size:
            if not np.can_cast(block.dtype, spec.dtype, "same_kind"):
                raise SettingsError(
                    f"The block holds {block.dtype} pixels, the image {spec.dtype} ones."
                )
            return block
        low, high = int(block.min()), int(block.max())
        if low < 0:
            raise SettingsError(f"Labels must be 0 or more; the block holds {low}.")
        self._check_label(high)
        with self._lock:
            self._largest = max(self._largest, high)
        return block

    def _check_label(self, largest: int) -> None:
        if largest > np.iinfo(np.uint32).max:
            raise UnsupportedError(
                f"A TIFF holds labels up to 4294967295; the image has the label {largest}.",
                "Renumber the labels, or use .h5 or .ome.zarr.",
            )

    def write(self, region: Region, block: np.ndarray) -> None:
        self._blocks.check(region, block)
        with target_errors(self._staged.target):
            self._blocks.write(region, self._converted(block))

    def abort(self) -> None:
        if hasattr(self, "_blocks"):
            self._blocks.close()
        self._staged.abort()


class ImageJSink(_Sink):
    """An ImageJ TIFF: one header, all planes one after the other, then the other directories.

    Labels larger than 65,535 make it a 32-bit float image when it is finished. Beyond 4 GB only
    the first plane has a directory, which is how ImageJ itself writes and finds the others.
    """

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        super().__init__(where, spec, options)
        self._rgb = is_rgb(spec, ("uint8",))
        self._keys = file_order(spec, rgb=self._rgb)
        extra = spec.extra
        texts = [extra.info, *extra.slice_labels, *extra.channel_names]
        texts += [t for pair in extra.properties.items() for t in pair]
        self._order: Literal["<", ">"] = ">" if encode.needs_big_endian(texts) else "<"
        dtype = label_dtype(spec.dtype) if spec.role == "labels" else spec.dtype
        if dtype == np.float16:
            dtype = np.dtype(np.float32)
        channels = 1 if self._rgb else spec.axes.size("c")
        self._low, self._high = np.full(channels, np.inf), np.full(channels, -np.inf)
        wide = [(-1.2345678901234567e-300, -1.2345678901234567e-300)] * channels
        room = len(self._header(dtype, wide).first(0)) + _SLACK
        try:
            with target_errors(where.path):
                self._staged.path.touch()
                stored = dtype.newbyteorder(self._order)
                self._blocks = BlockWriter(
                    self._staged.path, -(-room // 256) * 256, spec, self._keys, stored
                )
        except BaseException:
            self.abort()
            raise

    def _check_label(self, largest: int) -> None:
        check_labels_float32(largest)

    def write(self, region: Region, block: np.ndarray) -> None:
        super().write(region, block)
        self._see(region, block)

    def _see(self, region: Region, block: np.ndarray) -> None:
        """Keep the smallest and the largest value of each channel, for the display range."""
        if not block.size or block.dtype.itemsize == 1 or self._spec.extra.display_ranges:
            return
        axis = None if len(self._low) == 1 else self._spec.axes.index("c")
        for i in range(1 if axis is None else block.shape[axis]):
            values = block if axis is None else np.take(block, i, axis)
            if values.dtype.kind == "f" and not _all_finite(values):
                values = values[np.isfinite(values)]
                if not values.size:
                    continue
            channel = i + (0 if axis is None else region.start[axis])
            with self._lock:
                self._low[channel] = min(self._low[channel], float(values.min()))
                self._high[channel] = max(self._high[channel], float(values.max()))

    def _luts(self) -> tuple[np.ndarray, ...]:
        if self._spec.role == "labels":
            from fijibridge.formats._luts import glasbey_lut

            if self._options.lut == "none":
                return ()
            return self._spec.extra.luts[:1] or (glasbey_lut(),)
        return () if self._rgb else self._spec.extra.luts

    def _ranges(self) -> list[tuple[float, float]]:
        """Return the display range of each channel."""
        spec, n = self._spec, len(self._low)
        if spec.role == "labels" and self._luts():
            return [(0.0, 255.0)]
        given = list(spec.extra.display_ranges[:n])
        if len(given) < n:
            found = zip(self._low.tolist(), self._high.tolist(), strict=True)
            byte = spec.dtype.itemsize == 1
            seen = [(0.0, 255.0) if byte or a > b else (a, b) for a, b in found]
            given = [*given, *seen[len(given) :]]
        # ImageJ shows signed pixels 32768 higher
        shift = 32768.0 if spec.dtype == np.int16 and spec.role != "labels" else 0.0
        return [(a + shift, b + shift) for a, b in given]

    def _header(self, dtype: np.dtype[Any], ranges: list[tuple[float, float]]) -> encode.Header:
        spec, luts = self._spec, self._luts()
        composite = len(self._low) > 1
        plain = dtype.itemsize == 1 and ranges[0] == (0.0, 255.0)
        display = None if self._rgb or plain else ranges[0]
        x, y = spec.axes["x"], spec.axes["y"]
        resolution = None
        if encode.is_scaled(spec):
            # ImageJ takes 72 dpi for "not calibrated"
            code = {"inch": 2, "centimeter": 3}.get(x.unit, 1) if x.scale != 1 / 72 else 1
            resolution = (encode.rational(x.scale), encode.rational(y.scale), code)
        counts, data = encode.metadata(
            self._records(ranges if composite else [], luts if composite else ()), self._order
        )
        return encode.Header(
            order=self._order,
            width=x.size,
            height=y.size,
            planes=spec.axes.size("t") * spec.axes.size("z") * len(self._low),
            dtype=dtype,
            rgb=self._rgb,
            inverted=spec.extra.inverted_lut,
            description=encode.description(
                replace(spec, dtype=dtype), rgb=self._rgb, display=display
            ),
            resolution=resolution,
            lut=luts[0] if luts and not composite else None,
            counts=counts,
            data=data,
        )

    def _records(
        self, ranges: list[tuple[float, float]], luts: tuple[np.ndarray, ...]
    ) -> list[tuple[bytes, list[bytes]]]:
        """Return the metadata records in ImageJ's order."""
        extra = self._spec.extra

        def chars(text: str) -> bytes:
            coding = "utf-16-le" if self._order == "<" else "utf-16-be"
            return text.encode(coding, "surrogatepass")

        full = luts if len(luts) == len(self._low) else ()
        numbers = np.array(ranges, self._order + "f8").tobytes()
        properties = {k: v for k, v in extra.properties.items() if k != ROLE_PROPERTY}
        if self._spec.role == "labels":
            properties[ROLE_PROPERTY] = "labels"
        pairs = [chars(str(t)) for pair in properties.items() for t in pair]
        selection = str(extra.other.get("selection", ""))
        return [
            (b"info", [chars(extra.info)] if extra.info else []),
            (b"labl", [chars(label) for label in self._slice_labels()]),
            (b"rang", [numbers] if ranges else []),
            (b"luts", [np.ascontiguousarray(lut.T, np.uint8).tobytes() for lut in full]),
            (b"roi ", [bytes.fromhex(selection)] if selection else []),
            (b"over", _overlay_records(extra)),
            (b"prop", pairs),
        ]

    def _slice_labels(self) -> tuple[str, ...]:
        """Return one label a plane; channel names stand in for missing ones."""
        spec, channels = self._spec, len(self._low)
        planes = spec.axes.size("t") * spec.axes.size("z") * channels
        labels, names = spec.extra.slice_labels, spec.extra.channel_names
        if len(labels) == planes and any(labels):
            return labels
        if len(names) == channels and any(names) and not self._rgb:
            return names * (planes // channels)
        return ()

    def commit(self) -> None:
        blocks = self._blocks
        try:
            with target_errors(self._staged.target):
                dtype = blocks.dtype
                if self._spec.role == "labels" and dtype.kind == "u" and dtype.itemsize == 4:
                    small = np.uint16 if self._largest <= 65535 else np.float32
                    blocks.convert(np.dtype(small).newbyteorder(self._order))
                header = self._header(blocks.dtype, self._ranges())
                blocks.put_bytes(0, header.first(blocks.offset))
                blocks.put_bytes(blocks.offset + blocks.nbytes, header.rest(blocks.offset))
            blocks.close()
            self._staged.commit()
        except BaseException:
            self.abort()
            raise


def _overlay_records(extra: Extra) -> list[bytes]:
    if extra.overlay is None or not len(extra.overlay):
        return []
    from fijibridge.formats.roi import encode_roi

    return [encode_roi(roi) for roi in extra.overlay]


class TifffileSink(_Sink):
    """An OME-TIFF, plain TIFF or BigTIFF.

    Pixels are written by position where they lie uncompressed; with a codec they wait in a hidden
    file and are encoded plane by plane at the end.
    """

    def __init__(
        self,
        where: Location,
        spec: ImageSpec,
        options: WriteOptions,
        *,
        kind: Literal["ome", "plain", "big"],
    ) -> None:
        super().__init__(where, spec, options)
        self._kind = kind
        self._rgb = is_rgb(spec, ("uint8", "uint16"))
        self._keys = file_order(spec, rgb=self._rgb)
        labels = spec.role == "labels" and spec.dtype.kind in "iu"
        self._dtype = label_dtype(spec.dtype) if labels else spec.dtype
        self._raw = self._staged.path.with_name(self._staged.path.name + ".raw")
        path, offset = self._raw, 0
        try:
            with target_errors(where.path):
                if options.compression is None:
                    path, offset = self._staged.path, self._write_tiff(None)
                else:
                    path.touch()
                self._blocks = BlockWriter(path, offset, spec, self._keys, self._dtype)
        except BaseException:
            self.abort()
            raise

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(self._spec.axes.size(key) for key in self._keys)

    def _write_tiff(self, planes: Iterator[np.ndarray] | None) -> int:
        """Write the file around its pixels; return where they begin when they are left out."""
        from tifffile import TiffWriter

        nbytes = self._spec.nbytes
        big = self._kind == "big" or (self._kind == "ome" and nbytes > 2**32 - 2**25)
        letters = self._keys.upper()
        if self._rgb:
            letters = letters[:-1] + "S"
        arguments: dict[str, Any] = {
            "shape": self._sizes,
            "dtype": self._dtype,
            "photometric": "rgb" if self._rgb else "minisblack",
            "software": "fijibridge",
            "metadata": self._metadata(letters),
            **self._resolution(),
        }
        if self._rgb:
            arguments["planarconfig"] = "contig"
        path = self._staged.path
        with TiffWriter(path, bigtiff=big, ome=self._kind == "ome", byteorder="<") as tif:
            if planes is None:
                found = tif.write(None, returnoffset=True, **arguments)
                return int(found[0])
            tif.write(planes, compression=self._options.compression, maxworkers=1, **arguments)
        return 0

    def _metadata(self, letters: str) -> dict[str, Any]:
        axes = self._spec.axes
        if self._kind == "ome":
            from fijibridge.formats._tiff.ome import ome_metadata

            page = 3 if self._rgb else 2
            planes = int(np.prod(self._sizes[:-page], dtype=np.int64))
            return ome_metadata(self._spec, planes, letters)
        said: dict[str, Any] = {"axes": letters}
        said["scale"] = {a.key: a.scale for a in axes if a.scale != 1.0}
        said["unit"] = {a.key: a.unit for a in axes if a.unit != PIXEL}
        said["origin"] = {a.key: a.origin for a in axes if a.origin}
        return json.loads(json.dumps({k: v for k, v in said.items() if v}))  # type: ignore[no-any-return]  # a mapping

    def _resolution(self) -> dict[str, Any]:
        """Return the resolution tags; readers that know no more take the pixel size from them."""
        x, y = self._spec.axes["x"], self._spec.axes["y"]
        factor = length_factor(x.unit, "centimeter")
        if factor is None or x.unit != y.unit:
            return {}
        pairs = tuple(encode.rational(float(f"{a.scale * factor:.12g}")) for a in (x, y))
        return {"resolution": pairs, "resolutionunit": "CENTIMETER"}

    def commit(self) -> None:
        try:
            with target_errors(self._staged.target):
                self._blocks.close()
                if self._options.compression is not None:
                    self._compress()
            self._staged.commit()
        except BaseException:
            self.abort()
            raise

    def _compress(self) -> None:
        page = 3 if self._rgb else 2
        planes = np.memmap(self._raw, self._dtype, "r", shape=self._sizes)
        flat = planes.reshape(-1, *self._sizes[-page:])
        try:
            self._write_tiff(np.array(plane) for plane in flat)
        except (FijiBridgeError, OSError):
            raise
        except Exception as error:
            raise UnsupportedError(
                f"The pixels cannot be compressed with {self._options.compression!r}: {error}.",
                "Leave compression out, or use zlib.",
            ) from error
        finally:
            del planes, flat
            self._raw.unlink(missing_ok=True)

    def abort(self) -> None:
        super().abort()
        self._raw.unlink(missing_ok=True)
