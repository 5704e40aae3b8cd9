# ruff: noqa: ARG001  # intrinsics declare the types of arguments that the generator then uses
"""One step of a separable filter on 64 neighbours, as explicit LLVM vectors.

Every product is added with one rounding (fma), everywhere: the value of a pixel hangs neither on
its place in a tile nor on the processor. Index arithmetic is in elements of contiguous float32
arrays; nothing is checked here.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

#: Pixels of one step; rows of every array are at least so long.
LANES = 64

_I32 = ir.IntType(32)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _splat(builder, value):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(one, undefined, zeros)


def _pointer(context, builder, array_type, array):
    return context.make_array(array_type)(context, builder, array).data


def _load(builder, data, index):
    place = builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())
    return builder.load(place, align=4)


def _convolution(*, odd):
    def convolve(_typing, source, at, step, weights, radius, target, to):
        def codegen(context, builder, signature, args):
            kinds = signature.args
            src = _pointer(context, builder, kinds[0], args[0])
            taps = _pointer(context, builder, kinds[3], args[3])
            dst = _pointer(context, builder, kinds[5], args[5])
            fma = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(_VECTOR, [_VECTOR] * 3),
                f"llvm.fma.v{LANES}f32",
            )
            at_, step_, radius_, to_ = args[1], args[2], args[4], args[6]
            one = ir.Constant(at_.type, 1)
            first = _splat(builder, builder.load(taps))
            total = cgutils.alloca_once_value(
                builder, builder.fmul(first, _load(builder, src, at_))
            )
            with cgutils.for_range(builder, radius_) as loop:
                k = builder.add(loop.index, one)
                far = builder.mul(k, step_)
                after = _load(builder, src, builder.add(at_, far))
                before = _load(builder, src, builder.sub(at_, far))
                pair = builder.fsub(after, before) if odd else builder.fadd(after, before)
                weight = _splat(builder, builder.load(builder.gep(taps, [k])))
                builder.store(builder.call(fma, [weight, pair, builder.load(total)]), total)
            place = builder.bitcast(builder.gep(dst, [to_]), _VECTOR.as_pointer())
            builder.store(builder.load(total), place, align=4)
            return context.get_dummy_value()

        return (
            types.void(source, types.intp, types.intp, weights, types.intp, target, types.intp),
            codegen,
        )

    return convolve


even64 = intrinsic(_convolution(odd=False))
odd64 = intrinsic(_convolution(odd=True))
