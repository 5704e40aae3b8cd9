"""Who may change a store: one at a time, and what becomes of the locks of the dead.

On disk the system frees the lock of a process that dies. In object storage a lock is a key that one
of several creators makes; that of a dead process of this computer is taken away by one of those who
wait, any other by ``fijibridge patch recover STORE --force``.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import socket
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.model.json_text import parse_json
from fijibridge.patch.keys import LocalKeys, not_writable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.patch.keys import Keys

__all__ = ["HOME", "Lock", "digest", "who_am_i"]

HOME = ".fijibridge"
_TXN = f"{HOME}/txn"
_LOCK = f"{HOME}/lock"
_OWNER = f"{HOME}/owner.json"
_POLL = 0.05
#: In object storage each look is a request.
_POLL_FAR = 0.3
#: Of the name of a lock for removing a lock for removing a lock …
_LONGEST = 150
_GONE = "If that process is gone (on another computer it cannot be seen from here)"


def digest(data: bytes | None) -> str:
    """Return the SHA-256 of a unit, "" of none."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


class Lock:
    """The lock of a store.

    Parameters
    ----------
    keys
        The keys of the store.
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._told = b""  # what our lock in object storage says

    def owner(self) -> dict[str, Any] | None:
        """Return who holds the lock, None when nobody says so."""
        return _parsed_owner(self.keys.get(_OWNER if isinstance(self.keys, LocalKeys) else _LOCK))

    def at_work(self) -> dict[str, Any] | None:
        """Return who is changing the store now; of those who died on disk nothing is left."""
        owner = self.owner()
        if owner is None or not isinstance(self.keys, LocalKeys):
            return owner
        import filelock

        path = self.keys.root / _LOCK
        if not path.is_file():
            return None
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except (filelock.Timeout, OSError):
            return owner
        lock.release()
        return None

    @contextlib.contextmanager
    def locked(self, wait: float = 0.0) -> Iterator[None]:
        """Hold the store alone.

        Parameters
        ----------
        wait
            Seconds to wait for another process.

        Raises
        ------
        SettingsError
            When another process holds it, or it cannot be written.
        """
        try:
            self.keys.exists(_LOCK)
            with self._lock(wait):
                yield
        except OSError as error:
            raise not_writable(str(self.keys), error) from error

    @contextlib.contextmanager
    def _lock(self, wait: float) -> Iterator[None]:
        told = json.dumps(who_am_i()).encode()
        if isinstance(self.keys, LocalKeys):
            import filelock

            root = self.keys.root
            lock = filelock.FileLock(root / _LOCK)  # the system frees it when we die
            self._acquire(lock, root, wait)
            try:
                self.keys.put(_OWNER, told)
                yield
            finally:
                self.keys.delete(_OWNER)
                if not self.keys.folders(_TXN):  # while it is ours: nobody may lock what goes
                    with contextlib.suppress(OSError):
                        (root / _LOCK).unlink(missing_ok=True)
                        (root / _TXN).rmdir()
                lock.release()
                with contextlib.suppress(OSError):
                    (root / HOME).rmdir()
            return
        end = time.monotonic() + wait
        while not self.keys.create(_LOCK, told):
            if self._free_the_dead():
                continue
            if time.monotonic() > end and self.keys.exists(_LOCK):
                raise self._busy()
            time.sleep(_POLL_FAR)
        self._told = told
        try:
            yield
        finally:
            self._told = b""
            if self.keys.get(_LOCK) == told:  # nobody broke it
                self.keys.delete(_LOCK)

    def _free_the_dead(self, key: str = _LOCK) -> bool:
        """Remove the lock of a process of this machine that is no more; return whether it was."""
        data = self.keys.get(key)
        if data == b"":  # nobody's: the file of a store that was copied here from a disk
            return self._remove_lock(key, data)
        owner = _parsed_owner(data) or {}
        if data is None or owner.get("place") != _place():
            return False
        try:
            os.kill(int(owner["process"]), 0)
        except ProcessLookupError:
            return self._remove_lock(key, data)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return False

    def _remove_lock(self, key: str, data: bytes) -> bool:
        """Remove a lock that says `data`; of several who want to, one does, and no other lock.

        Storage removes on no condition. So who wants to remove a lock holds another one meanwhile,
        which is that lock's alone: none but its holder takes that lock away.
        """
        mine = f"{key}-{digest(data)[:16]}"
        if not self.keys.create(mine, json.dumps(who_am_i()).encode()):
            if len(mine) < _LONGEST:
                self._free_the_dead(mine)  # who held it may have died too
            return False
        try:
            if self.keys.get(key) != data:
                return False
            self.keys.delete(key)
        finally:
            self.keys.delete(mine)
        return True

    def break_lock(self) -> None:
        """Remove a lock in object storage whose owner is gone for good."""
        if isinstance(self.keys, LocalKeys):
            return
        data = self.keys.get(_LOCK)
        if data is not None:
            self.keys.delete(f"{_LOCK}-{digest(data)[:16]}")  # who held it may be gone too
            self._remove_lock(_LOCK, data)

    def _still_ours(self) -> None:
        """Raise when somebody took the lock in object storage away."""
        if self._told and self.keys.get(_LOCK) != self._told:
            raise SettingsError(
                f"The lock of {str(self.keys)!r} was taken away by somebody else.",
                "Nothing was changed. Do it again.",
            )

    def _busy(self) -> SettingsError:
        owner = self.owner() or {}
        age = time.time() - float(owner.get("since", time.time()))
        who = f"{owner.get('owner', 'another process')} (process {owner.get('process', '?')})"
        what = "If that process is gone" if isinstance(self.keys, LocalKeys) else _GONE
        return SettingsError(
            f"The store {str(self.keys)!r} is being changed by {who} since {age:.0f} s.",
            f"Wait until it is done. {what}: fijibridge patch recover {self.keys} --force",
        )

    def _acquire(self, lock: Any, root: Path, wait: float) -> None:
        import filelock

        end = time.monotonic() + wait
        while True:
            try:
                (root / HOME).mkdir(exist_ok=True)
                lock.acquire(timeout=max(0.0, end - time.monotonic()), poll_interval=_POLL)
            except filelock.Timeout:
                raise self._busy() from None
            except FileNotFoundError:  # who had it took the empty folder away
                if not root.is_dir() or time.monotonic() > end + wait + 1:
                    raise
                continue
            return


def who_am_i() -> dict[str, Any]:
    """Return what a lock says about its owner: this process, since now."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "somebody"
    machine = socket.gethostname()
    return {
        "owner": f"{user}@{machine}",
        "place": _place(),
        "process": os.getpid(),
        "since": time.time(),
        "id": uuid.uuid4().hex,
    }


def _place() -> str:
    """Return what makes process numbers mean the same: machine, its start, and its container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _parsed_owner(data: bytes | None) -> dict[str, Any] | None:
    try:
        found = parse_json(data) if data else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
