"""httpbin under hypercorn: HTTP/1.1, and with a certificate also HTTP/2.

Arguments: port (0 for any), name, and for TLS: certificate, key, and the CA of clients, who must show a certificate then.
Says its port in its first line of output; ends when its standard input closes.
"""

import asyncio
import socket
import ssl
import sys

from httpbin import app
from hypercorn.asyncio import serve
from hypercorn.config import Config


async def main(port, files):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.errorlog = "-"
    if files:
        config.certfile, config.keyfile = files[:2]
    if len(files) > 2:
        config.ca_certs = files[2]
        config.verify_mode = ssl.CERT_REQUIRED
    if files:
        # Hypercorn speaks TLS only on sockets that it has bound itself.
        config.bind = [f"127.0.0.1:{listener.getsockname()[1]}"]
        port = listener.getsockname()[1]
        listener.close()
    else:
        port = listener.getsockname()[1]

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)))
    server = asyncio.create_task(serve(app, config, mode="wsgi", shutdown_trigger=ended.wait))
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            await asyncio.sleep(0.02)
    print(port, flush=True)
    await server


asyncio.run(main(int(sys.argv[1]), sys.argv[3:]))
