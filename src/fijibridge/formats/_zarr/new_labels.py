"""A new label image beside an image: its metadata and its empty levels, not yet stored."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.formats._zarr.meta import group_attributes
from fijibridge.formats._zarr.pyramid import StoredLevel
from fijibridge.formats._zarr.read import ome_attributes
from fijibridge.model import Axes, Extra
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from fijibridge.formats._zarr.pyramid import Pyramid

__all__ = ["new_labels"]


def new_labels(
    pyramid: Pyramid, name: str, dtype: np.dtype[Any]
) -> tuple[tuple[StoredLevel, ...], dict[str, bytes]]:
    """Return the levels of a new label image, and the metadata that make it one, by key.

    Parameters
    ----------
    pyramid
        The image; the labels have its levels, without the channel axis, and its chunks.
    name
        ``labels/NAME``.
    dtype
        Type of the labels.

    Raises
    ------
    SettingsError
        When the name is taken or cannot be one, or the image is a lone array.
    """
    store, node = pyramid.store, pyramid.node
    labels = f"{node}/labels".lstrip("/")
    here = f"{labels}/{name}"
    _check(pyramid, name, here)
    keep = [i for i, axis in enumerate(pyramid.spec.axes) if axis.key != "c"]
    three = store.zarr_format(node) == 3
    held: dict[str, Any] = {}
    levels, named = [], []
    for level in pyramid.levels:
        axes = Axes(tuple(level.axes[i] for i in keep))
        array = _array(held, f"{here}/{level.name}", level, keep, dtype)
        levels.append(StoredLevel(level.name, f"{here}/{level.name}", axes, array))
        named.append((level.name, axes))
    spec = replace(
        pyramid.spec,
        axes=levels[0].axes,
        dtype=dtype,
        role="labels",
        name=name,
        scales=(),
        extra=Extra(),
    )
    attributes = group_attributes(
        spec,
        named,
        "0.5" if three else "0.4",
        "nearest",
        label_source="../../",
        label_colors={},
    )
    # zarr makes the groups above too; those that are there stay as they are
    docs = {k: v.to_bytes() for k, v in held.items() if k.startswith(f"{here}/")}
    docs |= _group(here, attributes, three=three)
    docs |= _listed(pyramid, labels, name, three=three)
    docs |= _consolidated(pyramid, docs, three=three)
    return tuple(levels), docs


def _check(pyramid: Pyramid, name: str, here: str) -> None:
    if not pyramid.levels[0].name:
        raise SettingsError(
            f"{pyramid.name} is a lone array; label images lie beside OME-Zarr images.",
            "Make it one: fijibridge convert STORE image.ome.zarr",
        )
    if not name or name.startswith(".") or set(name) & set("/\\:") or name != name.strip():
        raise SettingsError(
            f"{name!r} cannot be the name of a label image.", "Name it for example nuclei."
        )
    if pyramid.store.kind(here):
        raise SettingsError(
            f"There is a label image {name!r} beside {pyramid.name}.",
            f"Choose another name, or put the patch into it: --store {pyramid.store.where}/{here}",
        )


def _array(
    held: dict[str, Any], node: str, level: StoredLevel, keep: list[int], dtype: np.dtype[Any]
) -> Any:
    import zarr
    from zarr.storage import MemoryStore

    old = level.array
    three = old.metadata.zarr_format == 3

    def cut(sizes: Any) -> tuple[int, ...] | None:
        return None if sizes is None else tuple(sizes[i] for i in keep)

    more: dict[str, Any] = {"compressors": _compressor(three=three)}
    if three:
        more["dimension_names"] = [level.axes[i].key for i in keep]
    else:
        more["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    return zarr.create_array(
        store=MemoryStore(held),
        name=node,
        shape=cut(old.shape),
        chunks=cut(old.chunks),
        shards=cut(old.shards),
        dtype=dtype,
        fill_value=0,
        zarr_format=old.metadata.zarr_format,
        **more,
    )


def _compressor(*, three: bool) -> Any:
    if three:
        from zarr.codecs import BloscCodec

        return BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")
    from numcodecs import Blosc

    return Blosc(cname="zstd", clevel=3, shuffle=Blosc.SHUFFLE)


def _bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=2).encode()


def _group(node: str, attributes: Mapping[str, Any], *, three: bool) -> dict[str, bytes]:
    if three:
        body = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        return {f"{node}/zarr.json": _bytes(body)}
    return {
        f"{node}/.zgroup": _bytes({"zarr_format": 2}),
        f"{node}/.zattrs": _bytes(attributes),
    }


def _listed(pyramid: Pyramid, labels: str, name: str, *, three: bool) -> dict[str, bytes]:
    """Return the group ``labels`` with one more name in its list."""
    attributes = dict(pyramid.store.attributes(labels)) if pyramid.store.kind(labels) else {}
    ome, _ = ome_attributes(attributes)
    listed = ome.get("labels")
    names = [n for n in listed if isinstance(n, str)] if isinstance(listed, list) else []
    names = [*names, name]
    if three:
        attributes["ome"] = {"version": "0.5", **ome, "labels": names}
    else:
        attributes["labels"] = names
    return _group(labels, attributes, three=three)


def _consolidated(pyramid: Pyramid, docs: Mapping[str, bytes], *, three: bool) -> dict[str, bytes]:
    """Return the consolidated metadata with the new entries, where the store has them."""
    if three:
        root = pyramid.store.json("", "zarr.json") or {}
        inline = root.get("consolidated_metadata")
        if not isinstance(inline, dict) or not isinstance(inline.get("metadata"), dict):
            return {}
        for key, data in docs.items():
            inline["metadata"][key.removesuffix("/zarr.json")] = parse_json(data)
        return {"zarr.json": _bytes(root)}
    body = pyramid.store.json("", ".zmetadata")
    if not body or not isinstance(body.get("metadata"), dict):
        return {}
    for key, data in docs.items():
        body["metadata"][key] = parse_json(data)
    return {".zmetadata": _bytes(body)}
