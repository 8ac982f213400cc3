"""The command line as a tree of argparse parsers; help, completion and docs come from it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from ..errors import did_you_mean
from ..plugin import OPTIONS

#: What an argument completes to, by the word in its ``complete`` attribute.
SPEC, DIALECT, LEVEL, SUBJECT, FILE, DIRECTORY = (
    "spec", "dialect", "level", "subject", "file", "directory",
)  # fmt: skip
#: Commands are made by these, in the order in which the help lists them.
GROUPS: Final = (
    "_run",
    "_catalogue",
    "_dialects",
    "_explore",
    "_schedules",
    "_vectors",
    "_smoke",
    "_programs",
    "_records",
    "_completion",
)
#: Metavars of plugin options, and what they complete to.
_BY_METAVAR: Final = {
    "SPEC": SPEC, "LEVELS": LEVEL, "FILE": FILE, "FILE.jsonl": FILE, "DIR": DIRECTORY,
}  # fmt: skip


class CallWrong(Exception):
    """The command line is wrong; the text says how."""


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of exiting with 2, and knows what was meant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self.color = False  # 3.14 would colour the help even where the rest is plain
        self.commands: dict[str, Parser] = {}

    def error(self, message: str) -> NoReturn:
        """Raise ``CallWrong``."""
        raise CallWrong(f"{message}{self._hint(message)} (see {self.prog} --help)")

    def _hint(self, message: str) -> str:
        if not message.startswith("unrecognized arguments: "):
            return ""
        word = message.removeprefix("unrecognized arguments: ").split()[0].split("=")[0]
        if not word.startswith("-"):
            return ""
        known = [option for action in self._actions for option in action.option_strings]
        hint = did_you_mean(word, known) if word.startswith("--") else ""
        return hint or " What is meant for pytest goes behind --"

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is left over here, where the command and its options are known."""
        parsed, extra = super().parse_known_args(args, namespace)
        if extra and not self.commands:
            self.error(f"unrecognized arguments: {' '.join(extra)}")
        return parsed, extra

    def command(
        self,
        name: str,
        run: Callable[..., int] | None,
        help: str,
        *,
        description: str = "",
        takes_rest: bool = False,
    ) -> Parser:
        """Add a command and return its parser."""
        if not self.commands:
            self._places = self.add_subparsers(
                metavar="COMMAND", parser_class=Parser, required=False
            )
        made: Parser = self._places.add_parser(
            name, help=help, description=description or help, prog=f"{self.prog} {name}"
        )
        made.set_defaults(run=run or _needs_command(made), command=name, takes_rest=takes_rest)
        self.commands[name] = made
        return made

    def argument(self, *names: str, complete: str = "", **kwargs: Any) -> None:
        """Add an argument, with what it completes to."""
        self.add_argument(*names, **kwargs).complete = complete  # type: ignore[attr-defined]  # ours

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        known = None if action.choices is None else [str(choice) for choice in action.choices]
        if known is not None and value not in known:
            what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"
            self.error(
                f"unknown {what} {value!r}.{did_you_mean(str(value), known)} "
                f"Known are {', '.join(known)}"
            )


def _needs_command(parser: Parser) -> Callable[..., int]:
    def run(args: argparse.Namespace, out: Any) -> int:
        if parser.prog == "mmowner":
            out.line(parser.format_help().rstrip())
            return 4
        raise CallWrong(f"{parser.prog} needs a command: {', '.join(parser.commands)}")

    return run


def build_parser() -> Parser:
    """Return the parser of ``mmowner`` with all its commands."""
    from importlib import import_module  # noqa: PLC0415  only what is asked for is imported

    parser = Parser(
        prog="mmowner", description="Conformance of implementations of Linux's mm->owner."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    parser.set_defaults(run=_needs_command(parser), command="", takes_rest=False)
    for group in GROUPS:
        import_module(f".{group}", __package__).add_commands(parser)
    return parser


class _Version(argparse.Action):
    """Prints the version, looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version  # noqa: PLC0415  only what is asked for is imported

        print(f"mmowner {version('pytest-mmowner')}")  # noqa: T201  a console script prints
        parser.exit()


def add_plugin_options(parser: Parser) -> None:
    """Add the plugin's own options, without their prefix, but for the candidate."""
    for name, kind, _default, metavar, text in OPTIONS:
        if name == "candidate":
            continue
        how: dict[str, Any] = {"action": "store_true"}
        if kind != "bool":
            how = {"action": "append" if kind == "linelist" else "store", "metavar": metavar}
        parser.argument(
            f"--{name}", dest=_place(name), help=text.replace("%", "%%"), default=None,
            complete=DIALECT if name == "dialect" else _BY_METAVAR.get(metavar, ""), **how,
        )  # fmt: skip


def _place(name: str) -> str:
    return f"mmowner_{name.replace('-', '_')}"


def plugin_arguments(args: argparse.Namespace) -> list[str]:
    """Return the plugin options that were given, as pytest takes them."""
    words: list[str] = []
    for name, kind, *_ in OPTIONS:
        given = getattr(args, _place(name), None)
        if kind == "bool":
            words += [f"--mmowner-{name}"] * bool(given)
            continue
        values = given if isinstance(given, list) else [given]
        words += [f"--mmowner-{name}={value}" for value in values if value is not None]
    return words


def add_json(parser: Parser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="one JSON document, for scripts")


def walk(parser: Parser) -> Iterator[Parser]:
    """Yield a parser and all parsers below it."""
    yield parser
    for below in parser.commands.values():
        yield from walk(below)


def arguments_of(parser: Parser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser: no commands, no help."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
            yield action


def usage(parser: Parser) -> str:
    """Return the usage line: the same in every version of Python and at every width."""
    words = [parser.prog]
    for action in arguments_of(parser):
        if action.option_strings:
            value = "" if action.nargs == 0 else f" {action.metavar}"
            words.append(f"[{action.option_strings[-1]}{value}]")
    if parser.commands:
        words.append("COMMAND")
    for action in arguments_of(parser):
        if not action.option_strings:
            name = str(action.metavar)
            words.append({"?": f"[{name}]", "+": f"{name} ..."}.get(str(action.nargs), name))
    if parser.get_default("takes_rest"):
        words.append("[-- ...]")
    return " ".join(words)


def markdown() -> str:
    """Return the reference of all commands, for ``docs/cli.md``."""
    parts = [
        (
            "# The `mmowner` command\n\nGenerated from the command line itself. The same as "
            "`python -m pytest_mmowner`. What is wrong is said on standard error; exit codes are "
            "pytest's: 0, 1 (the candidate, or the file that was judged, is wrong), 4 (the call is "
            "wrong).\n"
        )
    ]
    for parser in walk(build_parser()):
        text = (parser.description or "").strip()
        parts.append(f"## `{parser.prog}`\n\n{text}\n\n```\n{usage(parser)}\n```\n")
        rows = [(name, below.description or "") for name, below in parser.commands.items()]
        rows += [(_spelling(action), _meaning(action)) for action in arguments_of(parser)]
        if rows:
            lines = [f"| `{name}` | {_cell(text)} |" for name, text in rows]
            parts.append("\n".join(["| | |", "| --- | --- |", *lines]) + "\n")
    return "\n".join(parts)


def _spelling(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar)
    value = "" if action.nargs == 0 else f" {action.metavar}"
    return ", ".join(f"{option}{value}" for option in action.option_strings)


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    return f"{text}: {', '.join(action.choices)}" if action.choices else text


def _cell(text: str) -> str:
    first = text.strip().partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|").replace("<", "&lt;")
