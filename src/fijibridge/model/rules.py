"""How the levels of a pyramid follow from one another, in the ways of other programs too.

`scaling` is how fijibridge makes levels. Others average and cut the fraction off, round halves up,
drop the last odd sample, or pick the first of two. Who changes a part of their pyramid must do as
they did, or the parts do not fit.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.model.axes import Region
from fijibridge.model.scaling import reduce_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model.image import Role
    from fijibridge.model.scaling import Scaling

__all__ = ["RULES", "Rounding", "Rule", "rule_for", "rule_named", "rules_of"]

Sampling = Literal["linear", "mean", "nearest", "blocks", "first"]
Rounding = Literal["even", "up", "down"]

_FAMILY: dict[str, Scaling] = {"blocks": "mean", "first": "nearest"}
_ROUNDED = {"even": "", "up": ", halves rounded up", "down": ", fractions cut off"}
_TEXT = {
    "linear": "linear (gaussian of sigma factor/4, then linear)",
    "mean": "mean of the area that a sample covers",
    "blocks": "mean of whole blocks",
    "nearest": "nearest sample",
    "first": "first sample of each block",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to make a level from the finer one.

    Parameters
    ----------
    sampling
        ``linear``, ``mean`` and ``nearest`` as in `scaling`, with true factors (129 -> 64 is
        2.0156). ``blocks`` averages whole blocks of 2 (or 3, …) samples, what is left over at the
        end is dropped or averaged alone; ``first`` picks the first sample of each such block.
    rounding
        What becomes of fractions in images of integers: to the nearest, halves to ``even`` or
        ``up``; ``down`` cuts them off, as a cast does.
    factors
        How many samples of each axis ``blocks`` and ``first`` take, where the sizes leave it open:
        3 -> 1 may drop one of three. See `fitted`.
    """

    sampling: Sampling
    rounding: Rounding = "even"
    factors: tuple[int, ...] = ()

    @property
    def family(self) -> Scaling:
        """The word of ``--filter`` that this is a kind of."""
        return _FAMILY.get(self.sampling, self.sampling)  # type: ignore[arg-type]  # the rest are words of Scaling

    @property
    def name(self) -> str:
        """A short name that `rule_named` knows: ``mean``, ``blocks up``."""
        return self.sampling if self.rounding == "even" else f"{self.sampling} {self.rounding}"

    @property
    def text(self) -> str:
        """What people read."""
        return _TEXT[self.sampling] + _ROUNDED[self.rounding]

    def fitted(self, shapes: Sequence[Sequence[int]]) -> Rule:
        """Return the rule for a pyramid: its large levels say what its small ones leave open.

        Examples
        --------
        >>> Rule("blocks").fitted([(48, 50), (12, 25), (3, 12)]).factors
        (4, 2)
        """
        if self.sampling not in _FAMILY:
            return self
        found = [0] * len(shapes[0])
        for fine, coarse in itertools.pairwise(shapes):
            pairs = list(zip(fine, coarse, strict=True))
            common = _common([pair for pair in pairs if pair[0] != pair[1]])
            for i, (n, m) in enumerate(pairs):
                if n != m and not found[i]:
                    found[i] = common or _factor(n, m)
        return replace(self, factors=tuple(f or 1 for f in found))

    def _factor(self, axis: int, fine: int, coarse: int) -> int:
        told = self.factors[axis] if axis < len(self.factors) else 1
        fits = told > 1 and any(_gives(told, fine, coarse, up=up) for up in (False, True))
        return told if fits else _factor(fine, coarse)

    def _reach(self, axis: int, fine: int, coarse: int) -> tuple[np.ndarray, np.ndarray]:
        step = self._factor(axis, fine, coarse) if self.sampling in _FAMILY else 0
        return _reach(fine, coarse, self.sampling, step)

    def support(self, fine: Sequence[int], coarse: Sequence[int], region: Region) -> Region:
        """Return the box of the finer level that a region of the coarser one is made of."""
        start, stop = [], []
        ends = zip(fine, coarse, region.start, region.stop, strict=True)
        for i, (n, m, a, b) in enumerate(ends):
            if n == m or a == b:
                start.append(a)
                stop.append(b)
                continue
            low, high = self._reach(i, n, m)
            start.append(int(low[a:b].min()))
            stop.append(int(high[a:b].max()) + 1)
        return Region(tuple(start), tuple(stop))

    def touched(self, fine: Sequence[int], coarse: Sequence[int], region: Region) -> Region | None:
        """Return the box of the coarser level that a region of the finer one has a part in.

        None when it has none: ``first`` drops what lies between.

        Examples
        --------
        >>> Rule("blocks").touched((10,), (5,), Region((3,), (4,)))
        Region(start=(1,), stop=(2,))
        """
        start, stop = [], []
        ends = zip(fine, coarse, region.start, region.stop, strict=True)
        for i, (n, m, a, b) in enumerate(ends):
            if n == m:
                start.append(a)
                stop.append(b)
                continue
            low, high = self._reach(i, n, m)
            hit = np.flatnonzero((low < b) & (high >= a))
            if a == b or not hit.size:
                return None
            start.append(int(hit[0]))
            stop.append(int(hit[-1]) + 1)
        return Region(tuple(start), tuple(stop))

    def reduce(
        self, block: np.ndarray, fine: Sequence[int], coarse: Sequence[int], region: Region
    ) -> np.ndarray:
        """Return a region of the coarser level.

        Parameters
        ----------
        block
            The pixels of ``support(fine, coarse, region)``.
        fine, coarse
            Shapes of both levels.
        region
            Box of the coarser level.
        """
        sampling = self.sampling
        pairs = [(n, m) for n, m in zip(fine, coarse, strict=True) if n != m]
        if sampling == "mean" and all(n == 2 * m for n, m in pairs) and not self._compiled(block):
            sampling = "blocks"  # the same, and faster
        if sampling == "nearest":
            return reduce_block(block, fine, coarse, region, sampling)
        if sampling in {"linear", "mean"} and (self.rounding == "even" or block.dtype.kind == "f"):
            return reduce_block(block, fine, coarse, region, sampling)
        if sampling in {"linear", "mean"}:
            whole = reduce_block(block.astype(np.float64), fine, coarse, region, sampling)
            return _rounded(whole, block.dtype, self.rounding)
        steps = [
            self._factor(i, n, m) if n != m else 1
            for i, (n, m) in enumerate(zip(fine, coarse, strict=True))
        ]
        if sampling == "first":
            block = block[tuple(slice(None, None, step) for step in steps)]
        if sampling == "first":
            return np.ascontiguousarray(block[tuple(slice(0, k) for k in region.shape)])
        return _block_mean(block, steps, region, self.rounding)

    def _compiled(self, block: np.ndarray) -> bool:
        """Whether `reduce_block` adds these in integers."""
        return self.rounding == "even" and block.dtype.name in {"uint8", "uint16"}


def _factor(fine: int, coarse: int) -> int:
    """Return the likeliest factor that gives a size, rounded down or else up.

    Examples
    --------
    >>> [_factor(*sizes) for sizes in ((9, 4), (9, 5), (3, 1), (10, 4), (23, 5), (8, 2), (10, 3))]
    [2, 2, 2, 3, 4, 4, 3]
    """
    exact = fine // coarse if coarse > 1 and fine % coarse == 0 else 2
    likely = (2, exact, 4, 8, 3, fine // (coarse + 1) + 1, -(-fine // coarse))
    return next(
        (f for up in (False, True) for f in likely if _gives(f, fine, coarse, up=up)),
        max(1, round(fine / coarse)),
    )


def _common(pairs: Sequence[tuple[int, int]]) -> int:
    """Return the one factor by which all sizes were made smaller, 0 where they differ."""
    ways = ((f, up) for up in (False, True) for f in (2, 4, 3, 8))
    return next((f for f, up in ways if all(_gives(f, n, m, up=up) for n, m in pairs)), 0)


def _gives(factor: int, fine: int, coarse: int, *, up: bool) -> bool:
    """Whether a factor makes one size of another; fewer samples than that become one."""
    return coarse == (-(-fine // factor) if up else max(1, fine // factor))


@functools.lru_cache(maxsize=64)
def _reach(fine: int, coarse: int, sampling: Sampling, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last sample of the finer axis that each sample is made of."""
    if sampling in _FAMILY:
        low = np.minimum(np.arange(coarse) * step, fine - 1)
        high = low if sampling == "first" else low + step - 1
        return low, np.minimum(high, fine - 1)
    from fijibridge.model.scaling import support

    boxes = [
        support((fine,), (coarse,), Region((i,), (i + 1,)), sampling)  # type: ignore[arg-type]  # the rest are words of Scaling
        for i in range(coarse)
    ]
    return np.array([b.start[0] for b in boxes]), np.array([b.stop[0] - 1 for b in boxes])


def _along(ndim: int, axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if i == axis else slice(None) for i in range(ndim))


def _block_mean(
    block: np.ndarray,
    steps: Sequence[int],
    region: Region,
    rounding: Rounding,
) -> np.ndarray:
    """Return means of blocks: sums in integers, so that only the last division rounds."""
    dtype = block.dtype
    count: Any = 1
    work = block
    wide = _wide(dtype, math.prod(steps))
    for i, f in enumerate(steps):
        if f == 1:
            continue
        length = region.shape[i]
        total = work[_along(work.ndim, i, slice(0, f * (length - 1) + 1, f))].astype(wide)
        number = np.ones(length, np.int64)
        for t in range(1, f):
            part = work[_along(work.ndim, i, slice(t, f * (length - 1) + 1 + t, f))]
            have = part.shape[i]  # the last block may be short
            total[_along(work.ndim, i, slice(0, have))] += part
            number[:have] += 1
        work = total
        count = count * number.reshape([-1 if j == i else 1 for j in range(work.ndim)])
    if dtype.kind == "f":
        mean: np.ndarray = work / count
        return mean.astype(dtype)
    whole = int(np.max(count))
    if wide.itemsize == 4 and whole & (whole - 1) == 0 and np.min(count) == whole > 1:
        return _shifted(work, whole.bit_length() - 1, rounding).astype(dtype)
    if rounding == "even":
        return _rounded(work / count, dtype, "even")
    work = work.astype(np.int64) if work.dtype.itemsize == 4 else work
    if rounding == "up":
        quotient: np.ndarray = (2 * work + count) // (2 * count)
        return quotient.astype(dtype)
    return _toward_zero(work, count).astype(dtype)


def _shifted(total: np.ndarray, bits: int, rounding: Rounding) -> np.ndarray:
    """Return sums of 32 bits divided by a power of two."""
    if rounding == "up":
        up: np.ndarray = (total + total.dtype.type((1 << bits) >> 1)) >> bits
        return up
    if rounding == "down":  # towards zero
        below = total.dtype.type((1 << bits) - 1)
        cut: np.ndarray = (
            total if total.dtype.kind == "u" else total + below * (total < 0)
        ) >> bits
        return cut
    odd: np.ndarray = total >> bits
    odd &= 1
    odd += total
    odd += total.dtype.type(((1 << bits) >> 1) - 1)
    odd >>= bits
    return odd


def _toward_zero(work: np.ndarray, count: Any) -> np.ndarray:
    quotient: np.ndarray = np.abs(work) // count
    return np.where(work < 0, -quotient, quotient) if work.dtype.kind == "i" else quotient


def _wide(dtype: np.dtype[Any], samples: int) -> np.dtype[Any]:
    """Return a type that holds sums of so many samples, with one to spare for rounding."""
    if dtype.kind in "iu" and dtype.itemsize <= 2 and samples < 1 << 14:
        return np.dtype(np.uint32 if dtype.kind == "u" else np.int32)
    if dtype.kind == "f":
        return np.dtype(np.float64)
    if dtype.itemsize == 8:
        return dtype
    return np.dtype(np.int64)


def _rounded(values: np.ndarray, dtype: np.dtype[Any], rounding: Rounding) -> np.ndarray:
    if rounding == "even":
        values = np.rint(values)
    elif rounding == "up":
        values = np.floor(values + 0.5)
    else:
        values = np.trunc(values)
    if dtype.itemsize == 8:  # float64 rounds the largest integers up, out of range
        values = np.minimum(values, np.nextafter(float(np.iinfo(dtype).max), 0))
    return values.astype(dtype)


#: Every rule that is looked for, the likeliest first.
RULES: tuple[Rule, ...] = (
    Rule("linear"),
    Rule("mean"),
    Rule("nearest"),
    Rule("first"),
    Rule("mean", "up"),
    Rule("mean", "down"),
    Rule("blocks"),
    Rule("blocks", "up"),
    Rule("blocks", "down"),
    Rule("linear", "down"),
    Rule("linear", "up"),
)


def rules_of(role: Role, family: Scaling | None = None) -> tuple[Rule, ...]:
    """Return the rules that may be behind a pyramid; labels are only picked."""
    found = tuple(r for r in RULES if role != "labels" or r.family == "nearest")
    return tuple(r for r in found if family is None or r.family == family)


def rule_for(role: Role, family: Scaling | None = None) -> Rule:
    """Return the rule that is taken where the data do not say."""
    return Rule("nearest" if role == "labels" else family or "linear")


def rule_named(name: str) -> Rule | None:
    """Return the rule of a name, or None."""
    return next((rule for rule in RULES if rule.name == name), None)
