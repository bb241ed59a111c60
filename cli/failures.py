"""How a command ends when something goes wrong: one line on stderr and an exit code.

0    done
1    a defect, or `doctor` found something that stops the product
2    the command line or a setting is wrong
3    a file or stream cannot be read as what it was said to be, or an order is not known
4    the bus or another server is not there, or a disk is full
5    state on disk is of another version
6    two ways to one number disagree
7    a process that `up` cannot do without kept ending
8    another process of the cluster is gone or cut off
130  ended by Ctrl-C
141  the reader of the output went away
143  ended by SIGTERM or by the terminal's closing
"""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TextIO

from typer import Abort, Exit, TyperException

from domain.errors import ExecmonError, ServerError

INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
_DISK_FULL = "database or disk is full"
"""What the engine's recovery store says, in the midst of other words."""


class Terminated(BaseException):
    """SIGTERM or SIGHUP, as an exception, so that everything is cleaned up on the way out."""


_SILENT: dict[type[BaseException], int] = {
    KeyboardInterrupt: INTERRUPTED,
    Abort: INTERRUPTED,
    Terminated: TERMINATED,
    BrokenPipeError: BROKEN_PIPE,
}


def guarded(work: Callable[[], int | None], *, debug: bool) -> int:
    """Run the work and give its exit code; what failed is said on stderr."""
    try:
        code = work() or 0
        sys.stdout.flush()
    except BaseException as error:
        if debug:
            traceback.print_exception(error)
        code = _ended_by(meant(error))
    if not _is_writable(sys.stdout):
        _silence(sys.stdout)
    return code


def _is_writable(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Python flushes once more on its way out: give the stream somewhere to go."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _ended_by(cause: BaseException) -> int:
    for kind, code in _SILENT.items():
        if isinstance(cause, kind):
            return code
    if isinstance(cause, OSError) and cause.errno == errno.EIO:
        return BROKEN_PIPE
    if isinstance(cause, SystemExit):
        return cause.code if isinstance(cause.code, int) else 1
    if isinstance(cause, Exit):
        return cause.exit_code
    return _said(cause)


def _said(cause: BaseException) -> int:
    if isinstance(cause, TyperException):
        return _misused(cause)
    if isinstance(cause, ExecmonError):
        say(str(cause))
        return cause.exit_code
    if _DISK_FULL in str(cause):
        say("no room is left on the disk of the recovery folder; free some: nothing is lost")
        return ServerError.exit_code
    say(
        f"unexpected {type(cause).__name__}: {cause}; this is a defect. "
        "Run `execmon --debug …` again and report what it prints"
    )
    return 1


def _misused(error: TyperException) -> int:
    """Say what was wrong with the command line, its usage before it."""
    show = getattr(error, "show", None)
    if show is None:
        say(error.format_message())
    else:
        show()
    return error.exit_code


def meant(error: BaseException) -> BaseException:
    """The error raised on purpose among the causes of an error, else the first cause.

    The engine wraps what a source or sink raised. What fails on the way out, once the
    command was told to end, is no error: a closed terminal cannot be put in order.
    """
    chain = list(_causes(error))
    told = next((e for e in _before(error) if isinstance(e, Terminated)), None)
    if told is not None:
        return told
    known = (ExecmonError, *_SILENT, TyperException, Exit)
    return next((e for e in chain if isinstance(e, known)), _unwrapped(chain))


def _unwrapped(chain: list[BaseException]) -> BaseException:
    return next((e for e in chain if type(e).__module__ != "bytewax.errors"), chain[0])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # typer turns a broken pipe into an exit of its own.
        error = error.__context__ if isinstance(error, SystemExit) else error.__cause__


def _before(error: BaseException | None) -> Iterator[BaseException]:
    """The error and whatever was being handled when it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def say(words: str) -> None:
    """One line on stderr, with the command's name, if anybody is there to read it."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"execmon: {words}\n")
