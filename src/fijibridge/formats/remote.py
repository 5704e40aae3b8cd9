"""Images in object storage: ``s3://bucket/a.zarr``, through fsspec.

A Zarr store is read chunk by chunk where it is; any other file is fetched as a whole, into a
temporary folder. What is written is made on this computer and then uploaded: of a store the chunks
first and what makes it a store last, so that nobody sees half of it. Whom to ask, and with which
key, is what fsspec and the storage's own settings say (``AWS_ENDPOINT_URL``, ``AWS_PROFILE``, …).
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fijibridge.errors import (
    FijiBridgeError,
    FormatError,
    MissingDependencyError,
    SettingsError,
    nearest,
)
from fijibridge.formats._lazy import LazySource, first_line
from fijibridge.formats._location import CONTAINER_SUFFIXES
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.formats._format import ReadOptions
    from fijibridge.model import ImageSource, ImageSpec, Region

__all__ = ["asking", "is_url", "open_remote", "remote_exists", "split_url", "upload"]

_URL = re.compile(r"(?:s3|gs|gcs|az|abfs|https?|memory)://.+", re.IGNORECASE)
_NODES = (".zattrs", ".zgroup", ".zarray", "zarr.json")


def is_url(value: object) -> bool:
    """Return whether a path is a place in object storage."""
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def split_url(url: str) -> tuple[str, str]:
    """Return (file or store, place inside).

    Examples
    --------
    >>> split_url("s3://b/d/a.zarr/s0/"), split_url("s3://b/a.tif")
    (('s3://b/d/a.zarr', 's0'), ('s3://b/a.tif', ''))
    """
    scheme, _, rest = url.partition("://")
    parts = [part for part in rest.split("/") if part]
    for i, part in enumerate(parts):
        if part.lower().endswith(CONTAINER_SUFFIXES):
            return f"{scheme}://{'/'.join(parts[: i + 1])}", "/".join(parts[i + 1 :])
    return f"{scheme}://{'/'.join(parts)}", ""


@contextlib.contextmanager
def asking(url: str, *, writing: bool = False) -> Iterator[Any]:
    """Yield (file system, path in it); what it says in anger becomes an error of ours."""
    try:
        import fsspec  # type: ignore[import-untyped]  # it has none
    except ImportError:
        raise MissingDependencyError("fsspec", "distributed", "Object storage") from None
    try:
        yield fsspec.core.url_to_fs(url)
    except FijiBridgeError:
        raise
    except ImportError as error:
        raise MissingDependencyError("s3fs", "distributed", f"Storage such as {url!r}") from error
    except FileNotFoundError as error:
        if writing:
            raise SettingsError(
                f"{url!r} could not be written: there is no such place.", "Check the bucket."
            ) from error
        raise FormatError(f"There is nothing at {url!r}.", "Check bucket and name.") from error
    except Exception as error:
        kind = SettingsError if writing else FormatError
        done = "could not be written" if writing else "cannot be read"
        raise kind(
            f"{url!r} {done}: {first_line(error)}.",
            "Check the name, the key and the address of the storage.",
        ) from error


def remote_exists(url: str) -> bool:
    """Return whether there is a file or store."""
    with asking(split_url(url)[0]) as (fs, path):
        return bool(fs.exists(path))


def open_remote(url: str, options: ReadOptions) -> ImageSource:
    """Open an image in object storage.

    Raises
    ------
    FormatError
        When there is none, it is broken, or the storage does not answer.
    """
    store, inner = split_url(url)
    with asking(store) as (fs, path):
        if not fs.exists(path):
            raise FormatError(f"There is nothing at {store!r}.", "Check bucket and name.")
        folder = Path(tempfile.mkdtemp(prefix="fijibridge-"))
        try:
            local = folder / PurePosixPath(path).name
            if store.lower().endswith(".zarr"):
                return _open_zarr(fs, path, store, inner, options, local)
            fs.get(path, str(local), recursive=fs.isdir(path))
            return _Fetched(
                _open_local(f"{local}/{inner}" if inner else str(local), options), folder
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _open_local(path: str, options: ReadOptions) -> ImageSource:
    from fijibridge.formats import open_image

    return open_image(path, axes=options.axes, role=options.role, level=options.level)


class _Fetched:
    """An image whose file was fetched; it goes when the image is closed."""

    def __init__(self, source: ImageSource, folder: Path) -> None:
        self._source, self._folder = source, folder

    @property
    def spec(self) -> ImageSpec:
        return self._source.spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """Blocks in which the file holds the pixels."""
        return tuple(getattr(self._source, "chunks", self.spec.shape))

    def read(self, region: Region) -> Any:
        return self._source.read(region)

    def close(self) -> None:
        self._source.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _fetch_node(fs: Any, root: str, node: str, local: Path) -> dict[str, Any]:
    """Fetch the metadata of a node; return its attributes."""
    attributes: dict[str, Any] = {}
    for name in _NODES:
        try:
            data = fs.cat_file(f"{root}/{node}/{name}" if node else f"{root}/{name}")
        except FileNotFoundError:
            continue
        place = local.joinpath(*PurePosixPath(node).parts)
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
        with contextlib.suppress(ValueError):
            body = parse_json(data)
            found = body.get("attributes") if name == "zarr.json" else body
            if name in (".zattrs", "zarr.json") and isinstance(found, dict):
                attributes = found.get("ome", found)
    return attributes


def _levels(attributes: dict[str, Any]) -> list[str]:
    try:
        return [str(one["path"]) for one in attributes["multiscales"][0]["datasets"]]
    except (KeyError, IndexError, TypeError):
        return []


def _open_zarr(
    fs: Any, root: str, store: str, inner: str, options: ReadOptions, local: Path
) -> ImageSource:
    """Open a level of a store: its metadata are fetched and read as any store's, chunks are not."""
    import zarr
    from zarr.storage import FsspecStore

    from fijibridge.formats._zarr.remote_store import RemoteStore

    RemoteStore(store).check_settled()
    parts = [part for part in inner.split("/") if part]
    names: list[str] = []
    for i in range(len(parts) + 1):
        node = "/".join(parts[:i])
        names = _levels(_fetch_node(fs, root, node, local))
        for name in names:
            _fetch_node(fs, root, f"{node}/{name}".strip("/"), local)
    local.mkdir(exist_ok=True)
    source = _open_local(f"{local}/{inner}" if inner else str(local), options)
    node = "/".join(parts)
    place = local.joinpath(*parts)
    if names:
        node = f"{node}/{_chosen(names, options.level, store)}".strip("/")
        place = local.joinpath(*node.split("/"))
    zarr_format = 3 if (place / "zarr.json").exists() else 2
    array = zarr.open_array(
        FsspecStore.from_url(store, read_only=True), path=node, mode="r", zarr_format=zarr_format
    )
    spec = source.spec
    source.close()
    if tuple(array.shape) != spec.shape:
        raise FormatError(f"{store!r} has no pixels of the shape {spec.shape} at {node!r}.")
    name = spec.name if spec.name != local.name else PurePosixPath(root).name
    folder = local.parent
    return LazySource(
        replace(spec, name=name),
        array,
        repr(f"{store}/{node}"),
        close=lambda: shutil.rmtree(folder, ignore_errors=True),
        guard=lambda _nbytes: None,
    )


def _chosen(names: list[str], level: int | str, store: str) -> str:
    if str(level) in names:
        return str(level)
    with contextlib.suppress(ValueError, IndexError):
        return names[int(level)]
    raise SettingsError(
        f"{store!r} has no level {level!r}.{nearest(str(level), names)}",
        f"Levels: {', '.join(names)}.",
    )


def upload(local: Path, url: str, *, overwrite: bool) -> None:
    """Upload a file or store.

    Parameters
    ----------
    local
        File or folder on this computer.
    url
        Target.
    overwrite
        Replace what is there; of a store, what was there goes first.

    Raises
    ------
    SettingsError
        When it exists (and `overwrite` is not said) or cannot be written.
    """
    with asking(url, writing=True) as (fs, path):
        there = fs.exists(path)
        if there and not overwrite:
            raise SettingsError(
                f"The target {url!r} exists.",
                "Choose another name, or say overwrite (--overwrite) to replace it.",
            )
        try:
            if not local.is_dir():
                fs.put_file(str(local), path)
                return
            if there:
                fs.rm(path, recursive=True)
            files = [file for file in local.rglob("*") if file.is_file()]
            chunks = [file for file in files if file.name not in _NODES]
            # the nodes of the store last, the root's at the very end
            nodes = sorted(set(files) - set(chunks), key=lambda f: -len(f.parts))
            for part in (chunks, *([node] for node in nodes)):
                if part:
                    names = [f"{path}/{f.relative_to(local).as_posix()}" for f in part]
                    fs.put([str(f) for f in part], names)
        except BaseException:
            with contextlib.suppress(Exception):
                fs.rm(path, recursive=True)
            raise
