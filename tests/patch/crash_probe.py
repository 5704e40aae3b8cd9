"""Kill a check-in (or an undo) at its steps, recover, and say whether the store is before or after.

A program of its own: it forks, and the parent never starts a thread. With a URL the store is there,
in object storage, and is looked at through boto3, which starts none either.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from patch.stores import tree

#: What every child would import anew.
USED = ("numpy", "zarr", "fijibridge.patch.checkin", "fijibridge.patch.store")


def child(work):
    """Run `work` in a forked process and return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # told by the exit code
            sys.stderr.write(f"{error!r}\n")
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ticker(at, count_file=None):
    """Return a function that ends the process at its n-th call, or counts the calls."""
    seen = [0]
    one = threading.Lock()  # units are written by threads

    def tick():
        with one:
            seen[0] += 1
            if count_file is not None:
                count_file.write_text(str(seen[0]))
            if seen[0] == at:
                os._exit(9)

    return tick


def checkin(store, patch, tick, as_labels):
    """Check the patch in."""
    from fijibridge.patch.checkin import plan_checkin, run_checkin

    run_checkin(plan_checkin(patch, store=store, as_labels=as_labels), tick)


def undo(store, tick):
    """Take the last check-in back."""
    journal = journal_of(store, tick)
    with journal.locked():
        journal.undo(journal.entries()[-1])


def journal_of(store, tick=lambda: None):
    """Return the journal of a store."""
    from fijibridge.patch import store as stores
    from fijibridge.patch.journal import Journal

    return Journal(stores.journal_of(store).keys, tick)


def recover(store, tick=lambda: None):
    """Recover, as the verb does."""
    journal = journal_of(store, tick)
    with journal.locked():
        journal.recover()
    assert not journal.pending()


def litter(names):
    """Return files of the journal that belong to no finished transaction."""
    mine = [Path(name) for name in names if name.startswith(".fijibridge/")]
    known = ("lock", "manifest.json", "applied")
    lost = [p for p in mine if p.name not in known and p.parent.name != "old"]
    homes = {Path(*p.parts[:3]) for p in mine if p.parts[1] == "txn"}
    return [str(p) for p in (*lost, *(homes - {p.parent for p in mine if p.name == known[1]}))]


class Folder:
    """A store on disk."""

    def __init__(self, pristine, place):
        self.pristine, self.place = pristine, place

    def fresh(self):
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.pristine, self.place)

    def tree(self, *, journal=False):
        return tree(self.place, journal=journal)

    def litter(self):
        home = self.place / ".fijibridge" / "txn"
        bare = [str(p) for p in home.glob("*") if not (p / "manifest.json").exists()]
        return [*litter(self.tree(journal=True)), *bare]


class Bucket:
    """A store in object storage."""

    def __init__(self, pristine, place):
        import boto3

        self.pristine, self.place = pristine, place
        name, _, self.prefix = place.removeprefix("s3://").partition("/")
        self.bucket = boto3.resource("s3").Bucket(name)

    def _objects(self):
        return self.bucket.objects.filter(Prefix=f"{self.prefix}/")

    def fresh(self):
        self._objects().delete()
        for path in self.pristine.rglob("*"):
            if path.is_file():
                key = f"{self.prefix}/{path.relative_to(self.pristine).as_posix()}"
                self.bucket.put_object(Key=key, Body=path.read_bytes())

    def tree(self, *, journal=False):
        found = {o.key[len(self.prefix) + 1 :]: o for o in self._objects()}
        return {
            name: hashlib.sha256(one.get()["Body"].read()).hexdigest()
            for name, one in found.items()
            if journal or not name.startswith(".fijibridge/")
        }

    def litter(self):
        names = self.tree(journal=True)
        return [*litter(names), *(n for n in names if n.startswith(".fijibridge/lock"))]


def main(folder, store_name, patch, mode, every, url=""):
    folder = Path(folder)
    pristine = folder / store_name
    place = Bucket(pristine, url) if url else Folder(pristine, folder / "work.ome.zarr")
    store, fresh = place.place, place.fresh
    as_labels = "made" if mode == "labels" else None
    for name in (*USED, *(["s3fs"] if url else [])):
        importlib.import_module(name)

    def work(tick):
        if mode == "undo":
            undo(store, tick)
        else:
            checkin(store, patch, tick, as_labels)

    counted = folder / "steps"
    fresh()
    before = place.tree()
    assert child(lambda: work(ticker(0, counted))) == 0
    after = place.tree()
    assert before != after
    steps = int(counted.read_text())
    result = {"steps": steps, "before": 0, "after": 0, "broken": [], "litter": [], "tried": 0}
    for at in range(1, steps + 1, every):
        fresh()
        code = child(lambda at=at: work(ticker(at)))
        assert code == 9, (at, code)
        if mode == "recover":  # which is killed too, further and further on
            further = 1
            while child(lambda n=further: recover(store, ticker(n))) == 9:
                further += 1 + further // 4
        assert child(lambda: recover(store)) == 0
        found = place.tree()
        result["tried"] += 1
        if found == before:
            result["before"] += 1
        elif found == after:
            result["after"] += 1
        else:
            result["broken"].append(at)
        result["litter"] += place.litter()
    print(json.dumps(result))  # the answer


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]), *sys.argv[6:])
