"""Label images: integers, 0 is background, no channel axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model.image import Image, ImageSpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fijibridge.model.axes import Axes
    from fijibridge.model.image import Extra

__all__ = ["BACKGROUND", "LabelImage"]

BACKGROUND = 0
_NEGATIVE = "Number the objects anew, or read it with role='intensity'."


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelImage(Image):
    """A whole label image: an `Image` of integers >= 0 with the role ``labels``.

    Examples
    --------
    >>> LabelImage.from_array([[0, 3], [7, 7]], "yx").ids
    array([3, 7])
    """

    def __post_init__(self) -> None:
        Image.__post_init__(self)
        check_labels(self.data, self.spec)

    @classmethod
    def trusted(cls, data: np.ndarray, spec: ImageSpec) -> LabelImage:
        """Build an image of an array and a spec that are known to fit, without looking at them."""
        data.setflags(write=False)
        image = object.__new__(cls)
        object.__setattr__(image, "data", data)
        object.__setattr__(image, "spec", spec)
        return image

    @classmethod
    def from_array(  # type: ignore[override]  # a label image always has the role labels
        cls, array: ArrayLike, axes: str | Axes, *, name: str = "", extra: Extra | None = None
    ) -> LabelImage:
        """Wrap an array of integers.

        Raises
        ------
        SettingsError
            For floats that are not whole, negative values, or a channel axis.
        """
        data = np.asarray(array)
        if data.dtype.kind == "f":
            with np.errstate(invalid="ignore"):  # signalling NaNs
                whole = np.isfinite(data) & (data == np.floor(data))
            if not whole.all():
                bad = data[~whole].flat[0]
                raise SettingsError(
                    f"Labels must be whole numbers; the array holds {bad}.",
                    "Round it, or read it with role='intensity'.",
                )
            if data.size and float(data.min()) < 0:
                raise SettingsError(
                    f"Labels must be 0 or more; the array holds {data.min():g}.", _NEGATIVE
                )
            if data.size and float(data.max()) >= 2.0**64:
                raise SettingsError(
                    f"Labels go up to {2**64 - 1}; the array holds {float(data.max()):g}.",
                    "Number the objects anew.",
                )
            data = data.astype(np.uint32 if not data.size or data.max() < 2**32 else np.uint64)
        image = Image.from_array(data, axes, name=name, role="labels", extra=extra)
        return cls(image.data, image.spec)

    def reorder(self, keys: str) -> Image:
        """Return a view with the axes in another order, see `Image.reorder`.

        With a channel axis among `keys` it is a plain `Image` of the role ``labels``.
        """
        image = Image(self.data, self.spec).reorder(keys)
        return image if "c" in keys else LabelImage(image.data, image.spec)

    @property
    def ids(self) -> np.ndarray:
        """All labels but the background, ascending, shape (n,)."""
        values: np.ndarray = np.unique(self.data)
        found: np.ndarray = values[values != BACKGROUND]
        return found


def check_labels(data: np.ndarray, spec: ImageSpec) -> None:
    """Raise SettingsError when `data` cannot be a label image."""
    if spec.role != "labels":
        raise SettingsError(f"A LabelImage has the role 'labels', not {spec.role!r}.")
    if data.dtype.kind not in "iu":
        raise SettingsError(
            f"Labels must be integers; the array is {data.dtype}.",
            "Use LabelImage.from_array, which takes floats that are whole numbers.",
        )
    if "c" in spec.axes:
        raise SettingsError(
            f"A label image has no channel axis; the axes are {spec.axes.keys!r}.",
            "Take one channel.",
        )
    if data.dtype.kind == "i" and data.size and int(data.min()) < 0:
        raise SettingsError(
            f"Labels must be 0 or more; the array holds {int(data.min())}.", _NEGATIVE
        )
