"""The settings about the price books: the user's own rows, and where newer ones are fetched from."""

from __future__ import annotations

from pydantic import Field, field_validator

from pentameter.config_section import Section, address_of


class Prices(Section):
    """Price books: the shipped rows, under those that are fetched, under the user's own."""

    gpu_file: str | None = Field(
        None, min_length=1, description="CSV file of GPU prices whose rows come before the shipped ones."
    )
    api_file: str | None = Field(
        None, min_length=1, description="CSV file of API prices whose rows come before the shipped ones."
    )
    gpu_url: str | None = Field(
        None, description="URL of a CSV file of GPU prices that is fetched; without it nobody is asked."
    )
    api_url: str | None = Field(
        None, description="URL of a CSV file of API prices that is fetched; without it nobody is asked."
    )
    bearer_token_file: str | None = Field(
        None, min_length=1, description="File with a token that both URLs are asked with, read at every request."
    )
    ca_file: str | None = Field(None, description="PEM file of the authorities to trust for https.")
    refresh_interval_seconds: float = Field(
        86_400.0, ge=60, le=31_536_000, description="Time between two requests to a URL while all is well."
    )
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="Limit for one request.")

    @field_validator("gpu_url", "api_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        url = url and url.strip()
        if url is not None:
            address_of(url)
        return url
