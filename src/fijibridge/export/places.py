"""Inputs and outputs in object storage, beside those on disk.

A plan names places such as ``s3://bucket/a.zarr``; what is written is made in a temporary folder
and uploaded when it is whole.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.export.naming import InputName, nickname
from fijibridge.export.sources import input_name, open_source
from fijibridge.formats import Location, ReadOptions
from fijibridge.formats.dvid import is_dvid
from fijibridge.formats.remote import is_url, open_remote, split_url, upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.settings import ExportSettings
    from fijibridge.model import ImageSource

__all__ = ["as_local", "as_urls", "delivered", "name_of", "open_place"]

_MARK = "fijibridge-remote"


def open_place(value: Any, settings: ExportSettings) -> ImageSource:
    """Open an input, wherever it is; see `fijibridge.export.sources.open_source`."""
    if not is_url(value):
        return open_source(value, settings)
    options = ReadOptions(axes=settings.input_axes, role=settings.role)
    return open_source(open_remote(value, options), settings)


def name_of(value: Any, index: int, *, exact: bool) -> InputName:
    """Return what the placeholders of an input are made of."""
    if not is_url(value):
        return input_name(value, index, exact=exact)
    store, inner = split_url(value)
    folder, _, name = store.rpartition("/")
    return InputName(
        dataset_dir=_local(folder), nickname=nickname([name], inner, exact=exact), index=index
    )


def _local(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return os.path.join(os.sep, _MARK, scheme.lower(), rest)  # noqa: PTH118  # names only


def as_local(settings: ExportSettings) -> ExportSettings:
    """Return settings whose name is a path, also where it is a place in storage."""
    name = settings.output_filename_format
    if not is_url(name) or is_dvid(name):
        return settings
    return replace(settings, output_filename_format=_local(name))


def as_urls(plan: ExportPlan) -> ExportPlan:
    """Return the plan with the places in storage that its files stand for."""
    top = os.path.join(os.path.abspath(os.sep), _MARK) + os.sep  # noqa: PTH100, PTH118  # the same
    if not plan.files[0].startswith(top):
        return plan
    files = []
    for file in plan.files:
        scheme, _, rest = file[len(top) :].replace(os.sep, "/").partition("/")
        files.append(f"{scheme}://{rest}")
    return replace(plan, files=tuple(files))


def _is_stored(plan: ExportPlan) -> bool:
    """Return whether a plan writes to object storage; a DVID server takes pixels itself."""
    return is_url(plan.files[0]) and not plan.format.remote


@contextmanager
def delivered(plans: Sequence[ExportPlan]) -> Iterator[list[ExportPlan]]:
    """Yield plans that write to disk; what they wrote is uploaded when the block ends well."""
    if not any(map(_is_stored, plans)):
        yield list(plans)
        return
    with tempfile.TemporaryDirectory(prefix="fijibridge-") as folder:
        made: list[ExportPlan] = []
        for i, plan in enumerate(plans):
            if not _is_stored(plan):
                made.append(plan)
                continue
            here = [
                str(Path(folder, str(i), *file.partition("://")[2].split("/")))
                for file in plan.files
            ]
            made.append(replace(plan, files=tuple(here)))
        yield made
        for plan, local in zip(plans, made, strict=True):
            if plan is not local:
                for url, file in zip(plan.files, local.files, strict=True):
                    place = Location.parse(file).path
                    upload(place, split_url(url)[0], overwrite=plan.settings.overwrite)
