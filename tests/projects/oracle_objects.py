"""Run by the system's Python: what ilastik computes of objects, by vigra."""

import sys

import numpy as np


def tagged(array, keys):
    import vigra

    return vigra.taggedView(np.ascontiguousarray(array), keys)


def main() -> None:
    import vigra

    task = np.load(sys.argv[1])
    kind = str(task["task"])

    if kind == "features":
        raw, labels = task["raw"], task["labels"].astype(np.uint32)  # c z y x, z y x
        names = [str(n) for n in task["names"]]
        if raw.shape[1] == 1:
            image = tagged(raw[:, 0].transpose(2, 1, 0).astype(np.float32), "xyc")
            image = image if len(raw) > 1 else image.dropChannelAxis()
            found = vigra.analysis.extractRegionFeatures(
                image, tagged(labels[0].T, "xy"), names, ignoreLabel=0
            )
        else:
            image = tagged(raw.transpose(3, 2, 1, 0).astype(np.float32), "xyzc")
            image = image if len(raw) > 1 else image.dropChannelAxis()
            found = vigra.analysis.extractRegionFeatures(
                image, tagged(labels.T, "xyz"), names, ignoreLabel=0
            )
        np.savez(
            sys.argv[2],
            **{
                str(i): np.asarray(found[n])[1:].reshape(labels.max(), -1)
                for i, n in enumerate(names)
            },
        )
    elif kind == "labels":
        values = tagged(task["values"].astype(np.uint32), "zyx")
        found = vigra.analysis.labelMultiArrayWithBackground(values)
        again, _, _ = vigra.analysis.relabelConsecutive(values, start_label=1, keep_zeros=True)
        np.savez(sys.argv[2], parts=np.asarray(found), numbers=np.asarray(again))
    elif kind == "smooth":
        sigma = [float(s) for s in task["sigma"]]
        data = tagged(task["data"].astype(np.float32), str(task["keys"]))
        np.savez(
            sys.argv[2],
            smooth=np.asarray(vigra.filters.gaussianSmoothing(data, sigma, window_size=2.0)),
        )
    elif kind == "distance":
        inside = tagged(task["inside"].astype(np.float32), "yx")
        np.savez(
            sys.argv[2], far=np.asarray(vigra.filters.distanceTransform(inside, background=True))
        )


if __name__ == "__main__":
    main()
