"""The ``trueshot`` command.

Every file of commands has a function ``register(app)``; a new one is added to :data:`COMMANDS`. Heavy imports stay
inside the commands, so that help and usage errors come at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from trueshot import __version__
from trueshot.cli import deliver, rank, ranking, sample, search, space, study, truth
from trueshot.core.errors import TrueshotError

COMMANDS: tuple[Callable[[typer.Typer], None], ...] = (
    search.register,
    deliver.register,
    space.register,
    sample.register,
    rank.register,
    ranking.register,
    truth.register,
    study.register,
)
"""What adds commands to the application, in the order of the help."""

INTERRUPTED = 130
"""Exit code after Ctrl-C; Typer returns it instead of letting the interrupt through."""

_DEBUG = "--debug"


def build() -> typer.Typer:
    """Return the application with all commands."""
    app = typer.Typer(name="trueshot", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def root(
        version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
        debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
    ) -> None:
        """One-shot neural architecture search whose rankings can be trusted."""

    for register in COMMANDS:
        register(app)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 when it succeeded; 2 after an error that the user can mend, which is told in one line on standard error; 130 when
    interrupted. With ``--debug``, anywhere in the arguments, the traceback is shown as well.
    """
    debug = _DEBUG in arguments
    arguments = [argument for argument in arguments if argument != _DEBUG]
    if arguments == ["--version"]:
        print(f"trueshot {__version__}")
        return 0
    try:
        code = build()(arguments, standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except TrueshotError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away, as in `trueshot ... | head`; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _is_usage_error(error):
            raise
        return _report_usage_error(error, debug)


def _is_usage_error(error: Exception) -> bool:
    """Return whether ``error`` is the parser's own; its class is private to some releases of Typer."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _report_usage_error(error: Exception, debug: bool) -> int:
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
        print(f"error: {message}: see {command} --help", file=sys.stderr)
    return 2


def main() -> None:
    """Run the command of ``sys.argv`` and exit with its code."""
    sys.exit(run(sys.argv[1:]))
