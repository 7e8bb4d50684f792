"""The settings about the electricity grid behind the GPUs: where it is, your own figures, a live provider."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pentameter.config_section import Section, address_of

_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_OUTWARD = re.compile(r"[A-Za-z]{1,2}[0-9][0-9A-Za-z]?")

_KEYS = {
    "electricity_maps": ("zone", "token", "token_file", "factor_type"),
    "watttime": ("zone", "username", "password", "password_file"),
    "uk_carbon_intensity": ("postcode", "regionid"),
}
"""Provider -> the keys that have a meaning for it alone."""


class Live(Section):
    """A provider of the intensity of this very hour."""

    provider: Literal["electricity_maps", "watttime", "uk_carbon_intensity"] | None = Field(
        None,
        description=(
            "Who is asked; none: nobody. electricity_maps and uk_carbon_intensity tell the average, watttime the "
            "marginal rate. A text in place of these keys is the provider."
        ),
    )
    zone: str | None = Field(None, description="The provider's own name of the region: PL, US-CAL-CISO; CAISO_NORTH.")
    token: str | None = Field(None, description="Electricity Maps' token.", repr=False)
    token_file: str | None = Field(None, min_length=1, description="File with the token, read at every request.")
    username: str | None = Field(None, min_length=1, description="WattTime's user.")
    password: str | None = Field(None, description="WattTime's password.", repr=False)
    password_file: str | None = Field(None, min_length=1, description="File with the password, read at every login.")
    postcode: str | None = Field(None, description="Great Britain: the outward part of a postcode, such as RG10.")
    regionid: int | None = Field(
        None, ge=1, le=17, description="Great Britain: number of a region. With neither: the country."
    )
    factor_type: Literal["lifecycle", "direct"] = Field(
        "lifecycle", description="Electricity Maps: with fuel supply and construction, or without."
    )
    url: str | None = Field(None, description="Base URL of a proxy or a compatible server, in place of the provider's.")
    ca_file: str | None = Field(None, description="PEM file of the authorities to trust for https.")
    interval_seconds: float = Field(300.0, ge=60, le=3600, description="Time between two requests while all is well.")
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="Limit for one request.")
    max_age_seconds: float = Field(
        7200.0,
        ge=1800,
        le=86_400,
        description=(
            "How long after the end of its period a value is still used when no newer one comes; then the yearly "
            "mean takes its place."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _provider_alone(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        return {"provider": data} if isinstance(data, str) else data

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str | None) -> str | None:
        if zone is not None and not _ZONE.fullmatch(zone):
            message = "must be the provider's own name of a region, such as PL, US-CAL-CISO or CAISO_NORTH"
            raise ValueError(message)
        return zone

    @field_validator("postcode")
    @classmethod
    def _postcode(cls, postcode: str | None) -> str | None:
        if postcode is not None and not _OUTWARD.fullmatch(postcode):
            message = "must be the outward part of a postcode alone, such as RG10 of RG10 9NY"
            raise ValueError(message)
        return postcode and postcode.upper()

    @field_validator("token", "password")
    @classmethod
    def _one_line(cls, secret: str | None) -> str | None:
        secret = secret and secret.strip()  # a file pasted into YAML ends with a line break
        if secret is not None and not (secret and secret.isprintable()):
            message = "must be one line of printable text"
            raise ValueError(message)
        return secret

    @field_validator("token")
    @classmethod
    def _header(cls, token: str | None) -> str | None:
        if token is not None and not token.isascii():
            message = "must be one line of printable ASCII"  # else it would be quoted when the header is refused
            raise ValueError(message)
        return token

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str | None) -> str | None:
        if username is not None and (":" in username or not username.isprintable()):
            message = "must be printable and hold no colon, which would end it where it is sent"
            raise ValueError(message)
        return username

    @field_validator("url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        url = url and url.strip()
        if url is not None:
            if any(character in url for character in "@?#"):
                message = "must hold no user, password, query or fragment"
                raise ValueError(message)
            address_of(url)
        return url

    @model_validator(mode="after")
    def _complete(self) -> Live:
        given = self.model_fields_set
        if self.provider is None:
            if given - {"provider"}:
                message = f"{', '.join(sorted(given - {'provider'}))}: needs a provider: {', '.join(_KEYS)}"
                raise ValueError(message)
            return self
        strange = sorted({key for keys in _KEYS.values() for key in keys} & given - {*_KEYS[self.provider]})
        if strange:
            message = f"{', '.join(strange)}: without a meaning for {self.provider}, which takes {_list(self.provider)}"
            raise ValueError(message)
        self._enough()
        if self.max_age_seconds < 2 * self.interval_seconds:
            message = f"max_age_seconds {self.max_age_seconds:g} must be two intervals of {self.interval_seconds:g} s"
            raise ValueError(message)
        return self

    def _enough(self) -> None:
        """Raise ``ValueError`` unless the provider has what it needs."""
        if self.provider == "uk_carbon_intensity":
            if self.postcode is not None and self.regionid is not None:
                message = "give postcode or regionid, not both"
                raise ValueError(message)
            return
        if self.zone is None:
            message = f"{self.provider} needs zone"
            raise ValueError(message)
        missing = None
        if self.provider == "electricity_maps":
            missing = None if (self.token is None) != (self.token_file is None) else "one of token and token_file"
        elif self.username is None:
            missing = "username"
        elif (self.password is None) == (self.password_file is None):
            missing = "one of password and password_file"
        if missing:
            message = f"{self.provider} needs {missing}"
            raise ValueError(message)


class Grid(Section):
    """The electricity grid behind the GPUs."""

    region: str | None = Field(
        None,
        min_length=1,
        description=(
            "Where the GPUs are: a country (POL, PL, Poland), a state (US-VA), a cloud's region (us-east-1, "
            "gcp:europe-north1, azure:northeurope) or WORLD."
        ),
    )
    factor_type: Literal["lifecycle", "direct"] = Field(
        "lifecycle",
        description=(
            "Which yearly means to prefer: with building the plants and providing fuel, or combustion alone, which is "
            "known for states of the USA and regions of Google only. Elsewhere the label says which one it is."
        ),
    )
    odbl_zones: bool = Field(
        False,  # noqa: FBT003
        description=(
            "Use Electricity Maps' yearly means by grid zone, which are finer than states and countries. The table is "
            "under the Open Database License 1.0."
        ),
    )
    grams_per_kwh: float | None = Field(None, ge=0, description="Your own figure; takes precedence.")
    market_grams_per_kwh: float | None = Field(
        None,
        ge=0,
        description=(
            "Intensity of the electricity that you bought: of your contract, your certificates or the residual mix. "
            "Shown beside the grid's own, never in its place."
        ),
    )
    live: Live = Live()


def _list(provider: str) -> str:
    return ", ".join(_KEYS[provider])
