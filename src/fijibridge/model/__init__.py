"""What data is: axes, images, labels, tables, ROIs. numpy only; no files, no Java."""

from fijibridge.model.axes import Axes, Axis, Region
from fijibridge.model.image import (
    Extra,
    Image,
    ImageSink,
    ImageSource,
    ImageSpec,
    Level,
    Role,
    Valuation,
)
from fijibridge.model.labels import BACKGROUND, LabelImage
from fijibridge.model.rois import Outlines, Position, Roi, RoiKind, RoiSet
from fijibridge.model.table import ResultsTable, TableStyle
from fijibridge.model.tracks import Tracks

__all__ = [
    "BACKGROUND",
    "Axes",
    "Axis",
    "Extra",
    "Image",
    "ImageSink",
    "ImageSource",
    "ImageSpec",
    "LabelImage",
    "Level",
    "Outlines",
    "Position",
    "Region",
    "ResultsTable",
    "Roi",
    "RoiKind",
    "RoiSet",
    "Role",
    "TableStyle",
    "Tracks",
    "Valuation",
]
