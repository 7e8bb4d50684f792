"""A server that counts tokens as a test wants, with all that can be wrong about one."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def letters(text):
    """Count a token per letter."""
    return len(text)


class TokenizerServer:
    """Answers ``/v1/models`` and ``/tokenize`` on loopback; a test changes what it says at any time.

    ``asked`` holds the paths in order, ``prompts`` what was to be counted, ``headers`` those of the last request.
    ``statuses`` makes a path answer with another status, ``refuses`` makes a text be refused with 400.
    """

    def __init__(self, model="m", root="/models/m", count=letters):
        self.models = [{"id": model, "root": root, "parent": None, "max_model_len": 2048}]
        self.count = count
        self.statuses = {}
        self.refuses = lambda _: False
        self.answer = None
        self.asked = []
        self.prompts = []
        self.questions = []
        self.headers = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # head and body leave in one segment

            def do_GET(self):
                outer.asked.append(self.path)
                self._say(outer.statuses.get(self.path, 200), {"data": outer.models})

            def do_POST(self):
                outer.asked.append(self.path)
                outer.headers = dict(self.headers)
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.questions.append(question)
                prompt = question["prompt"]
                outer.prompts.append(prompt)
                status = outer.statuses.get(self.path, 400 if outer.refuses(prompt) else 200)
                tokens = outer.count(prompt)
                said = {"count": tokens, "max_model_len": 2048, "tokens": [0] * tokens}
                self._say(status, said if outer.answer is None else outer.answer)

            def _say(self, status, said):
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
