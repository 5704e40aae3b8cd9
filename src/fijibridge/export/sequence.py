"""Sequences: one file for each sample of the first long axis of the output.

Every file appears whole or not at all. When one of them fails, those of this run that took no
existing file's place are removed again.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fijibridge.export.execute import copy_blocks
from fijibridge.export.outputs import shelf_format
from fijibridge.export.steps import Subregion, Transpose
from fijibridge.formats import Location, check_target
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.steps import Step, Tally
    from fijibridge.model import Extra, ImageSource

__all__ = ["execute_sequence", "slice_steps"]


def slice_steps(plan: ExportPlan, i: int) -> tuple[Step, ...]:
    """Return the steps from the source to the file of one slice."""
    keys = plan.exported.axes.keys
    place = keys.index(plan.sequence_axis)
    start = tuple(i if k == place else 0 for k in range(len(keys)))
    stop = tuple(i + 1 if k == place else n for k, n in enumerate(plan.exported.shape))
    return (
        *plan.steps,
        Subregion(Region(start, stop)),
        Transpose(keys, keys.replace(plan.sequence_axis, "")),
        *plan.fit,
    )


def execute_sequence(
    plan: ExportPlan,
    source: ImageSource,
    *,
    jobs: int,
    tally: Tally,
    progress: Callable[[int], None],
) -> None:
    """Write every file of a sequence; parameters as in `fijibridge.export.execute.execute`."""
    paths = [Path(file) for file in plan.files]
    for path in paths:
        check_target(path, overwrite=plan.settings.overwrite)
    fresh = [path for path in paths if not path.exists()]
    shelf = shelf_format(plan.format)
    stop = threading.Event()

    def one(i: int) -> None:
        if stop.is_set():
            return
        assert shelf.create_image is not None  # noqa: S101  # outputs lists formats that write
        steps = slice_steps(plan, i)
        spec = plan.output
        spec = replace(spec, name=paths[i].name, extra=_named(plan, i))
        sink = shelf.create_image(Location(paths[i]), spec, plan.options)
        try:
            copy_blocks(
                source,
                steps,
                sink,
                spec.shape,
                spec.axes.keys,
                jobs=1,
                memory=max(1, plan.settings.memory // jobs),
                tally=tally,
                progress=progress,
            )
            sink.commit()
        except BaseException:
            stop.set()
            sink.abort()
            raise

    try:
        with ThreadPoolExecutor(jobs) as pool:
            running = [pool.submit(one, i) for i in range(len(paths))]
            try:
                for done in running:
                    done.result()
            finally:
                stop.set()
    except BaseException:
        for path in fresh:
            path.unlink(missing_ok=True)
        raise


def _named(plan: ExportPlan, i: int) -> Extra:
    """Return what travels with one slice; along the channels it has that channel's name."""
    extra, names = plan.output.extra, plan.exported.extra.channel_names
    if plan.sequence_axis == "c" and len(names) == plan.exported.axes.size("c"):
        return replace(extra, channel_names=(names[i],))
    return extra
