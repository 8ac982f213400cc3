#!/usr/bin/env bash
# The composite action: install pytest-mmowner beside the job's Python, and run the suite.
# Its exit code is pytest's.  A test of the repository runs this file.
set -euo pipefail

wrong() {
  echo "::error title=mmowner::$1" >&2
  exit 4
}

[ -n "${MMOWNER_CANDIDATE:-}" ] ||
  wrong "the input 'candidate' is empty: say what is to be tested"
case "${MMOWNER_COV:-false}" in
  true | false) ;;
  *) wrong "the input 'cov' is true or false, not '$MMOWNER_COV'" ;;
esac

case "${MMOWNER_VERSION:-}" in
  "") package=pytest-mmowner ;;
  [0-9]*) package=pytest-mmowner==$MMOWNER_VERSION ;;
  *) package=$MMOWNER_VERSION ;; # a directory or a URL
esac
packages=("$package")
# The name with its extra stands beside the package: a directory or a URL can be followed by none.
if [ "${MMOWNER_COV:-}" = true ] || [ -n "${MMOWNER_COV_FAIL_UNDER:-}" ]; then
  packages+=("pytest-mmowner[cov]")
fi

# An environment of its own, as the system's Python may not be written to; it sees what the
# job installed before, which python: and rules: candidates need.
home=${RUNNER_TEMP:-$(mktemp -d)}/mmowner
python3 -m venv --system-site-packages "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}"

# Options that are inputs of the same name; an empty one was not given.
arguments=(--ci github)
option() {
  [ -z "$2" ] || arguments+=("--$1" "$2")
}
option dialect "${MMOWNER_DIALECT:-}"
option level "${MMOWNER_LEVEL:-}"
option baseline "${MMOWNER_BASELINE:-}"
option set "${MMOWNER_SET:-}"
option applicable "${MMOWNER_APPLICABLE:-}"
option require "${MMOWNER_REQUIRE:-}"
option report "${MMOWNER_REPORT:-}"
option badges "${MMOWNER_BADGES:-}"
option cov-fail-under "${MMOWNER_COV_FAIL_UNDER:-}"
[ "${MMOWNER_COV:-}" != true ] || arguments+=(--cov)
exec "$home/bin/mmowner" run "${arguments[@]}" "$MMOWNER_CANDIDATE"
