"""Runs `nginx` as a web server of a test, with a configuration made here.

Arguments: port (0 for any), the program, a folder for its files, and for TLS: certificate, key, and the CA of clients, who
must show a certificate then. Says its port in its first line of output; ends when its standard input closes. Each request is
a line of `access.log` in the folder.
"""

import os
import signal
import socket
import sys
import time

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  log_format seen '$connection $connection_requests $server_protocol $request_method $request_uri $status $remote_user';
  access_log {folder}/access.log seen;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type text/plain;
  charset utf-8;
  keepalive_timeout 30s;
  limit_req_zone $server_name zone=limited:32k rate=2r/s;
  limit_req_status 429;
  server {{
    listen 127.0.0.1:{port} {tls};
    server_name localhost;
    {certificates}
    root {folder};
    location = /who {{ return 200 "$server_protocol client $ssl_client_s_dn"; }}
    location = /basic {{
      auth_basic "the shop";
      auth_basic_user_file {folder}/users;
      try_files /page.txt =404;
    }}
    location = /packed {{ gzip on; gzip_types text/plain; gzip_min_length 1; gzip_http_version 1.0; try_files /page.txt =404; }}
    location = /old {{ return 301 /who; }}
    location = /circle {{ return 302 /circle; }}
    location = /limited {{
      limit_req zone=limited;
      add_header Retry-After 1 always;
      try_files /page.txt =404;
    }}
    location = /once {{ keepalive_requests 1; try_files /page.txt =404; }}
    location = /hasty {{ keepalive_timeout 30ms; try_files /page.txt =404; }}
    location = /small {{ client_max_body_size 10; try_files /page.txt =404; error_page 405 =200 /page.txt; }}
  }}
}}
"""


def watch(server, port):
    """Says the port once it is served; ends the server with the test."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            if os.getppid() != server:
                return
            time.sleep(0.02)
    print(port, flush=True)
    sys.stdin.read()
    # Otherwise it has been ended already.
    if os.getppid() == server:
        os.kill(server, signal.SIGTERM)


def main(port, program, folder, files):
    # Bound and never listening: keeps the port free for the server.
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    port = held.getsockname()[1]
    certificates = ""
    if files:
        certificates = f"ssl_certificate {files[0]}; ssl_certificate_key {files[1]};"
    if len(files) > 2:
        certificates += f"ssl_client_certificate {files[2]}; ssl_verify_client on;"
    with open(f"{folder}/nginx.conf", "w") as file:
        tls = "ssl http2" if files else ""
        file.write(CONFIGURATION.format(folder=folder, port=port, tls=tls, certificates=certificates))
    with open(f"{folder}/users", "w") as file:
        file.write("u:{PLAIN}p\n")
    with open(f"{folder}/page.txt", "w") as file:
        file.write("the page of nginx, 21.5 \u00b0C\n" * 100)
    server = os.getpid()
    if os.fork() == 0:
        watch(server, port)
        return
    # The server is this process, so that whoever started it can end it.
    os.execv(program, [program, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", "stderr"])


main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
