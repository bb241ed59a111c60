"""The published artifacts of a Pulsar broker, resolved by Maven into a cache folder."""

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

from domain.errors import ServerError
from runtime.private_dirs import Lock

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy" / "pulsar"
CACHE = ROOT / ".cache" / "pulsar"
_PATIENCE_S = 900.0


def what_is_missing() -> str | None:
    """Why no broker of ours can run on this machine, None where one can."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        return f"a Pulsar broker needs Java 17 or 21 and Maven; not found: {', '.join(missing)}"
    if not FOLDER.is_dir():
        return "a Pulsar broker of our own runs from a checkout only"
    return None


def resolved() -> Path:
    """The folder with the broker's jars, filled when first asked for. Raises ServerError."""
    if (missing := what_is_missing()) is not None:
        raise ServerError(missing)
    pom = FOLDER / "pom.xml"
    folder = CACHE / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = _wait_for(CACHE / "lock")
    try:
        if not folder.is_dir():
            _resolve(pom, folder)
    finally:
        lock.release()
    return folder


def _wait_for(path: Path) -> Lock:
    """Another process may be resolving them now."""
    until = time.monotonic() + _PATIENCE_S
    while (lock := Lock.take(path)) is None:
        if time.monotonic() > until:
            raise ServerError(f"another process has held {path} for too long")
        time.sleep(0.2)
    return lock


def _resolve(pom: Path, folder: Path) -> None:
    fresh = folder.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    command = [
        "mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
        f"-DoutputDirectory={fresh}", "-DincludeScope=runtime",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise ServerError(f"Maven could not resolve the broker: {' '.join(lines[:1])}")
    fresh.rename(folder)
