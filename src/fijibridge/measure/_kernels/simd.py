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


def _inside(lanes):
    def codegen(context, builder, signature, args):
        element = context.get_data_type(signature.args[0].dtype)
        vector = ir.VectorType(element, lanes)
        value = _load(context, builder, signature.args[0], args[0], args[1], vector)
        is_float = isinstance(signature.args[0].dtype, types.Float)
        compare = builder.fcmp_ordered if is_float else builder.icmp_unsigned
        both = builder.and_(
            compare(">=", value, _splat(builder, args[2], lanes)),
            compare("<=", value, _splat(builder, args[3], lanes)),
        )
        bits = builder.bitcast(both, ir.IntType(lanes))
        return bits if lanes == 64 else builder.zext(bits, _I64)

    return codegen


@intrinsic
def inside64(_typing, array, base, low, high):
    """Bit i: low <= array[base + i] <= high, for 64 unsigned integers or floats."""
    return types.uint64(array, types.intp, array.dtype, array.dtype), _inside(64)


@intrinsic
def inside16(_typing, array, base, low, high):
    """Bit i: low <= array[base + i] <= high, for 16 unsigned integers or floats."""
    return types.uint64(array, types.intp, array.dtype, array.dtype), _inside(16)


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


@intrinsic
def powers8(_typing, values, count):
    """Return the sums of v*v, v*v*v and v*v*v*v of uint8 values; zeros up to a whole 16 follow."""

    def codegen(context, builder, signature, args):
        lanes = ir.VectorType(_I32, 16)
        wide = ir.VectorType(_I64, 16)
        nothing = ir.Constant(wide, [0] * 16)
        sums = [cgutils.alloca_once_value(builder, nothing) for _ in range(3)]
        blocks = builder.lshr(builder.add(args[1], ir.Constant(_I64, 15)), ir.Constant(_I64, 4))
        narrow = ir.VectorType(ir.IntType(8), 16)
        with cgutils.for_range(builder, blocks) as loop:
            at = builder.shl(loop.index, ir.Constant(_I64, 4))
            loaded = _load(context, builder, signature.args[0], args[0], at, narrow)
            value = builder.zext(loaded, lanes)
            second = builder.mul(value, value)
            powers = second, builder.mul(second, value), builder.mul(second, second)
            for place, power in zip(sums, powers, strict=True):  # 255**4 fits 32 bits
                now = builder.load(place)
                builder.store(builder.add(now, builder.zext(power, wide)), place)
        add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_I64, [wide]), "llvm.vector.reduce.add.v16i64"
        )
        ends = [builder.call(add, [builder.load(place)]) for place in sums]
        return context.make_tuple(builder, signature.return_type, ends)

    return types.UniTuple(types.int64, 3)(values, types.intp), codegen


def _store(context, builder, array_type, array, index, value):
    data = context.make_array(array_type)(context, builder, array).data
    place = builder.bitcast(builder.gep(data, [index]), value.type.as_pointer())
    builder.store(value, place, align=1)


@intrinsic
def copy32(_typing, source, at, target, place):
    """Copy 32 elements from source[at] on to target[place] on; one type."""

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), 32)
        value = _load(context, builder, signature.args[0], args[0], args[1], vector)
        _store(context, builder, signature.args[2], args[2], args[3], value)
        return context.get_dummy_value()

    return types.none(source, types.intp, target, types.intp), codegen


def _fill(lanes):
    def codegen(context, builder, signature, args):
        value = _splat(builder, args[2], lanes)
        _store(context, builder, signature.args[0], args[0], args[1], value)
        return context.get_dummy_value()

    return codegen


@intrinsic
def fill16(_typing, array, at, value):
    """Set 16 elements from array[at] on."""
    return types.none(array, types.intp, array.dtype), _fill(16)


@intrinsic
def fill4(_typing, array, at, value):
    """Set 4 elements from array[at] on."""
    return types.none(array, types.intp, array.dtype), _fill(4)


@intrinsic
def edges16(_typing, x, y, base, skip):
    """Edges from point base - 1 + i to point base + i, for i = skip .. 15 of int16 points.

    Returns (bits of those longer than 1, sum of |dx|, sum of |dy|).
    """

    def codegen(context, builder, signature, args):
        narrow = ir.VectorType(context.get_data_type(signature.args[0].dtype), 16)
        lanes = ir.VectorType(_I32, 16)
        nothing = ir.Constant(lanes, [0] * 16)
        before = builder.sub(args[2], ir.Constant(args[2].type, 1))
        ramp = ir.Constant(lanes, list(range(16)))
        keep = builder.icmp_signed(">=", ramp, _splat(builder, builder.trunc(args[3], _I32), 16))
        add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_I32, [lanes]), "llvm.vector.reduce.add.v16i32"
        )
        lengths = []
        for k in range(2):
            here, there = (
                builder.sext(_load(context, builder, signature.args[k], args[k], at, narrow), lanes)
                for at in (args[2], before)
            )
            d = builder.sub(here, there)
            d = builder.select(builder.icmp_signed("<", d, nothing), builder.sub(nothing, d), d)
            lengths.append(builder.select(keep, d, nothing))
        both = builder.add(*lengths)
        far = builder.icmp_signed(">", both, ir.Constant(lanes, [1] * 16))
        bits = builder.zext(builder.bitcast(far, ir.IntType(16)), _I64)
        sums = [builder.zext(builder.call(add, [d]), _I64) for d in lengths]
        return context.make_tuple(builder, signature.return_type, [bits, *sums])

    result = types.Tuple((types.uint64, types.int64, types.int64))
    return result(x, y, types.intp, types.intp), codegen


def _floats(context, builder, signature, args, k, at):
    lanes = ir.VectorType(ir.FloatType(), 16)
    return _load(context, builder, signature.args[k], args[k], at, lanes)


def _matches(wanted_of):
    def codegen(context, builder, signature, args):
        x, y = (_floats(context, builder, signature, args, k, args[2]) for k in range(2))
        u, v, wanted = (_splat(builder, a, 16) for a in args[3:])
        same = builder.fcmp_ordered("==", wanted_of(builder, x, y, u, v), wanted)
        return builder.zext(builder.bitcast(same, ir.IntType(16)), _I64)

    return codegen


def _distance(builder, x, y, u, v):
    dx, dy = builder.fsub(x, u), builder.fsub(y, v)
    return builder.fadd(builder.fmul(dx, dx), builder.fmul(dy, dy))


def _cross(builder, x, y, u, v):
    return builder.fsub(builder.fmul(x, v), builder.fmul(y, u))


def _five(x, y):
    return types.uint64(x, y, types.intp, types.float32, types.float32, types.float32)


@intrinsic
def farthest16(_typing, x, y, base, x0, y0, wanted):
    """Bit i: the squared distance of point base + i to (x0, y0) is `wanted`; float32."""
    return _five(x, y), _matches(_distance)


@intrinsic
def cross16(_typing, x, y, base, ex, ey, wanted):
    """Bit i: x*ey - y*ex of point base + i is `wanted`; float32."""
    return _five(x, y), _matches(_cross)


@intrinsic
def all_pairs16(_typing, x, y, base, count, far, wide, squares):
    """Compare the vertices base .. base + 15 of a polygon, and the edges to them, with all.

    float32 arrays; vertex i is at x[i + 1], the last one is at x[0], too. far[i]: the largest
    squared distance to another vertex; wide[i]: the largest cross product x*ey - y*ex of a vertex
    with the edge (ex, ey) to vertex i; squares[i]: about the square of the width across that edge,
    infinite where the edge has no length. Lanes are the i. Whole numbers stay exact while
    coordinates are below 2048. Returns (largest far, smallest square).
    """

    def codegen(context, builder, signature, args):
        lanes = ir.VectorType(ir.FloatType(), 16)
        whole = ir.VectorType(_I32, 16)
        one = ir.Constant(_I64, 1)
        own = builder.add(args[2], one)
        xi, yi = (_floats(context, builder, signature, args, k, own) for k in range(2))
        xk, yk = (_floats(context, builder, signature, args, k, args[2]) for k in range(2))
        ex, ey = builder.fsub(xi, xk), builder.fsub(yi, yk)
        lowest = ir.Constant(lanes, [float("-inf")] * 16)
        nows = [cgutils.alloca_once_value(builder, lowest) for _ in range(2)]
        points = [
            context.make_array(signature.args[k])(context, builder, args[k]).data for k in range(2)
        ]
        with cgutils.for_range(builder, args[3]) as loop:
            at = builder.add(loop.index, one)
            xj, yj = (_splat(builder, builder.load(builder.gep(p, [at])), 16) for p in points)
            found = _distance(builder, xi, yi, xj, yj), _cross(builder, xj, yj, ex, ey)
            for place, value in zip(nows, found, strict=True):
                now = builder.load(place)
                more = builder.fcmp_ordered(">", value, now)
                builder.store(builder.select(more, value, now), place)
        far, wide = (builder.load(place) for place in nows)
        f = builder.fsub(wide, _cross(builder, xi, yi, ex, ey))
        length = builder.fadd(builder.fmul(ex, ex), builder.fmul(ey, ey))
        square = builder.select(
            builder.fcmp_ordered(">", length, ir.Constant(lanes, [0.0] * 16)),
            builder.fdiv(builder.fmul(f, f), length),
            ir.Constant(lanes, [float("inf")] * 16),
        )
        for k, value in ((4, far), (5, wide), (6, square)):
            data = context.make_array(signature.args[k])(context, builder, args[k]).data
            place = builder.bitcast(builder.gep(data, [args[2]]), lanes.as_pointer())
            builder.store(value, place, align=4)
        ends = []
        for value, name in ((far, "umax"), (square, "umin")):  # as whole numbers: none is negative
            reduce = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(_I32, [whole]),
                f"llvm.vector.reduce.{name}.v16i32",
            )
            end = builder.call(reduce, [builder.bitcast(value, whole)])
            ends.append(builder.bitcast(end, ir.FloatType()))
        return context.make_tuple(builder, signature.return_type, ends)

    result = types.UniTuple(types.float32, 2)
    return result(x, y, types.intp, types.intp, far, wide, squares), codegen


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


@intrinsic
def next_turn(_typing, turns):
    """Return turns[0], an int64, and count it up, in one step for all threads."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", data, ir.Constant(_I64, 1), "seq_cst")

    return types.int64(turns), codegen
