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

__all__ = ["CLASS", "java_class", "open_door"]

#: Beside ImageJ's own: ``IJ.runPlugIn`` asks its own class loader for names that begin ``ij.``.
CLASS = "ij.plugin.FijiBridge"
_MEMBERS = (
    "public static volatile java.util.function.Function commands;",
    "public static volatile java.util.function.Function requests;",
    "public void run(String verb) { commands.apply(verb); }",
    "public static String call(String request) { return (String) requests.apply(request); }",
    'public static String status() { return System.getProperty("fijibridge.status", ""); }',
    'public static String message() { return System.getProperty("fijibridge.message", ""); }',
    'public static String report() { return System.getProperty("fijibridge.report", ""); }',
)


@functools.cache
def _pool() -> Any:
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


def java_class(name: str, base: str, *members: str) -> Any:
    """Make a Java class in memory.

    Parameters
    ----------
    name
        Its full name, in the package of `base`.
    base
        Class it extends, or interface it implements.
    *members
        Fields, constructors and methods, as they stand in Java 1.4 text; a constructor begins
        ``public NAME(``, a field ends with ``;``.

    Raises
    ------
    BridgeError
        When this Java has no javassist.
    """
    pool, parent = _pool(), jimport(base).class_
    made = pool.makeClass(name)
    (made.addInterface if parent.isInterface() else made.setSuperclass)(pool.get(base))
    short = name.rpartition(".")[2]
    for text in members:
        if text.startswith(f"public {short}("):
            made.addConstructor(jimport("javassist.CtNewConstructor").make(text, made))
        elif text.endswith(";"):
            made.addField(jimport("javassist.CtField").make(text, made))
        else:
            made.addMethod(jimport("javassist.CtNewMethod").make(text, made))
    if str(jimport("java.lang.System").getProperty("java.version")).startswith("1."):
        made.toClass(parent.getClassLoader(), parent.getProtectionDomain())
    else:
        made.toClass(parent)  # Java 9 and newer let a class in through a neighbour
    return jimport(name)


@functools.cache
def _door_class() -> Any:
    return java_class(CLASS, "ij.plugin.PlugIn", *_MEMBERS)


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
