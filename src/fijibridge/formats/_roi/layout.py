"""Where things are in an ImageJ ROI record. All numbers are big-endian.

Source: ImageJ 1.54p RoiDecoder and RoiEncoder; the repository head for version 229.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fijibridge.model import RoiKind

MAGIC = b"Iout"
#: ImageJ itself looks at two of the four letters.
MAGIC_READ = b"Io"
VERSION = 228
#: Groups above 255 need it.
VERSION_LARGE_GROUPS = 229
HEADER_SIZE = 64
HEADER2_SIZE = 64
#: ImageJ saves vertices as floats beyond this.
LARGEST_BOUND = 60000
#: Shorts below this are read as unsigned.
SMALLEST_SHORT = -5000
LARGEST_SHORT = 60535
#: Areas with more vertices are saved as composites.
LARGEST_COUNT = 65535

# header
AT_VERSION, AT_TYPE, AT_BOX, AT_COUNT = 4, 6, 8, 16
AT_FLOATS = 18  # four floats: line ends, sub-pixel bounds; or an int count
AT_STROKE_WIDTH, AT_SHAPE_SIZE, AT_STROKE_COLOR, AT_FILL_COLOR = 34, 36, 40, 44
AT_SUBTYPE, AT_OPTIONS, AT_PARAMETER, AT_ARC_SIZE = 48, 50, 52, 54
AT_ARROW_HEAD, AT_POSITION, AT_HEADER2 = 53, 56, 60
# second header, relative to its start
AT2_CZT, AT2_NAME, AT2_NAME_LENGTH = 4, 16, 20
AT2_GROUP, AT2_IMAGE_SIZE, AT2_STROKE_WIDTH = 30, 32, 36
AT2_PROPERTIES, AT2_PROPERTIES_LENGTH, AT2_COUNTERS, AT2_LARGE_GROUP = 40, 44, 48, 52

# options
SPLINE, SUB_PIXEL, DRAW_OFFSET, SCALE_STROKE = 1, 128, 256, 8192
#: Options that belong to the coordinates; the others stay when an ROI gets new vertices.
GEOMETRY_OPTIONS = SPLINE | SUB_PIXEL | DRAW_OFFSET

KINDS: tuple[RoiKind, ...] = (
    "polygon",
    "rectangle",
    "oval",
    "line",
    "freeline",
    "polyline",
    "none",
    "freehand",
    "traced",
    "angle",
    "point",
)
TYPE_OF: dict[RoiKind, int] = {kind: i for i, kind in enumerate(KINDS)} | {"composite": 1}
#: Kinds made of points.
POINT_KINDS = frozenset({"polygon", "freehand", "traced", "polyline", "freeline", "angle", "point"})
#: Kinds whose bounds include the pixels that drawing touches.
LINE_KINDS = frozenset({"line", "polyline", "freeline", "angle", "point"})
SUBTYPES = ("", "text", "arrow", "ellipse", "image", "rotated rectangle")
