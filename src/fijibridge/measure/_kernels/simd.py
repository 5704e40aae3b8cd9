# ruff: noqa: ARG001  # intrinsics declare the types of arguments that the generator then uses
"""Vector primitives for numba: explicit LLVM vectors, so speed hangs on no auto-vectoriser.

They compile for any processor (LLVM splits the vectors); there is no fast-math anywhere. Every
array is contiguous; indices count elements.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


def _splat(builder, value, lanes):
    vector = ir.VectorType(value.type, lanes)
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    lanes_type = ir.VectorType(_I32, lanes)
    return builder.shuffle_vector(one, undefined, ir.Constant(lanes_type, [0] * lanes))


def _load(context, builder, array_type, array, index, vector):
    data = context.make_array(array_type)(context, builder, array).data
    place = builder.bitcast(builder.gep(data, [index]), vector.as_pointer())
    return builder.load(place, align=1)


@intrinsic
def inside64(_typing, array, base, low, high):
    """Bit i: low <= array[base + i] <= high, for 64 unsigned integers or floats."""
    is_float = isinstance(array.dtype, types.Float)

    def codegen(context, builder, signature, args):
        element = context.get_data_type(signature.args[0].dtype)
        vector = ir.VectorType(element, 64)
        value = _load(context, builder, signature.args[0], args[0], args[1], vector)
        compare = builder.fcmp_ordered if is_float else builder.icmp_unsigned
        both = builder.and_(
            compare(">=", value, _splat(builder, args[2], 64)),
            compare("<=", value, _splat(builder, args[3], 64)),
        )
        return builder.bitcast(both, _I64)

    return types.uint64(array, types.intp, array.dtype, array.dtype), codegen


@intrinsic
def changes64(_typing, array, base):
    """Bit i: array[base + i] differs from the element before it (base >= 1), for 64 integers."""

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), 64)
        here = _load(context, builder, signature.args[0], args[0], args[1], vector)
        left = builder.sub(args[1], ir.Constant(args[1].type, 1))
        before = _load(context, builder, signature.args[0], args[0], left, vector)
        return builder.bitcast(builder.icmp_unsigned("!=", here, before), _I64)

    return types.uint64(array, types.intp), codegen


@intrinsic
def sums32(_typing, array, base, count):
    """Return sum of v[k] | sum of k*v[k] << 32, k < count <= 32, of unsigned 8/16-bit values."""

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), 32)
        wide = ir.VectorType(_I32, 32)
        loaded = _load(context, builder, signature.args[0], args[0], args[1], vector)
        value = builder.zext(loaded, wide)
        ramp = ir.Constant(wide, list(range(32)))
        limit = _splat(builder, builder.trunc(args[2], _I32), 32)
        keep = builder.icmp_signed("<", ramp, limit)
        value = builder.select(keep, value, ir.Constant(wide, [0] * 32))
        add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_I32, [wide]), "llvm.vector.reduce.add.v32i32"
        )
        total = builder.zext(builder.call(add, [value]), _I64)
        dot = builder.zext(builder.call(add, [builder.mul(value, ramp)]), _I64)
        return builder.or_(total, builder.shl(dot, ir.Constant(_I64, 32)))

    return types.int64(array, types.intp, types.intp), codegen


def _points(context, builder, signature, args):
    vector = ir.VectorType(_I32, 16)
    return [_load(context, builder, signature.args[k], args[k], args[2], vector) for k in (0, 1)]


def _distances(context, builder, signature, args):
    x, y = _points(context, builder, signature, args)
    x = builder.sub(x, _splat(builder, args[3], 16))
    y = builder.sub(y, _splat(builder, args[4], 16))
    return builder.add(builder.mul(x, x), builder.mul(y, y))


def _crosses(context, builder, signature, args):
    x, y = _points(context, builder, signature, args)
    a = builder.mul(x, _splat(builder, args[4], 16))
    return builder.sub(a, builder.mul(y, _splat(builder, args[3], 16)))


def _equal(builder, value, wanted):
    same = builder.icmp_signed("==", value, _splat(builder, wanted, 16))
    return builder.zext(builder.bitcast(same, ir.IntType(16)), _I64)


def _signature(x, y, numbers, result):
    return result(x, y, types.intp, *([types.int32] * numbers))


@intrinsic
def farthest16_mask(_typing, x, y, base, x0, y0, wanted):
    """Bit i: the squared distance of point i is `wanted`."""

    def codegen(context, builder, signature, args):
        return _equal(builder, _distances(context, builder, signature, args), args[5])

    return _signature(x, y, 3, types.uint64), codegen


@intrinsic
def cross16_mask(_typing, x, y, base, ex, ey, wanted):
    """Bit i: x*ey - y*ex of point i is `wanted`."""

    def codegen(context, builder, signature, args):
        return _equal(builder, _crosses(context, builder, signature, args), args[5])

    return _signature(x, y, 3, types.uint64), codegen


@intrinsic
def all_pairs16(_typing, x, y, ex, ey, base, count, far, wide):
    """For i = base .. base + 15: the largest distance and the largest cross product of i's vectors.

    float32 arrays: far[i] = max over j < count of (x[i]-x[j])^2 + (y[i]-y[j])^2 and wide[i] = max
    of x[j]*ey[i] - y[j]*ex[i]. Lanes are the i, so there is no sum or maximum across lanes. Whole
    numbers stay exact while coordinates are below 2048.
    """

    def codegen(context, builder, signature, args):
        lanes = ir.VectorType(ir.FloatType(), 16)
        data = [
            context.make_array(signature.args[k])(context, builder, args[k]).data
            for k in (0, 1, 2, 3, 6, 7)
        ]

        def at(k):
            return builder.bitcast(builder.gep(data[k], [args[4]]), lanes.as_pointer())

        xi, yi, exi, eyi = (builder.load(at(k), align=4) for k in range(4))
        lowest = ir.Constant(lanes, [float("-inf")] * 16)
        far_now = cgutils.alloca_once_value(builder, lowest)
        wide_now = cgutils.alloca_once_value(builder, lowest)
        with cgutils.for_range(builder, args[5]) as loop:
            xj, yj = (
                _splat(builder, builder.load(builder.gep(data[k], [loop.index])), 16)
                for k in range(2)
            )
            dx, dy = builder.fsub(xi, xj), builder.fsub(yi, yj)
            distance = builder.fadd(builder.fmul(dx, dx), builder.fmul(dy, dy))
            cross = builder.fsub(builder.fmul(xj, eyi), builder.fmul(yj, exi))
            for place, value in ((far_now, distance), (wide_now, cross)):
                now = builder.load(place)
                more = builder.fcmp_ordered(">", value, now)
                builder.store(builder.select(more, value, now), place)
        builder.store(builder.load(far_now), at(4), align=4)
        builder.store(builder.load(wide_now), at(5), align=4)
        return context.get_dummy_value()

    return types.none(x, y, ex, ey, types.intp, types.intp, far, wide), codegen


@intrinsic
def trailing_zeros(_typing, word):
    """Return the place of the lowest bit set; 64 when there is none."""

    def codegen(_context, builder, _signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.intp(types.uint64), codegen


@intrinsic
def popcount(_typing, word):
    """Return the number of bits set."""

    def codegen(_context, builder, _signature, args):
        return builder.ctpop(args[0])

    return types.intp(types.uint64), codegen
