"""Makes a LoRA adapter with random weights for the tiny Llama; run by vLLM's interpreter: ``tiny_lora.py FOLDER``."""

import json
import sys
from pathlib import Path

RANK = 8
LAYERS, HIDDEN = 4, 256
OUTPUTS = {"q_proj": 256, "v_proj": 128}


def main(folder: Path) -> None:
    """Write what vLLM reads of an adapter."""
    import torch
    from safetensors.torch import save_file

    weights = {}
    for layer in range(LAYERS):
        for matrix, outputs in OUTPUTS.items():
            name = f"base_model.model.model.layers.{layer}.self_attn.{matrix}"
            weights[f"{name}.lora_A.weight"] = 0.01 * torch.randn(RANK, HIDDEN, dtype=torch.bfloat16)
            weights[f"{name}.lora_B.weight"] = 0.01 * torch.randn(outputs, RANK, dtype=torch.bfloat16)
    save_file(weights, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": list(OUTPUTS), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config | {"task_type": "CAUSAL_LM"}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
