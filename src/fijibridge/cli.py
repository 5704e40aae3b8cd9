"""The command line: argv -> operation -> exit code.

The parsers are generated from the settings dataclasses of the verbs, so that help, completion and
errors know exactly what the other doors know.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from fijibridge import __version__
from fijibridge.errors import FijiBridgeError, SettingsError, nearest
from fijibridge.ops import OPERATIONS, Context, operation
from fijibridge.ops._kinds import FLAG, PATH, PATHS
from fijibridge.ops._operation import error_json
from fijibridge.ops._run import RunOptions, make_context, perform, split_options
from fijibridge.ops._settings import Declared, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fijibridge.ops import Operation, Report

__all__ = ["build_parser", "main", "verb_parser"]

_BUG = 1
#: What may follow a flag that needs no value.
_ANSWERS = frozenset(("0", "1", "true", "false"))
_DESCRIPTION = (
    "Label masks, results tables, ROI sets and images between Fiji/ImageJ, ilastik and Python, "
    "without losing a pixel."
)
_EPILOG = (
    "fijibridge VERB --help tells all about one verb. fijibridge doctor tells what works here."
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(
            message[:1].upper() + message[1:].rstrip(".") + ".", f"Type: {self.prog} --help"
        )


def _say(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    try:
        stream.write(text + "\n")
    except UnicodeEncodeError:  # a console that knows no µ
        stream.write(text.encode(stream.encoding or "ascii", "replace").decode("ascii", "replace"))
        stream.write("\n")


def _formatter() -> type[argparse.HelpFormatter]:
    try:
        from rich_argparse import RichHelpFormatter
    except ImportError:  # the help is not worth an error
        return argparse.HelpFormatter

    class Formatter(RichHelpFormatter):
        group_name_formatter = str.capitalize

    return Formatter


def _add(parser: argparse.ArgumentParser, items: Sequence[Declared], *, completing: bool) -> None:
    groups: dict[str, argparse._ArgumentGroup] = {}
    for item in items:
        if item.positional:
            _add_positional(parser, item, completing=completing)
            continue
        if item.group not in groups:
            groups[item.group] = (
                parser._optionals
                if item.group == "options"
                else parser.add_argument_group(item.group)
            )
        text = item.help.replace("%", "%%")
        if item.kind is FLAG:
            groups[item.group].add_argument(
                item.flag, dest=item.name, action="store_const", const="true", help=text
            )
        else:
            action = groups[item.group].add_argument(
                item.flag,
                dest=item.name,
                metavar=item.metavar,
                help=text,
                action="append" if item.kind.many else "store",
            )
            if completing:
                _complete(action, item)


def _add_positional(parser: argparse.ArgumentParser, item: Declared, *, completing: bool) -> None:
    nargs: str | None = "*" if item.kind.many else (None if item.required else "?")
    text = item.help.replace("%", "%%")
    action = parser.add_argument(item.name, nargs=nargs, metavar=item.metavar, help=text)
    if completing:
        _complete(action, item)


def _complete(action: argparse.Action, item: Declared) -> None:
    """Say how the shell completes a value; only `shtab` looks at it."""
    import shtab

    if item.metavar == "DIR":
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # shtab looks for it
    elif item.kind in (PATH, PATHS):
        action.complete = shtab.FILE  # type: ignore[attr-defined]  # the same
    elif item.choices:
        action.choices = item.choices


def _fill(parser: argparse.ArgumentParser, found: Operation, *, completing: bool) -> None:
    parser.description = found.summary[:1].upper() + found.summary[1:] + "."
    if found.examples:
        parser.epilog = "Examples:  " + "   |   ".join(found.examples)
    _add(parser, declared(found.settings), completing=completing)
    _add(parser, declared(RunOptions), completing=completing)


def verb_parser(verb: str) -> argparse.ArgumentParser:
    """Return the parser of one verb alone, which loads no other verb."""
    found = operation(verb)
    parser = _Parser(prog=f"fijibridge {verb}", formatter_class=_formatter(), allow_abbrev=False)
    _fill(parser, found, completing=False)
    return parser


def build_parser(*, completing: bool = False) -> argparse.ArgumentParser:
    """Return the parser of all verbs, for the help; with their options, for completion."""
    formatter = _formatter()
    parser = _Parser(
        prog="fijibridge",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fijibridge {__version__}")
    parser.add_argument(
        "--print-completion",
        metavar="SHELL",
        help="print the completion script of a shell (bash, zsh, tcsh) and stop",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=_Parser)
    for name in OPERATIONS:
        found = operation(name)
        sub = verbs.add_parser(name, help=found.summary, formatter_class=formatter)
        if completing:
            _fill(sub, found, completing=True)
    return parser


def _key(word: str) -> str:
    """Return the name that a flag is declared by."""
    return word[2:].partition("=")[0].replace("-", "_")


def _spelled(word: str, items: dict[str, Declared], verb: str) -> list[str]:
    """Return one flag as argparse is to see it: dashes, its one name, values kept."""
    head, equals, value = word.partition("=")
    key = _key(word)
    item = items.get(key)
    if item is None:
        if key in {"help", "version"}:
            return [word]
        raise SettingsError(
            f"There is no flag {head} of {verb}."
            + nearest(head[2:].replace("_", "-"), [i.flag[2:] for i in items.values()])
            .replace("'", "--", 1)
            .replace("'", ""),
            f"Type: fijibridge {verb} --help",
        )
    if item.kind is FLAG and equals:
        return [item.flag] if FLAG.parse(value, item.name) else []
    return [item.flag + equals + value]


def _is_answer(rest: Sequence[str]) -> bool:
    """Whether what follows a flag is its value, and no file."""
    return bool(rest) and rest[0].lower() in _ANSWERS and not os.path.lexists(rest[0])


def _normalised(verb: str, words: Sequence[str]) -> list[str]:
    """Return a verb's words: flags in their one spelling, values tied to them, then the rest.

    A value may begin with a dash (``--threshold -100,0``), which argparse takes for a flag, and
    inputs may stand among the flags, which argparse takes for the end of the inputs.
    """
    own = [*declared(operation(verb).settings), *declared(RunOptions)]
    items = {name: item for item in own for name in (item.name, *item.aliases)}
    out: list[str] = []
    plain: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            plain += rest
            break
        if not word.startswith("--"):
            (out if word == "-h" else plain).append(word)
            continue
        item = items.get(_key(word))
        if item is not None and item.kind is FLAG and "=" not in word and _is_answer(rest):
            word = f"{word}={rest.pop(0)}"  # ilastik's --readonly 1
        spelled = _spelled(word, items, verb)
        if item is not None and item.kind is not FLAG and "=" not in word:
            if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
                raise SettingsError(
                    f"The flag {item.flag} needs a value: {item.metavar}.",
                    f"Type: fijibridge {verb} --help",
                )
            values = [rest.pop(0)]
            while item.kind.greedy and rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))  # ilastik's --raw_data a b
            spelled = [f"{item.flag}={value}" for value in values]
        out += spelled
    # a verb without inputs knows no "--"
    return [*out, "--", *plain] if plain else out


def _values(found: Operation, parsed: argparse.Namespace) -> dict[str, Any]:
    given = vars(parsed)
    items = [*declared(found.settings), *declared(RunOptions)]
    return {
        item.name: given[item.name]
        for item in items
        if given.get(item.name) is not None and given[item.name] != []
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Returns
    -------
    int
        0 done, 2 settings, 3 input file, 4 unsupported, 5 bridge, 1 a bug.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except SystemExit as stop:  # argparse after --help and --version
        return int(stop.code or 0)
    except BaseException as error:  # noqa: BLE001  # the last place where it can be told cleanly
        return _failed(error, as_json="--json" in words)


def _failed(error: BaseException, *, as_json: bool) -> int:
    """Say what went wrong and return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        _say("fijibridge: stopped; nothing was left half written.", error=True)
        return 130
    if isinstance(error, BrokenPipeError):  # the reader of our stdout has gone, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    if isinstance(error, MemoryError):
        error = SettingsError(
            "There is not enough memory for this image.", "Analyze a part of it, or fewer at once."
        )
    if isinstance(error, FijiBridgeError):
        _say_error(error, as_json=as_json)
        return error.exit_code
    _say(
        f"fijibridge: this is a bug in fijibridge {__version__}, please report it: {error!r}",
        error=True,
    )
    _say("".join(traceback.format_exception(error)), error=True)
    if as_json:
        _say(json.dumps({"ok": False, "error": error_json(error)}))
    return _BUG


def _say_error(error: FijiBridgeError, *, as_json: bool) -> None:
    _say(f"fijibridge: {error.message}", error=True)
    if error.hint:
        _say(f"  {error.hint}", error=True)
    for note in getattr(error, "__notes__", ()):
        _say(f"  {note}", error=True)
    if as_json:
        _say(json.dumps({"ok": False, "error": error_json(error)}, ensure_ascii=False))


def _main(words: list[str]) -> int:
    verb = next((word for word in words if not word.startswith("-")), None)
    if words and words[0].startswith("--") and words[0] not in {"--help", "--version"}:
        first = words[0].partition("=")
        if first[0].replace("_", "-") == "--print-completion":
            return _print_completion(first[2] or (words[1] if len(words) > 1 else ""))
        named = first[0][2:].replace("-", "_")
        common = {item.name for item in declared(RunOptions)}
        if named in common:
            raise SettingsError(
                f"The flag {first[0]} stands behind the verb, not before it.",
                f"Type: fijibridge {verb or 'VERB'} … {first[0]}",
            )
        raise SettingsError(
            f"There is no flag {words[0]} before the verb."
            + nearest(words[0], ["--help", "--version", "--print-completion"]),
            "Type: fijibridge VERB --flags, such as: fijibridge particles --help",
        )
    if verb is None or words[0] != verb:
        parser = build_parser()
        if not words:
            parser.print_help()
            return 0
        parser.parse_args(words)
        return 0
    if " ".join(words[:2]) in OPERATIONS:  # patch checkout
        verb = " ".join(words[:2])
    found = operation(verb)
    rest = _normalised(verb, words[len(verb.split()) :])
    parsed = verb_parser(verb).parse_args(rest)
    mine, options = split_options(found, _values(found, parsed))
    report = perform(found, mine, _context(found, options))
    _print_report(report, options)
    return report.exit_code


def _print_completion(shell: str) -> int:
    shells = ("bash", "zsh", "tcsh")
    if shell not in shells:
        raise SettingsError(
            f"There is no completion for the shell {shell!r}; there is for {', '.join(shells)}.",
            "Type: fijibridge --print-completion bash",
        )
    import shtab

    _say(shtab.complete(build_parser(completing=True), shell=shell))
    return 0


def _context(found: Operation, options: RunOptions) -> Context:
    if options.quiet or options.json or not sys.stderr.isatty():
        return make_context(found, options, ask=_ask)
    if found.name == "export":  # tells bytes, too
        from fijibridge.export.progress import Meter

        meter = Meter()
        return make_context(found, options, ask=_ask, progress=meter.jobs, meter=meter.begin)
    return make_context(found, options, progress=_progress(), ask=_ask)


def _ask(question: str) -> bool:
    """Put a question on stderr and return whether the answer is yes."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _progress() -> Callable[[int, int, str], None]:
    """Return a function that draws progress on stderr, once there is more than one job."""
    state: dict[str, Any] = {}

    def show(done: int, total: int, what: str) -> None:
        if total < 2:
            return
        if "bar" not in state:
            from rich.console import Console
            from rich.progress import Progress

            state["bar"] = Progress(console=Console(stderr=True), transient=True)
            state["bar"].start()
            state["task"] = state["bar"].add_task("", total=total)
        state["bar"].update(state["task"], completed=done, description=what)
        if done == total:
            state.pop("bar").stop()

    return show


def _print_report(report: Report, options: RunOptions) -> None:
    if report.script:
        _say(json.dumps(report.to_json(), ensure_ascii=False) if options.json else report.script)
        return
    if options.json:
        _say(json.dumps(report.to_json(), ensure_ascii=False, allow_nan=False))
    elif not options.quiet:
        _print_people(report)
    for title, error in report.failures:
        _say(f"fijibridge: {title}: {error.message}", error=True)
        if error.hint:
            _say(f"  {error.hint}", error=True)


def _print_people(report: Report) -> None:
    for line in report.lines:
        _say(line)
    if report.summary:
        _say(report.summary)
    for title in report.skipped:
        _say(f"{title}: complete, skipped")
    if not report.dry_run:
        for path in report.outputs:
            _say(f"  wrote {path}")
    for note in [*report.notes, *(n for job in report.jobs.values() for n in job.notes)]:
        _say(f"  note: {note}")


if __name__ == "__main__":
    sys.exit(main())
