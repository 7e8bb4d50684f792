"""The settings about a server's model: what it is, and how vLLM was started, where neither is found out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pentameter.config_section import Section

_WORD = r"^[a-z][a-z0-9_.-]*$"
_OF_CONFIGURATION = {"kv_cache_dtype": "cache_dtype"}
"""Flag -> field of vLLM's configuration, where the two have different names."""


def _mapping(value: object) -> object:
    """Refuse what is no mapping in words that name what belongs here."""
    if not isinstance(value, dict) or not value:
        message = "must be the content of the model's config.json, a mapping of keys"
        raise ValueError(message)
    return {str(key): item for key, item in value.items()}


def _count(value: object) -> object:
    """Let 7e9 be a number: YAML takes it for text."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() else value


Count = Annotated[int | None, BeforeValidator(_count), Field(ge=1)]


class Model(Section):
    """One server's model; what is left empty is found out."""

    path: str | None = Field(
        None,
        min_length=1,
        description=(
            "Folder of the model or its config.json, readable here; or a Hugging Face name, for the cache or the "
            "shipped table. By default what the server says that it loaded. A text in place of these keys is the path."
        ),
    )
    config: Annotated[dict[str, Any], BeforeValidator(_mapping)] | None = Field(
        None, description="Content of the model's config.json, where no file can be read."
    )
    parameters: Count = Field(
        None, description="Number of parameters, where nothing else is known: attention is left out."
    )
    active_parameters: Count = Field(None, description="Parameters that one token is multiplied with; all by default.")
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = Field(
        None, description="vLLM's `--dtype`, where the server does not tell it; so all the following."
    )
    quantization: str | None = Field(None, pattern=_WORD, description="vLLM's `--quantization`.")
    kv_cache_dtype: str | None = Field(None, pattern=_WORD, description="vLLM's `--kv-cache-dtype`, such as fp8.")
    tensor_parallel_size: int | None = Field(None, ge=1, description="vLLM's `--tensor-parallel-size`.")
    pipeline_parallel_size: int | None = Field(None, ge=1, description="vLLM's `--pipeline-parallel-size`.")
    data_parallel_size: int | None = Field(None, ge=1, description="vLLM's `--data-parallel-size`.")
    enable_expert_parallel: bool | None = Field(None, description="vLLM's `--enable-expert-parallel`.")
    max_num_seqs: int | None = Field(None, ge=1, description="vLLM's `--max-num-seqs`.")
    max_num_batched_tokens: int | None = Field(None, ge=1, description="vLLM's `--max-num-batched-tokens`.")
    block_size: int | None = Field(None, ge=1, description="vLLM's `--block-size`, in tokens.")
    max_model_len: int | None = Field(None, ge=1, description="vLLM's `--max-model-len`, in tokens.")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        return {"path": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        given = [key for key in ("path", "config", "parameters") if getattr(self, key) is not None]
        if len(given) > 1:
            message = f"give one of path, config and parameters, not {' and '.join(given)}"
            raise ValueError(message)
        if self.active_parameters is not None:
            if self.parameters is None:
                message = "active_parameters needs parameters beside it"
                raise ValueError(message)
            if self.active_parameters > self.parameters:
                message = f"active_parameters {self.active_parameters} are more than parameters {self.parameters}"
                raise ValueError(message)
        return self

    @property
    def overrides(self) -> dict[str, str | int | bool]:
        """Return what is said of the server's start, by the names of the fields in vLLM's own configuration."""
        origins = {"path", "config", "parameters", "active_parameters"}
        return {
            _OF_CONFIGURATION.get(key, key): value
            for key, value in self.model_dump(exclude=origins, exclude_none=True).items()
        }
