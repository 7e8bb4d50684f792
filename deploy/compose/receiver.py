# ruff: noqa: INP001 - a script, not a package
"""Print every alert that an Alertmanager posts: who would be told of what. For the demo alone."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "127.0.0.1:9099"
"""As in deploy/alertmanager/alertmanager.yml; the first argument stands in its place."""


class Receiver(BaseHTTPRequestHandler):
    """Every path is a receiver of its own, such as ``/page``."""

    def do_POST(self) -> None:
        """Print one line for each alert of a message."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in message["alerts"]:
            words = (self.path.strip("/"), alert["status"], alert["labels"]["alertname"])
            sys.stdout.write(f"{' '.join(words)}: {alert['annotations'].get('description', '')}\n")
        sys.stdout.flush()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is given by http.server
        """Say nothing of the requests themselves."""


if __name__ == "__main__":
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else ADDRESS).rpartition(":")
    ThreadingHTTPServer((host, int(port)), Receiver).serve_forever()
