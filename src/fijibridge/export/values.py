"""What is done to pixel values, and what would make them useless, as far as the ranges tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.export.steps import Convert, Renormalize

if TYPE_CHECKING:
    from fijibridge.export.settings import ExportSettings
    from fijibridge.export.steps import Step
    from fijibridge.model import ImageSpec

__all__ = ["value_steps", "value_warnings"]


def value_steps(spec: ImageSpec, settings: ExportSettings) -> list[Step]:
    """Return what is done to the pixel values."""
    dtype = spec.dtype if settings.export_dtype is None else np.dtype(settings.export_dtype)
    given, wanted = settings.pipeline_result_drange, settings.export_drange
    if given is not None and wanted is not None:
        return [Renormalize(given, wanted, dtype, settings.exact)]
    if dtype != spec.dtype:
        return [Convert(dtype, settings.exact)]
    return []


def value_warnings(spec: ImageSpec, settings: ExportSettings) -> list[str]:
    """Warn of results that nobody can use, as far as the ranges tell."""
    dtype = spec.dtype if settings.export_dtype is None else np.dtype(settings.export_dtype)
    given, wanted = settings.pipeline_result_drange, settings.export_drange
    if given is not None and wanted is None:
        return ["pipeline_result_drange does nothing without export_drange."]
    known = spec.extra.drange
    if given is not None and wanted is not None:
        return _range_warnings(known, given, wanted, dtype)
    if dtype.kind not in "iu" or dtype == spec.dtype:
        return []
    info = np.iinfo(dtype)
    unit = spec.role == "probabilities" or (known is not None and max(map(abs, known)) <= 1)
    if spec.dtype.kind == "f" and unit:
        return [
            (
                f"The values lie between 0 and 1; as {dtype} they become 0 and 1. Renormalise: "
                f'--pipeline_result_drange "(0.0,1.0)" --export_drange "(0,{info.max})".'
            )
        ]
    if known is not None and (known[0] < info.min or known[1] > info.max):
        return [
            (
                f"The values go from {known[0]} to {known[1]}; {dtype} holds {info.min} to "
                f"{info.max}, so the others saturate."
            )
        ]
    return []


def _range_warnings(
    known: tuple[float, float] | None,
    given: tuple[float, float],
    wanted: tuple[float, float],
    dtype: np.dtype[Any],
) -> list[str]:
    out = []
    if given[0] == given[1]:
        out.append(
            f"pipeline_result_drange {given} has no length: every pixel becomes {wanted[0]}."
        )
    elif wanted[0] == wanted[1]:
        out.append(f"export_drange {wanted} has no length: every pixel becomes {wanted[0]}.")
    elif known is not None and (known[1] < min(given) or known[0] > max(given)):
        out.append(f"No value lies in {given}: the data range is {known}.")
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if min(wanted) < info.min or max(wanted) > info.max:
            out.append(
                f"export_drange {wanted} is more than {dtype} holds, {info.min} to {info.max}: "
                "values saturate."
            )
        elif 0 < abs(wanted[1] - wanted[0]) < 2:
            out.append(f"export_drange {wanted} leaves two values in {dtype}.")
    return out
