"""A peer for interop tests on the library `websockets`: what it does with a link is in the link's path.

Announces its port as the first line on stdout and ends when its stdin closes. Arguments: port (0 is any), a name for itself;
for TLS also the files of a certificate and its key, and of the CA that clients must have a certificate of.
"""

import asyncio
import http
import json
import socket
import ssl
import struct
import sys
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

NAME = sys.argv[2] if len(sys.argv) > 2 else "peer"
MAX_SIZE = 32 << 20
EVENT_TYPES = ["boolean", "number", "string", "string/enum"]

# How links with an `id` ended, for those who ask at `/ending`.
endings = {}


def ending(name):
    return endings.setdefault(name, asyncio.get_running_loop().create_future())


def parts(request):
    url = urlsplit(request.path)
    return url.path, dict(parse_qsl(url.query))


def answer(connection, request):
    """The answers that are no upgrade; None goes on with the handshake."""
    path, query = parts(request)
    if path == "/status":
        response = connection.respond(http.HTTPStatus(int(query["code"])), query.get("body", ""))
        for name in ("WWW-Authenticate", "Location", "Retry-After"):
            if name in query:
                response.headers[name] = query[name]
        return response
    if path == "/loop":
        response = connection.respond(http.HTTPStatus.MOVED_PERMANENTLY, "")
        response.headers["Location"] = path
        return response
    return None


def select(connection, offered):
    wanted = parts(connection.request)[1].get("select")
    return wanted if wanted in offered else None


async def echo(ws, query):
    async for message in ws:
        await ws.send(message)


async def headers(ws, query):
    raw = [list(pair) for pair in ws.request.headers.raw_items()]
    await ws.send(json.dumps({"target": ws.request.path, "headers": raw}))
    await ws.wait_closed()


async def fragments(ws, query):
    async def pieces():
        yield "one "
        # Resolves when a pong with this very payload has come.
        await (await ws.ping(b"in the middle"))
        yield ""
        yield "two "
        yield "three"

    await ws.send(pieces())
    await ws.send("pong came")
    await ws.wait_closed()


async def pings(ws, query):
    """Pings from the first fragment on, each ping after the pong before it; counts the pongs amid the message."""
    pongs = []

    async def keep_asking():
        for number in range(10):
            await (await ws.ping(f"ping {number}".encode()))
            pongs.append(number)

    asking = None
    size = 0
    async for piece in ws.recv_streaming():
        asking = asking or asyncio.create_task(keep_asking())
        size += len(piece)
    amid = len(pongs)
    await asking
    await ws.send(json.dumps({"size": size, "pongs": len(pongs), "amid": amid}))
    await ws.wait_closed()


async def close(ws, query):
    if "code" in query:
        await ws.close(int(query["code"]), query.get("reason", ""))
    else:
        async with ws.send_context():
            ws.protocol.send_close()
        await ws.wait_closed()


async def silent(ws, query):
    """Neither reads nor writes any more, and keeps the connection."""
    ws.transport.pause_reading()
    await asyncio.Event().wait()


async def reset(ws, query):
    linger = struct.pack("ii", 1, 0)
    ws.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    ws.transport.abort()


async def drop(ws, query):
    ws.transport.abort()


async def half_close(ws, query):
    """Ends its own direction without a close frame, and goes on reading."""
    ws.transport.write_eof()
    await ws.wait_closed()


async def tell_ending(ws, query):
    await ws.send("waiting")
    await ws.send(json.dumps(await ending(query["of"])))
    await ws.wait_closed()


async def events(ws, query):
    """A sender of NMOS IS-07 events; the text value says which peer and which path it came from."""
    values = [True, 215, f"{NAME} {ws.request.path}", "b"]
    async for text in ws:
        command = json.loads(text)
        if command["command"] == "health":
            timing = {"origin_timestamp": command["timestamp"], "creation_timestamp": "1:0"}
            await ws.send(json.dumps({"message_type": "health", "timing": timing}))
            continue
        for source, event_type, value in zip(command["sources"], EVENT_TYPES, values):
            payload = {"value": value, "scale": 10} if event_type == "number" else {"value": value}
            state = {
                "identity": {"source_id": source, "flow_id": source},
                "event_type": event_type,
                "timing": {"creation_timestamp": "2:0"},
                "payload": payload,
                "message_type": "state",
            }
            await ws.send(json.dumps(state))


ACTIONS = {
    "/echo": echo,
    "/headers": headers,
    "/fragments": fragments,
    "/pings": pings,
    "/close": close,
    "/silent": silent,
    "/reset": reset,
    "/drop": drop,
    "/half-close": half_close,
    "/ending": tell_ending,
    "/x-nmos/events/ws": events,
    "/moved/events": events,
}


async def handle(ws):
    path, query = parts(ws.request)
    try:
        await ACTIONS[path](ws, query)
    except ConnectionClosed:
        pass
    if "id" in query:
        await ws.wait_closed()
        ending(query["id"]).set_result({"code": ws.close_code, "reason": ws.close_reason})


def tls(files):
    if not files:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[0], files[1])
    if len(files) > 2:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(files[2])
    return context


async def main():
    options = {
        "ssl": tls(sys.argv[3:]),
        "process_request": answer,
        "select_subprotocol": select,
        "compression": None,
        "extensions": [ServerPerMessageDeflateFactory()],
        "max_size": MAX_SIZE,
        "max_queue": None,
        "ping_interval": None,
    }
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    async with serve(handle, "127.0.0.1", port, **options) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
