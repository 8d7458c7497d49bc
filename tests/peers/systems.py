"""Enonic XP and Pydio Cells as far as their clients see them, on the library `aiohttp`.

Arguments: port (0 for any), name. Says its port in its first line of output; ends when its standard input closes.
`/seen` tells what came in, in order. `/do/...` is what happens inside of the system: a session or a token that ends, something
that is published, a file that changes.
"""

import asyncio
import itertools
import json
import sys

from aiohttp import WSMsgType, web

USER, PASSWORD = "monitoring", "correct-horse"

seen = []


def saw(what, **more):
    seen.append({"what": what, **more})


async def tell(request):
    return web.json_response(seen)


def given(request):
    return bytes.fromhex(request.query["hex"]).decode()


async def each(ws):
    """The texts of a client until it leaves."""
    async for message in ws:
        if message.type == WSMsgType.TEXT:
            yield message.data


# Enonic XP: a service with lib-websocket as in its guide, and the hub of admin events.

sessions = set()
numbers = itertools.count(1)
chat = set()
hub = {}
topics = {"com.example.news:published": 41}
epoch = "e1"


def session_of(request):
    session = request.cookies.get("JSESSIONID")
    return session if session in sessions else None


async def login(request):
    body = await request.json()
    good = (body["action"], body["user"], body["password"]) == ("login", USER, PASSWORD)
    saw("login", good=good)
    answer = web.json_response({"authenticated": good, "message": None if good else "Access Denied"})
    if good:
        session = f"node{next(numbers)}.n0"
        sessions.add(session)
        answer.set_cookie("JSESSIONID", session, path="/", httponly=True, samesite="Lax")
    return answer


async def members(request):
    return web.Response(status=200 if session_of(request) else 401, text="a page")


def upgrade(request, protocols):
    names = ["Cookie", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "Authorization"]
    headers = {name: request.headers[name] for name in names if name in request.headers}
    saw("opened", path=request.path_qs, headers=headers)
    return web.WebSocketResponse(protocols=protocols, heartbeat=None)


async def service(request):
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return web.Response(status=404)
    ws = upgrade(request, ["text"])
    await ws.prepare(request)
    chat.add(ws)
    await ws.send_str(f"Welcome to our chat {USER if session_of(request) else 'anonymous'}")
    async for text in each(ws):
        saw("text", text=text)
        for member in list(chat):
            await member.send_str(text)
    chat.discard(ws)
    return ws


async def publish(topic, data):
    topics[topic] += 1
    for ws, subscriptions in list(hub.items()):
        if topic in subscriptions:
            await ws.send_json({"type": "event", "topic": topic, "seq": topics[topic], "data": data})


async def events_hub(request):
    if session_of(request) is None:
        return web.Response(status=401)
    ws = upgrade(request, ["json"])
    await ws.prepare(request)
    hub[ws] = set()
    async for text in each(ws):
        frame = json.loads(text)
        saw("frame", frame=frame)
        topic = frame.get("topic")
        if frame["type"] == "ping":
            await ws.send_json({"type": "pong"})
        elif frame["type"] == "unsubscribe":
            hub[ws].discard(topic)
        elif frame["type"] == "pub" and topic not in hub[ws]:
            await ws.send_json({"type": "error", "code": "notSubscribed", "topic": topic})
        elif frame["type"] == "pub":
            await publish(topic, frame["data"])
        elif topic not in topics:
            await ws.send_json({"type": "deny", "topic": topic, "reason": "unknown"})
        else:
            hub[ws].add(topic)
            await ws.send_json({"type": "ack", "topic": topic, "seq": topics[topic], "epoch": epoch})
    del hub[ws]
    return ws


async def end_sessions(request):
    sessions.clear()
    for ws in [*chat, *hub]:
        await ws.close(code=1008, message=b"HTTP session ended")
    return web.Response()


async def lose(request):
    """Numbers that nobody gets, and one that all get."""
    topics["com.example.news:published"] += int(request.query["count"])
    await publish("com.example.news:published", "after a gap")
    return web.Response()


async def say(request):
    for ws in [*chat, *hub, *followers, *talkers]:
        await ws.send_str(given(request))
    return web.Response()


# Pydio Cells: events and chat.

tokens = set()
followers = {}
talkers = {}
rooms = {}
messages = {}


async def cells_session(request):
    info = (await request.json())["AuthInfo"]
    good = info == {"type": "credentials", "login": USER, "password": PASSWORD}
    saw("login", good=good)
    if not good:
        return web.json_response({"Title": "no user"}, status=401)
    token = f"jwt-{next(numbers)}"
    tokens.add(token)
    return web.json_response({"Token": {"AccessToken": token, "IDToken": "x", "ExpiresAt": "1"}})


async def namespaces(request):
    good = request.headers.get("Authorization", "").removeprefix("Bearer ") in tokens
    return web.json_response({"Namespaces": []}, status=200 if good else 401)


async def subscribed(request, ws, sockets, message):
    """Whether it was a message of the session; one with a refused token ends in a close frame that has JSON for its code."""
    if message.get("@type") == "unsubscribe":
        sockets[ws] = None
    elif message.get("@type") != "subscribe":
        return False
    elif message["jwt"] in tokens:
        sockets[ws] = USER
    else:
        text = json.dumps({"@type": "error", "jwt": "", "error": "refused"}).encode()
        request.transport.write(bytes([0x88, len(text)]) + text)
        await asyncio.sleep(0.05)
        request.transport.abort()
    return True


async def follow(request):
    ws = upgrade(request, [])
    await ws.prepare(request)
    followers[ws] = None
    async for text in each(ws):
        message = json.loads(text)
        saw("event socket", message=message)
        await subscribed(request, ws, followers, message)
    del followers[ws]
    return ws


async def to_members(room, message):
    for ws in [ws for ws in talkers if room in ws["rooms"]]:
        await ws.send_json(message)


async def update(room):
    await to_members(room["Uuid"], {"@type": "ROOM_UPDATE", "Room": {key: value for key, value in room.items() if value}})


async def talk(request):
    ws = upgrade(request, [])
    await ws.prepare(request)
    ws["rooms"] = set()
    talkers[ws] = None
    async for text in each(ws):
        message = json.loads(text)
        saw("chat", message=message)
        if await subscribed(request, ws, talkers, message) or talkers[ws] is None:
            continue
        await handle(ws, talkers[ws], message)
    del talkers[ws]
    return ws


async def handle(ws, user, message):
    kind, given = message["@type"], message.get("Message", {})
    if kind in ("JOIN", "HISTORY", "LEAVE"):
        key = (message["Room"]["Type"], message["Room"]["RoomTypeObject"])
        new = {"Uuid": f"r{len(rooms) + 1}", "Type": key[0], "RoomTypeObject": key[1], "Users": []}
        room = rooms.setdefault(key, new)
        present = given.get("Message") == "PING" and user in room["Users"]
        if kind == "JOIN" and not present:
            ws["rooms"].add(room["Uuid"])
            room["Users"] = sorted({*room["Users"], user, "al"})
            await update(room)
        elif kind == "LEAVE":
            room["Users"].remove(user)
            await update(room)
            ws["rooms"].discard(room["Uuid"])
        elif kind == "HISTORY":
            page = json.loads(given["Message"])
            told = [one for one in messages.values() if one["RoomUuid"] == room["Uuid"]]
            end = len(told) - page["Offset"]
            for one in told[max(end - page["Limit"], 0):end]:
                await ws.send_json(one)
    elif given["RoomUuid"] in ws["rooms"] and kind == "POST":
        uuid = given.get("Uuid", f"m{len(messages) + 1}")
        one = {"Uuid": uuid, "RoomUuid": given["RoomUuid"], "Message": given["Message"], "Author": user, "Timestamp": "1767225600"}
        if uuid in messages:
            one["Activity"] = {"items": [{"name": messages[uuid]["Message"]}]}
        messages[uuid] = one
        await to_members(given["RoomUuid"], one)
    elif given["RoomUuid"] in ws["rooms"] and kind == "DELETE_MSG" and given["Author"] == user:
        await to_members(given["RoomUuid"], {"@type": "DELETE_MSG", "Message": messages.pop(given["Uuid"])})


async def change(request):
    """An event for all who have subscribed, with the noise that follows it."""
    for ws in [ws for ws, user in followers.items() if user]:
        await ws.send_str(given(request))
        await ws.send_str('"dump"')
    return web.Response()


async def revoke(request):
    tokens.clear()
    for ws in [*followers, *talkers]:
        ws._req.transport.abort()
    return web.Response()


async def main():
    application = web.Application()
    application.add_routes(
        [
            web.get("/seen", tell),
            web.post("/_/idprovider/system", login),
            web.get("/members", members),
            web.get("/_/service/com.example.chat/chat", service),
            web.get("/api/admin:events", events_hub),
            web.get("/do/end-sessions", end_sessions),
            web.get("/do/lose", lose),
            web.get("/do/say", say),
            web.post("/a/frontend/session", cells_session),
            web.get("/a/user-meta/namespace", namespaces),
            web.get("/ws/event", follow),
            web.get("/ws/chat", talk),
            web.get("/do/change", change),
            web.get("/do/revoke", revoke),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]), shutdown_timeout=0.1)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


asyncio.run(main())
