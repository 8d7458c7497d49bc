"""A client for `backshell mock`: talks to it and prints what it saw, a JSON object a line.

Usage: client.py ADDRESS [CA], where ADDRESS is host:port, and CA a file with whom to trust: then all goes over TLS.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

address = sys.argv[1]
trusting = ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else None
s = "s" if trusting else ""
if trusting:
    # The default from Python 3.13 on.
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT


def say(**what):
    print(json.dumps(what), flush=True)


def get(path, **more):
    request = urllib.request.Request(f"http{s}://{address}{path}", **more)
    try:
        with urllib.request.urlopen(request, timeout=10, context=trusting) as answer:
            say(status=answer.status, type=answer.headers["Content-Type"], body=answer.read().decode())
    except urllib.error.HTTPError as error:
        say(status=error.code, type=error.headers["Content-Type"], body=error.read().decode())
    except (urllib.error.URLError, ConnectionError) as error:
        say(failed=type(error).__name__)


get("/status")
get("/nothing")
get("/reset")
try:
    connect(f"ws{s}://{address}/other", close_timeout=5, ssl=trusting)
except InvalidStatus as error:
    say(refused=error.response.status_code)
with connect(
    f"ws{s}://{address}/live", additional_headers={"X-Key": "k"}, subprotocols=["v2", "v1"], ssl=trusting
) as link:
    say(opened=link.subprotocol, deflate=[extension.name for extension in link.protocol.extensions])
    say(got=link.recv(timeout=10))
    link.send(json.dumps({"ask": 7}))
    say(got=json.loads(link.recv(timeout=10)))
    try:
        while True:
            say(got=link.recv(timeout=10))
    except ConnectionClosed as closed:
        say(closed=closed.rcvd.code if closed.rcvd else None)
