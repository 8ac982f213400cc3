#!/usr/bin/env bash
# The composite action: install pytest-mmowner beside the job's Python, and run the suite.
# Its exit code is pytest's.  A test of the repository runs this file.
set -euo pipefail

if [ -z "${MMOWNER_CANDIDATE:-}" ]; then
  echo "::error title=mmowner::the input 'candidate' is empty: say what is to be tested" >&2
  exit 4
fi

case "${MMOWNER_VERSION:-}" in
  "") package=pytest-mmowner ;;
  [0-9]*) package=pytest-mmowner==$MMOWNER_VERSION ;;
  *) package=$MMOWNER_VERSION ;; # a directory or a URL
esac

# An environment of its own, as the system's Python may not be written to; it sees what the
# job installed before, which python: and rules: candidates need.
home=${RUNNER_TEMP:-$(mktemp -d)}/mmowner
python3 -m venv --system-site-packages "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check "$package"

arguments=(--ci github)
[ -z "${MMOWNER_DIALECT:-}" ] || arguments+=(--dialect "$MMOWNER_DIALECT")
[ -z "${MMOWNER_LEVEL:-}" ] || arguments+=(--level "$MMOWNER_LEVEL")
[ -z "${MMOWNER_BASELINE:-}" ] || arguments+=(--baseline "$MMOWNER_BASELINE")
exec "$home/bin/mmowner" run "${arguments[@]}" "$MMOWNER_CANDIDATE"
