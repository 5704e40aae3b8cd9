# ruff: noqa: ARG001  # intrinsics declare the types of arguments that the generator then uses
"""Vector primitives over the runs of a particle and over its histogram; see `simd`."""

from __future__ import annotations

import functools

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fijibridge.measure._kernels.simd import _I32, _I64, _load, _splat, _store


def _reduced(builder, name, value):
    lanes = value.type
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(lanes.element, [lanes]),
        f"llvm.vector.reduce.{name}.v16i{lanes.element.width}",
    )
    return builder.call(function, [value])


def _larger(builder, a, b):
    return builder.select(builder.icmp_unsigned(">", a, b), a, b)


def _smaller(builder, a, b):
    return builder.select(builder.icmp_unsigned("<", a, b), a, b)


@intrinsic
def run_sums(_typing, flat, width, top, x0, x1, y, first, stop, values):
    """Return the sums of v, x*v and (y - y[first])*v, the smallest and the largest v of runs.

    flat: rows of uint8 or uint16 pixels, row `top` of the image first; 16 elements from the start
    of every 16 pixels of a run on must be inside. A sixteenth of each sum must fit 32 bits. The
    pixels are copied to values, in raster order; there it has 32 spare elements.
    """

    def codegen(context, builder, signature, args):
        lanes = ir.VectorType(_I32, 16)
        narrow = ir.VectorType(context.get_data_type(signature.args[0].dtype), 16)
        nothing = ir.Constant(lanes, [0] * 16)
        most = ir.Constant(lanes, [0xFFFF] * 16)
        ramp = ir.Constant(lanes, list(range(16)))
        sixteen = ir.Constant(_I64, 16)
        starts = (nothing, nothing, nothing, most, nothing)
        nows = [cgutils.alloca_once_value(builder, value) for value in starts]
        place = cgutils.alloca_once_value(builder, ir.Constant(_I64, 0))
        ends = [context.make_array(signature.args[k])(context, builder, args[k]).data
                for k in (3, 4, 5)]  # fmt: skip

        def at(k, i):
            return builder.sext(builder.load(builder.gep(ends[k], [i])), _I64)

        base = at(2, args[6])
        with cgutils.for_range(builder, builder.sub(args[7], args[6])) as loop:
            i = builder.add(loop.index, args[6])
            left, row = at(0, i), at(2, i)
            count = builder.sub(at(1, i), left)
            begin = builder.add(builder.mul(builder.sub(row, args[2]), args[1]), left)
            down = _splat(builder, builder.trunc(builder.sub(row, base), _I32), 16)
            d = builder.load(place)
            blocks = builder.lshr(builder.add(count, ir.Constant(_I64, 15)), ir.Constant(_I64, 4))
            with cgutils.for_range(builder, blocks) as inner:
                done = builder.mul(inner.index, sixteen)
                loaded = _load(
                    context, builder, signature.args[0], args[0], builder.add(begin, done), narrow
                )
                _store(context, builder, signature.args[8], args[8], builder.add(d, done), loaded)
                rest = _splat(builder, builder.trunc(builder.sub(count, done), _I32), 16)
                keep = builder.icmp_signed("<", ramp, rest)
                wide = builder.zext(loaded, lanes)
                value = builder.select(keep, wide, nothing)
                x = _splat(builder, builder.trunc(builder.add(left, done), _I32), 16)
                x = builder.add(x, ramp)
                lowest = builder.select(keep, wide, most)
                news = (
                    (builder.add, value),
                    (builder.add, builder.mul(value, x)),
                    (builder.add, builder.mul(value, down)),
                    (functools.partial(_smaller, builder), lowest),
                    (functools.partial(_larger, builder), value),
                )
                for where, (join, new) in zip(nows, news, strict=True):
                    builder.store(join(builder.load(where), new), where)
            builder.store(builder.add(d, count), place)
        long = ir.VectorType(_I64, 16)
        sums = [
            _reduced(builder, "add", builder.zext(builder.load(where), long)) for where in nows[:3]
        ]
        low, high = (
            builder.zext(_reduced(builder, name, builder.load(where)), _I64)
            for name, where in (("umin", nows[3]), ("umax", nows[4]))
        )
        return context.make_tuple(builder, signature.return_type, [*sums, low, high])

    arguments = (
        flat, types.intp, types.intp, x0, x1, y, types.intp, types.intp, values,
    )  # fmt: skip
    return types.UniTuple(types.int64, 5)(*arguments), codegen


@intrinsic
def scan16(_typing, histogram, at):
    """Return the sum of 16 int32 bins, and the largest of (count << 8 | 255 - bin)."""

    def codegen(context, builder, signature, args):
        lanes = ir.VectorType(_I32, 16)
        count = _load(context, builder, signature.args[0], args[0], args[1], lanes)
        down = ir.Constant(lanes, [255 - k for k in range(16)])
        place = builder.sub(down, _splat(builder, builder.trunc(args[1], _I32), 16))
        key = builder.or_(builder.shl(count, ir.Constant(lanes, [8] * 16)), place)
        ends = [
            builder.zext(_reduced(builder, name, value), _I64)
            for name, value in (("add", count), ("umax", key))
        ]
        return context.make_tuple(builder, signature.return_type, ends)

    return types.UniTuple(types.int64, 2)(histogram, types.intp), codegen
