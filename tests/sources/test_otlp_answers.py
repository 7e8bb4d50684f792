"""The answers, read by the official library."""

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pentameter.sources.otlp_answers import export_response, status


def rpc_status():
    """Return the class of ``google.rpc.Status`` without its details: code = 1, message = 2."""
    file = FileDescriptorProto(name="status.proto", package="google.rpc", syntax="proto3")
    kind = file.message_type.add(name="Status")
    kind.field.add(name="code", number=1, type=FieldDescriptorProto.TYPE_INT32, label=1)
    kind.field.add(name="message", number=2, type=FieldDescriptorProto.TYPE_STRING, label=1)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))


def test_a_full_success_leaves_partial_success_unset():
    assert not ExportTraceServiceResponse.FromString(export_response()).HasField("partial_success")


def test_a_partial_success_says_how_many_and_why():
    partial = ExportTraceServiceResponse.FromString(export_response(300, "żółw is full")).partial_success
    assert (partial.rejected_spans, partial.error_message) == (300, "żółw is full")


def test_a_warning_comes_with_nothing_rejected():
    answer = ExportTraceServiceResponse.FromString(export_response(0, "take care"))
    assert answer.HasField("partial_success")
    assert (answer.partial_success.rejected_spans, answer.partial_success.error_message) == (0, "take care")


def test_a_status_holds_its_message():
    answer = rpc_status().FromString(status("no such thing"))
    assert (answer.code, answer.message) == (0, "no such thing")
