"""Running a deployment from its start to its end."""

import signal
import threading
from contextlib import ExitStack
from types import FrameType

import structlog
import typer

from cli.deployment import POLICY, Deployment, Plan
from cli.failures import INTERRUPTED, TERMINATED, say
from cli.up_state import StateFile, take_folder
from runtime.log_stream import LogStream
from runtime.logs import set_up_logs
from runtime.setting_types import masked
from runtime.supervise import Outcome, Supervisor

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stop:
    """The first signal asks for an end, the second for a quick one."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.hurry = threading.Event()
        self.code = TERMINATED

    def __enter__(self) -> "_Stop":
        for signum in _SIGNALS:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_IGN)

    def _take(self, signum: int, frame: FrameType | None) -> None:
        del frame
        if self.asked.is_set():
            self.hurry.set()
            return
        self.code = INTERRUPTED if signum == signal.SIGINT else TERMINATED
        self.asked.set()


def run_up(plan: Plan) -> None:
    """Run until a signal or until there is no use in going on; leaves by the exit code.

    Raises ServerError where another deployment has the data folder.
    """
    settings = plan.settings
    with ExitStack() as stack:
        lock = take_folder(plan.data_dir)
        stack.callback(lock.release)
        stop = stack.enter_context(_Stop())
        set_up_logs(settings.log_level, settings.log_format)
        logs = LogStream(settings.log_format)
        stack.callback(logs.close)
        file = StateFile(plan.data_dir)
        stack.callback(file.remove)
        cleanup = stack.enter_context(ExitStack())
        deployment = Deployment(plan, logs.put, cleanup)
        supervisor = Supervisor(deployment.units, POLICY, on_change=file.note)
        outcome = _run(supervisor, deployment, file, stop)
    if outcome.code:
        say(outcome.words)
    raise typer.Exit(outcome.code or stop.code)


def _run(supervisor: Supervisor, deployment: Deployment, file: StateFile, stop: _Stop) -> Outcome:
    log = structlog.get_logger("up").bind(process="up")
    log.info("starting", data_dir=str(deployment.plan.data_dir))
    try:
        outcome = supervisor.run(stop.asked, until_ready=True)
        if outcome is None:
            servers = deployment.servers()
            found = {
                "page": deployment.page(),
                "bus": masked(servers.bus_url),
                "status": masked(servers.status_url),
                "history": masked(deployment.history_url()),
            }
            file.state.addresses = found
            file.note(supervisor)
            for name, url in found.items():
                typer.echo(f"{name:<10} {url}")
            log.info("deployment_ready", **found)
            outcome = supervisor.run(stop.asked)
        assert outcome is not None
        log.info("draining", why=outcome.words or "asked to stop")
    finally:
        supervisor.drain(stop.hurry)
    return outcome
