"""The receivers of spans follow the settings."""

import socket

import pytest
from fastapi import FastAPI

from asgi_client import ask
from given_settings import settings_for
from pentameter.assembly import settings_to_feeds
from pentameter.receivers import Receivers


def receivers(**otlp):
    settings = settings_for("http://a:1", otlp=otlp)
    return Receivers(settings, [feed.source for feed in settings_to_feeds(settings)])


def status_of_a_post(one):
    app = FastAPI()
    one.mount(app)
    return ask(app, "/v1/traces", method="POST", content_type="application/x-protobuf").status


def test_spans_are_taken_at_the_http_server():
    assert status_of_a_post(receivers()) == 200


def test_a_receiver_that_is_off_is_not_there():
    assert status_of_a_post(receivers(http="off")) == 404


def test_a_grpc_port_that_is_taken_is_an_error_at_the_start():
    pytest.importorskip("grpc")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=address):
            receivers(grpc_listen=address).start()
