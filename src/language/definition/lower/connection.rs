//! Connections and HTTP sessions of a document; resolves nothing.

use crate::language::definition::connection::{
    Connection, Connections, Exchange, Field, Options, Port, Session,
};
use crate::language::definition::lower::{id, mapping, number, number_in, our_value, settings, text, value};
use crate::language::definition::{Id, Text};
use crate::language::xml::{Element, Namespace};

pub(super) fn connections(root: Element<'_>) -> Connections<'_> {
    let kind = root.child("Type");
    Connections {
        kind: kind.and_then(Text::of),
        advanced: kind.and_then(|kind| value(kind, "advanced")),
        options: kind.and_then(|kind| value(kind, "communicationOptions")),
        main_port: root.child("PortSettings").map(port),
        ports: root
            .children_named("Ports")
            .flat_map(|ports| ports.children_named("PortSettings"))
            .map(port)
            .collect(),
        list: root
            .children_named("Connections")
            .flat_map(|list| list.children_named("Connection"))
            .map(connection)
            .collect(),
    }
}

/// The elements that say by their name what a connection speaks.
const KINDS: &[&str] =
    &["Http", "Snmp", "SnmpV1", "SnmpV2", "SnmpV3", "Serial", "SmartSerial", "Gpib", "Virtual"];

fn connection(element: Element<'_>) -> Connection<'_> {
    let holder =
        element.children().find(|child| KINDS.iter().any(|kind| child.name().eq_ignore_ascii_case(kind)));
    let named = holder.map(|holder| holder.name().to_ascii_lowercase());
    let inner = holder.unwrap_or(element);
    let mut port = inner
        .child("UserSettings")
        .or_else(|| inner.child("PortSettings"))
        .or_else(|| element.child("PortSettings"))
        .map_or_else(Port::default, port);
    if let Some(found) = inner.child("CommunicationOptions").or_else(|| element.child("CommunicationOptions"))
    {
        port.options = options(found);
    }
    Connection {
        span: element.tag_span(),
        id: id(element),
        name: value(element, "name"),
        by_element: named.is_some(),
        kind: named.or_else(|| text(element, "Type").map(|text| text.lower())),
        port,
    }
}

fn port(element: Element<'_>) -> Port<'_> {
    let default = |name| element.child(name).and_then(|setting| text(setting, "DefaultValue"));
    Port {
        span: element.tag_span(),
        name: value(element, "name"),
        bus_address: default("BusAddress"),
        ip_port: default("IPport"),
        timeout: default("TimeoutTime"),
        element_timeout: default("TimeoutTimeElement"),
        retries: default("Retries"),
        skip_verification: default("SkipCertificateVerification"),
        options: element.child("CommunicationOptions").map_or_else(Options::default, options),
    }
}

fn options(element: Element<'_>) -> Options<'_> {
    let notify = element.child("NotifyConnectionPIDs");
    let pid = |name| notify.and_then(|notify| notify.child(name)).and_then(number_in);
    let ours = |name| element.our_child(name).map(settings);
    Options {
        web_socket: text(element, "WebSocket"),
        handshake: element.child("WebSocketHandshake").and_then(number_in),
        connections_pid: pid("Connections"),
        disconnections_pid: pid("Disconnections"),
        make_command: text(element, "MakeCommandByProtocol"),
        redundant_polling: text(element, "RedundantPolling"),
        custom_redirect: text(element, "CustomRedirect"),
        token: ours("Token"),
        reconnect: ours("Reconnect"),
        keep_alive: ours("KeepAlive"),
        tls: ours("Tls"),
        limits: ours("Limits"),
        proxy: ours("Proxy"),
    }
}

pub(super) fn session(element: Element<'_>, id: Id) -> Session<'_> {
    Session {
        span: element.tag_span(),
        id,
        name: value(element, "name"),
        settings: settings(element),
        condition: text(element, "Condition"),
        exchanges: element.children_named("Connection").map(exchange).collect(),
    }
}

fn exchange(element: Element<'_>) -> Exchange<'_> {
    let request = element.child("Request");
    let response = element.child("Response");
    let data = request.and_then(|request| request.child("Data"));
    let template = data.and_then(|data| data.our_child("Template"));
    Exchange {
        span: element.tag_span(),
        id: id(element),
        condition: text(element, "Condition"),
        timeout: value(element, "timeout"),
        ignore_timeout: value(element, "ignoreTimeout"),
        verb: request.and_then(|request| value(request, "verb")),
        url: request.and_then(|request| value(request, "url")),
        pid: request.and_then(|request| number(request, "pid")),
        headers: request.map(|request| fields(request, "Headers", "Header")).unwrap_or_default(),
        parameters: request.map(|request| fields(request, "Parameters", "Parameter")).unwrap_or_default(),
        // The blanks around a template are not data.
        data: data.filter(|_| template.is_none()).and_then(Text::free),
        data_pid: data.and_then(|data| number(data, "pid")),
        template: template.and_then(Text::of),
        status: response.and_then(|response| number(response, "statusCode")),
        response_headers: response.map(|response| fields(response, "Headers", "Header")).unwrap_or_default(),
        content: response.and_then(|response| response.child("Content")).and_then(|text| number(text, "pid")),
        mapping: response.map(mapping).unwrap_or_default(),
    }
}

fn fields<'a>(element: Element<'a>, section: &'a str, name: &'a str) -> Vec<Field<'a>> {
    element
        .children_named(section)
        .flat_map(|section| section.children_named(name))
        .map(|field| Field {
            span: field.tag_span(),
            key: value(field, "key"),
            pid: number(field, "pid"),
            text: Text::of(field),
            slip: field.attributes().any(|attribute| {
                attribute.namespace() == Namespace::Original && !matches!(attribute.name(), "key" | "pid")
            }),
            secret: our_value(field, "secret"),
            watch: our_value(field, "watch"),
            file: our_value(field, "file"),
            media_type: our_value(field, "mediaType"),
        })
        .collect()
}
