"""One object over two hosts: a Fiji through pyimagej, else the embedded ImageJ 1.54p."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fijibridge.bridge import convert, convert_objects, imglib
from fijibridge.bridge._java import SIGNALS, find_java, jimport
from fijibridge.bridge.commands import commands, register_commands, run_command
from fijibridge.bridge.doctor import find_fiji
from fijibridge.bridge.embedded import EmbeddedImageJ, start_embedded
from fijibridge.bridge.failures import explained
from fijibridge.bridge.host import ImageJHost
from fijibridge.errors import BridgeError, MissingDependencyError, SettingsError
from fijibridge.model import Image, ResultsTable, Roi, RoiSet

if TYPE_CHECKING:
    from fijibridge.bridge.commands import Outcome

__all__ = ["Fiji", "start_fiji"]

Mode = Literal["headless", "interactive"]
#: Maven coordinates: two to four parts; a Windows path has one letter before its colon.
_ENDPOINT = re.compile(r"[A-Za-z][\w.-]+(:[\w.-]+){1,3}(\+[\w.:+-]+)?")


@dataclass(frozen=True, slots=True)
class Fiji:
    """A running Fiji or ImageJ, with our commands under Plugins > FijiBridge.

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

    @property
    def windows(self) -> ImageJHost:
        """What is open there: active image, selection, ROIs, Results; and where to show things."""
        return ImageJHost()

    @property
    def commands(self) -> tuple[str, ...]:
        """Labels of our commands."""
        return tuple(commands())

    def run_macro(self, code: str, argument: str = "") -> str:
        """Run an ImageJ macro and return what it returns; its errors raise BridgeError."""
        return self.imagej.run_macro(code, argument)

    def run_command(self, verb: str, **settings: Any) -> Outcome:
        """Do a verb on what is open there where nothing is named, as its command does.

        Parameters
        ----------
        verb
            ``particles``, …, or the label of its command.
        **settings
            Those of the verb.

        Returns
        -------
        Outcome
            ``.ok``, ``.message`` and ``.report``; errors are in it.
        """
        found = commands().get(verb)
        return run_command(verb if found is None else found.name, settings)

    def to_imagej(
        self,
        value: Image | Roi | RoiSet | ResultsTable,
        *,
        kind: Literal["imagej", "imgplus", "dataset"] = "imagej",
    ) -> Any:
        """Return a value as ImageJ's own object.

        Parameters
        ----------
        value
            An image or label image becomes an ``ImagePlus``, a table a ``ResultsTable``, an ROI a
            ``Roi``, an ROI set an ``Overlay``.
        kind
            For images on the Fiji host also ``imgplus`` (ImgLib2) and ``dataset`` (ImageJ2), which
            hold every pixel type.

        Raises
        ------
        SettingsError
            For anything else.
        UnsupportedError
            For pixel values that an ImagePlus would change.
        """
        if kind != "imagej":
            return self._to_imagej2(value, kind)
        if isinstance(value, Image):
            return convert.to_imageplus(value)
        if isinstance(value, ResultsTable):
            return convert_objects.table_to_java(value)
        if isinstance(value, Roi):
            return convert_objects.roi_to_java(value)
        if isinstance(value, RoiSet):
            return convert_objects.overlay_to_java(value)
        raise SettingsError(
            f"A {type(value).__name__} has no ImageJ counterpart.",
            "Give an Image, LabelImage, ResultsTable, Roi or RoiSet.",
        )

    def _to_imagej2(self, value: Any, kind: str) -> Any:
        if self.ij is None:
            raise SettingsError(
                f"The embedded ImageJ knows no {kind}; ImageJ2's classes come with Fiji.",
                "Start one: fb.start_fiji('/path/to/Fiji.app').",
            )
        if not isinstance(value, Image):
            raise SettingsError(f"A {type(value).__name__} is no {kind}.", "Give an Image.")
        made = imglib.to_imgplus(value)
        return made if kind == "imgplus" else self.ij.dataset().create(made)

    def from_imagej(self, value: Any, *, role: Literal["intensity", "labels"] = "intensity") -> Any:
        """Return one of ImageJ's objects as a value of fijibridge; the reverse of `to_imagej`.

        Parameters
        ----------
        value
            ``ImagePlus``, ``ResultsTable``, ``Roi``, ``Overlay``; on the Fiji host also
            ``Dataset``, ``ImgPlus`` and other images of ImgLib2.
        role
            ``labels`` for label images.

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
            return convert_objects.overlay_from_java(value)
        if imglib.is_image(value):
            return imglib.from_imglib(value, role=role)
        raise SettingsError(
            f"{type(value).__name__} has no counterpart in fijibridge.",
            "Give an ImagePlus, ResultsTable, Roi, Overlay, Dataset or ImgPlus.",
        )


def start_fiji(where: Any = None, *, mode: Mode = "headless") -> Fiji:
    """Start a Fiji if there is one, else ImageJ 1.54p from Maven Central.

    The commands of fijibridge are then under Plugins > FijiBridge, in macros and in Jython.

    Parameters
    ----------
    where
        A Fiji folder; an endpoint such as ``"sc.fiji:fiji"``; or the ``ij`` of pyimagej that
        already runs. None = ``FIJI_DIR``, else the usual places, else the embedded ImageJ.
    mode
        ``interactive`` opens windows and needs a display.

    Raises
    ------
    BridgeError
        When there is no Java or no display, or the host does not start; it says what to type.
    SettingsError
        When `where` is none of these, or `mode` is unknown.
    """
    if mode not in ("headless", "interactive"):
        raise SettingsError(f"mode is {mode!r}; allowed are headless, interactive.")
    if where is not None and not isinstance(where, (str, os.PathLike)):
        return _running(where)
    if where is None and os.environ.get("FIJI_DIR") and find_fiji() is None:
        named = os.environ["FIJI_DIR"]
        raise BridgeError(
            f"FIJI_DIR is {named!r}, but there is no Fiji: jars/ and plugins/ are not in it.",
            "Type: export FIJI_DIR=/path/to/Fiji.app   or unset it to use the embedded ImageJ.",
        )
    place = find_fiji() if where is None else _place(os.fspath(where))
    if mode == "interactive":
        _check_display()
    if place is None:
        embedded = Fiji(host="embedded", imagej=start_embedded(mode))
        register_commands()
        return embedded
    return _start_pyimagej(place, mode)


def _place(text: str) -> Path | str:
    """Return a Fiji folder, or an endpoint as it is."""
    folder = Path(text)
    if (folder / "jars").is_dir():
        return folder
    for inner in ("Fiji.app", "Fiji"):  # what the downloaded archive unpacks to
        if (folder / inner / "jars").is_dir():
            return folder / inner
    if not folder.exists() and _ENDPOINT.fullmatch(text):
        return text
    raise SettingsError(
        f"{text!r} is no Fiji folder: there is no jars/ in it.",
        "Name the folder Fiji.app (or Fiji) itself.",
    )


def _check_display() -> None:
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        raise explained("ImageJ with its windows", "DISPLAY is not set")


def _running(ij: Any) -> Fiji:
    """Take the gateway of a user."""
    context = getattr(ij, "context", None)
    if not callable(context) or not callable(getattr(ij, "module", None)):
        raise SettingsError(
            f"{type(ij).__name__} is no Fiji: give a folder, an endpoint or pyimagej's ij.",
            "Such as fb.start_fiji('/path/to/Fiji.app').",
        )
    try:
        ij1 = jimport("ij.IJ")
    except TypeError:
        raise BridgeError(
            "This ij runs without ImageJ 1.x (add_legacy=False).",
            "Start it with imagej.init(…) as it is by default.",
        ) from None
    found = Fiji(host="fiji", imagej=EmbeddedImageJ(version=str(ij1.getVersion()), IJ=ij1), ij=ij)
    register_commands()
    from fijibridge.bridge.modules import register_modules

    register_modules(ij.context())
    return found


def _start_pyimagej(place: Path | str, mode: str) -> Fiji:
    java = find_java()  # says in plain words what is missing, before pyimagej does in long ones
    what = f"Fiji in {str(place)!r}" if isinstance(place, Path) else f"The endpoint {place!r}"
    try:
        import scyjava

        if scyjava.jvm_started():  # before pyimagej looks in it for ImageJ2
            raise explained(what, "a JVM is already running")
        os.environ["JAVA_HOME"] = str(java.home)
        # "always", the default, downloads a Java; "never" crashes pyimagej 1.8.0
        scyjava.config.set_java_constraints(fetch="auto")
        import imagej
    except ImportError:
        raise MissingDependencyError("pyimagej", "fiji", "Starting Fiji") from None
    scyjava.config.endpoints.clear()  # importing imglyb appended one that needs the network
    scyjava.config.add_options(SIGNALS)
    if java.major >= 9:
        scyjava.config.add_options("--add-opens=java.base/java.lang=ALL-UNNAMED")
    if java.major >= 22:
        scyjava.config.add_options("--enable-native-access=ALL-UNNAMED")
    try:
        ij = imagej.init(str(place), mode=mode)
    except Exception as error:
        raise explained(what, error) from error
    return _running(ij)
