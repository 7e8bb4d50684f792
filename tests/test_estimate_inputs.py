"""Names of GPUs, data types of models, parallel sizes and lengths: what is taken, and what is refused."""

import pytest

from pentameter.estimate_inputs import gpu_of, lengths_of, model_of, parallel_of
from pentameter.facts import find_model, gpu_specs
from pentameter.model.impact import Format, converted
from pentameter.model.parallel import Parallel
from pentameter.model.parameters import weight_bytes
from pentameter.model.spec import Basis, Precision
from pentameter.readings import ModelReading

SPECS = gpu_specs()
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}


def reading(name="Llama-2-7b-hf", **changes):
    return ModelReading("", name, {**find_model(name), **changes}, "table")


class TestGpu:
    @pytest.mark.parametrize(
        ("name", "gpu"),
        [
            ("H100-SXM-80GB", "H100-SXM-80GB"),
            ("H100-SXM", "H100-SXM-80GB"),
            ("h100 sxm", "H100-SXM-80GB"),
            ("NVIDIA H100 80GB HBM3", "H100-SXM-80GB"),
            ("H100 PCIe", "H100-PCIE-80GB"),
            ("NVIDIA A100 80GB PCIe", "A100-PCIE-80GB"),
            ("H200", "H200-SXM-141GB"),
            ("NVIDIA GeForce RTX 4090", "RTX 4090"),
            ("RTX4090", "RTX 4090"),
            ("L4", "L4"),
            ("Tesla T4", "T4"),
        ],
    )
    def test_a_name_is_taken_in_any_spelling_and_its_beginning_too(self, name, gpu):
        assert gpu_of(name, SPECS).gpu == gpu

    def test_every_name_of_the_table_is_its_own(self):
        for spec in SPECS:
            for name in (spec.gpu, *spec.nvml_names):
                assert gpu_of(name, SPECS) is spec

    def test_an_ambiguous_beginning_lists_who_has_it(self):
        with pytest.raises(ValueError, match=r"'A100-SXM' could be A100-SXM4-40GB, A100-SXM4-80GB$"):
            gpu_of("A100-SXM", SPECS)

    @pytest.mark.parametrize("name", ["GeForce 256", "H100-SXM-81GB", "", "nvidia"])
    def test_an_unknown_name_lists_the_table(self, name):
        with pytest.raises(ValueError, match=r"is not in the table; there are T4, .*H100-SXM-80GB"):
            gpu_of(name, SPECS)


class TestModel:
    def test_without_a_data_type_the_checkpoint_counts(self):
        model = model_of(reading(), None, "auto")
        assert weight_bytes(model.spec) == 13_476_831_232
        assert (model.origin, model.kv_bits) == ("table", 16)
        assert model_of(reading(quantization_config=AWQ), None, "auto").spec.quantization == "awq"

    @pytest.mark.parametrize(
        ("dtype", "bits", "precision"),
        [
            ("fp32", 32, Precision.BITS32),
            ("fp16", 16, Precision.BITS16),
            ("bf16", 16, Precision.BITS16),
            ("fp8", 8, Precision.FP8),
            ("int8", 8, Precision.INT8),
            ("int4", 4.15625, Precision.BITS16),
            ("fp4", 4.5, Precision.FP4),
        ],
    )
    @pytest.mark.parametrize("changes", [{}, {"quantization_config": AWQ}])
    def test_with_one_the_layers_matrices_have_its_bits_whatever_the_checkpoint_had(
        self, dtype, bits, precision, changes
    ):
        spec = model_of(reading(**changes), dtype, "auto").spec
        matrices = [matrix for layer in spec.layers for matrix in layer.dense]
        assert {matrix.compute for matrix in matrices} == {precision}
        # A scale of 32 bits for each output channel is a hundredth of a bit.
        assert [matrix.bits for matrix in matrices] == pytest.approx([bits] * len(matrices), rel=2e-3)
        assert spec.embedding.bits == (32 if dtype == "fp32" else 16)

    def test_the_fp8_of_the_table_and_of_the_command_line_are_one(self):
        model = model_of(reading(), None, "auto")
        assert weight_bytes(model_of(reading(), "fp8", "auto").spec) == weight_bytes(converted(model.spec, Format.FP8))

    def test_quantisation_of_the_text_in_a_wrapper_is_replaced_too(self):
        text = {key: value for key, value in find_model("Llama-2-7b-hf").items() if key != "architectures"}
        config = {
            "architectures": ["LlavaForConditionalGeneration"],
            "text_config": {**text, "quantization_config": AWQ},
            "vision_config": {},
        }
        found = ModelReading("", "made-up", config, "file")
        assert model_of(found, None, "auto").spec.quantization == "awq"
        spec = model_of(found, "fp16", "auto").spec
        assert {matrix.bits for layer in spec.layers for matrix in layer.dense} == {16}

    def test_the_cache_may_be_smaller_than_the_model_says(self):
        assert model_of(reading(), None, "fp8").kv_bits == 8
        assert model_of(reading(), "fp8", "auto").kv_bits == 16

    def test_a_model_that_is_not_understood_is_refused_by_its_name(self):
        with pytest.raises(ValueError, match="Llama-2-7b-hf is not understood: the architecture Blank is not known"):
            model_of(reading(architectures=["Blank"]), None, "auto")
        with pytest.raises(ValueError, match="cache type 'fp7' is not known"):
            model_of(reading(), None, "fp7")

    def test_of_unknown_layers_the_size_of_the_files_counts(self):
        found = ModelReading(
            "", "x", {"architectures": ["Blank"]}, "file", stored_bytes=14_000_000, parameters=7_000_000
        )
        spec = model_of(found, None, "auto").spec
        assert spec.basis is Basis.INDEX
        assert weight_bytes(spec) == 14_000_000
        assert weight_bytes(model_of(found, "fp8", "auto").spec) == 7_000_000
        with pytest.raises(ValueError, match="unknown layers can be in fp16, bf16, fp8, int4, not in fp4"):
            model_of(found, "fp4", "auto")


class TestParallel:
    @pytest.mark.parametrize(
        ("given", "tensor", "pipeline"),
        [
            ((None, None, 1), 1, 1),
            ((8, None, 1), 8, 1),
            ((8, None, 2), 4, 2),
            ((None, 8, 2), 8, 2),
            ((None, None, 4), 1, 4),
            ((16, 8, 2), 8, 2),
        ],
    )
    def test_gpus_are_tensor_x_pipeline(self, given, tensor, pipeline):
        assert parallel_of(*given) == Parallel(tensor=tensor, pipeline=pipeline)

    @pytest.mark.parametrize("given", [(3, None, 2), (8, 8, 2), (1, None, 2), (1, 2, 1)])
    def test_what_does_not_multiply_is_refused(self, given):
        with pytest.raises(ValueError, match=f"{given[0]} GPUs"):
            parallel_of(*given)


class TestLengths:
    @pytest.mark.parametrize(
        ("given", "prompt", "output"),
        [
            ((None, None, None), 1024, 1024),
            ((101, None, None), 51, 50),
            ((2048, 2000, None), 2000, 48),
            ((2048, None, 48), 2000, 48),
            ((None, 100, 20), 100, 20),
            ((120, 100, 20), 100, 20),
            ((None, 2000, None), 2000, 48),
            ((2, None, None), 1, 1),
        ],
    )
    def test_the_context_is_prompt_and_output(self, given, prompt, output):
        assert lengths_of(*given) == (prompt, output)

    @pytest.mark.parametrize(
        "given", [(121, 100, 20), (100, 100, None), (100, None, 100), (1, None, None), (None, 3000, None)]
    )
    def test_what_does_not_add_up_is_refused(self, given):
        with pytest.raises(ValueError, match="context"):
            lengths_of(*given)
