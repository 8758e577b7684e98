#!/bin/sh
# Install the Debian packages named on the command line that are missing, when allowed; else say what to run.
# On systems without apt nothing is done: what is needed there is listed in CONTRIBUTING.md.
set -eu
command -v dpkg-query >/dev/null 2>&1 || exit 0

missing=""
for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=""
elif sudo -n true 2>/dev/null; then
    sudo="sudo"
else
    echo "System packages are missing. Run this, then the same command again:" >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends -y$missing" >&2
    exit 1
fi
echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$sudo apt-get install -qq --no-install-recommends -y $missing >/dev/null
