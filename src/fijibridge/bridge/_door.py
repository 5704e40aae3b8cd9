"""The one Java class of the bridge, made in memory: ImageJ runs plug-ins by the name of a class.

ImageJ's command table maps a label to a class name and an argument, so some class must answer.
`javassist`, which comes with ImageJ's legacy patcher, makes it from a few lines, beside ImageJ's
own classes; nothing is compiled or installed on the computer.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from fijibridge.bridge._java import jimport
from fijibridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLASS", "class_pool", "open_door"]

#: Beside ImageJ's own: ``IJ.runPlugIn`` asks its own class loader for names that begin ``ij.``.
CLASS = "ij.plugin.FijiBridge"
_FIELDS = (
    "public static volatile java.util.function.Function commands;",
    "public static volatile java.util.function.Function requests;",
)
_METHODS = (
    "public void run(String verb) { commands.apply(verb); }",
    "public static String call(String request) { return (String) requests.apply(request); }",
    'public static String status() { return System.getProperty("fijibridge.status", ""); }',
    'public static String message() { return System.getProperty("fijibridge.message", ""); }',
    'public static String report() { return System.getProperty("fijibridge.report", ""); }',
)


def class_pool() -> Any:
    """Return a javassist pool that knows ImageJ's classes.

    Raises
    ------
    BridgeError
        When this Java has no javassist.
    """
    try:
        pool = jimport("javassist.ClassPool")(True)
    except TypeError:  # JPype's word for a class that is not on the class path
        raise BridgeError(
            "This Java runs without javassist, which ImageJ's legacy patcher brings.",
            "Start ImageJ with fb.start_fiji().",
        ) from None
    loader = jimport("ij.IJ").class_.getClassLoader()
    pool.appendClassPath(jimport("javassist.LoaderClassPath")(loader))
    return pool


@functools.cache
def _door_class() -> Any:
    pool = class_pool()
    made = pool.makeClass(CLASS)
    made.addInterface(pool.get("ij.plugin.PlugIn"))
    fields, methods = jimport("javassist.CtField"), jimport("javassist.CtNewMethod")
    for source in _FIELDS:
        made.addField(fields.make(source, made))
    for source in _METHODS:
        made.addMethod(methods.make(source, made))
    plugin = jimport("ij.plugin.PlugIn").class_
    if int(jimport("java.lang.Class").class_.getModifiers()) and _old_java():
        made.toClass(plugin.getClassLoader(), plugin.getProtectionDomain())
    else:
        made.toClass(plugin)
    return jimport(CLASS)


def _old_java() -> bool:
    return str(jimport("java.lang.System").getProperty("java.version")).startswith("1.")


def open_door(command: Callable[[str], None], request: Callable[[str], str]) -> None:
    """Let ImageJ's command table reach Python.

    Parameters
    ----------
    command
        Called with the argument in the table, in the thread that runs the command.
    request
        Called by ``call("ij.plugin.FijiBridge.call", request)`` of a macro.
    """
    from jpype import JProxy

    def run(argument: Any) -> None:
        command(str(argument))

    def answer(text: Any) -> str:
        return request(str(text))

    door = _door_class()
    door.commands = JProxy("java.util.function.Function", dict={"apply": run})
    door.requests = JProxy("java.util.function.Function", dict={"apply": answer})
