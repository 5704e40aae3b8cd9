"""Zarr patches: a sub-volume out of a huge store, and back in, with every level right.

`checkout` copies a region into a file that remembers where it came from. `checkin` finds the place
again, changes the units it touches at every level, and commits them through a `journal`: all or
none, whatever happens in between. `recover`, `undo`, `prune` and `status` work on the journal.
"""

from __future__ import annotations

__all__: list[str] = []
