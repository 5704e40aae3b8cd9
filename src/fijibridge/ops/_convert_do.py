"""One conversion: which kind of thing becomes which, checked before pixels are read, then done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.ops._inputs import (
    calibrated,
    check_sources,
    glob_paths,
    has_label_colors,
    is_glob,
    looks_like_labels,
    read_stack,
)
from fijibridge.ops._operation import JobReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats import Format, Kind, Location
    from fijibridge.model import Image, ImageSpec, LabelImage, RoiSet
    from fijibridge.ops.convert import ConvertSettings

__all__ = ["Conversion"]

Way = Literal["image", "labels", "overlay", "rois", "fill", "table"]
_KINDS: tuple[Kind, ...] = ("image", "table", "rois")
_TAKEN_AS_LABELS = (
    "taken as labels, as its colour table is one for labels; --role intensity says otherwise"
)
_SLAB = 64 << 20  # bytes copied at once


def _readable(path: str) -> dict[Kind, Format]:
    from fijibridge.formats import Location, format_for_reading

    where = Location.parse(glob_paths(path)[0])
    found: dict[Kind, Format] = {}
    failure: FijiBridgeError | None = None
    for kind in _KINDS:
        try:
            found[kind] = format_for_reading(where, kind)
        except FijiBridgeError as error:
            failure = failure or error
    if not found and failure is not None:
        raise failure
    return found


def _writable(where: Location, to: str | None) -> dict[Kind, Format]:
    from fijibridge.formats import format_for_writing

    found: dict[Kind, Format] = {}
    failures: list[FijiBridgeError] = []
    for kind in _KINDS:
        try:
            found[kind] = format_for_writing(where, kind, to)
        except FijiBridgeError as error:
            failures.append(error)
    if not found:
        # "does not fit the suffix" says more than "no such format for tables"
        raise next((e for e in failures if "does not fit" in e.message), failures[0])
    return found


class Conversion:
    """One input, one output.

    Parameters
    ----------
    source, target
        Paths.
    value
        Settings.
    overwrite
        Replace an existing target.
    """

    def __init__(
        self, source: str, target: str, value: ConvertSettings, *, overwrite: bool
    ) -> None:
        self.source = source
        self.target = target
        self.value = value
        self.overwrite = overwrite
        self._way: Way | None = None
        self._by_colors = False  # taken as labels for its colour table

    def plan(self) -> Way:
        """Decide what becomes what, and refuse what cannot be, without reading pixels."""
        if self._way is None:
            self._way = self._decide()
        return self._way

    def _decide(self) -> Way:
        from fijibridge.formats import Location

        value = self.value
        check_sources([self.source, *([value.like] if value.like else [])])
        reads = _readable(self.source)
        writes = _writable(Location.parse(self.target), value.to)
        if "image" not in reads and "rois" in reads:
            return self._from_rois(writes)
        if "table" in reads and (
            "image" not in reads or ("table" in writes and "image" not in writes)
        ):
            if "table" not in writes:
                raise UnsupportedError(
                    f"{self.source!r} is a table; {self.target!r} holds none.",
                    "Tables are written as .tsv, .csv, .parquet, …",
                )
            return "table"
        if "table" in reads and "table" in writes and not self._opens_as_image():
            return "table"  # HDF5 to HDF5
        if "image" in writes:
            self._check_image(writes["image"])
            return "image"
        if "rois" in writes:
            if self._only_overlay():
                return "overlay"
            self._labels_spec()
            return "labels"
        raise UnsupportedError(
            f"{self.source!r} is an image; {self.target!r} holds tables only.",
            f"Type: fijibridge measure {self.source} --image IMAGE --table {self.target}, or "
            f"fijibridge particles {self.source} --table {self.target}",
        )

    def _opens_as_image(self) -> bool:
        """Return whether a file that may hold both has an image where the path points."""
        try:
            self._spec()
        except FormatError:
            return False
        return True

    def _from_rois(self, writes: Mapping[Kind, Format]) -> Way:
        value = self.value
        if "rois" in writes and value.like is None and value.shape is None:
            return "rois"
        if "image" in writes:
            if value.like is None and value.shape is None:
                raise SettingsError(
                    f"{self.source!r} holds ROIs, which do not say how large the image is.",
                    "Add --like IMAGE or --shape H,W.",
                )
            if writes["image"].lossy:
                raise UnsupportedError(
                    f"{writes['image'].title} changes pixel values, so labels would be lost.",
                    "Use .tif, .png, .h5 or .ome.zarr for label images.",
                )
            return "fill"
        if "rois" in writes:
            return "rois"
        raise UnsupportedError(
            f"{self.source!r} is a ROI set; {self.target!r} holds tables only.",
            f"Type: fijibridge measure {self.source} --image IMAGE --table {self.target}",
        )

    def _spec(self) -> ImageSpec:
        from fijibridge.formats import open_image

        value = self.value
        source = open_image(
            glob_paths(self.source)[0],
            axes=value.axes,
            role=value.role,
        )
        try:
            spec = source.spec
        finally:
            source.close()
        if value.role is None and spec.role == "intensity" and has_label_colors(spec):
            self._by_colors = True
            return replace(spec, role="labels")
        return spec

    def _only_overlay(self) -> bool:
        """Return whether the ROIs over an image are meant: it is no label image, but has some."""
        if self.value.role is not None:
            return False
        spec = self._spec()
        overlay = spec.extra.overlay
        return spec.role != "labels" and overlay is not None and len(overlay) > 0

    def _labels_spec(self) -> ImageSpec:
        from fijibridge.ops._inputs import check_label_spec

        spec = self._spec()
        check_label_spec(spec, self.source)
        return spec

    def _check_image(self, fmt: Format) -> None:
        from fijibridge.formats import WriteOptions

        spec = self._spec()
        if spec.role == "labels":
            self._labels_spec()
            if fmt.lossy:
                raise UnsupportedError(
                    f"{fmt.title} changes pixel values, so labels would be lost.",
                    "Use .tif, .png, .h5 or .ome.zarr for label images.",
                )
            return
        if fmt.lossy and self.value.role is None:
            self._refuse_unsaid_labels(fmt, spec)
        if fmt.check_image is not None and not is_glob(self.source):
            fmt.check_image(spec, WriteOptions(overwrite=self.overwrite))

    def _refuse_unsaid_labels(self, fmt: Format, spec: ImageSpec) -> None:
        """Look at the pixels before a lossy format gets them: few masks say that they are."""
        from fijibridge.formats import open_image
        from fijibridge.model import Region

        if spec.axes.size("c") > 1 or spec.dtype.kind not in "iub" or 0 in spec.shape:
            return
        stop = tuple(a.size if a.key in "yx" else 1 for a in spec.axes)
        source = open_image(glob_paths(self.source)[0], axes=self.value.axes)
        try:
            block = source.read(Region((0,) * len(stop), stop))
        finally:
            source.close()
        if looks_like_labels(block.reshape(spec.axes.size("y"), spec.axes.size("x"))):
            raise UnsupportedError(
                f"{fmt.title} changes pixel values, and {self.source!r} holds labels or a mask, "
                "by the look of its pixels: they would be lost.",
                "Use .tif, .png, .h5 or .ome.zarr; for a picture of grey values say --role "
                "intensity.",
            )

    def run(self, _earlier: Mapping[str, JobReport]) -> JobReport:
        """Convert."""
        way = self.plan()
        do = {
            "image": self._image,
            "labels": self._labels_to_rois,
            "overlay": self._overlay,
            "rois": self._rois,
            "fill": self._fill,
            "table": self._table,
        }[way]
        return do()

    def _write_options(self) -> dict[str, Any]:
        return {"to": self.value.to, "overwrite": self.overwrite}

    def _report(self, what: str, data: dict[str, Any], notes: list[str], value: Any) -> JobReport:
        return JobReport(
            line=f"{self.source} -> {self.target}: {what}",
            data={"input": self.source, "output": self.target, **data},
            notes=tuple(notes),
            value=value,
        )

    def _image(self) -> JobReport:
        from fijibridge.formats import write_image, write_labels
        from fijibridge.ops._inputs import to_labels

        value = self.value
        spec = self._spec()
        if spec.role != "labels" and not is_glob(self.source):
            return self._copied(self._copy())
        image = read_stack(self.source, axes=value.axes, role=spec.role)
        image = calibrated(image, value.pixel_size, value.unit)
        if image.spec.role == "labels":
            labels = to_labels(image)
            write_labels(labels, self.target, lut=value.lut, **self._write_options())
            count = len(labels.ids)
            notes = [_TAKEN_AS_LABELS] if self._by_colors else []
            data = {"kind": "labels", "count": count}
            return self._report(f"{count} labels", data, notes, labels)
        write_image(image, self.target, **self._write_options())
        return self._copied(image.spec)

    def _copied(self, spec: ImageSpec) -> JobReport:
        what = f"{spec.axes.keys} {'x'.join(map(str, spec.shape))} {spec.dtype}"
        data = {"kind": "image", "axes": spec.axes.keys, "shape": list(spec.shape)}
        return self._report(what, data, [], None)

    def _copy(self) -> ImageSpec:
        """Copy an image slab by slab, so that it may be larger than memory."""
        from fijibridge.formats import Location, WriteOptions, format_for_writing, open_image
        from fijibridge.ops._inputs import calibrated_spec, slabs

        value = self.value
        source = open_image(self.source, axes=value.axes, role=value.role)
        try:
            spec = calibrated_spec(source.spec, value.pixel_size, value.unit)
            spec = replace(spec, scales=())
            where = Location.parse(self.target)
            fmt = format_for_writing(where, "image", value.to)
            options = WriteOptions(overwrite=self.overwrite, lut=value.lut)  # type: ignore[arg-type]  # a choice
            if fmt.check_image is not None:
                fmt.check_image(spec, options)
            assert fmt.create_image is not None  # noqa: S101  # format_for_writing chose it
            sink = fmt.create_image(where, spec, options)
            try:
                for region in slabs(spec.shape, spec.dtype.itemsize, _SLAB):
                    sink.write(region, source.read(region))
                sink.commit()
            except BaseException:
                sink.abort()
                raise
        finally:
            source.close()
        return spec

    def _read_labels(self) -> LabelImage:
        from fijibridge.ops._inputs import to_labels

        value = self.value
        image = read_stack(self.source, axes=value.axes, role="labels")
        return to_labels(calibrated(image, value.pixel_size, value.unit))

    def _labels_to_rois(self) -> JobReport:
        from fijibridge.formats import read_rois, write_rois
        from fijibridge.measure.regions import labels_to_rois, round_trip_report

        value = self.value
        labels = self._read_labels()
        rois = labels_to_rois(labels, names=value.names, vertices=value.vertices)  # type: ignore[arg-type]  # a choice
        write_rois(rois, self.target, **self._write_options())
        back = round_trip_report(labels, read_rois(self.target))
        notes = []
        if value.vertices == "centers":
            notes.append("vertices through pixel centres draw objects half a pixel too small")
        data = {
            "kind": "rois",
            "count": len(rois),
            "labels": back.total,
            "identical": back.identical,
            "changed": back.changed,
            "lost": back.lost,
        }
        what = f"{len(labels.ids)} labels -> {len(rois)} ROIs, check: {back}"
        return self._report(what, data, notes, rois)

    def _rois(self) -> JobReport:
        from fijibridge.formats import read_rois, write_rois

        rois: RoiSet = read_rois(self.source)
        write_rois(rois, self.target, **self._write_options())
        return self._report(f"{len(rois)} ROIs", {"kind": "rois", "count": len(rois)}, [], rois)

    def _overlay(self) -> JobReport:
        from fijibridge.formats import write_rois

        rois = self._spec().extra.overlay
        assert rois is not None  # noqa: S101  # _only_overlay looked
        write_rois(rois, self.target, **self._write_options())
        note = "the overlay of the image; --role labels would trace its pixels"
        data = {"kind": "rois", "count": len(rois)}
        return self._report(f"{len(rois)} ROIs", data, [note], rois)

    def _like(self) -> ImageSpec | None:
        from fijibridge.formats import open_image

        if self.value.like is None:
            return None
        source = open_image(self.value.like)
        try:
            return source.spec
        finally:
            source.close()

    def _fill(self) -> JobReport:
        from fijibridge.formats import read_rois, write_image
        from fijibridge.measure.regions import paint_rois, round_trip_report
        from fijibridge.model import LabelImage

        value = self.value
        rois = read_rois(self.source)
        painted = paint_rois(rois, like=self._like(), shape=value.shape, overlap=value.overlap)  # type: ignore[arg-type]  # a choice
        labels: Image = calibrated(painted.labels, value.pixel_size, value.unit)
        options = {**self._write_options(), "lut": value.lut}
        write_image(labels, self.target, **options)
        notes = []
        for count, text in (
            (painted.clipped, "reach beyond the image and were cut at its border"),
            (painted.outside, "lie outside of the image"),
            (painted.no_area, "enclose no pixels (lines, points) and were left out"),
        ):
            if count:
                notes.append(f"{count} of {len(rois)} ROIs {text}")
        data: dict[str, Any] = {"kind": "labels", "count": len(rois)}
        what = f"{len(rois)} ROIs -> labels"
        if value.overlap != "channels":
            assert isinstance(labels, LabelImage)  # noqa: S101  # only channels are none
            back = round_trip_report(labels, rois, of="rois")
            data |= {"identical": back.identical, "changed": back.changed, "lost": back.lost}
            what += f", check: {back}"
        return self._report(what, data, notes, labels)

    def _table(self) -> JobReport:
        from fijibridge.formats import read_table, write_table

        table = read_table(self.source)
        write_table(table, self.target, **self._write_options())
        data = {"kind": "table", "count": len(table), "columns": list(table.headings)}
        what = f"{len(table)} rows, {len(table.headings)} columns"
        return self._report(what, data, [], table)
