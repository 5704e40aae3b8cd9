"""The few requests of DVID's HTTP API that writing a volume takes."""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from fijibridge.errors import FijiBridgeError, SettingsError
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Address", "Client", "is_dvid", "parse_url"]

#: A path of the file system keeps one of the two slashes.
_URL = re.compile(
    r"(https?):/{1,2}([^/\s@?#]+)/api/node/([0-9a-zA-Z:%_.-]+)/([^/?#]+)/?", re.IGNORECASE
)
_DVID = re.compile(r"https?://[^/]*/api/node/", re.IGNORECASE)
_EXAMPLE = "Such as http://localhost:8000/api/node/3f8c/grey."
_SECONDS = 120.0
_TRIES = 6
_LARGEST_ANSWER = 2**24


@dataclass(frozen=True, slots=True)
class Address:
    """Where a volume is: server, version node and name.

    Examples
    --------
    >>> parse_url("http://localhost:8000/api/node/3f8c/grey").name
    'grey'
    """

    secure: bool
    host: str
    uuid: str
    name: str

    @property
    def node(self) -> str:
        """Path of the volume on the server."""
        return f"/api/node/{quote(self.uuid, safe=':')}/{quote(self.name, safe='')}"

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.host}{self.node}"


def is_dvid(name: str) -> bool:
    """Return whether a name is a place on a DVID server, not in object storage.

    Examples
    --------
    >>> is_dvid("http://localhost:8000/api/node/3f8c/grey"), is_dvid("https://host/b.zarr")
    (True, False)
    """
    return _DVID.match(name.strip()) is not None


def parse_url(text: str) -> Address:
    """Return the address that ilastik's form of it says.

    Raises
    ------
    SettingsError
        When it is none.
    """
    match = _URL.fullmatch(text.strip())
    if match is None:
        raise SettingsError(
            f"The name {text!r} is no place on a DVID server; it has the form "
            "http://HOST:PORT/api/node/UUID/NAME.",
            _EXAMPLE,
        )
    host = match[2]
    port = host.rpartition(":")[2] if ":" in host.rpartition("]")[2] else "80"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"The server {host!r} has the port {port!r}; ports are 1 to 65535.")
    return Address(match[1].lower() == "https", host, unquote(match[3]), unquote(match[4]))


class Client:
    """Requests to one volume, one connection each: a server may close them between two."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Return (status, answer); a busy server is asked again."""
        address = self._address
        kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
        wait = 0.05
        for last in (*[False] * (_TRIES - 1), True):
            connection = kind(address.host, timeout=_SECONDS)
            try:
                headers = {"Content-Type": "application/octet-stream"} if body is not None else {}
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                status, found = answer.status, answer.read()
            except (OSError, http.client.HTTPException, ValueError) as error:
                said = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise SettingsError(
                    f"The DVID server {address.host!r} cannot be reached: {said}.",
                    "Check the address, and whether the server runs.",
                ) from error
            finally:
                connection.close()
            if status != http.client.SERVICE_UNAVAILABLE or last:
                break
            time.sleep(wait)
            wait *= 2
        return status, found

    def _done(self, method: str, path: str, what: str, body: bytes | None = None) -> bytes:
        status, found = self._request(method, path, body)
        if status != http.client.OK:
            raise self._refused(what, status, found)
        return found

    def _refused(self, what: str, status: int, answer: bytes) -> FijiBridgeError:
        said = " ".join(answer[:300].decode("utf-8", "replace").split())
        return SettingsError(
            f"The DVID server {self._address.host!r} {what}: {status} {said}".rstrip(". ") + ".",
            "Check the version (UUID), and whether it is locked.",
        )

    def _info(self) -> dict[str, Any] | None:
        """Return what the server says of the instance; None when there is none."""
        status, found = self._request("GET", f"{self._address.node}/info")
        if status in (http.client.BAD_REQUEST, http.client.NOT_FOUND):
            # which of the two it is for an unknown name differs by version of the server
            uuid = quote(self._address.uuid, safe=":")
            self._done("GET", f"/api/repo/{uuid}/info", "does not know the version")
            return None
        if status != http.client.OK:
            raise self._refused("does not tell about the instance", status, found)
        try:
            about = parse_json(found[:_LARGEST_ANSWER])
        except (ValueError, RecursionError):
            about = None
        if not isinstance(about, dict):
            raise SettingsError(
                f"{self._address.host!r} is no DVID server: it answers {found[:60]!r}.", _EXAMPLE
            )
        return about

    def check(self, kind: str, *, overwrite: bool, block: int) -> bool:
        """Return whether the instance exists.

        Raises
        ------
        SettingsError
            When it exists and may not be changed, or is of another kind, or nobody answers.
        """
        about = self._info()
        if about is None:
            return False
        base, extended = (about.get(key) or {} for key in ("Base", "Extended"))
        found = base.get("TypeName", "") if isinstance(base, dict) else ""
        sides = extended.get("BlockSize") if isinstance(extended, dict) else None
        if not overwrite:
            raise SettingsError(
                f"The target {str(self._address)!r} exists.",
                "Choose another name, or say overwrite (--overwrite) to write into it.",
            )
        if found != kind:
            raise SettingsError(
                f"The target {str(self._address)!r} exists as {found!r}; this export needs "
                f"{kind!r}.",
                "Choose another name.",
            )
        if sides is not None and sides != [block] * 3:
            raise SettingsError(
                f"The target {str(self._address)!r} has blocks of {sides} voxels; blocks of "
                f"{block} are written here.",
                "Choose another name.",
            )
        return True

    def create(self, kind: str, settings: dict[str, str]) -> None:
        """Make the instance."""
        body = json.dumps({"typename": kind, "dataname": self._address.name, **settings})
        path = f"/api/repo/{quote(self._address.uuid, safe=':')}/instance"
        self._done("POST", path, f"makes no {kind} instance", body.encode())

    def _raw(self, size: tuple[int, ...], start: tuple[int, ...]) -> str:
        sizes, offset = ("_".join(map(str, v[::-1])) for v in (size, start))
        return f"{self._address.node}/raw/0_1_2/{sizes}/{offset}"

    def get_voxels(self, size: tuple[int, ...], start: tuple[int, ...], itemsize: int) -> bytes:
        """Return the voxels of a box, z, y, x."""
        found = self._done("GET", self._raw(size, start), "does not give voxels")
        need = itemsize * size[0] * size[1] * size[2]
        if len(found) != need:
            raise SettingsError(
                f"The DVID server {self._address.host!r} gave {len(found)} bytes of voxels for "
                f"{need}."
            )
        return found

    def put_voxels(self, brick: np.ndarray, start: tuple[int, ...], *, mutate: bool) -> None:
        """Write a box of whole blocks, z, y, x."""
        more = "?throttle=true&mutate=true" if mutate else "?throttle=true"
        path = self._raw(brick.shape, start) + more
        self._done("POST", path, "takes no voxels", brick.tobytes())
