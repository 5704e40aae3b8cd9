"""vigra's own filters and forest, run by the system's Python: oracle_vigra.py TASK OUT.

Tasks (.npz): ``features`` (raw (c, z, y, x) float32, list of (id, scale, flat)); ``forest``
(training data, rows to predict, path of an HDF5 file to write the forest to).
"""

import math
import sys
import time

import numpy as np

try:
    import vigra
except ImportError:  # the project's own Python has none
    vigra = None


def presmooth(volume, scale, flat):
    sigma = math.sqrt(scale * scale - 1.0) if scale > 1.0 else scale
    return each(volume, flat, lambda a: vigra.filters.gaussianSmoothing(a, sigma, window_size=3.5))


def each(volume, flat, run):
    """Run on every plane, or on the volume; (z, y, x) -> (results, z, y, x)."""
    if flat:
        planes = [np.asarray(run(tagged(plane, "yx"))) for plane in volume]
        planes = [p[..., None] if p.ndim == 2 else p for p in planes]
        return np.moveaxis(np.stack(planes), -1, 0)
    found = np.asarray(run(tagged(volume, "zyx")))
    found = found[..., None] if found.ndim == 3 else found
    return np.moveaxis(found, -1, 0)


def tagged(array, keys):
    return vigra.taggedView(np.ascontiguousarray(array, np.float32), keys)


def ordered(result, keys):
    if hasattr(result, "axistags"):
        order = keys + ("c" if "c" in [a.key for a in result.axistags] else "")
        return result.withAxes(*order)
    return result


def feature(smoothed, name, f, flat, swapped):
    keys = "yx" if flat else "zyx"
    w = 2.0
    runs = {
        "GaussianSmoothing": lambda a: vigra.filters.gaussianSmoothing(a, f, window_size=w),
        "LaplacianOfGaussian": lambda a: vigra.filters.laplacianOfGaussian(a, f, window_size=w),
        "GaussianGradientMagnitude": lambda a: vigra.filters.gaussianGradientMagnitude(
            a, f, window_size=w
        ),
        "DifferenceOfGaussians": lambda a: (
            vigra.filters.gaussianSmoothing(a, f, window_size=w)
            - vigra.filters.gaussianSmoothing(a, 0.66 * f, window_size=w)
        ),
        "StructureTensorEigenvalues": lambda a: vigra.filters.structureTensorEigenvalues(
            a, *((0.5 * f, f) if swapped else (f, 0.5 * f)), window_size=w
        ),
        "HessianOfGaussianEigenvalues": lambda a: vigra.filters.hessianOfGaussianEigenvalues(
            a, f, window_size=w
        ),
    }
    return each(smoothed, flat, lambda a: ordered(runs[name](a), keys))


def features(raw, chosen, swapped):
    cache = {}
    out = []
    for name, scale, flat in chosen:
        for c, volume in enumerate(raw):
            key = c, scale, flat
            if key not in cache:
                cache[key] = presmooth(volume, scale, flat)[0]
            out.append(feature(cache[key], name, min(1.0, scale), flat, swapped))
    return np.concatenate(out)


def main(task, out):
    given = np.load(task, allow_pickle=False)
    if str(given["task"]) == "features":
        names = [str(n) for n in given["names"]]
        chosen = list(zip(names, given["scales"].tolist(), given["flat"].tolist(), strict=True))
        begin = time.process_time()
        found = features(given["raw"].astype(np.float32), chosen, bool(given["swapped"]))
        np.savez(out, features=found, seconds=time.process_time() - begin)
        return
    forest = vigra.learning.RandomForest(int(given["trees"]))
    forest.learnRF(
        given["x"].astype(np.float32), given["y"].astype(np.uint32)[:, None], int(given["seed"])
    )
    begin = time.process_time()
    found = forest.predictProbabilities(given["rows"].astype(np.float32))
    seconds = time.process_time() - begin
    if "path" in given:
        forest.writeHDF5(str(given["path"]), "Forest0000")
    np.savez(out, probabilities=found, seconds=seconds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
