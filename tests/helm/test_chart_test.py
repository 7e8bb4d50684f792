"""The script of `helm test`, against pages that are served here."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SCRIPT = Path(__file__).parents[2] / "helm/pentameter/files/test.py"


@contextlib.contextmanager
def pages(answer):
    """Serve what ``answer`` says of a path; yields the address and the paths that were asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(**variables):
    """Run the script as the pod does, without patience."""
    environment = {"PATH": os.environ["PATH"], "SECONDS": "-1", **variables}
    code = SCRIPT.read_text()
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def prometheus(result):
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def test_an_exporter_that_shows_its_metrics_passes():
    with pages('pentameter_build_info{version="0.1.0"} 1\n') as (address, asked):
        done = run(METRICS_URL=f"{address}/metrics")
    assert done.returncode == 0, done.stdout + done.stderr
    assert asked == ["/metrics"]


def test_another_page_does_not_pass():
    with pages("hello\n") as (address, _):
        done = run(METRICS_URL=f"{address}/metrics")
    assert done.returncode == 1
    assert "no metric of Pentameter" in done.stdout


def test_nobody_at_the_address_does_not_pass():
    done = run(METRICS_URL="http://127.0.0.1:9/metrics")
    assert done.returncode == 1
    assert "refused" in done.stdout


def test_prometheus_is_asked_the_query_and_passes_where_a_target_is_up():
    with pages(prometheus([{"metric": {}, "value": [1700000000, "2"]}])) as (address, asked):
        done = run(PROMETHEUS_URL=f"{address}/", QUERY='sum(up{job="here/rel-pentameter"})')
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = asked
    assert urlsplit(path).path == "/api/v1/query"
    assert parse_qs(urlsplit(path).query) == {"query": ['sum(up{job="here/rel-pentameter"})']}


def test_a_prometheus_without_the_target_does_not_pass_and_points_at_the_notes():
    with pages(prometheus([])) as (address, _):
        done = run(PROMETHEUS_URL=address, QUERY="sum(up)")
    assert done.returncode == 1
    assert "see the notes" in done.stdout


def test_a_target_that_is_down_does_not_pass():
    with pages(prometheus([{"metric": {}, "value": [1700000000, "0"]}])) as (address, _):
        done = run(PROMETHEUS_URL=address, QUERY="sum(up)")
    assert done.returncode == 1
    assert "cannot scrape" in done.stdout
