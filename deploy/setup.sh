# Make the virtual environment named by $1 from requirements.lock.
set -eu
venv=$1
fail() { echo "setup: $1" >&2; exit 1; }

if [ -z "${PYTHON:-}" ]; then
  found=$(python3 --version 2>/dev/null || echo "no python3")
  fail "Python 3.11 or 3.12 is needed (Bytewax has no build for others) and this machine has $found. Install python3.12 (or python3.11) and run make again, or name one: make PYTHON=/path/to/python3.12 ..."
fi
"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' ||
  fail "$("$PYTHON" --version) is not supported: Bytewax has builds for Python 3.11 and 3.12 only. Run make PYTHON=/path/to/python3.12 ..."
if "$PYTHON" -c 'import sysconfig, sys; sys.exit("musl" not in (sysconfig.get_config_var("HOST_GNU_TYPE") or ""))'; then
  fail "this system uses musl libc (Alpine and the like) and Bytewax has builds for glibc only. Use a glibc system, for example a Debian slim image."
fi
# A folder that an earlier attempt left without pip, or without its Python, is made anew.
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  echo "setup: making $venv with $("$PYTHON" --version)" >&2
  "$PYTHON" -m venv --clear "$venv" || fail "could not make a virtual environment; on Debian install python3-venv"
fi
if [ ! -x "$venv/bin/uv" ]; then
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'uv==0.13.8' || fail "could not install uv"
fi
echo "setup: installing the locked dependencies" >&2
"$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes --compile-bytecode requirements.lock ||
  fail "could not install the locked dependencies"
# The packages are imported from the checkout; only the command's name has to exist.
printf '%s\n' "$(pwd)" > "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/execution_monitor.pth"
# A shebang would not do: the path may be long or have spaces.
cat > "$venv/bin/execmon" <<EOF
#!/bin/sh
exec "$(cd "$venv" && pwd)/bin/python" -P -m cli.main "\$@"
EOF
chmod +x "$venv/bin/execmon"
