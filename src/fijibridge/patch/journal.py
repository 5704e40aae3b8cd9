"""All or none: changed units are staged, committed by one small file, then moved in.

    .fijibridge/lock, owner.json          who works on the store, since when
    .fijibridge/txn/000001-3f2a…/new/KEY  staged units, made before anything changes
    …/manifest.json                       its appearance is the commit: from here on, forward only
    …/old/KEY                             what was replaced, kept for `undo` until pruned
    …/applied                             every unit is in its place

A process may die at any point. Without a manifest the store is as it was, and `recover` throws the
staged units away; with one, `recover` goes on where it stopped, and every step may be done twice.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import socket
import time
import urllib.parse
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.patch.keys import LocalKeys, not_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fijibridge.patch.keys import Keys

__all__ = ["HOME", "Entry", "Journal", "Operation", "Transaction"]

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


def _flat(key: str) -> str:
    """Return a key as one name: a transaction is one folder, which one call makes safe."""
    return urllib.parse.quote(key, safe=" ")


@dataclass(frozen=True, slots=True)
class Operation:
    """One key that a transaction changes.

    Parameters
    ----------
    key
        The key.
    new
        SHA-256 of what it becomes, "" when it is removed.
    old
        Whether it was there before.
    """

    key: str
    new: str
    old: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction as the journal remembers it.

    Parameters
    ----------
    name
        Its folder: number and id.
    time
        Seconds since 1970 of the commit.
    owner
        ``user@machine``.
    about
        What was done: file, region, level, rule.
    operations
        What was changed.
    applied
        Every unit is in its place.
    undoes
        Name of the entry that this one takes back, "" for none.
    """

    name: str
    time: float
    owner: str
    about: Mapping[str, Any]
    operations: tuple[Operation, ...]
    applied: bool
    undoes: str = ""


class Journal:
    """The journal of one store.

    Parameters
    ----------
    keys
        The keys of the store.
    tick
        Called before each step that changes something; tests make it fail.
    """

    def __init__(self, keys: Keys, tick: Callable[[], None] = lambda: None) -> None:
        self.keys = keys
        self._tick = tick
        self._told = b""  # what our lock in object storage says

    # ---- who works on it

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
        told = json.dumps(_me()).encode()
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
        if not self.keys.create(mine, json.dumps(_me()).encode()):
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

    # ---- what was done

    def entries(self) -> list[Entry]:
        """Return the committed transactions, the oldest first."""
        found = [self._entry(name) for name in self.keys.folders(_TXN)]
        return [entry for entry in found if entry is not None]

    def pending(self) -> list[Entry]:
        """Return the committed transactions of which units may be missing."""
        return [entry for entry in self.entries() if not entry.applied]

    def _entry(self, name: str) -> Entry | None:
        data = self.keys.get(f"{_TXN}/{name}/manifest.json")
        if data is None:
            return None
        try:
            body = json.loads(data)
            return Entry(
                name=name,
                time=float(body["time"]),
                owner=str(body["owner"]),
                about=dict(body["about"]),
                operations=tuple(Operation(**one) for one in body["operations"]),
                applied=self.keys.exists(f"{_TXN}/{name}/applied"),
                undoes=str(body.get("undoes", "")),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"The journal entry {name!r} of {str(self.keys)!r} cannot be read: {error}.",
                "It is damaged; nothing is changed until somebody has looked at it.",
            ) from error

    def begin(self, about: Mapping[str, Any], undoes: str = "") -> Transaction:
        """Start a transaction; the lock must be held and nothing may be pending."""
        numbers = [int(n.partition("-")[0]) for n in self.keys.folders(_TXN) if n[:1].isdigit()]
        name = f"{max(numbers, default=0) + 1:06d}-{uuid.uuid4().hex[:12]}"
        return Transaction(self.keys, name, dict(about), undoes, self._tick, self._still_ours)

    def recover(self) -> list[str]:
        """Bring the store to before or after every transaction; return what was done.

        The lock must be held.
        """
        done = []
        for name in self.keys.folders(_TXN):
            entry = self._entry(name)
            if entry is None:
                self.keys.clear(f"{_TXN}/{name}")
                done.append(f"{name} was not committed: rolled back, the store is as before")
            elif not entry.applied:
                self.apply(entry)
                done.append(f"{name} was committed: rolled forward, the store is as after")
            elif "new" in self.keys.folders(f"{_TXN}/{name}"):
                self.keys.clear(f"{_TXN}/{name}/new")
        return done

    def apply(self, entry: Entry) -> None:
        """Move all units of a committed transaction to their places; may be repeated.

        Raises
        ------
        SettingsError
            When the store takes no bytes any more: it is committed, so it must be recovered.
        """
        try:
            self._apply(entry)
        except OSError as error:
            raise SettingsError(
                f"The store {str(self.keys)!r} could not be written to the end: "
                f"{error.strerror or error}. What was to be done is kept: readers are told to "
                "wait.",
                f"Free room, then: fijibridge patch recover {self.keys}",
            ) from error

    def _apply(self, entry: Entry) -> None:
        keys, home = self.keys, f"{_TXN}/{entry.name}"
        for one in entry.operations:
            new, old = f"{home}/new/{_flat(one.key)}", f"{home}/old/{_flat(one.key)}"
            if one.new and not keys.exists(new):
                continue  # moved before we died
            if one.old and not entry.undoes and not keys.exists(old) and keys.exists(one.key):
                self._tick()
                keys.keep(one.key, old)
            self._tick()
            if one.new:
                keys.replace(new, one.key)
            else:
                keys.delete(one.key)
        self._tick()
        keys.settle(home)
        if entry.undoes:
            self._forget(entry.undoes)
            self._tick()
            self._forget(entry.name)
            return
        keys.put(f"{home}/applied", b"")
        self._tick()
        keys.clear(f"{home}/new")

    def prune(self, keep: int = 0) -> tuple[int, int]:
        """Forget all but the last transactions; return (how many, bytes). Lock must be held."""
        entries = self.entries()
        gone = entries[: len(entries) - keep] if keep else entries
        freed = sum(self.keys.size(f"{_TXN}/{entry.name}") for entry in gone)
        for entry in gone:
            self._forget(entry.name)
        return len(gone), freed

    def _forget(self, name: str) -> None:
        # the manifest goes first: half a folder without it is rubbish, with it a task
        self.keys.delete(f"{_TXN}/{name}/manifest.json")
        self._tick()
        self.keys.clear(f"{_TXN}/{name}")

    def old_bytes(self, entry: Entry) -> int:
        """Return the bytes that are kept for taking an entry back."""
        return self.keys.size(f"{_TXN}/{entry.name}")

    def changed_since(self, entry: Entry) -> list[str]:
        """Return the keys that are no longer what a transaction made them."""
        return [one.key for one in entry.operations if digest(self.keys.get(one.key)) != one.new]

    def undo(self, entry: Entry) -> None:
        """Take the last transaction back. The lock must be held."""
        back = self.begin({"undo": entry.name, **entry.about}, undoes=entry.name)
        try:
            for one in entry.operations:
                old = f"{_TXN}/{entry.name}/old/{_flat(one.key)}"
                back.stage_kept(one.key, old if one.old else None)
            committed = back.commit()
        except BaseException:
            back.abort()
            raise
        self.apply(committed)


def _me() -> dict[str, Any]:
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
        found = json.loads(data) if data else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


@dataclass(slots=True)
class Transaction:
    """Changes that are being staged."""

    keys: Keys
    name: str
    about: dict[str, Any]
    undoes: str
    tick: Callable[[], None]
    still_ours: Callable[[], None]
    operations: list[Operation] = field(default_factory=list)
    _committed: bool = False

    @property
    def _home(self) -> str:
        return f"{_TXN}/{self.name}"

    def stage(self, key: str, data: bytes | None) -> None:
        """Take the new bytes of a key, None to remove it; what stays the same is left out."""
        self.tick()
        old = self.keys.exists(key)
        if data is None and not old:
            return
        if data is not None:
            self.keys.put(f"{self._home}/new/{_flat(key)}", data)
        self.operations.append(Operation(key, digest(data), old))

    def stage_kept(self, key: str, kept: str | None) -> None:
        """Take the bytes that are kept under another key."""
        self.tick()
        data = None
        if kept is not None:
            data = self.keys.get(kept)
            if data is None:
                raise FormatError(
                    f"The old bytes of {key!r} are gone from the journal.",
                    "It cannot be taken back.",
                )
            self.keys.keep(kept, f"{self._home}/new/{_flat(key)}")
        self.operations.append(Operation(key, digest(data), self.keys.exists(key)))

    def commit(self) -> Entry:
        """Commit: from here on the changes will be made, whatever happens."""
        body = {
            "version": 1,
            "time": time.time(),
            "owner": _me()["owner"],
            "about": self.about,
            "undoes": self.undoes,
            "operations": [asdict(one) for one in self.operations],
        }
        self.tick()
        self.keys.settle(self._home)
        self.still_ours()
        self.keys.put(f"{self._home}/manifest.json", json.dumps(body).encode())
        self._committed = True
        self.keys.settle(self._home)
        self.tick()
        return Entry(
            name=self.name,
            time=body["time"],
            owner=str(body["owner"]),
            about=self.about,
            operations=tuple(self.operations),
            applied=False,
            undoes=self.undoes,
        )

    def abort(self) -> None:
        """Throw the staged units away, unless they are committed."""
        if not self._committed:
            with contextlib.suppress(OSError):
                # what could not be committed for certain must not look so
                self.keys.delete(f"{self._home}/manifest.json")
                self.keys.clear(self._home)
