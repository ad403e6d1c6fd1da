"""The ``trueshot`` command.

A file of commands has a function ``register(app, arguments)``; a new one is added to :data:`COMMANDS`. Only the file of
the command that is run is imported, and heavy imports stay inside the commands, so that help and usage errors come at
once.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from trueshot import __version__
from trueshot.core.errors import RunError, TrueshotError
from trueshot.core.modules import failed_in_own_file

COMMANDS: Mapping[str, tuple[str, str]] = {
    "search": ("search", "Search an architecture for your images under a cost budget, and train what was found."),
    "report": ("deliver", "Write DIR/report.html anew."),
    "export": ("deliver", "Export every winner, checked against the trained network on test images."),
    "classify": ("deliver", "Classify images with a network that a search found."),
    "space": ("space", "Search spaces: what can be built, and what it costs."),
    "sample": ("sample", "Draw architectures and say what they cost."),
    "rank": ("rank", "Train supernets, score architectures, compare the ranking with the truth by every criterion."),
    "criteria": ("ranking", "Compare scores with the truth by every ranking criterion."),
    "canonical": ("ranking", "Write for each architecture the string of its class."),
    "truth": ("truth", "Ground truth: make, import and judge a table of it."),
    "config": ("config", "Presets: which there are, and what every value means."),
    "study": ("study", "Reproduce a table or figure of a paper: its figures beside ours."),
}
"""Names of the commands in the order of the help, the file of each, and what it does."""

INTERRUPTED = 130
"""Exit code after Ctrl-C; Typer returns it instead of letting the interrupt through."""

_DEBUG = "--debug"


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the application for a command line; commands that it does not name are known by their help only."""
    app = typer.Typer(name="trueshot", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def root(
        version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
        debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
    ) -> None:
        """One-shot neural architecture search whose rankings can be trusted."""

    named = next((argument for argument in arguments if argument in COMMANDS), None)
    for name, (file, told) in COMMANDS.items():
        if name == named:
            importlib.import_module(f"trueshot.cli.{file}").register(app, name, arguments)
        else:
            app.command(name, help=told)(_unused)
    return app


def _unused() -> None:
    """Stand for a command that is not run."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 when it succeeded; 2 after an error that the user can correct, one in a file of the user's among them, which is
    told in one line on standard error; 130 when interrupted. With ``--debug``, anywhere in the arguments, the traceback
    is shown as well.
    """
    _ready_output()
    debug = _DEBUG in arguments
    arguments = [argument for argument in arguments if argument != _DEBUG]
    try:
        if arguments == ["--version"]:
            print(f"trueshot {__version__}")
            return 0
        code = build(arguments)(arguments, standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except TrueshotError as error:
        return _report(error, debug)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError as error:
        if (mistake := failed_in_own_file(error)) is not None:
            return _report(mistake, debug)
        # The reader went away, as in `trueshot ... | head`; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO) and error.filename is None:
            return _report(_unwritten(error), debug)
        if _is_usage_error(error):
            return _report_usage_error(error, debug)
        mistake = failed_in_own_file(error)
        if mistake is None:
            raise
        return _report(mistake, debug)


def _ready_output() -> None:
    """Let whatever the terminal is print all there is to print: closed, of few characters, or a file."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  for as long as the process lives
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    # Pillow warns of images that it decodes all the same, Matplotlib of letters that the reader's font has.
    for message in ("Image size .* exceeds limit", "Glyph .* missing from"):
        warnings.filterwarnings("ignore", message=message)


def _unwritten(error: OSError) -> RunError:
    return RunError(f"cannot write the output: {error.strerror}; free some space, or print it elsewhere")


def _report(error: TrueshotError, debug: bool) -> int:
    """Tell an error that the user can correct in one line."""
    if debug:
        traceback.print_exc()
    print(f"error: {error}", file=sys.stderr)
    return 2


def _is_usage_error(error: BaseException) -> bool:
    """Return whether ``error`` is the parser's own; its class is private to some releases of Typer."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


_PLAINLY = {
    "Input should be greater than or equal to": "give at least",
    "Input should be less than or equal to": "give at most",
    "Value error, ": "",
}
"""Words of the parser's validator, and ours."""


def _report_usage_error(error: BaseException, debug: bool) -> int:
    """Tell a wrong option or argument in one line; a command without its sub-command gets its help."""
    if debug:
        traceback.print_exc()
    message = error.format_message()  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "trueshot"
    if type(error).__name__ == "NoArgsIsHelpError":
        # With Rich the help is on the screen already, and the message empty.
        print(message, end="\n" if message else "")
    else:
        message = " ".join(message.split()).rstrip(".")
        for theirs, ours in _PLAINLY.items():
            message = message.replace(theirs, ours)
        print(f"error: {message}: see {command} --help", file=sys.stderr)
    return 2


def main() -> None:
    """Run the command of ``sys.argv`` and exit with its code."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        code = _report(_unwritten(error), False)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
