"""No handler at all: one request by a socket, so that what remains is the interpreter and the runtime."""

import os
import socket


def handler(*_: object) -> None:
    """Send a request for a template, and answer nobody."""
    host, port = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /memberships/m/privacybudgettemplates HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        connection.recv(1)
