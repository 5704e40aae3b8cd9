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
import json
import time
import urllib.parse
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.model.json_text import parse_json
from fijibridge.patch.lock import HOME, Lock, digest, who_am_i

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fijibridge.patch.keys import Keys

__all__ = ["HOME", "Entry", "Journal", "Operation", "Transaction"]

_TXN = f"{HOME}/txn"


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


class Journal(Lock):
    """The journal of one store.

    Parameters
    ----------
    keys
        The keys of the store.
    tick
        Called before each step that changes something; tests make it fail.
    """

    def __init__(self, keys: Keys, tick: Callable[[], None] = lambda: None) -> None:
        super().__init__(keys)
        self._tick = tick

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
            body = parse_json(data)
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
        keys.settle(home, [one.key for one in entry.operations])
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
            "owner": who_am_i()["owner"],
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
