# Every test with compiled kernels, then the kernels' own tests again as plain Python,
# so that coverage counts the lines inside them; without the large ones, whose lines smaller
# ones reach as well. Fails under the limits of the project.
set -eu
bin=$1/bin
rm -f .coverage .coverage.*
"$bin/coverage" run -m pytest -q -n 2 --durations=25
NUMBA_DISABLE_JIT=1 "$bin/coverage" run -m pytest -q -n 2 --durations=25 -m "not large" \
  tests/metrics tests/operators tests/domain tests/rules
"$bin/coverage" combine -q
"$bin/coverage" report --fail-under=90
"$bin/coverage" report --fail-under=100 --include='domain/*,metrics/*,operators/*,rules/*'
