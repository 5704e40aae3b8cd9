"""Run a script of the user's in Fiji or the embedded ImageJ, in a process of its own.

ImageJ ends with 0 whatever went wrong in a script, and a script may end its JVM; so it runs in a
child process, whose log and exit code are the script's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import BridgeError, FijiBridgeError, FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LANGUAGES", "Ran", "child", "main", "run_script"]

#: Suffix -> language.
LANGUAGES = {
    ".ijm": "ImageJ macro",
    ".txt": "ImageJ macro",
    ".py": "Jython",
    ".groovy": "Groovy",
    ".bsh": "BeanShell",
    ".js": "JavaScript",
}
_PARAMETER = re.compile(
    r"^\s*(?://|#)?\s*(?:#@|@)\s*([A-Za-z_][\w.\[\]]*)\s*(\((?:[^()\"]|\"[^\"]*\")*\))?\s+(\w+)\s*$"
)
_CANCELED = "Macro canceled"  # ij.Macro.MACRO_CANCELED
_EXIT_WORDS = re.compile(r"\bexit\s*\(\s*[^)\s]")
_VALUE = re.compile(r'\bvalue\s*=\s*(?:"([^"]*)"|([^,\s)]+))')


@dataclass(frozen=True, slots=True)
class Ran:
    """What a script did.

    Parameters
    ----------
    code
        Exit code: 0, 5 for an error in the script, else what the script itself ended with.
    log
        Everything it printed.
    message
        What went wrong, "" when nothing did.
    """

    code: int
    log: str
    message: str = ""


def child(
    module: str, spec: Mapping[str, Any], *, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start ``python -m MODULE`` with a JSON text on its stdin; no shell, no other arguments."""
    command = [sys.executable, "-P", "-X", "utf8", "-m", module]
    process = subprocess.Popen(  # noqa: S603  # this Python, this package
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **(environment or {})},
    )
    assert process.stdin is not None  # noqa: S101  # asked for above
    process.stdin.write(json.dumps(dict(spec)))
    process.stdin.close()
    return process


def run_script(
    path: str | os.PathLike[str],
    values: Mapping[str, str] | None = None,
    *,
    headless: bool = True,
    fiji: str | None = None,
) -> Ran:
    """Run an ``.ijm``, ``.py`` (Jython), ``.groovy``, ``.bsh`` or ``.js`` file.

    Parameters
    ----------
    path
        The script.
    values
        Script parameters (``#@ String name``) by name. A macro without such lines gets them from
        ``getArgument()``, as ``name=value`` words.
    headless
        No windows.
    fiji
        A Fiji folder; None = ``FIJI_DIR``, the usual places, else the embedded ImageJ.

    Raises
    ------
    FormatError
        When there is no such file.
    UnsupportedError
        When the language is not known.
    """
    script = Path(path)
    if not script.is_file():
        raise FormatError(f"There is no script {str(path)!r}.", "Check the path.")
    if script.suffix.lower() not in LANGUAGES:
        raise UnsupportedError(
            f"{script.name!r} has the suffix {script.suffix!r}; scripts end in "
            f"{', '.join(LANGUAGES)}.",
            "Rename it.",
        )
    with tempfile.TemporaryDirectory(prefix="fijibridge-") as folder:
        outcome = Path(folder) / "outcome.json"
        spec = {
            "path": str(script.absolute()),
            "values": dict(values or {}),
            "headless": headless,
            "fiji": fiji,
            "outcome": str(outcome),
        }
        process = child("fijibridge.bridge.scripts", spec)
        assert process.stdout is not None  # noqa: S101  # asked for in `child`
        with process:
            log = process.stdout.read()
        code = process.returncode
        if outcome.is_file():
            found = json.loads(outcome.read_text(encoding="utf-8"))
            return Ran(int(found["code"]), log, str(found["message"]))
    if code == 0:  # the script ended its JVM, saying that all is well
        return Ran(0, log)
    what = f"ended with the exit code {code}" if code > 0 else f"was ended by signal {-code}"
    return Ran(code if code > 0 else 5, log, f"{script.name} {what}.")


def parameters(text: str) -> dict[str, tuple[str, str | None]]:
    r"""Return name -> (type, default or None) of the script parameters of a text.

    Examples
    --------
    >>> parameters('#@ String (value="a b") title\n// #@ Integer n\n#@output String x')
    {'title': ('String', 'a b'), 'n': ('Integer', None)}
    """
    found: dict[str, tuple[str, str | None]] = {}
    for line in text.splitlines():
        match = _PARAMETER.match(line)
        if match is None or match[1].lower() in {"output", "script"}:
            continue
        value = _VALUE.search(match[2] or "")
        found[match[3]] = (match[1], None if value is None else value[1] or value[2] or "")
    return found


def _converted(kind: str, text: str, name: str) -> Any:
    word = kind.rpartition(".")[2].lower()
    try:
        if word in {"int", "integer", "long", "short", "byte"}:
            return int(text)
        if word in {"double", "float", "number", "bigdecimal"}:
            return float(text)
    except ValueError:
        raise BridgeError(
            f"The script parameter {name!r} is {text!r}; it takes a number ({kind}).",
            f"Type: {name}=5",
        ) from None
    if word == "boolean":
        return text.strip().lower() in {"true", "yes", "on", "1"}
    return text


def _given(text: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables that a script's parameters become.

    Raises
    ------
    BridgeError
        For a value that no parameter takes, or a parameter without a value.
    """
    wanted = parameters(text)
    extra = [name for name in values if name not in wanted]
    if wanted and extra:
        raise BridgeError(
            f"The script has no parameter {extra[0]!r}.", f"It has: {', '.join(wanted)}."
        )
    out: dict[str, Any] = {}
    for name, (kind, default) in wanted.items():
        if name in values:
            out[name] = _converted(kind, values[name], name)
        elif default is not None:
            out[name] = _converted(kind, default, name)
        elif not _is_object(kind):
            raise BridgeError(f"The script parameter {name!r} has no value.", f"Type: {name}=…")
    return out


def _is_object(kind: str) -> bool:
    word = kind.rpartition(".")[2]
    return word in {"ImagePlus", "Dataset", "Context", "ImageJ"} or word.endswith("Service")


def _macro_text(text: str, variables: Mapping[str, Any]) -> str:
    lines = []
    for name, value in variables.items():
        if isinstance(value, bool):
            lines.append(f"{name} = {'true' if value else 'false'};")
        elif isinstance(value, (int, float)):
            lines.append(f"{name} = {value};")
        else:
            escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            lines.append(f'{name} = "{escaped}";')
    kept = [f"// {line}" if line.lstrip().startswith("#@") else line for line in text.splitlines()]
    return " ".join(lines) + "\n".join(kept)


def _argument(values: Mapping[str, str]) -> str:
    from fijibridge.ops._emit import bracketed

    return " ".join(bracketed(name, value) for name, value in values.items())


def _run_macro(host: Any, text: str, variables: Mapping[str, Any], argument: str) -> None:
    from fijibridge.bridge._java import jimport

    ij = host.imagej.IJ
    ij.redirectErrorMessages(True)
    interpreter = jimport("ij.macro.Interpreter")()
    code = jimport("ij.plugin.frame.Editor").doInclude(text)
    try:
        result = interpreter.run(_macro_text(str(code), variables), argument)
    except jimport("java.lang.Throwable") as error:
        detail = interpreter.getErrorMessage() or ij.getErrorMessage()
        if not detail and str(error.getMessage()) == _CANCELED:
            if _EXIT_WORDS.search(text):  # exit("message") is how macros fail; ImageJ logs it
                raise BridgeError("The macro ended itself by exit(…); its log says why.") from error
            return  # exit() of a macro: it was done
        raise BridgeError(f"The macro failed: {str(detail or error).strip()}") from error
    message = ij.getErrorMessage()
    if message is not None or str(result) == "[aborted]":
        detail = message if message is not None else interpreter.getErrorMessage()
        raise BridgeError(f"The macro failed: {str(detail).strip()}")
    if result is not None and str(result):
        sys.stdout.write(f"{result}\n")


def _run_jython(host: Any, path: Path, variables: Mapping[str, Any]) -> int:
    from fijibridge.bridge._java import jimport

    try:
        interpreter = jimport("org.python.util.PythonInterpreter")()
    except TypeError:
        raise UnsupportedError("This Fiji has no Jython.", "Use an .ijm script.") from None
    state = interpreter.getSystemState()
    state.path.insert(0, jimport("org.python.core.PyString")(str(path.parent)))
    for name, value in {**variables, **_objects(host, path)}.items():
        interpreter.set(name, value)
    # ImageJ's log and Python's print go to one place, at once
    interpreter.setOut(jimport("java.lang.System").out)
    interpreter.setErr(jimport("java.lang.System").out)
    try:
        interpreter.execfile(str(path))
    except jimport("org.python.core.PyException") as error:
        if str(error.type).find("SystemExit") >= 0:
            interpreter.set("fijibridge_end", error.value)
            code = str(interpreter.eval("fijibridge_end.code"))
            return int(code) if code.lstrip("-").isdigit() else int(code not in {"", "None"})
        raise BridgeError(f"The script failed: {str(error).strip()}") from error
    finally:
        jimport("java.lang.System").out.flush()
    return 0


def _objects(host: Any, path: Path) -> dict[str, Any]:
    """Return the parameters that are objects of the host: services, the active image."""
    from fijibridge.bridge._java import jimport

    found: dict[str, Any] = {}
    for name, (kind, _) in parameters(path.read_text(encoding="utf-8", errors="replace")).items():
        word = kind.rpartition(".")[2]
        if word == "ImagePlus":
            found[name] = jimport("ij.WindowManager").getCurrentImage()
        elif _is_object(kind) and host.ij is None:
            raise UnsupportedError(
                f"The script asks for a {kind}, which only a Fiji has.", "Set FIJI_DIR to a Fiji."
            )
        elif word in {"Context", "ImageJ"}:
            found[name] = host.ij.context() if word == "Context" else host.ij
        elif word == "Dataset":
            found[name] = host.ij.imageDisplay().getActiveDataset()
        elif word.endswith("Service"):
            found[name] = host.ij.context().service(kind)
    return found


def _run_engine(host: Any, path: Path, text: str, variables: Mapping[str, Any]) -> None:
    from fijibridge.bridge._java import jimport

    name = LANGUAGES[path.suffix.lower()]
    if host.ij is None:
        raise UnsupportedError(
            f"{path.name!r} is {name}, which needs a Fiji; here is the embedded ImageJ.",
            "Set FIJI_DIR to a Fiji, or write an .ijm or .py script.",
        )
    language = host.ij.script().getLanguageByExtension(path.suffix[1:])
    if language is None:
        raise UnsupportedError(f"This Fiji knows no {name}.", "Write an .ijm or .py script.")
    engine = language.getScriptEngine()
    for key, value in {**variables, **_objects(host, path)}.items():
        engine.put(key, value)
    code = re.sub(r"(?m)^(\s*#@)", r"//\1", text)
    try:
        engine.eval(code)
    except jimport("java.lang.Throwable") as error:
        raise BridgeError(f"The script failed: {str(error).strip()}") from error


def _run(spec: Mapping[str, Any]) -> int:
    from fijibridge.bridge.commands import register_commands
    from fijibridge.bridge.gateway import start_fiji
    from fijibridge.bridge.view import start_windows

    path = Path(spec["path"])
    text = path.read_text(encoding="utf-8", errors="replace")
    variables = _given(text, spec["values"])
    host = start_fiji(spec["fiji"]) if spec["headless"] else start_windows(spec["fiji"])
    register_commands()
    suffix = path.suffix.lower()
    if suffix in {".ijm", ".txt"}:
        _run_macro(host, text, variables, "" if variables else _argument(spec["values"]))
        return 0
    if suffix == ".py":
        return _run_jython(host, path, variables)
    _run_engine(host, path, text, variables)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one script as the JSON text on stdin says; the outcome goes into a file."""
    del argv
    spec = json.loads(sys.stdin.read())
    message, code = "", 0
    try:
        code = _run(spec)
    except FijiBridgeError as error:
        message, code = str(error), error.exit_code
    sys.stdout.flush()
    if code and not message:
        message = f"{Path(spec['path']).name} ended with the exit code {code}."
    Path(spec["outcome"]).write_text(
        json.dumps({"code": code, "message": message}), encoding="utf-8"
    )
    return code


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # windows' threads would keep the JVM
