"""Stores to patch, and their pyramids made by plain numpy, which knows nothing of the project."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np

AXES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def halved(a, keys, halve, how):
    """Return the next level of an array: whole blocks of 2; what is left over is dropped."""
    for i, key in enumerate(keys):
        if key in halve and a.shape[i] > 1:
            n = a.shape[i] // 2 * 2
            a = a[tuple(slice(0, n) if j == i else slice(None) for j in range(a.ndim))]
    if how == "first":
        step = tuple(slice(None, None, 2 if k in halve and n > 1 else 1) for k, n in _kn(keys, a))
        return np.ascontiguousarray(a[step])
    work, count = a.astype(np.float64), 1
    for i, key in enumerate(keys):
        if key in halve and work.shape[i] > 1:
            even = tuple(slice(0, None, 2) if j == i else slice(None) for j in range(a.ndim))
            odd = tuple(slice(1, None, 2) if j == i else slice(None) for j in range(a.ndim))
            work, count = work[even] + work[odd], count * 2
    work = work / count
    if a.dtype.kind == "f":
        return work.astype(a.dtype)
    return {"even": np.rint, "up": lambda v: np.floor(v + 0.5), "down": np.trunc}[how](work).astype(
        a.dtype
    )


def _kn(keys, a):
    return zip(keys, a.shape, strict=True)


def pyramid(a, keys, halve, how, levels):
    """Return all levels of an array."""
    made = [a]
    for _ in range(levels - 1):
        made.append(halved(made[-1], keys, halve, how))
    return made


def write_store(
    path, levels, keys, *, chunks, version="0.4", shards=None, labels=False, scale=None
):
    """Write levels as an OME-Zarr image that says nothing about how they were made."""
    import zarr

    three = version == "0.5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.create_group(path, zarr_format=3 if three else 2)
        for i, data in enumerate(levels):
            more = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
            if three:
                more = {"dimension_names": list(keys)}
                if shards is not None:
                    more["shards"] = shards
            array = group.create_array(
                str(i), shape=data.shape, chunks=chunks, dtype=data.dtype, **more
            )
            array[...] = data
    scale = scale or [1.0] * len(keys)
    datasets = [
        {
            "path": str(i),
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [
                        s * n / m for s, n, m in zip(scale, levels[0].shape, a.shape, strict=True)
                    ],
                }
            ],
        }
        for i, a in enumerate(levels)
    ]
    axes = [{"name": k, "type": AXES[k]} for k in keys]
    body = {"multiscales": [{"axes": axes, "datasets": datasets, "name": "image"}]}
    if labels:
        body["image-label"] = {"version": version}
    if not three:
        body["multiscales"][0]["version"] = "0.4"
    group.attrs.update({"ome": {"version": "0.5", **body}} if three else body)
    return Path(path)


def read_levels(path):
    """Return all levels of a store, in memory."""
    import zarr

    group = zarr.open_group(path, mode="r")
    attributes = dict(group.attrs)
    datasets = (attributes.get("ome") or attributes)["multiscales"][0]["datasets"]
    return [np.asarray(group[d["path"]][...]) for d in datasets]


def tree(folder, *, journal=False):
    """Return name -> digest of every file of a store."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file() and (journal or ".fijibridge" not in p.parts)
    }


def manifest(folder):
    """Return the only manifest of a store's journal."""
    (found,) = Path(folder).glob(".fijibridge/txn/*/manifest.json")
    return json.loads(found.read_text())
