"""A page of somebody else on this machine, and a sink that notes what is fetched from it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_PAGE = """<!doctype html><title>foreign</title><script>
const server = SERVER, told = [], body = JSON.stringify({include_secrets: true})
const json = {"Content-Type": "application/json"}
async function attempt(name, path, options) {
  try {
    const answer = await fetch(server + path, options)
    told.push([name, answer.type === "opaque" ? "" : await answer.text()])
  } catch { told.push([name, ""]) }
}
async function all() {
  const create = "/api/deployments/DEPLOYMENT/create_flow_run"
  for (const credentials of ["include", "omit"]) {
    await attempt("blocks", "/api/block_documents/filter", {method: "POST", headers: json, body, credentials})
    await attempt("plain", "/api/block_documents/filter", {method: "POST", mode: "no-cors", body, credentials})
    await attempt("run", create, {method: "POST", headers: json, body: "{}", credentials})
    await attempt("plain run", create, {method: "POST", mode: "no-cors", body: "{}", credentials})
    await attempt("job", "/api/deployments/DEPLOYMENT",
      {method: "PATCH", headers: json, body: '{"job_variables": {"command": "id"}}', credentials})
    await attempt("page", "/simtandem/login", {credentials})
    await attempt("health", "/api/health", {credentials})
  }
  const socket = new WebSocket(server.replace("http", "ws") + "/api/events/out", "prefect")
  await new Promise(done => { socket.onopen = () => { told.push(["socket", "open"]); done() }; socket.onclose = done })
  const frame = document.body.appendChild(document.createElement("iframe"))
  await new Promise(done => { frame.onload = done; frame.src = server + "/v2/deployments" })
  told.push(["storage", localStorage.getItem("prefect-password") || ""])
  return told
}
</script><body></body>"""


class ForeignPage(ThreadingHTTPServer):
    """Serves a page that tries all it can against that server and its deployment."""

    daemon_threads = True

    def __init__(self, server: str, deployment: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.page = _PAGE.replace("SERVER", repr(server)).replace("DEPLOYMENT", deployment).encode()
        self.fetched: list[tuple[str, str]] = []
        """Path, and the cookies that came with it."""
        self.authorizations: set[str] = set()
        self.address = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Answering(BaseHTTPRequestHandler):
    server: ForeignPage

    def do_GET(self) -> None:
        self.server.fetched.append((self.path, self.headers.get("Cookie", "")))
        self.server.authorizations.add(self.headers.get("Authorization", ""))
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.page if self.path == "/" else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass
