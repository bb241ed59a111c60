"""Every error the product raises on purpose, and who can act on it.

ExecmonError
├── ConfigurationError   the operator: a setting, an address, a file name
├── InputError           whoever sent the data: a file or message that cannot be read
│   └── Refused          one message; becomes a dead letter and the flow goes on
├── BusError             the operator: the message bus is down or holds what it should not
│   └── BusDown          the operator: it does not answer; whoever reads or writes tries again
├── ServerError          the operator: an embedded or remote server did not start or answer
│   └── ServerRefused    the operator: it answers and will not let us in
├── RecoveryError        the operator: a snapshot does not fit this version or layout
├── PeerLost             nobody: a process of a cluster is gone, the others follow and all return
└── ReconciliationError  ourselves: two ways to one number disagree, so neither is shown
"""

from domain.reasons import DeadLetterReason


class ExecmonError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command ends with."""

    exit_code = 1


class ConfigurationError(ExecmonError):
    """A setting is unknown, of the wrong type, or contradicts another."""

    exit_code = 2


class InputError(ExecmonError):
    """A file or stream cannot be read as what it was said to be."""

    exit_code = 3


class Refused(InputError):
    """One message was refused; carries the reason code beside the words."""

    def __init__(self, reason: DeadLetterReason, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


class BusError(ExecmonError):
    """The bus could not be reached, or refused what was asked."""

    exit_code = 4


class BusDown(BusError):
    """The bus does not answer now; nothing is lost and the same call may be tried again."""


class ServerError(ExecmonError):
    """A server that the product started or uses is not there."""

    exit_code = 4


class ServerRefused(ServerError):
    """The server answers, and will never let us in as we come."""


class RecoveryError(ExecmonError):
    """State on disk was written by another version or layout."""

    exit_code = 5


def other_version(what: str, found: object, reads: object) -> RecoveryError:
    """For state on disk that this program cannot read, with the way out."""
    return RecoveryError(
        f"{what} has version {found}, this program reads {reads}: start anew with an empty "
        "recovery_dir"
    )


class PeerLost(ExecmonError):
    """Another process of the cluster is gone or silent; the cause is there, not here."""

    exit_code = 8


class ReconciliationError(ExecmonError):
    """A number computed in two ways came out different: a defect, to be reported."""

    exit_code = 6
