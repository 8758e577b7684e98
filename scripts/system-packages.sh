#!/bin/sh
# Install the Debian packages named on the command line that are missing, when allowed; else say what to run.
# On systems without apt nothing is done: what is needed there is listed in CONTRIBUTING.md.
set -eu
command -v dpkg-query >/dev/null 2>&1 || exit 0

# What is installed, by its own name or by one it provides (libglib2.0-0 is provided by libglib2.0-0t64 in newer releases).
installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}, ${Provides}\n' |
    sed -n 's/^installed //p' | tr ',' '\n' | sed 's/(.*//; s/ //g')

missing=""
for package in "$@"; do
    printf '%s\n' "$installed" | grep -qxF "$package" || missing="$missing $package"
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
