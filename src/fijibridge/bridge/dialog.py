"""The dialog of a verb: ImageJ's own GenericDialog, one field a setting, and what it records."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from fijibridge.bridge._java import jimport
from fijibridge.ops._emit import bracketed
from fijibridge.ops._kinds import FLAG, PATH, PATHS
from fijibridge.ops._run import RunOptions
from fijibridge.ops._settings import as_text, declared, from_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fijibridge.ops import Operation
    from fijibridge.ops._settings import Declared

__all__ = ["ask", "fields_of", "record"]

#: Of the settings that every verb has, those that mean something in a dialog.
_COMMON = ("overwrite", "skip_existing", "no_settings")
_WIDTH, _PATH_WIDTH = 14, 22  # of text fields, in letters
_IN_A_ROW = 2  # text fields
_FLAGS_IN_A_ROW = 4
_PLAN_WIDTH = 100  # letters


def fields_of(operation: Operation) -> tuple[Declared, ...]:
    """Return the settings that the dialog of a verb shows, what must be given first."""
    common = [item for item in declared(RunOptions) if item.name in _COMMON]
    own = sorted(declared(operation.settings), key=lambda item: not item.required)
    return (*own, *common)


def _default(item: Declared) -> str:
    if item.required or item.default is None:
        return ""
    return item.kind.text(item.parse(item.default))


def _label(item: Declared) -> str:
    """Return the label; ImageJ shows ``_`` as a blank."""
    return item.name[:1].upper() + item.name[1:]


def ask(operation: Operation, plan: Callable[[dict[str, Any]], str]) -> dict[str, Any] | None:
    """Show the dialog and return what is not at its default, or None when it was cancelled.

    Only texts go in and come out; the verb parses them as it does those of a macro.

    Parameters
    ----------
    operation
        The verb.
    plan
        What the button Plan shows for the fields as they are: what would be done, or what is wrong.
    """
    items = fields_of(operation)
    texts = [item for item in items if item.kind is not FLAG]
    flags = [item for item in items if item.kind is FLAG]
    dialog = jimport("ij.gui.GenericDialog")(operation.menu.removesuffix("..."))
    _message(dialog, operation)
    for i, item in enumerate(texts):
        if i % _IN_A_ROW:
            dialog.addToSameRow()
        _add(dialog, item)
        if i % _IN_A_ROW < _IN_A_ROW - 1 and i + 1 < len(texts):
            _leave_room(dialog)
    if flags:
        _add_flags(dialog, flags)
    _add_plan(dialog, lambda: plan(_read(dialog, texts, flags)))
    dialog.addHelp(_help(operation))
    # its fields are read from their components: asked for values it would record them all
    dialog.showDialog()
    if dialog.wasCanceled():
        jimport("ij.plugin.frame.Recorder").disableCommandRecording()
        return None
    return _read(dialog, texts, flags)


def _message(dialog: Any, operation: Operation) -> None:
    summary = operation.summary[:1].upper() + operation.summary[1:]
    must = any(item.required for item in declared(operation.settings))
    active = "; no input: the active image" if operation.opens or not must else ""
    dialog.addMessage(f"{summary}. Empty fields are left out{active}.")


def _add(dialog: Any, item: Declared) -> None:
    text = _default(item)
    if item.choices:
        words = [*([] if text else [""]), *item.choices]
        dialog.addChoice(_label(item), words, text)
    elif item.metavar == "DIR":
        dialog.addDirectoryField(_label(item), text, _PATH_WIDTH)
    elif item.kind in (PATH, PATHS):
        dialog.addFileField(_label(item), text, _PATH_WIDTH)
    else:
        dialog.addStringField(_label(item), text, _WIDTH)


def _leave_room(dialog: Any) -> None:
    """Let another field stand behind the last one: ImageJ gives wide ones the rest of the row."""
    layout = dialog.getLayout()
    last = dialog.getComponent(dialog.getComponentCount() - 1)
    constraints = layout.getConstraints(last)
    constraints.gridwidth = 1
    layout.setConstraints(last, constraints)


def _add_flags(dialog: Any, flags: list[Declared]) -> None:
    import jpype

    rows = -(-len(flags) // _FLAGS_IN_A_ROW)
    names = jpype.JArray(jpype.JString)([_label(item) for item in flags])
    states = jpype.JArray(jpype.JBoolean)([_default(item) == "true" for item in flags])
    dialog.addCheckboxGroup(rows, _FLAGS_IN_A_ROW, names, states)


def _add_plan(dialog: Any, plan: Callable[[], str]) -> None:
    """Add a button that says what would be done."""
    from jpype import JProxy

    def pressed(_event: Any) -> None:
        text = "\n".join(textwrap.fill(line, _PLAN_WIDTH) for line in plan().splitlines())
        jimport("ij.gui.MessageDialog")(jimport("ij.IJ").getInstance(), "Plan", text)

    listener = JProxy("java.awt.event.ActionListener", dict={"actionPerformed": pressed})
    dialog.addButton("Plan", listener)


def _help(operation: Operation) -> str:
    """Return the help as ImageJ shows it: HTML."""
    from html import escape

    rows = "".join(
        f"<tr><td><b>{escape(item.name)}</b></td><td>{escape(item.help)}</td></tr>"
        for item in fields_of(operation)
    )
    return f"<html><h3>{escape(operation.menu)}</h3><table>{rows}</table></html>"


def _read(dialog: Any, texts: list[Declared], flags: list[Declared]) -> dict[str, Any]:
    fields = iter(list(dialog.getStringFields() or ()))
    choices = iter(list(dialog.getChoices() or ()))
    boxes = list(dialog.getCheckboxes() or ())
    found: dict[str, Any] = {}
    for item in texts:
        one = next(choices if item.choices else fields)
        text = str(one.getSelectedItem() if item.choices else one.getText()).strip()
        if text and text != _default(item):
            found[item.name] = text
    for item, box in zip(flags, boxes, strict=True):
        state = bool(box.getState())
        if state != (_default(item) == "true"):
            found[item.name] = state
    return found


def record(operation: Operation, values: dict[str, Any]) -> None:
    """Let ImageJ's recorder write the options of the command that runs, if it records.

    A command without options would open its dialog again, so one setting is always written.
    """
    if not bool(jimport("ij.IJ").recording()):
        return
    texts = dict(_texts(operation, values))
    if not texts:
        item = next(i for i in fields_of(operation) if _default(i))
        texts[item.name] = _default(item)
    line = " ".join(bracketed(name, text) for name, text in texts.items())
    # its own way to add options puts brackets around blanks only, and takes ``size=`` for a
    # repeated key when ``pixel_size=`` is there
    options = jimport("ij.plugin.frame.Recorder").class_.getDeclaredField("commandOptions")
    options.setAccessible(True)
    options.set(None, jimport("java.lang.String")(_escaped(line)))


def _texts(operation: Operation, values: dict[str, Any]) -> Iterable[tuple[str, str]]:
    own = {item.name for item in declared(operation.settings)}
    missing = {i.name: "x" for i in declared(operation.settings) if i.required} | values
    mine: Any = from_mapping(operation.settings, {k: v for k, v in missing.items() if k in own})
    common = from_mapping(RunOptions, {k: v for k, v in values.items() if k not in own})
    for name, text in {**as_text(mine), **as_text(common)}.items():
        if name in values:
            yield name, text


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
