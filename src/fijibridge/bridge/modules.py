"""Every verb as a SciJava module, for ``ij.module()`` and Fiji's search; outputs say how it went.

A module has the settings of its verb as inputs, texts and check boxes, and the outputs ``ok``,
``message`` and ``report`` (JSON): SciJava keeps exceptions to itself.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from fijibridge.bridge._door import java_class
from fijibridge.bridge._java import jimport
from fijibridge.bridge.commands import commands, run_guarded
from fijibridge.bridge.dialog import fields_of
from fijibridge.ops._kinds import FLAG

if TYPE_CHECKING:
    from fijibridge.ops import Operation
    from fijibridge.ops._settings import Declared

__all__ = ["IDENTIFIER", "register_modules"]

#: Name of a module: this and the verb.
IDENTIFIER = "fijibridge:"
_PACKAGE = "org.scijava.module"
_MODULE, _INFO = f"{_PACKAGE}.FijiBridgeModule", f"{_PACKAGE}.FijiBridgeInfo"


@functools.cache
def _classes() -> tuple[Any, Any]:
    """Return the Java classes (module, info), made in memory beside SciJava's own."""
    info = f"{_PACKAGE}.MutableModuleInfo"
    module = java_class(
        _MODULE,
        f"{_PACKAGE}.DefaultMutableModule",
        "public static volatile java.util.function.Function door;",
        f"public FijiBridgeModule({info} info) {{ super(info); }}",
        "public void run() { door.apply(this); }",
    )
    made = java_class(
        _INFO,
        f"{_PACKAGE}.DefaultMutableModuleInfo",
        "public FijiBridgeInfo() { super(); }",
        "public boolean canRunHeadless() { return true; }",
        "public String getIdentifier() { return getName(); }",
        f"public {_PACKAGE}.Module createModule() {{ return new {_MODULE}(this); }}",
    )
    return module, made


def register_modules(context: Any) -> dict[str, Any]:
    """Add a module for every verb with a label to a SciJava context; returns verb -> info.

    Calling it again on one context returns the modules that are there.

    Parameters
    ----------
    context
        ``org.scijava.Context``, such as ``ij.context()``.
    """
    from jpype import JProxy

    service = context.service(jimport("org.scijava.module.ModuleService").class_)
    there = {str(info.getName()): info for info in service.getModules()}
    module, _ = _classes()
    module.door = JProxy("java.util.function.Function", dict={"apply": _run})
    found: dict[str, Any] = {}
    for label, verb in commands().items():
        info = there.get(IDENTIFIER + verb.name)
        if info is None:
            info = _info(label, verb)
            service.addModule(info)
        found[verb.name] = info
    return found


def _info(label: str, verb: Operation) -> Any:
    module, made = _classes()
    info = made()
    info.setModuleClass(module.class_)
    info.setName(IDENTIFIER + verb.name)
    info.setLabel(label)
    info.setDescription(verb.summary)
    info.setMenuPath(jimport("org.scijava.MenuPath")(f"Plugins > FijiBridge > {label}"))
    items = jimport("org.scijava.module.DefaultMutableModuleItem")
    for item in fields_of(verb):
        info.addInput(_input(items, info, item))
    boolean, text = jimport("java.lang.Boolean").class_, jimport("java.lang.String").class_
    for name, kind in (("ok", boolean), ("message", text), ("report", text)):
        info.addOutput(items(info, name, kind))
    return info


def _input(items: Any, info: Any, item: Declared) -> Any:
    kind = jimport("java.lang.Boolean" if item.kind is FLAG else "java.lang.String").class_
    made = items(info, item.name, kind)
    made.setLabel(item.name.replace("_", " ").capitalize())
    made.setDescription(item.help)
    made.setRequired(False)
    made.setPersisted(False)
    if item.choices:
        words = jimport("java.util.ArrayList")()
        for word in ("", *item.choices):
            words.add(word)
        made.setChoices(words)
    return made


def _run(module: Any) -> None:
    verb = str(module.getInfo().getName()).removeprefix(IDENTIFIER)
    values = {str(name): _plain(value) for name, value in dict(module.getInputs()).items()}
    outcome = run_guarded(verb, {k: v for k, v in values.items() if v not in (None, "")})
    module.setOutput("ok", jimport("java.lang.Boolean")(outcome.ok))
    module.setOutput("message", outcome.message)
    module.setOutput("report", json.dumps(dict(outcome.report), ensure_ascii=False))


def _plain(value: Any) -> Any:
    if value is None:
        return None
    return bool(value) if isinstance(value, jimport("java.lang.Boolean")) else str(value)
