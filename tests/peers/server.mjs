// A peer for interop tests on the library `ws`: what it does with a link is in the link's path.
//
// Announces its port as the first line on stdout and ends when its stdin closes. Arguments: the library's folder, port (0 is
// any).

import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(import.meta.url)(process.argv[2]);
const port = Number(process.argv[3] ?? 0);

// How links with an `id` ended, for those who ask at `/ending`.
const endings = new Map();

function ending(name) {
  if (!endings.has(name)) {
    const waiting = {};
    waiting.promise = new Promise((resolve) => (waiting.resolve = resolve));
    endings.set(name, waiting);
  }
  return endings.get(name);
}

const parts = (request) => new URL(request.url, 'http://peer');

const actions = {
  '/echo': (ws) => ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary })),

  '/headers': (ws, url, request) => {
    const headers = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      headers.push(request.rawHeaders.slice(at, at + 2));
    }
    ws.send(JSON.stringify({ target: request.url, headers }));
  },

  '/fragments': (ws) => {
    ws.send('one ', { fin: false });
    ws.ping('in the middle');
    ws.once('pong', (payload) => {
      ws.send('', { fin: false });
      ws.send('two ', { fin: false });
      ws.send('three', { fin: true });
      ws.send(payload.toString() === 'in the middle' ? 'pong came' : `pong with ${payload}`);
    });
  },

  // Pings from the start on, each ping after the pong before it; counts the pongs before the message was whole.
  '/pings': (ws) => {
    let [pongs, amid] = [0, 0];
    let size;
    const ask = () => ws.ping(`ping ${pongs}`);
    const report = () => pongs === 10 && size !== undefined && ws.send(JSON.stringify({ size, pongs, amid }));
    ws.on('pong', (payload) => {
      if (payload.toString() !== `ping ${pongs}`) return ws.terminate();
      pongs += 1;
      if (size === undefined) amid += 1;
      if (pongs < 10) ask();
      report();
    });
    ws.on('message', (data) => {
      size = data.length;
      report();
    });
    ask();
  },

  '/close': (ws, url) => {
    const code = url.searchParams.get('code');
    if (code === null) ws.close();
    else ws.close(Number(code), url.searchParams.get('reason') ?? '');
  },

  // Neither reads nor writes any more, and keeps the connection.
  '/silent': (ws) => ws._socket.pause(),

  '/reset': (ws) => ws._socket.resetAndDestroy(),

  '/drop': (ws) => ws.terminate(),

  // Ends its own direction without a close frame, and goes on reading.
  '/half-close': (ws) => ws._socket.end(),

  '/ending': (ws, url) => {
    ws.send('waiting');
    ending(url.searchParams.get('of')).promise.then((end) => ws.send(JSON.stringify(end)));
  },
};

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: 32 << 20,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered, request) => {
    const wanted = parts(request).searchParams.get('select');
    return offered.has(wanted) ? wanted : false;
  },
});

function refuse(socket, query) {
  const body = query.get('body') ?? '';
  const lines = [`HTTP/1.1 ${query.get('code')} Refused`, 'Connection: close', `Content-Length: ${Buffer.byteLength(body)}`];
  for (const name of ['WWW-Authenticate', 'Location', 'Retry-After']) {
    if (query.has(name)) lines.push(`${name}: ${query.get(name)}`);
  }
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

const server = createServer();
server.on('upgrade', (request, socket, head) => {
  socket.on('error', () => {});
  const url = parts(request);
  if (url.pathname === '/status') return refuse(socket, url.searchParams);
  if (url.pathname === '/loop') return refuse(socket, new URLSearchParams({ code: 301, Location: '/loop' }));
  sockets.handleUpgrade(request, socket, head, (ws) => {
    ws.on('error', () => {});
    ws.on('close', (code, reason) => {
      if (url.searchParams.has('id')) ending(url.searchParams.get('id')).resolve({ code, reason: reason.toString() });
    });
    actions[url.pathname](ws, url, request);
  });
});
server.listen(port, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
