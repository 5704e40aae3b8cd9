"""A stand-in for ilastik's executable: checks its command line, writes files as ilastik does."""

import json
import os
import sys
from pathlib import Path

import h5py  # noqa: TID253
import numpy as np

AXES = json.dumps({"axes": [{"key": k, "typeFlags": n} for k, n in (("y", 2), ("x", 2), ("c", 1))]})


def main() -> None:
    lists: dict[str, list[str]] = {}
    flags: dict[str, str] = {}
    current = None
    for word in sys.argv[1:]:
        if word.startswith("--"):
            name, sign, text = word[2:].partition("=")
            current = None if sign else name
            if sign:
                flags[name] = text
            else:
                lists[name] = []
        elif current is None:
            sys.exit(f"what is {word}?")
        else:
            lists[current].append(word)
    known = {"project", "export_source", "output_format", "output_filename_format"}
    known |= {"output_internal_path", "csv_export_file", "export_plugin", "table_filename"}
    if set(flags) - known or set(lists) - {"headless", "raw_data", "probabilities", "table_only"}:
        sys.exit(f"unknown: {flags} {lists}")
    assert "headless" in lists and Path(flags["project"]).exists()  # noqa: PT018
    print("INFO threads", os.environ.get("LAZYFLOW_THREADS", "all"))
    mode = os.environ.get("STAND_IN", "")
    if mode == "fails":
        print("ERROR: no classifier")
        sys.exit(1)
    rows = []
    for path in lists["raw_data"]:
        nickname = Path(path).stem
        if mode == "forgets" or flags.get("export_source") == "Plugin":
            continue
        target = Path(flags["output_filename_format"].replace("{nickname}", nickname))
        with h5py.File(target, "w") as file:
            if mode == "breaks":
                continue
            data = np.arange(20 * 30, dtype=np.uint32).reshape(20, 30, 1) % 7
            dataset = file.create_dataset(flags["output_internal_path"], data=data)
            dataset.attrs["axistags"] = AXES
            dataset.attrs["display_mode"] = "random-colortable"
        rows.append(f"{nickname},{data.sum()}\n")
    if "csv_export_file" in flags:
        Path(flags["csv_export_file"]).write_text("".join(rows))
    print("INFO done")


if __name__ == "__main__":
    main()
