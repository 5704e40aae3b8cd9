"""Kill a check-in (or an undo) at its steps, recover, and say whether the store is before or after.

A program of its own: it forks, and the parent never starts a thread.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from patch.stores import tree


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

    def tick():
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
    from fijibridge.patch.journal import Journal
    from fijibridge.patch.keys import LocalKeys

    journal = Journal(LocalKeys(store), tick)
    with journal.locked():
        journal.undo(journal.entries()[-1])


def recover(store):
    """Recover, as the verb does."""
    from fijibridge.patch.journal import Journal
    from fijibridge.patch.keys import LocalKeys

    journal = Journal(LocalKeys(store))
    with journal.locked():
        journal.recover()
    assert not journal.pending()


def litter(store):
    """Return files of the journal that belong to no finished transaction."""
    home = Path(store) / ".fijibridge"
    return [
        str(p.relative_to(store))
        for p in home.rglob("*")
        if p.is_file()
        and p.name not in ("lock", "manifest.json", "applied")
        and p.parent.name != "old"
    ] + [str(p) for p in home.glob("txn/*") if not (p / "manifest.json").exists()]


def main(folder, store_name, patch, mode, every):
    folder = Path(folder)
    pristine, store = folder / store_name, folder / "work.ome.zarr"
    as_labels = "made" if mode == "labels" else None

    def fresh():
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(pristine, store)

    def work(tick):
        if mode == "undo":
            undo(store, tick)
        else:
            checkin(store, patch, tick, as_labels)

    counted = folder / "steps"
    fresh()
    before = tree(store)
    assert child(lambda: work(ticker(0, counted))) == 0
    after = tree(store)
    assert before != after
    steps = int(counted.read_text())
    result = {"steps": steps, "before": 0, "after": 0, "broken": [], "litter": [], "tried": 0}
    for at in range(1, steps + 1, every):
        fresh()
        code = child(lambda at=at: work(ticker(at)))
        assert code == 9, (at, code)
        assert child(lambda: recover(store)) == 0
        found = tree(store)
        result["tried"] += 1
        if found == before:
            result["before"] += 1
        elif found == after:
            result["after"] += 1
        else:
            result["broken"].append(at)
        result["litter"] += litter(store)
    print(json.dumps(result))  # the answer


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))
