"""`execmon notify` in a process of its own, as it is run."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from cli.worker import environment
from domain.errors import ServerError
from runtime.addresses import Servers
from runtime.settings import load_settings
from sinks.notify.store import read_only
from tests.receivers import wait_for

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0
NOWHERE = "postgresql:///x?host=/nowhere"


class Notify:
    """The command in a process of its own."""

    def __init__(self, bus, folder, notify, **env):
        settings = load_settings({"recovery_dir": str(folder / "recovery")}, env={})
        self.folder = folder
        self.env = dict(environment(
            settings, Servers(bus.url, "unix:///none"),
            EXECMON_NOTIFY=json.dumps(notify), EXECMON_NOTIFY_DIR=str(folder / "notify"),
            **{"EXECMON_HISTORY_URL": NOWHERE, "EXECMON_EPOCH_S": "0.2", **env},
        ))  # fmt: skip
        self.log = folder / "log"
        self.start()

    def start(self):
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "notify"], cwd=ROOT, env=self.env, stderr=out
            )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rows(self, query="SELECT * FROM notifications ORDER BY number"):
        try:
            with closing(read_only(self.folder / "notify")) as db:
                return db.execute(query).fetchall()
        except ServerError:
            return []

    def states(self):
        return [row["state"] for row in self.rows()]

    def wait(self, question):
        def asked():
            assert self.process.poll() is None, self.log.read_text()
            return question()

        return wait_for(asked, PATIENCE_S)
