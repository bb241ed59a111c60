"""What `doctor` says of the data folder and of the deployment that runs on it."""

import os
import shutil

from cli.check_base import Check
from cli.deployment import data_folder
from cli.up_state import DeploymentState, read_state
from runtime.settings import Settings, load_settings

_MB = 1_000_000
_NEEDED_MB = 1_000
_GOOD_MB = 10_000


def check_data(settings: Settings | None = None) -> Check:
    """The data folder can be written, and has room for the bus, snapshots and history."""
    folder = data_folder(settings or load_settings())
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Check("data", "fail", f"{there} is not writable",
                     "choose another folder with EXECMON_DATA_DIR")  # fmt: skip
    free_mb = shutil.disk_usage(there).free // _MB
    found = f"{folder}{'' if folder.exists() else ' (not made yet)'}, {free_mb:,} MB free"
    if free_mb < _NEEDED_MB:
        advice = f"free {_NEEDED_MB:,} MB: a bus whose disk is full takes no messages"
        return Check("data", "fail", found, advice)
    if free_mb < _GOOD_MB:
        return Check("data", "warn", found, f"have {_GOOD_MB:,} MB for a day of a busy desk")
    return Check("data", "ok", found)


def check_deployment(settings: Settings | None = None) -> Check:
    """Where a deployment runs on the data folder, all of it is ready."""
    folder = data_folder(settings or load_settings())
    state = read_state(folder)
    if state is None:
        return Check("deployment", "ok", f"none runs on {folder}")
    return _judged(state)


def _judged(state: DeploymentState) -> Check:
    found = f"process {state.pid}, {len(state.units)} units"
    unwell = [unit for unit in state.units if unit.state != "ready"]
    if not unwell:
        restarts = sum(unit.restarts for unit in state.units)
        more = f", restarted {restarts}×" if restarts else ""
        page = f", page {state.addresses['page']}" if "page" in state.addresses else ""
        return Check("deployment", "ok", f"{found}, all ready{more}{page}")
    words = "; ".join(f"{u.name} is {u.state}{f': {u.words}' if u.words else ''}" for u in unwell)
    return Check("deployment", "warn", f"{found}; {words}",
                 "see docs/operations.md for what each of these words asks for")  # fmt: skip
