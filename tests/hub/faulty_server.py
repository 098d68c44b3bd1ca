"""A web server on this machine that errs as it is told."""

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.hub.local_server import LocalServer


@dataclass
class Fault:
    """How one answer differs from the right one."""

    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None  # bytes of the answer after which the connection is closed
    flip: int | None = None  # byte of the file whose lowest bit is turned
    ranges: bool = True
    content_range: str | None = None
    raw: bytes | None = None  # what is sent instead of an answer
    drip: float = 0.0  # seconds between two bytes of it


class FaultyServer(LocalServer):
    """Serves `files` (content by path); the next answers take their faults from `script`, later ones have none."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.script: list[Fault] = []
        self.always: Fault | None = None  # after the script
        self.ranges: list[str | None] = []  # what each request asked for
        self.paths: list[str] = []
        self.tag: str | None = '"one"'
        self.piece = 1 << 20
        self.pause = threading.Event()
        self.seconds = 0.0  # between two pieces
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.answer(self)

            def log_message(self, *args):
                pass

        super().__init__(Handler)

    def __exit__(self, *error) -> None:
        self.pause.set()
        super().__exit__(*error)

    def answer(self, handler) -> None:
        fault = self.script.pop(0) if self.script else self.always or Fault()
        asked = handler.headers.get("Range")
        self.paths.append(handler.path)
        self.ranges.append(asked)
        if fault.raw is not None:
            self.send_raw(handler, fault)
            return
        content = self.files.get(handler.path)
        if content is None and fault.status == 200:
            fault = Fault(status=404)
        if fault.status != 200 or fault.body is not None:
            body = fault.body or b""
            self.send(handler, fault.status, {"Content-Length": str(len(body)), **fault.headers}, body)
            return
        start, status = 0, 200
        headers = {"Content-Type": "application/octet-stream"}
        if self.tag:
            headers["ETag"] = self.tag
        if asked and fault.ranges and handler.headers.get("If-Range") in (None, self.tag):
            start, status = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]), 206
            headers["Content-Range"] = fault.content_range or f"bytes {start}-{len(content) - 1}/{len(content)}"
        if fault.flip is not None:
            content = bytearray(content)
            content[fault.flip] ^= 1
        body = bytes(content[start:])
        headers = {**headers, "Content-Length": str(len(body)), **fault.headers}
        self.send(handler, status, headers, body[: fault.cut])

    def send(self, handler, status, headers, body) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            for start in range(0, len(body), self.piece):
                handler.wfile.write(body[start : start + self.piece])
                handler.wfile.flush()
                self.pause.wait(self.seconds)
        except OSError:
            pass  # the client is gone

    def send_raw(self, handler, fault) -> None:
        handler.close_connection = True
        pieces = [fault.raw] if not fault.drip else [bytes([byte]) for byte in fault.raw]
        try:
            for piece in pieces:
                handler.wfile.write(piece)
                handler.wfile.flush()
                self.pause.wait(fault.drip)
        except OSError:
            pass  # the client is gone
