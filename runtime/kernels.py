"""Where compiled kernels are kept between runs.

numba's cache looks at the file of a kernel, not at the files of the kernels it calls. So the
folder's name contains a hash of every source file that a kernel may come from: a change in
any of them begins a fresh folder.
"""

import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from domain.errors import ConfigurationError

VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGES = ("domain", "metrics", "rules", "operators", "sources")
_KEEP_S = 14 * 86_400


def use_kernel_cache() -> Path:
    """Set NUMBA_CACHE_DIR for this process and its children, unless it is already set.

    Must run before numba is imported; raises ConfigurationError otherwise. Where no cache
    folder of the user is writable, a private temporary folder serves this process alone.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    if "numba" in sys.modules:
        raise ConfigurationError(
            f"numba was imported before {VARIABLE} was set; call use_kernel_cache first"
        )
    wanted = _user_cache() / "kernels" / kernel_hash()
    path = _writable(wanted)
    if path == wanted:
        _drop_old(path)
    os.environ[VARIABLE] = str(path)
    return path


def kernel_hash() -> str:
    """Hash of the kernels' sources, the interpreter, numba and llvmlite."""
    digest = blake2b(digest_size=10)
    for name in (sys.version, version("numba"), version("llvmlite")):
        digest.update(name.encode() + b"\0")
    for path in _sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources() -> list[Path]:
    found: list[Path] = []
    for package in _PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            found.extend(sorted(Path(folder).rglob("*.py")))
    return found


def _drop_old(path: Path) -> None:
    """Remove folders of other sources that no process has asked for in two weeks."""
    with suppress(OSError):
        os.utime(path)
        for other in path.parent.iterdir():
            if other != path and time.time() - other.stat().st_mtime > _KEEP_S:
                shutil.rmtree(other, ignore_errors=True)


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "execmon"
    try:
        return Path.home() / ".cache" / "execmon"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"execmon-cache-{os.getuid()}"


def _writable(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        if path.stat().st_uid == os.getuid():
            return path
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="execmon-kernels-"))
