"""Several inputs with one set of settings: all names first, then one after the other.

Decisions: two inputs whose outputs have one name are refused before anything is read from them,
both named (ilastik overwrites the first); an input that fails does not stop the others (ilastik
stops); an output that is an input is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, SettingsError
from fijibridge.export.places import as_local, as_urls, delivered, name_of, open_place
from fijibridge.export.plan import ExportPlan, make_plan
from fijibridge.export.sources import Computed, matches
from fijibridge.export.together import execute_together
from fijibridge.formats import Location
from fijibridge.formats.remote import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fijibridge.export.execute import Done
    from fijibridge.export.settings import ExportSettings

__all__ = ["Item", "check_collisions", "plan_batch", "plan_one", "run_item", "run_items"]

_ALONG = "z"  # the axis where none is named


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One product of one input of a batch.

    Parameters
    ----------
    title
        What people call it: the path as typed.
    value
        The input.
    plan
        What will be done; None when it cannot be planned.
    error
        Why not.
    product
        Name of the product of a recipe, "" without one.
    """

    title: str
    value: Any
    plan: ExportPlan | None = None
    error: FijiBridgeError | None = None
    product: str = ""

    @property
    def name(self) -> str:
        """The input and its product, for messages."""
        return f"{self.title}, product {self.product}" if self.product else self.title


def plan_one(value: Any, settings: ExportSettings, index: int = 0) -> ExportPlan:
    """Return the plan of one input; it is opened, its pixels are not read.

    Raises
    ------
    FijiBridgeError
        When the input is missing or broken, or the settings do not fit it.
    """
    name = name_of(value, index, exact=settings.exact)
    source = open_place(value, settings)
    more = (value.result_of(settings),) if isinstance(value, Computed) else ()
    try:
        plan = as_urls(make_plan(source.spec, name, as_local(settings), *more))
    finally:
        source.close()
    return replace(plan, warnings=(*plan.warnings, *_stacks_nothing(value, settings)))


def _stacks_nothing(value: Any, settings: ExportSettings) -> tuple[str, ...]:
    """Warn of an axis for stacks where there is none: ilastik takes it for every input."""
    along = settings.stack_along
    if along == _ALONG or isinstance(value, Computed):
        return ()
    if isinstance(value, (str, os.PathLike)) and len(_stacked(os.fspath(value))) > 1:
        return ()
    return (f"stack_along {along!r} has no effect: the input is no pattern of several files.",)


def _stacked(text: str) -> list[str]:
    return [text] if is_url(text) else matches(text.removeprefix("file://"))


def plan_batch(
    values: Sequence[Any],
    settings: ExportSettings,
    products: Sequence[tuple[str, ExportSettings]] = (),
) -> list[Item]:
    """Return the plans of all inputs; those that cannot be planned say why.

    Parameters
    ----------
    values
        The inputs.
    settings
        What is done to each of them.
    products
        In place of `settings`, (name, settings) of several products of each input.

    Raises
    ------
    SettingsError
        When two outputs have one name, or an output is an input.
    """
    items = []
    for i, value in enumerate(values):
        title = os.fspath(value) if isinstance(value, (str, os.PathLike)) else f"image {i}"
        for product, one in products or (("", settings),):
            plan, wrong = None, None
            try:
                plan = plan_one(value, one, i)
            except FijiBridgeError as error:
                wrong = error
            items.append(Item(title=title, value=value, plan=plan, error=wrong, product=product))
    check_collisions(items)
    return items


def _key(path: str) -> str:
    return path if is_url(path) else os.path.normcase(os.path.realpath(path))


def check_collisions(items: Iterable[Item]) -> None:
    """Raise SettingsError when two outputs have one name, or an output is an input."""
    writers: dict[str, Item] = {}
    items = list(items)
    for item in items:
        for file in item.plan.files if item.plan is not None else ():
            other = writers.get(_key(file))
            if other is not None:
                inputs = "products" if other.title == item.title and item.product else "inputs"
                raise SettingsError(
                    f"Two {inputs} would be written to {file!r}: {other.name!r} and {item.name!r}.",
                    "Put {nickname}, {dataset_dir} or {index} into --output_filename_format.",
                )
            writers[_key(file)] = item
    for item in items:
        if item.plan is None:
            continue
        place = next((p for p in _inputs(item.value) if _key(p) in writers), None)
        if place is not None:
            raise SettingsError(
                f"The output {place!r} is also an input.", "Choose another name for the output."
            )


def _inputs(value: Any) -> list[str]:
    """Return the places an input is read from."""
    if not isinstance(value, (str, os.PathLike)):
        return []
    text = os.fspath(value)
    if is_url(text):
        return [text.rstrip("/")]
    found = matches(text.removeprefix("file://"))
    return [*found, *(str(Location.parse(path)) for path in found)]


def run_item(item: Item, progress: Callable[[int], None] = lambda _nbytes: None) -> Done:
    """Do one input of a batch.

    Raises
    ------
    FijiBridgeError
        What was wrong when it was planned, or while it was done.
    """
    return run_items([item], progress)[0]


def run_items(
    items: Sequence[Item],
    progress: Callable[[int], None] = lambda _nbytes: None,
    whole: frozenset[str] = frozenset(),
) -> list[Done]:
    """Do all products of one input; those that read it alike in one read.

    Parameters
    ----------
    items
        Products of one input.
    progress
        Called with the bytes of each block that was written, from any thread.
    whole
        Outputs that are there and stay as they are.

    Raises
    ------
    FijiBridgeError
        What was wrong when it was planned, or while it was done.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    plans: list[ExportPlan] = []
    for i, item in enumerate(items):
        if item.plan is None:
            assert item.error is not None  # noqa: S101  # one of the two is there
            raise item.error
        plans.append(item.plan)
        asked = item.plan.settings
        key = (asked.input_axes, asked.stack_along, asked.role, asked.compat, asked.export_source)
        groups.setdefault(key, []).append(i)
    found: dict[int, Done] = {}
    for group in groups.values():
        source = open_place(items[group[0]].value, plans[group[0]].settings)
        mine = [plans[i] for i in group]
        try:
            with delivered(mine) as local:
                done = execute_together(local, source, progress, whole)
        finally:
            source.close()
        found.update(
            (i, replace(one, files=plans[i].files)) for i, one in zip(group, done, strict=True)
        )
    return [found[i] for i in range(len(items))]
