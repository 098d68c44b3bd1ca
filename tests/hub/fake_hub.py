"""The Hugging Face Hub on this machine, as far as its client asks: repositories that are dicts of files by commit."""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler

from tests.hub.local_server import LocalServer


class FakeHub(LocalServer):
    """Serves `commits[repository][commit]`, files by name; `branches[repository]` says where a branch is.

    Safetensors come by a redirect to another host, as large files do there. `library` is what it says of a repository,
    and `gated` holds names of those given on request.
    """

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.library: dict[str, str] = {}
        self.gated: set[str] = set()
        self.asked: list[str] = []
        self.tokens: dict[str, str | None] = {}  # by what was asked
        self.private: list[str] = []
        self.sha: str | None = None  # what it says instead of the commit
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.answer(self, b"")

            def do_HEAD(self):
                owner.answer(self, b"")

            def do_POST(self):
                owner.answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def log_message(self, *args):
                pass

        super().__init__(Handler)

    def put(self, repository: str, files: dict[str, bytes], branch: str = "main") -> str:
        """A new commit of these files alone; returns it."""
        parts = [branch, *(f"{name}:{hashlib.sha1(content).hexdigest()}" for name, content in sorted(files.items()))]
        commit = hashlib.sha1("\n".join(parts).encode()).hexdigest()
        self.commits.setdefault(repository, {})[commit] = dict(files)
        self.branches.setdefault(repository, {})[branch] = commit
        return commit

    def answer(self, handler, body: bytes) -> None:
        path = handler.path.split("?")[0]
        self.asked.append(f"{handler.command} {path}")
        self.tokens[self.asked[-1]] = handler.headers.get("Authorization")
        for pattern, method in (
            (r"/api/models/(?P<repository>[^/]+/[^/]+)(?:/revision/(?P<revision>[^/]+))?", self._info),
            (r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)", self._file),
            (r"/far/(?P<repository>[^/]+/[^/]+)/(?P<revision>[^/]+)/(?P<name>.+)", self._far),
            (r"/api/repos/create", self._create),
            (r"/api/validate-yaml", self._validate),
            (r"/api/models/(?P<repository>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)", self._preupload),
            (r"/api/models/(?P<repository>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)", self._commit),
        ):
            match = re.fullmatch(pattern, path)
            if match:
                method(handler, body=body, **match.groupdict())
                return
        self._send(handler, 404, {})

    def _found(self, handler, repository, revision):
        """The commit of a revision; None where an error was sent."""
        if repository in self.gated:
            self._send(handler, 403, {"X-Error-Code": "GatedRepo"})
        elif repository not in self.commits:
            self._send(handler, 404, {"X-Error-Code": "RepoNotFound"})
        else:
            commit = self.branches[repository].get(revision or "main", revision)
            if commit in self.commits[repository]:
                return commit
            self._send(handler, 404, {"X-Error-Code": "RevisionNotFound"})
        return None

    def _info(self, handler, body, repository, revision) -> None:
        commit = self._found(handler, repository, revision)
        if commit is not None:
            told = {"id": repository, "modelId": repository, "sha": self.sha or commit, "tags": [], "private": False}
            told["siblings"] = [{"rfilename": name} for name in self.commits[repository][commit]]
            if repository in self.library:
                told["library_name"] = self.library[repository]
            self._send_json(handler, told)

    def _file(self, handler, body, repository, revision, name) -> None:
        commit = self._found(handler, repository, revision)
        if commit is None:
            return
        content = self.commits[repository][commit].get(name)
        headers = {"X-Repo-Commit": commit}
        if content is None:
            self._send(handler, 404, {**headers, "X-Error-Code": "EntryNotFound"})
            return
        tag = hashlib.sha256(content).hexdigest()
        if name.endswith(".safetensors"):
            told = {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content))}
            far = self.address.replace("127.0.0.1", "localhost")
            self._send(handler, 302, {**headers, **told, "Location": f"{far}/far/{repository}/{commit}/{name}"})
            return
        self._send(handler, 200, {**headers, "ETag": f'"{tag}"'}, content)

    def _far(self, handler, body, repository, revision, name) -> None:
        self._send(handler, 200, {}, self.commits[repository][revision][name])

    def _create(self, handler, body) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if asked.get("visibility") == "private" or asked.get("private"):
            self.private.append(name)
        self.put(name, {})
        self._send_json(handler, {"url": f"{self.address}/{name}", "id": name})

    def _validate(self, handler, body) -> None:
        self.validated = json.loads(body)
        self._send_json(handler, {"errors": [], "warnings": []})

    def _preupload(self, handler, body, repository, revision) -> None:
        files = [
            {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]
        ]
        self._send_json(handler, {"files": files})

    def _commit(self, handler, body, repository, revision) -> None:
        lines = [json.loads(line) for line in body.splitlines() if line]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        commit = self.put(repository, {**self.commits[repository][self.branches[repository]["main"]], **files})
        self._send_json(
            handler, {"success": True, "commitOid": commit, "commitUrl": f"{self.address}/{repository}/commit/{commit}"}
        )

    def _send_json(self, handler, told) -> None:
        self._send(handler, 200, {"Content-Type": "application/json"}, json.dumps(told).encode())

    def _send(self, handler, status, headers, body=b"") -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)
