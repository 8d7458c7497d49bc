"""A web server on the library `aiohttp`: what it answers is in the path, and it remembers what it was asked.

Arguments: port (0 for any), name, and for TLS: certificate, key, and the CA of clients, who must show a certificate then.
Says its port in its first line of output; ends when its standard input closes. Requests with `id=<id>` in their query are
kept, and told at `/seen?of=<id>`, with the number of the connection that each came over, and whether that has ended.
"""

import asyncio
import base64
import email.utils
import hashlib
import secrets
import ssl
import sys
import time

import brotli
import zstandard
from aiohttp import web

USER, PASSWORD, REALM = "u", "p:\u00e4", "a \"quoted\" realm"
TEXT = "temperature 21.5 \u00b0C; " * 200

seen = {}
counts = {}
connections = {}
nonces = {}


@web.middleware
async def remember(request, handler):
    name = request.query.get("id")
    if name is not None:
        body = await request.read()
        counts[name] = counts.get(name, 0) + 1
        connections.setdefault(request.protocol, len(connections) + 1)
        seen.setdefault(name, []).append(
            {
                "line": f"{request.method} {request.path}",
                "target": request.raw_path,
                "headers": [[key.decode(), value.decode("latin-1")] for key, value in request.raw_headers],
                "body": body.decode("utf-8", "replace"),
                "connection": request.protocol,
            }
        )
    return await handler(request)


async def tell(request):
    def shown(record):
        protocol = record["connection"]
        return {**record, "connection": connections[protocol], "closed": protocol.transport is None}

    return web.json_response([shown(record) for record in seen.get(request.query["of"], [])])


async def hello(request):
    # Titles and charset as an ordinary page has them.
    return web.Response(text=request.query.get("say", "hello"), headers={"X-Model": "M1"})


async def basic(request):
    expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if request.headers.get("Authorization") != f"Basic {expected}":
        challenge = f'Basic realm="{REALM.replace(chr(34), chr(92) + chr(34))}", charset="UTF-8"'
        return web.Response(status=401, text="who are you", headers={"WWW-Authenticate": challenge})
    return web.Response(text="let in")


def fields(text):
    """The parameters of a Digest header."""
    found, rest = {}, text
    while rest:
        name, _, rest = rest.strip().partition("=")
        if rest.startswith('"'):
            value, at = "", 1
            while rest[at] != '"':
                at += rest[at] == "\\"
                value += rest[at]
                at += 1
            rest = rest[at + 1 :].lstrip().removeprefix(",")
        else:
            value, _, rest = rest.partition(",")
        found[name.strip().lower()] = value.strip()
    return found


def digest_fault(request, hashed, realm):
    """Why an answer to a challenge is not accepted; None if it is. RFC 7616, 3.4."""
    header = request.headers.get("Authorization", "")
    if not header.startswith("Digest "):
        return "none"
    given = fields(header.removeprefix("Digest "))
    used = nonces.get(given.get("nonce"))
    if given.get("realm") != realm or given.get("username") != USER:
        return "another login"
    # The body is no part of it with qop=auth.
    digest = lambda text: hashed(text.encode()).hexdigest()
    first = digest(f"{USER}:{realm}:{PASSWORD}")
    second = digest(f"{request.method}:{given['uri']}")
    whole = ":".join([first, given["nonce"], given["nc"], given["cnonce"], given["qop"], second])
    if given["uri"] != request.raw_path or given["response"] != digest(whole):
        return "wrong"
    if used is None or given["nc"] in used:
        return "replayed"
    used.add(given["nc"])
    return None


async def digest(request):
    """Digest in a realm of its own for each `realm`; `lives` is how many requests a nonce is good for."""
    hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[request.query["algorithm"]]
    realm = request.query.get("realm", REALM)
    await asyncio.sleep(float(request.query.get("pause", 0)))
    fault = digest_fault(request, hashed, realm)
    if fault is None:
        used = nonces[fields(request.headers["Authorization"].removeprefix("Digest "))["nonce"]]
        if len(used) <= int(request.query.get("lives", 1 << 30)):
            return web.Response(text=f"let in {len(used)}")
        fault = "replayed"
    nonce = secrets.token_hex(8)
    if "nonce" in request.query:
        # One for all who are asked at the same time, as servers have that make it from the time.
        nonce = request.query["nonce"]
    nonces.setdefault(nonce, set())
    quoted = realm.replace('"', '\\"')
    challenge = f'Digest realm="{quoted}", qop="auth", nonce="{nonce}", algorithm={request.query["algorithm"]}'
    if fault == "replayed":
        challenge += ", stale=true"
    return web.Response(status=401, text=fault, headers={"WWW-Authenticate": challenge})


async def redirect(request):
    """Redirects to `to`; `left` more times through itself before."""
    left = int(request.query.get("left", 0))
    to = request.query["to"]
    if left > 0:
        name = request.query.get("id", "")
        to = str(request.rel_url.with_query({"left": left - 1, "to": to, "id": name}))
    return web.Response(status=int(request.query.get("code", 302)), headers={"Location": to})


async def compressed(request):
    coding = request.query["with"]
    data = TEXT.encode()
    if coding in ("gzip", "deflate"):
        response = web.Response(body=data, content_type="text/plain", charset="utf-8")
        response.enable_compression(web.ContentCoding(coding))
        if "chunked" in request.query:
            response.enable_chunked_encoding()
        return response
    packed = {
        "br": lambda: brotli.compress(data),
        "zstd": lambda: zstandard.ZstdCompressor().compress(data),
    }[coding]()
    headers = {"Content-Encoding": coding, "Content-Type": "text/plain; charset=utf-8"}
    if "torn" in request.query:
        packed = packed[: len(packed) // 2]
    response = web.StreamResponse(headers=headers)
    if "chunked" in request.query:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(packed)
    await response.prepare(request)
    for at in range(0, len(packed), 7):
        await response.write(packed[at : at + 7])
    await response.write_eof()
    return response


async def chunks(request):
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for number in range(int(request.query["count"])):
        await response.write(f"chunk {number}\n".encode())
        await asyncio.sleep(float(request.query.get("pause", 0)))
    await response.write_eof()
    return response


async def slow(request):
    await asyncio.sleep(float(request.query["s"]))
    return web.Response(text="late")


async def drip(request):
    """A body of which a byte comes now and then, and never the end."""
    response = web.StreamResponse()
    response.content_length = 1 << 20
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.02)


async def cut(request):
    """A body that ends before its end."""
    response = web.StreamResponse()
    if request.query["how"] == "length":
        response.content_length = 100
    else:
        response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"half of it")
    await asyncio.sleep(0.02)
    request.transport.close()
    return response


async def status(request):
    """A status the first `times` times, then 200; `after` and `at` are Retry-After in seconds, and as a date."""
    now = time.time()
    if counts[request.query["id"]] > int(request.query.get("times", 1 << 30)):
        return web.Response(text=f"{now}")
    headers = {}
    if "after" in request.query:
        headers["Retry-After"] = request.query["after"]
    if "at" in request.query:
        headers["Retry-After"] = email.utils.formatdate(now + float(request.query["at"]), usegmt=True)
        headers["Date"] = email.utils.formatdate(now, usegmt=True)
    return web.Response(status=int(request.query["code"]), text=f"{now}", headers=headers)


async def leave(request):
    """Answers, and closes the connection while it is idle."""
    response = web.Response(text="bye")
    await response.prepare(request)
    await response.write_eof()
    asyncio.get_running_loop().call_later(0.01, request.transport.close)
    return response


async def drop(request):
    """Answers each first request of a connection, and drops the connection when a further one comes."""
    requests = seen[request.query["id"]]
    if sum(one["connection"] is requests[-1]["connection"] for one in requests) > 1:
        request.transport.abort()
    return web.Response(text="first")


async def charset(request):
    """The bytes `hex`, said to be text in `as`."""
    body = bytes.fromhex(request.query["hex"])
    return web.Response(body=body, headers={"Content-Type": f"text/plain; charset={request.query['as']}"})


async def echo(request):
    body = await request.read()
    return web.Response(body=body, headers={"Content-Type": request.headers.get("Content-Type", "text/plain")})


async def data(request):
    return web.Response(body=base64.urlsafe_b64decode(request.query["body"]), content_type="application/json")


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
    application = web.Application(middlewares=[remember], client_max_size=32 << 20)
    handlers = [hello, basic, digest, redirect, compressed, chunks, slow, drip, cut, status, leave, drop, charset, echo, data]
    for handler in handlers:
        application.router.add_route("*", f"/{handler.__name__}", handler)
    application.router.add_get("/seen", tell)
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=60)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]), ssl_context=tls(sys.argv[3:]), shutdown_timeout=0.1)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


asyncio.run(main())
