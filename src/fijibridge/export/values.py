"""What is done to pixel values, and what would make them useless, as far as the ranges tell.

Decisions: labels keep their values or are an error (a label that another pixel type cannot hold
would become another object); under ``compat`` they wrap as ilastik's do. Nothing is read for the
warnings: where an image says no range, floats that become integers are warned of in any case, as
probabilities from 0 to 1 would come out black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.export.steps import Convert, KeepLabels, Renormalize

if TYPE_CHECKING:
    from fijibridge.export.settings import ExportSettings, Pair
    from fijibridge.export.steps import Step
    from fijibridge.model import ImageSpec

__all__ = ["value_steps", "value_warnings"]


def value_steps(spec: ImageSpec, settings: ExportSettings) -> list[Step]:
    """Return what is done to the pixel values."""
    dtype = spec.dtype if settings.export_dtype is None else np.dtype(settings.export_dtype)
    given, wanted = settings.pipeline_result_drange, settings.export_drange
    if given is not None and wanted is not None:
        return [Renormalize(given, wanted, dtype, settings.exact)]
    if dtype == spec.dtype:
        return []
    if spec.role == "labels" and spec.dtype.kind in "iu" and not settings.exact:
        return [KeepLabels(dtype)]
    return [Convert(dtype, settings.exact)]


def value_warnings(spec: ImageSpec, settings: ExportSettings) -> list[str]:
    """Warn of results that nobody can use, as far as the ranges tell."""
    dtype = spec.dtype if settings.export_dtype is None else np.dtype(settings.export_dtype)
    given, wanted = settings.pipeline_result_drange, settings.export_drange
    if given is not None and wanted is None:
        return ["pipeline_result_drange does nothing without export_drange."]
    if given is not None and wanted is not None:
        said = _range_warning(given, wanted, dtype)
        said = said or _mapped_warning(_known(spec), given, wanted, dtype)
        return [said] if said else []
    if dtype.kind not in "iu" or dtype == spec.dtype or spec.role == "labels":
        return []
    said = _cast_warning(spec, dtype, exact=settings.exact)
    return [said] if said else []


def _known(spec: ImageSpec) -> Pair | None:
    """Return the range that the values have, as far as the image tells."""
    if spec.extra.drange is not None:
        return spec.extra.drange
    if spec.role == "probabilities":
        return 0.0, 1.0
    if spec.dtype.kind in "iu" and spec.dtype.itemsize == 1:
        info = np.iinfo(spec.dtype)
        return int(info.min), int(info.max)
    return None


def _cast_warning(spec: ImageSpec, dtype: np.dtype[Any], *, exact: bool) -> str:
    """Warn of another pixel type without another range."""
    info, known = np.iinfo(dtype), _known(spec)
    beyond = "wrap around, as ilastik's do" if exact else "saturate"

    def renormalise(low: float, high: float) -> str:
        return (
            f'Renormalise: --pipeline_result_drange "({low},{high})" --export_drange '
            f'"(0,{info.max})".'
        )

    if spec.dtype.kind == "f" and known is None:
        done = "cut" if exact else "rounded"
        return (
            f"The image holds {spec.dtype} and does not say its range; as {dtype} the values are "
            f"{done} to whole numbers, so probabilities (0 to 1) would become 0 and 1. "
            + renormalise(0.0, 1.0)
        )
    if spec.dtype.kind == "f" and known is not None and max(map(abs, known)) <= 1:
        return (
            f"The values lie between {known[0]:g} and {known[1]:g}; as {dtype} they become 0 and "
            "1. " + renormalise(0.0, 1.0)
        )
    if known is not None:
        if info.min <= known[0] and known[1] <= info.max:
            return ""
        return (
            f"The values go from {known[0]} to {known[1]}; {dtype} holds {info.min} to {info.max}, "
            f"so the others {beyond}. " + renormalise(known[0], known[1])
        )
    held = np.iinfo(spec.dtype)
    if info.min <= held.min and held.max <= info.max:
        return ""
    return (
        f"{spec.dtype} goes from {held.min} to {held.max}, {dtype} from {info.min} to {info.max}: "
        f"values beyond {beyond}. " + renormalise(int(held.min), int(held.max))
    )


def _range_warning(given: Pair, wanted: Pair, dtype: np.dtype[Any]) -> str:
    """Warn of ranges that make no sense whatever the values are."""
    if given[0] == given[1]:
        return f"pipeline_result_drange {given} has no length: every pixel becomes {wanted[0]}."
    if wanted[0] == wanted[1]:
        return f"export_drange {wanted} has no length: every pixel becomes {wanted[0]}."
    if dtype.kind not in "iu":
        return ""
    info = np.iinfo(dtype)
    if min(wanted) < info.min or max(wanted) > info.max:
        return (
            f"export_drange {wanted} is more than {dtype} holds, {info.min} to {info.max}: "
            "values saturate."
        )
    if abs(wanted[1] - wanted[0]) < 2:
        return (
            f"export_drange {wanted} leaves two values in {dtype}; shown from 0 to {info.max} the "
            f'result is black. Say --export_drange "(0,{info.max})", or --export_dtype float32.'
        )
    return ""


def _mapped_warning(known: Pair | None, given: Pair, wanted: Pair, dtype: np.dtype[Any]) -> str:
    """Warn where the values that there are become one grey, or lie outside the type."""
    if known is None:
        return ""
    if known[1] < min(given) or known[0] > max(given):
        return f"No value lies in {given}: the data range is {known}."
    if dtype.kind not in "iu":
        return ""
    ratio = (float(wanted[1]) - wanted[0]) / (float(given[1]) - given[0])
    low, high = sorted(wanted[0] + (v - given[0]) * ratio for v in known)
    info = np.iinfo(dtype)
    becomes = f"The values go from {known[0]} to {known[1]}, which becomes {low:.6g} to {high:.6g}"
    if high - low < 2 and known[0] != known[1]:
        return f"{becomes}: nearly one grey in {dtype}. Is pipeline_result_drange {given} right?"
    outside = max(0.0, info.min - low) + max(0.0, high - info.max)
    if outside > 0.5 * (high - low):
        return (
            f"{becomes}: more than half of that range saturates in {dtype}. Is "
            f"pipeline_result_drange {given} right?"
        )
    return ""
