"""A FastCGI client that speaks to a worker's socket itself, to do what nginx, which buffers bodies, never does."""

import socket
import struct

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
RESPONDER, KEEP_CONNECTION = 1, 1


def record(kind, content=b""):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(name, value):
    return struct.pack(">II", len(name) | 1 << 31, len(value) | 1 << 31) + name.encode() + value.encode()


class Peer:
    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.socket.close()

    def begin(self, method, path, length, trace):
        """Everything but the body."""
        params = {
            "REQUEST_METHOD": method, "REQUEST_URI": path, "DOCUMENT_URI": path, "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(length), "REMOTE_ADDR": "127.0.0.1", "TRACE_ID": trace,
        }
        self.socket.sendall(
            record(BEGIN, struct.pack(">HB5x", RESPONDER, KEEP_CONNECTION))
            + record(PARAMS, b"".join(pair(name, value) for name, value in params.items()))
            + record(PARAMS)
        )

    def body(self, part):
        """A part of the body, at most 65,535 bytes; b"" ends it."""
        self.socket.sendall(record(STDIN, part))

    def reply(self):
        """The status and the body."""
        text = b""
        while True:
            kind, size, padding = struct.unpack(">xBxxHBx", self.receive(8))
            content = self.receive(size)
            self.receive(padding)
            if kind == STDOUT:
                text += content
            if kind == END:
                head, _, body = text.partition(b"\r\n\r\n")
                return int(head.split(b"Status: ")[1].split()[0]), body

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("the worker closed the connection")
            data += part
        return data
