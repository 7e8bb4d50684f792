"""OTLP bodies for tests, written by the official library."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ARRIVAL_NANOSECONDS = 1_700_000_000_250_000_000
ATTRIBUTES = {
    "gen_ai.latency.time_to_first_token": 0.125,
    "gen_ai.latency.e2e": 1.5,
    "gen_ai.latency.time_in_queue": 0.0625,
    "gen_ai.usage.prompt_tokens": 300,
    "gen_ai.usage.completion_tokens": 12,
    "gen_ai.latency.time_in_model_prefill": 0.03125,
    "gen_ai.latency.time_in_model_decode": 1.375,
    "gen_ai.latency.time_in_model_inference": 1.40625,
    "gen_ai.request.id": "cmpl-4f1b2c3d4e5f6071-0",
    "gen_ai.request.top_p": 1.0,
    "gen_ai.request.max_tokens": 12,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.n": 1,
}
"""What vLLM 0.32 writes, in its order."""
SERVICE = {"telemetry.sdk.language": "python", "service.name": "vllm-a", "vllm.process_id": "7"}


def fill(attributes, values):
    """Add attributes; None is an attribute without a value, a list an array."""
    for key, value in values.items():
        attribute = attributes.add(key=key)
        if value is not None:
            put(attribute.value, value)


def put(target, value):
    """Set an ``AnyValue``."""
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, dict):
        fill(target.kvlist_value.values, value)
    else:
        target.array_value.SetInParent()
        for item in value:
            put(target.array_value.values.add(), item)


def span(name="llm_request", *, start=ARRIVAL_NANOSECONDS, without=(), **changes):
    """Return (name, start, attributes) of a span; a change's double underscores are dots behind ``gen_ai.``."""
    attributes = ATTRIBUTES | {f"gen_ai.{key.replace('__', '.')}": value for key, value in changes.items()}
    return name, start, {key: value for key, value in attributes.items() if key not in without}


def message(*spans, resource=SERVICE):
    """Return a request with these spans in one scope."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    fill(resource_spans.resource.attributes, resource)
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "vllm.tracing.otel"
    for number, (name, start, attributes) in enumerate(spans):
        written = scope_spans.spans.add(name=name, kind=2, start_time_unix_nano=start, flags=256)
        written.trace_id = number.to_bytes(16, "big")
        written.span_id = number.to_bytes(8, "big")
        written.end_time_unix_nano = start + 1_500_000_000
        fill(written.attributes, attributes)
    return request


def body(*spans, resource=SERVICE):
    """Return the bytes of a request with these spans in one scope."""
    return message(*spans, resource=resource).SerializeToString()
