"""Recipes: several products of each input, made in one read.

A recipe is a TOML or JSON file, or JSON text: a list of products, each a set of the options of
``export`` by their names, and the options that all of them share.

::

    [common]
    cutout_subregion = "z=10:20"

    [[products]]
    name = "pyramid"
    output_format = "multi-scale OME-Zarr"

    [[products]]
    name = "pages"
    output_format = "multipage tiff"
    export_dtype = "uint8"
    pipeline_result_drange = [0, 4095]
    export_drange = [0, 255]

In JSON ``{"common": {…}, "products": [{…}, {…}]}``, or the list alone. ``name`` is for messages;
without it products are counted. Options given beside ``--recipe`` hold for all products, those of
the recipe come first.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError, nearest
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Product", "read_recipe", "recipe_text"]

_LARGEST = 1 << 20  # bytes
_KEYS = ("common", "products")
_EXAMPLE = '[{"output_format": "numpy"}, {"output_format": "multi-scale OME-Zarr"}]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product of a recipe.

    Parameters
    ----------
    name
        For messages.
    options
        Options of ``export`` by name.
    """

    name: str
    options: Mapping[str, Any]


def read_recipe(value: str) -> list[Product]:
    """Return the products of a recipe.

    Parameters
    ----------
    value
        Path of a TOML or JSON file, or JSON text (it begins with a bracket or brace).

    Raises
    ------
    FormatError
        When the file is missing or broken.
    SettingsError
        When it is no recipe.

    Examples
    --------
    >>> [p.name for p in read_recipe('[{"name": "a"}, {"export_dtype": "uint8"}]')]
    ['a', '2']
    """
    text = value.strip()
    if text.startswith(("[", "{")):
        return _products(_parsed(text, "The recipe", toml=False), "The recipe")
    path = Path(value)
    what = f"The recipe {value!r}"
    try:
        if path.stat().st_size > _LARGEST:
            raise FormatError(f"{what} is too large.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"{what} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is no text.") from error
    return _products(_parsed(text, what, toml=path.suffix.lower() == ".toml"), what)


def _parsed(text: str, what: str, *, toml: bool) -> Any:
    try:
        return tomllib.loads(text) if toml else parse_json(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if toml else "JSON"
        raise FormatError(f"{what} is no {kind}: {error}.", f"Such as {_EXAMPLE}.") from error


def _products(body: Any, what: str) -> list[Product]:
    if isinstance(body, list):
        body = {"products": body}
    if not isinstance(body, dict):
        raise SettingsError(f"{what} is no list of products.", f"Such as {_EXAMPLE}.")
    odd = next((key for key in body if key not in _KEYS), None)
    if odd is not None:
        raise SettingsError(
            f"{what} has the key {odd!r}; allowed are common and products.{nearest(odd, _KEYS)}"
        )
    common, products = body.get("common", {}), body.get("products")
    if not isinstance(common, dict) or not isinstance(products, list) or not products:
        raise SettingsError(f"{what} names no products.", f"Such as {_EXAMPLE}.")
    found = []
    for i, one in enumerate(products):
        if not isinstance(one, dict):
            raise SettingsError(f"{what} has a product that is no set of options: {one!r}.")
        options = {key.replace("-", "_"): value for key, value in {**common, **one}.items()}
        name = str(options.pop("name", i + 1))
        found.append(Product(name=name, options=options))
    names = [product.name for product in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"{what} names two products {twice!r}.")
    return found


def recipe_text(products: list[Product]) -> str:
    """Return a recipe as JSON text that stands alone.

    Examples
    --------
    >>> recipe_text(read_recipe('[{"name": "a"}]'))
    '[{"name": "a"}]'
    """
    return json.dumps([{"name": p.name, **p.options} for p in products], ensure_ascii=False)
