//! The codes P4xxx, about connections; raises none of them.

use super::{Entry, row};
use crate::language::diagnostic::Severity::{Error, Note, Warning};

pub(super) const MIXED_SYNTAX: Entry = row(
    "P4001",
    Error,
    "connections declared in two ways",
    "Connections stand either in `Type` with `PortSettings`, or in `Connections`. With both, their numbers would be anybody's guess.",
    "<Type>http</Type><Connections><Connection id=\"0\"><Http/></Connection></Connections>",
    "<Connections><Connection id=\"0\"><Http/></Connection></Connections>",
);
pub(super) const HANDSHAKE_CONNECTIONS: Entry = row(
    "P4002",
    Error,
    "a handshake that is not exactly one request",
    "The opening handshake of a WebSocket is one request with one answer, so its session has one `Connection`.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection><Connection id=\"2\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
);
pub(super) const HANDSHAKE_URL: Entry = row(
    "P4003",
    Warning,
    "a handshake whose path is written out",
    "In a handshake `url` holds the id of the parameter with the path, as in the original. Other text is taken as the path itself, which then can never change.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request url=\"/events\"/></Connection></Session></HTTP>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request url=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
);
pub(super) const RUNTIME_HEADER: Entry = row(
    "P4004",
    Warning,
    "a header that the runtime writes itself",
    "The headers that make a request a WebSocket handshake (`Upgrade`, `Connection`, `Sec-WebSocket-Key`, `Sec-WebSocket-Version`), and `Content-Length` of a request, depend on what is sent. A second one would break the request, so what the definition says is left out.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Upgrade\">websocket</Header></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Origin\">https://example.com</Header></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
);
pub(super) const HEADER_LINE_BREAK: Entry = row(
    "P4005",
    Error,
    "a header value with a line break",
    "A line break would end the header and begin another one, so a value with one is never sent. Text that is only wrapped over lines of the definition is put on one line, with a warning.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Note\" pid=\"1\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type><Interprete><Type>string</Type><DefaultValue>a&#10;b</DefaultValue></Interprete></Param></Params>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Note\" pid=\"1\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type><Interprete><Type>string</Type><DefaultValue>a b</DefaultValue></Interprete></Param></Params>",
);
pub(super) const BAD_HEADER_NAME: Entry = row(
    "P4006",
    Error,
    "a name that no header can have",
    "The name of a header has letters, digits and some signs such as `-` (RFC 9110, 5.1), no blank and no colon.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X Note:\">a</Header></Headers></Request></Connection></Session></HTTP>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Note\">a</Header></Headers></Request></Connection></Session></HTTP>",
);
pub(super) const UNKNOWN_EXTENSION: Entry = row(
    "P4007",
    Warning,
    "a WebSocket extension that this runtime does not have",
    "A server that selects it would speak in a way that is not understood, so the link then fails. `permessage-deflate` is there.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"Sec-WebSocket-Extensions\">permessage-bzip2</Header></Headers></Request></Connection></Session></HTTP>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"Sec-WebSocket-Extensions\">permessage-deflate</Header></Headers></Request></Connection></Session></HTTP>",
);
pub(super) const CONNECTION_NUMBER: Entry = row(
    "P4008",
    Note,
    "a connection whose id is not its position",
    "Everything that refers to a connection means its position, counted from 0. The `id` is a number for people.",
    "<Connections><Connection id=\"1\"><Http/></Connection></Connections>",
    "<Connections><Connection id=\"0\"><Http/></Connection></Connections>",
);
pub(super) const SECOND_ADDRESS: Entry = row(
    "P4009",
    Warning,
    "two parameters for the address of one connection",
    "Only the first is used. `dynamic ip` without a number is that of connection 0.",
    "<Type>http</Type><Params><Param id=\"1\"><Type options=\"dynamic ip\">read</Type></Param><Param id=\"2\"><Type options=\"dynamic ip 0\">read</Type></Param></Params>",
    "<Type advanced=\"http\">http</Type><Params><Param id=\"1\"><Type options=\"dynamic ip\">read</Type></Param><Param id=\"2\"><Type options=\"dynamic ip 1\">read</Type></Param></Params>",
);
pub(super) const HANDSHAKE_UNUSED: Entry = row(
    "P4010",
    Warning,
    "a handshake of a connection that is no WebSocket",
    "The session is not used unless `WebSocket` is `true`.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
);
pub(super) const HANDSHAKE_VERB: Entry = row(
    "P4011",
    Warning,
    "a handshake that does not ask with GET",
    "A WebSocket opens with `GET` (RFC 6455, 4.1).",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"POST\" pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"GET\" pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
);
pub(super) const NO_PATH: Entry = row(
    "P4012",
    Note,
    "a handshake without a path",
    "It asks for `/`. Most servers serve their events under a path of their own.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"GET\"/></Connection></Session></HTTP>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"GET\" pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
);
pub(super) const PORT_ORDER: Entry = row(
    "P4013",
    Warning,
    "port settings in another order than the connections",
    "`PortSettings` below `Ports` belong to the connections of `Type@advanced` by their order, whatever their names say.",
    "<Type advanced=\"http:A;http:B\">http</Type><Ports><PortSettings name=\"B\"/><PortSettings name=\"A\"/></Ports>",
    "<Type advanced=\"http:A;http:B\">http</Type><Ports><PortSettings name=\"A\"/><PortSettings name=\"B\"/></Ports>",
);
pub(super) const NO_VERIFICATION: Entry = row(
    "P4014",
    Warning,
    "a connection that takes any certificate",
    "Anyone on the way can read and change what is sent. A certificate of your own authority is as easy to set up.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls verify=\"false\"/></CommunicationOptions></Http></Connection></Connections>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls ca=\"ca.pem\"/></CommunicationOptions></Http></Connection></Connections>",
);
pub(super) const HALF_CERTIFICATE: Entry = row(
    "P4015",
    Error,
    "a client certificate without its key",
    "Both files are needed to prove who the client is.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls certificate=\"a.pem\"/></CommunicationOptions></Http></Connection></Connections>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls certificate=\"a.pem\" key=\"a.key\"/></CommunicationOptions></Http></Connection></Connections>",
);
pub(super) const BAD_PROXY: Entry = row(
    "P4016",
    Error,
    "a proxy address that cannot be read",
    "A proxy is `http://host:port`, `https://host:port`, `socks5://host:port` (names are resolved here) or `socks5h://host:port` (by the proxy), with user and password in front of the host if need be.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Proxy url=\"proxy.example\"/></CommunicationOptions></Http></Connection></Connections>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Proxy url=\"http://proxy.example:3128\"/></CommunicationOptions></Http></Connection></Connections>",
);
pub(super) const BAD_STOP_CODE: Entry = row(
    "P4017",
    Warning,
    "a code that no link ends with",
    "`stopOn` lists HTTP statuses from 300 to 599 and close codes from 1000 to 4999.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Reconnect stopOn=\"402;gone\"/></CommunicationOptions></Http></Connection></Connections>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Reconnect stopOn=\"402;410\"/></CommunicationOptions></Http></Connection></Connections>",
);
pub(super) const HEADER_NEVER_SET: Entry = row(
    "P4018",
    Note,
    "a header that nothing fills",
    "The parameter has no default, and no response, action or write parameter gives it a value. The settings of an element may.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Authorization\" pid=\"9\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param><Param id=\"9\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Authorization\" pid=\"9\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param><Param id=\"9\" save=\"true\"><Type>read</Type></Param></Params>",
);
pub(super) const BAD_MEDIA_TYPE: Entry = row(
    "P4019",
    Warning,
    "a type that no file has",
    "`bs:mediaType` has two parts with `/` between them (RFC 9110, 8.3.1), such as `application/zip`.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request verb=\"POST\"><Headers><Header key=\"Content-Type\">multipart/form-data</Header></Headers><Parameters><Parameter key=\"payload\" pid=\"5\" bs:file=\"a.zip\" bs:mediaType=\"zip\"/></Parameters></Request></Connection></Session></HTTP><Params><Param id=\"5\" save=\"true\"><Type>read</Type></Param></Params>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request verb=\"POST\"><Headers><Header key=\"Content-Type\">multipart/form-data</Header></Headers><Parameters><Parameter key=\"payload\" pid=\"5\" bs:file=\"a.zip\" bs:mediaType=\"application/zip\"/></Parameters></Request></Connection></Session></HTTP><Params><Param id=\"5\" save=\"true\"><Type>read</Type></Param></Params>",
);
pub(super) const HALF_TOKEN: Entry = row(
    "P4020",
    Error,
    "a token that is not told in full, or twice",
    "`bs:Token` needs `session`, which fetches the token, and `pid`, which receives it. It is in one place (`path`, or `header`, or the whole body), and one thing says how long it is good for (`lifetime`, `lifetimePath` or `jwt`). Or it has `sharedWith` alone, which names another connection that has a token of its own. Nor may the session that fetches it need it, directly or by way of other tokens.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Token session=\"1\" path=\"$.token\"/></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"1\"><Connection id=\"1\"><Request verb=\"POST\" url=\"/token\"/></Connection></Session></HTTP>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Token session=\"1\" path=\"$.token\" pid=\"5\"/></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"1\"><Connection id=\"1\"><Request verb=\"POST\" url=\"/token\"/></Connection></Session></HTTP><Params><Param id=\"5\" bs:secret=\"true\"><Type>read</Type></Param></Params>",
);
pub(super) const SESSION_OVER_NOTHING: Entry = row(
    "P4021",
    Warning,
    "an HTTP session over a connection that cannot carry it",
    "A group sends over connection 0 unless `connection` says otherwise. Only an HTTP or a WebSocket connection has a host that requests can go to; over another one nothing is sent.",
    "<Connections><Connection id=\"0\"><Virtual/></Connection><Connection id=\"1\"><Http/></Connection></Connections><HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/></Connection></Session></HTTP><Groups><Group id=\"1\"><Content><Session>1</Session></Content></Group></Groups>",
    "<Connections><Connection id=\"0\"><Virtual/></Connection><Connection id=\"1\"><Http/></Connection></Connections><HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/></Connection></Session></HTTP><Groups><Group id=\"1\" connection=\"1\"><Content><Session>1</Session></Content></Group></Groups>",
);
pub(super) const UNUSED_SESSION: Entry = row(
    "P4022",
    Note,
    "an HTTP session that nothing sends",
    "A session runs when a group holds it, when a connection opens with it, when `bs:Token` fetches a token with it, or before a dial (`bs:Reconnect before`). Nothing of this names it.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/></Connection></Session></HTTP>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/></Connection></Session></HTTP><Groups><Group id=\"1\"><Content><Session>1</Session></Content></Group></Groups>",
);
pub(super) const OPEN_TOKEN: Entry = row(
    "P4023",
    Warning,
    "a token that everybody can read",
    "The value of a parameter is shown in the API, in logs and in `backshell tap` unless it is secret. A token is as good as a password while it lasts.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Token session=\"1\" pid=\"5\"/></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"1\"><Connection id=\"1\"><Request verb=\"POST\" url=\"/token\"/></Connection></Session></HTTP><Params><Param id=\"5\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Token session=\"1\" pid=\"5\"/></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"1\"><Connection id=\"1\"><Request verb=\"POST\" url=\"/token\"/></Connection></Session></HTTP><Params><Param id=\"5\" bs:secret=\"true\"><Type>read</Type></Param></Params>",
);
pub(super) const TWO_LOGINS: Entry = row(
    "P4024",
    Warning,
    "a user name and an `Authorization` header",
    "A request has one `Authorization` header. The one of the definition is sent while it has a value, and the user name is then of no use.",
    "<HTTP><Session id=\"1\" userName=\"5\" password=\"6\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"Authorization\" pid=\"7\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"5\"><Type>read</Type></Param><Param id=\"6\"><Type>read</Type></Param><Param id=\"7\"><Type>read</Type></Param></Params>",
    "<HTTP><Session id=\"1\" userName=\"5\" password=\"6\"><Connection id=\"1\"><Request url=\"/\"/></Connection></Session></HTTP><Params><Param id=\"5\"><Type>read</Type></Param><Param id=\"6\"><Type>read</Type></Param></Params>",
);
pub(super) const TOKEN_IN_CLEAR: Entry = row(
    "P4025",
    Note,
    "a token or a password without encryption",
    "The address of the request begins with `http://`, so that whoever is on the way can read what it carries, and use it. An address on this machine is left alone.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"http://api.example/jobs\"><Headers><Header key=\"Authorization\" pid=\"5\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"5\" bs:secret=\"true\"><Type>read</Type></Param></Params>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"https://api.example/jobs\"><Headers><Header key=\"Authorization\" pid=\"5\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"5\" bs:secret=\"true\"><Type>read</Type></Param></Params>",
);
