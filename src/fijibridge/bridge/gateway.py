"""One object over two hosts: a Fiji folder through pyimagej, else the embedded ImageJ 1.54p."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fijibridge.bridge import convert, convert_objects
from fijibridge.bridge._java import find_java, jimport
from fijibridge.bridge.doctor import find_fiji
from fijibridge.bridge.embedded import EmbeddedImageJ, start_embedded
from fijibridge.errors import BridgeError, MissingDependencyError, SettingsError
from fijibridge.model import Image, ResultsTable, Roi, RoiSet

if TYPE_CHECKING:
    import os

__all__ = ["Fiji", "start_fiji"]


@dataclass(frozen=True, slots=True)
class Fiji:
    """A running Fiji or ImageJ.

    Parameters
    ----------
    host
        ``fiji`` (pyimagej) or ``embedded`` (ImageJ 1.54p from Maven Central).
    imagej
        Macros and classes of ImageJ 1.x, the same on both hosts.
    ij
        pyimagej's gateway on the Fiji host, else None.
    """

    host: Literal["fiji", "embedded"]
    imagej: EmbeddedImageJ
    ij: Any = None

    @property
    def version(self) -> str:
        """ImageJ's version."""
        return self.imagej.version

    def run_macro(self, code: str, argument: str = "") -> str:
        """Run an ImageJ macro and return what it returns; its errors raise BridgeError."""
        return self.imagej.run_macro(code, argument)

    def to_imagej(self, value: Image | Roi | RoiSet | ResultsTable) -> Any:
        """Return a value as ImageJ's own object.

        An image or label image becomes an ``ImagePlus``, a table a ``ResultsTable``, an ROI a
        ``Roi``, an ROI set an ``Overlay``.

        Raises
        ------
        SettingsError
            For anything else.
        """
        if isinstance(value, Image):
            return convert.to_imageplus(value)
        if isinstance(value, ResultsTable):
            return convert_objects.table_to_java(value)
        if isinstance(value, Roi):
            return convert_objects.roi_to_java(value)
        if isinstance(value, RoiSet):
            overlay = jimport("ij.gui.Overlay")()
            for roi in value:
                overlay.add(convert_objects.roi_to_java(roi))
            return overlay
        raise SettingsError(
            f"A {type(value).__name__} has no ImageJ counterpart.",
            "Give an Image, LabelImage, ResultsTable, Roi or RoiSet.",
        )

    def from_imagej(self, value: Any, *, role: Literal["intensity", "labels"] = "intensity") -> Any:
        """Return one of ImageJ's objects as a value of fijibridge; the reverse of `to_imagej`.

        Raises
        ------
        SettingsError
            For objects that have no counterpart.
        """
        if isinstance(value, jimport("ij.ImagePlus")):
            return convert.from_imageplus(value, role=role)
        if isinstance(value, jimport("ij.measure.ResultsTable")):
            return convert_objects.table_from_java(value)
        if isinstance(value, jimport("ij.gui.Roi")):
            return convert_objects.roi_from_java(value)
        if isinstance(value, jimport("ij.gui.Overlay")):
            found = [value.get(i) for i in range(int(value.size()))]
            return RoiSet([convert_objects.roi_from_java(roi) for roi in found])
        raise SettingsError(
            f"{type(value).__name__} has no counterpart in fijibridge.",
            "Give an ImagePlus, ResultsTable, Roi or Overlay.",
        )


def start_fiji(
    where: str | os.PathLike[str] | None = None,
    *,
    mode: Literal["headless", "interactive"] = "headless",
) -> Fiji:
    """Start a Fiji if there is one, else ImageJ 1.54p from Maven Central.

    Parameters
    ----------
    where
        A Fiji folder; None = ``FIJI_DIR``, else the usual places, else the embedded ImageJ.
    mode
        ``interactive`` opens windows and needs a display.

    Raises
    ------
    BridgeError
        When there is no Java, or the host does not start.
    SettingsError
        When `where` is no Fiji folder.
    """
    folder = Path(where) if where is not None else find_fiji()
    if where is not None and not ((Path(where) / "jars").is_dir()):
        raise SettingsError(
            f"{str(where)!r} is no Fiji folder: there is no jars/ in it.",
            "Name the folder Fiji.app (or Fiji) itself.",
        )
    if folder is None:
        return Fiji(host="embedded", imagej=start_embedded())
    return _start_fiji_folder(folder, mode)


def _start_fiji_folder(folder: Path, mode: str) -> Fiji:
    find_java()  # says in plain words what is missing, before pyimagej does in long ones
    try:
        import scyjava

        scyjava.config.set_java_constraints(fetch="auto")
        import imagej
    except ImportError:
        raise MissingDependencyError("pyimagej", "fiji", "Starting Fiji") from None
    scyjava.config.endpoints.clear()  # importing imglyb appended one that needs the network
    try:
        ij = imagej.init(str(folder), mode=mode)
    except Exception as error:
        raise BridgeError(
            f"Fiji in {str(folder)!r} could not start: {error}.", "Type: fijibridge doctor"
        ) from error
    ij1 = jimport("ij.IJ")
    host = EmbeddedImageJ(version=str(ij1.getVersion()), IJ=ij1)
    return Fiji(host="fiji", imagej=host, ij=ij)
