"""A proxy for interop tests, made of the library `pproxy`: HTTP CONNECT and SOCKS5 on one port.

Announces its port as the first line on stdout and ends when its stdin closes. Arguments: port (0 is any), and `open`, or
`guarded` for one that wants the user `u` with the password `p`.
"""

import asyncio
import sys

import pproxy


async def main():
    users = "#u:p" if sys.argv[2] == "guarded" else ""
    server = pproxy.Server(f"http+socks5://127.0.0.1:{sys.argv[1]}{users}")
    # A negative time: whoever has shown credentials once must show them again.
    options = {"rserver": [], "authtime": -1, "verbose": lambda text: print(text, file=sys.stderr)}
    running = await server.start_server(options)
    print(running.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    running.close()


asyncio.run(main())
