"""What ``check`` says of a served model."""

from pentameter.doctor_model import look_at_model
from pentameter.facts import find_model
from pentameter.findings import Finding
from pentameter.readings import ModelReading


def test_a_model_that_is_understood_is_described():
    config = find_model("meta-llama/Llama-3.1-8B-Instruct")
    found = look_at_model("model a", ModelReading("a", "/models/llama", config, "file"))
    assert found == Finding(
        "ok",
        "model a",
        "/models/llama (file): LlamaForCausalLM, 8.03 billion parameters (7.50 active), 16.06 GB, "
        "131072 bytes of KV cache per token",
    )


def test_a_model_that_is_not_understood_says_why_and_what_helps():
    found = look_at_model("model a", ModelReading("a", "", {"architectures": ["Strange"]}, "configured"))
    assert found.level == "warning"
    assert found.message.startswith("the pasted configuration (configured) is not understood: ")
    assert "Strange" in found.message
    assert found.fix.startswith("vllm.servers[].model.parameters: ")
