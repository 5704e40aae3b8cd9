"""The files in ``macros/``: for every verb with a menu label a command for Fiji and one for ImageJ.

They hold no logic: names, defaults and help come from the verb's settings, the work is done in
``fijibridge_call``. ``python -m fijibridge.bridge.shims macros`` writes them anew; a test fails
when they differ from the verbs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fijibridge.ops import OPERATIONS, operation
from fijibridge.ops._kinds import FLAG, PATH, PATHS, WORDS
from fijibridge.ops._run import RunOptions
from fijibridge.ops._settings import declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.ops import Operation
    from fijibridge.ops._settings import Declared

__all__ = ["COMMON", "Shim", "commands", "generate", "main", "shims"]

#: Common settings that a command of a menu has.
COMMON = ("overwrite", "skip_existing", "dry_run", "no_settings")
_SHARED = {"py": "fijibridge_call.py", "ijm": "fijibridge_call.ijm"}
_NOTE = "Made by: python -m fijibridge.bridge.shims macros. Do not edit."
_LEFT_OUT = "Empty fields are left out"
_ACTIVE = "; no input: the active image"
_SHORT, _WIDE = 8, 32  # text fields, in letters
_HELP = 100  # characters of a tool tip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shim:
    """One generated file.

    Parameters
    ----------
    name
        File name; ImageJ makes the label of it: ``_`` is a space.
    text
        What is in it, ASCII.
    kind
        ``py`` (Fiji) or ``ijm`` (plain ImageJ).
    shared
        It is the shared code, no command.
    """

    name: str
    text: str
    kind: str
    shared: bool = False


def commands() -> tuple[Operation, ...]:
    """Return the verbs that have a place in the menu, in the order of the help."""
    found = (operation(name) for name in OPERATIONS)
    return tuple(verb for verb in found if verb.menu)


def shims() -> tuple[Shim, ...]:
    """Return all files: the shared code, then two a command."""
    out = []
    for kind, resource in (("py", "fijibridge_call.jython"), ("ijm", "fijibridge_call.ijm")):
        text = (
            resources.files("fijibridge.bridge")
            .joinpath("shim_files", resource)
            .read_text(encoding="ascii")
        )
        out.append(Shim(name=_SHARED[kind], text=text, kind=kind, shared=True))
    for verb in commands():
        stem = verb.menu.replace(" ", "_")
        out.append(Shim(name=f"{stem}.py", text=_jython(verb), kind="py"))
        out.append(Shim(name=f"{stem}.ijm", text=_macro(verb), kind="ijm"))
    return tuple(out)


def generate(folder: Path) -> list[Path]:
    """Write all files into a folder, which is theirs alone: those of verbs that went away go too.

    Returns
    -------
    list[Path]
        What was written or removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {shim.name: shim.text.encode("ascii") for shim in shims()}
    changed = []
    for path in folder.iterdir():
        if path.suffix in {".py", ".ijm"} and path.name not in wanted:
            path.unlink()
            changed.append(path)
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != text:
            path.write_bytes(text)
            changed.append(path)
    return changed


def _settings(verb: Operation) -> list[Declared]:
    own = sorted(declared(verb.settings), key=lambda item: not item.required)
    names = {item.name for item in own}
    common = [i for i in declared(RunOptions) if i.name in COMMON and i.name not in names]
    return own + common


def _ascii(text: str) -> str:
    """Return a text for quotes of Jython and macros: ASCII, no quotes, no backslashes."""
    plain = text.translate({ord('"'): "'", ord("\\"): "/", 0x2026: "...", 0xB5: "u", 0x2013: "-"})
    return plain.encode("ascii", "replace").decode("ascii")


def _sentence(text: str) -> str:
    return _ascii(text[:1].upper() + text[1:])


def _default(item: Declared) -> str:
    """Return the text of a default, "" for "as in the source"."""
    if item.required or item.default is None:
        return ""
    return _ascii(item.kind.text(item.parse(item.default)))


def _label(item: Declared) -> str:
    return item.name.replace("_", " ").capitalize()


def _hint(item: Declared) -> str:
    text = _ascii(item.help)
    return text if len(text) <= _HELP else text[: _HELP - 3].rstrip() + "..."


def _about(verb: Operation) -> list[str]:
    """Return the lines above the fields of a dialog."""
    must = any(item.required for item in declared(verb.settings))
    left_out = _LEFT_OUT + (_ACTIVE if verb.opens or not must else "") + "."
    return [f"{_sentence(verb.summary)}.", left_out]


def _jython(verb: Operation) -> str:
    """Return the script of Fiji.

    It declares no inputs: Fiji asks in a dialog for every input that a macro does not give, also
    for those that are not required and those that are invisible.
    """
    about = "\\n".join(_about(verb))
    lines = [
        "#@script(headless=true)",
        "#@ Context (required=false) context",
        "#@output Boolean ok",
        "#@output String message",
        "",
        f"# {verb.menu}: {_ascii(verb.summary)}.",
        f"# {_NOTE}",
        "",
        "import sys",
        "from ij import IJ",
        "from java.lang import System",
        "",
        'app = System.getProperty("imagej.dir", "Fiji.app")',
        'for macros in (app + "/macros/", IJ.getDirectory("macros")):',
        '    if macros and macros + "FijiBridge" not in sys.path:',
        '        sys.path.insert(0, macros + "FijiBridge")',
        "import fijibridge_call",
        "",
        f'title = "{verb.menu.removesuffix("...")}"',
        f'about = "{about}"',
        "# name, default, kind, help",
        "fields = (",
        *(f"    {_described(item)}," for item in _asked(verb)),
        ")",
        "try:",
        "    context",
        "except NameError:  # run by something other than Fiji",
        "    context = None",
        f'ok, message = fijibridge_call.run("{verb.name}", title, about, fields, context)',
    ]
    return "\n".join(lines) + "\n"


def _asked(verb: Operation) -> list[Declared]:
    """Return the fields of the dialog; a label without ``...`` has none."""
    return _settings(verb) if verb.menu.endswith("...") else []


def _described(item: Declared) -> str:
    default = _default(item)
    if item.kind is FLAG:
        kind = '"flag"'
    elif item.choices:
        words = item.choices if default else ("", *item.choices)
        kind = "(" + ", ".join(f'"{_ascii(word)}"' for word in words) + ",)"
    elif item.metavar == "DIR":
        kind = '"folder"'
    else:
        kind = '"file"' if item.kind in (PATH, PATHS) else '"text"'
    return f'("{item.name}", "{default}", {kind}, "{_hint(item)}")'


def _macro(verb: Operation) -> str:
    items = _asked(verb)
    lines = [
        "#include FijiBridge/fijibridge_call.ijm",
        f"// {verb.menu}: {_ascii(verb.summary)}.",
        f"// {_NOTE}",
        "keys = fijibridgeOptions();",
        "interactive = false;",
        *(_macro_dialog(verb) if items else ()),
        f'fijibridgeDo("{verb.menu}", "{verb.name}", keys, interactive);',
    ]
    return "\n".join(lines) + "\n"


def _macro_dialog(verb: Operation) -> list[str]:
    items = _asked(verb)
    about = "\\n".join(_about(verb))
    lines = [
        'if (keys == "") interactive = !fijibridgeHeadless();',
        "if (interactive) {",
        '    call("ij.plugin.frame.Recorder.disableCommandRecording");',
        f'    Dialog.create("{verb.menu.removesuffix("...")}");',
        f'    Dialog.addMessage("{about}");',
    ]
    fields = [item for item in items if item.kind is not FLAG]
    flags = [item for item in items if item.kind is FLAG]
    lines += [f"    {line}" for line in _rows(fields, flags)]
    lines += ["    Dialog.show();", '    keys = "";']
    for item in [*fields, *flags]:
        lines.append(f"    {_taken(item)}")
    return [*lines, "}"]


def _rows(fields: Sequence[Declared], flags: Sequence[Declared]) -> list[str]:
    """Return the fields of a dialog: short ones two in a row, check boxes four.

    A tall dialog would lose its buttons below a small screen; ImageJ gives a field of more than 8
    columns the rest of its row.
    """
    lines: list[str] = []
    half = False
    for item in fields:
        wide = _columns(item) > _SHORT
        if half and not wide:
            lines.append("Dialog.addToSameRow();")
        half = not half and not wide
        lines.append(_field(item))
    for n, item in enumerate(flags):
        if n % 4:
            lines.append("Dialog.addToSameRow();")
        lines.append(_field(item))
    return lines


def _columns(item: Declared) -> int:
    """Return the width of a text field in letters."""
    if item.choices:
        return _SHORT
    wide = item.kind in (PATH, PATHS, WORDS) or item.metavar in {"LINE", "NAME"}
    return _WIDE if wide or len(_default(item)) > _SHORT else _SHORT


def _field(item: Declared) -> str:
    default, label = _default(item), _label(item)
    if item.kind is FLAG:
        return f'Dialog.addCheckbox("{label}", {default});'
    if item.choices:
        words = item.choices if default else ("", *item.choices)
        array = ", ".join(f'"{_ascii(word)}"' for word in words)
        return f'Dialog.addChoice("{label}", newArray({array}), "{default}");'
    return f'Dialog.addString("{label}", "{default}", {_columns(item)});'


def _taken(item: Declared) -> str:
    default = _default(item)
    if item.kind is FLAG:
        value = f'if (Dialog.getCheckbox()) keys = keys + "{item.name} ";'
        if default == "true":
            value = f'if (!Dialog.getCheckbox()) keys = keys + "{item.name}=false ";'
        return value
    get = "Dialog.getChoice()" if item.choices else "Dialog.getString()"
    if not default:
        return f'keys = keys + fijibridgeKey("{item.name}", {get});'
    return (
        f'value = {get}; if (value != "{default}") '
        f'keys = keys + fijibridgeKey("{item.name}", value);'
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files: ``python -m fijibridge.bridge.shims [macros]``."""
    words = list(sys.argv[1:] if argv is None else argv)
    for path in generate(Path(words[0] if words else "macros")):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
