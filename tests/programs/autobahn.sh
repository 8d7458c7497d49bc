#!/bin/sh
# Runs the Autobahn client cases against our transport: sets the suite up under target/, starts its server on a free
# port, runs the example, stops the server. Without a Python 2.7 it says that it was skipped.
# Usage: tests/programs/autobahn.sh [FIRST-LAST]
set -eu
cd "$(dirname "$0")/../.."
home=target/autobahn
python=
for candidate in "$(command -v python2.7 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
    if [ -n "$candidate" ] && [ -x "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "autobahn: SKIPPED, no python2.7 on PATH or in pyenv"
    exit 0
fi
mkdir -p "$home"
if [ ! -f "$home/suite/.ready" ]; then
    if ! "$python" -m pip install --quiet --target "$home/suite" autobahntestsuite==25.10.1; then
        echo "autobahn: SKIPPED, the suite cannot be installed"
        [ -z "${CI:-}" ]
        exit
    fi
    # The wheel of zope.interface leaves its namespace package without this file.
    touch "$home/suite/zope/__init__.py" "$home/suite/.ready"
fi
cargo build --release --example autobahn
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf '{"url":"ws://127.0.0.1:%s","outdir":"./reports","cases":["*"],"exclude-cases":[]}\n' "$port" > "$home/spec.json"
(
    cd "$home"
    PYTHONPATH=suite exec "$python" -c 'import sys; sys.argv[0] = "wstest"; from autobahntestsuite.wstest import run; run()' \
        -m fuzzingserver -s spec.json > server.log 2>&1
) &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT INT TERM
tries=0
until "$python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
        echo "autobahn: the server did not start; see $home/server.log"
        exit 2
    fi
    sleep 0.2
done
target/release/examples/autobahn "ws://127.0.0.1:$port" backshell "$@"
