"""A stand-in for ilastik's executable: checks its command line, writes files as ilastik does."""

import json
import os
import sys
from pathlib import Path

import h5py  # noqa: TID253
import numpy as np

AXES = {k: {"key": k, "typeFlags": n} for k, n in zip("tyxc", (8, 2, 2, 1), strict=True)}
#: An object that divides, and one that is of no track.
CSV = """frame,labelimageId,trackId,lineageId,parentTrackId,mergerLabelId
0,1,2,2,0,-1
0,2,-1,-1,0,-1
1,1,3,2,2,-1
1,2,4,2,2,-1
"""


def movie():
    """Return the label images that the table speaks of."""
    data = np.zeros((2, 20, 30, 1), np.uint32)
    data[0, 2:6, 2:9], data[0, 12:15, 20:25] = 1, 2
    data[1, 2:4, 2:6], data[1, 5:8, 6:9] = 1, 2
    return data


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
    known |= {"output_internal_path", "csv-export-file", "export_plugin", "table_filename"}
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
        if flags.get("export_plugin") == "CSV-Table":
            base = flags["output_filename_format"].replace("{nickname}", nickname)
            base = base.replace("{dataset_dir}", str(Path(path).parent))
            base = base.replace("{result_type}", "CSV-Table")
            Path(f"{base}.csv").write_text(CSV)
        if mode == "forgets" or flags.get("export_source") == "Plugin":
            continue
        target = Path(flags["output_filename_format"].replace("{nickname}", nickname))
        with h5py.File(target, "w") as file:
            if mode == "breaks":
                continue
            data = np.arange(20 * 30, dtype=np.uint32).reshape(20, 30, 1) % 7
            keys = "yxc"
            if flags.get("export_source") == "Object-Identities":
                data, keys = movie(), "tyxc"
            dataset = file.create_dataset(flags["output_internal_path"], data=data)
            dataset.attrs["axistags"] = json.dumps({"axes": [AXES[k] for k in keys]})
            dataset.attrs["display_mode"] = "random-colortable"
        rows.append(f"{nickname},{data.sum()}\n")
    if "csv-export-file" in flags:
        Path(flags["csv-export-file"]).write_text("".join(rows))
    print("INFO done")


if __name__ == "__main__":
    main()
