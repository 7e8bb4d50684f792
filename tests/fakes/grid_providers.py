"""The pages of the three providers of carbon intensity, in the formats that they document, and a clock to turn."""

import json
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from fakes.http_server import page

NOW = datetime(2026, 2, 3, 14, 10, tzinfo=UTC)
SECRET = "s3cr3t-of-a-provider"


class Clock:
    """Two clocks that stand still until a test turns them; the monotonic one begins at 1000 s."""

    def __init__(self):
        self.now = 1000.0
        self.wall_offset = NOW.timestamp() - self.now

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now + self.wall_offset

    @property
    def date(self):
        return datetime.fromtimestamp(self.wall(), UTC)


def answer(content, status="200 OK"):
    return page(json.dumps(content), "application/json", status)


def too_many(retry_after):
    head = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"
    return head.encode()


class ElectricityMaps:
    name = "electricity_maps"
    settings: ClassVar = {"provider": name, "zone": "PL", "token": SECRET}
    path = "/carbon-intensity/latest?zone=PL&emissionFactorType=lifecycle&disableCallerLookup=true"
    region, kind, factor_type, period = "PL", "average", "lifecycle", timedelta(hours=1)

    @staticmethod
    def content(now, grams, **changes):
        hour = now.replace(minute=0, second=0, microsecond=0)
        return {
            "zone": "PL",
            "carbonIntensity": grams,
            "datetime": f"{hour:%Y-%m-%dT%H:%M:%S}.000Z",
            "updatedAt": f"{hour - timedelta(minutes=9):%Y-%m-%dT%H:%M:%S}.892Z",
            "createdAt": f"{hour - timedelta(days=3):%Y-%m-%dT%H:%M:%S}.319Z",
            "emissionFactorType": "lifecycle",
            "isEstimated": True,
            "estimationMethod": "TIME_SLICER_AVERAGE",
            "temporalGranularity": "hourly",
            **changes,
        }

    @classmethod
    def answers(cls, now, grams):
        return {cls.path: answer(cls.content(now, grams))}


class WattTime:
    name = "watttime"
    settings: ClassVar = {"provider": name, "zone": "CAISO_NORTH", "username": "someone", "password": SECRET}
    path = "/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer&horizon_hours=0"
    region, kind, factor_type, period = "CAISO_NORTH", "marginal", "operational", timedelta(minutes=5)

    @staticmethod
    def content(now, pounds, meta=None, data=None):
        begun = now - timedelta(minutes=now.minute % 5, seconds=now.second, microseconds=now.microsecond)
        return {
            "data": data or [{"point_time": begun.isoformat(), "value": pounds}],
            "meta": {
                "data_point_period_seconds": 300,
                "region": "CAISO_NORTH",
                "warnings": [],
                "signal_type": "co2_moer",
                "model": {"date": "2023-03-01", "type": "binned_regression"},
                "units": "lbs_co2_per_mwh",
                "generated_at_period_seconds": 300,
                "generated_at": begun.isoformat(),
                **(meta or {}),
            },
        }

    @classmethod
    def answers(cls, now, grams):
        pounds = grams / 0.45359237
        return {"/login": answer({"token": f"{SECRET}.jwt"}), cls.path: answer(cls.content(now, pounds))}


class Uk:
    name = "uk_carbon_intensity"
    settings: ClassVar = {"provider": name}
    path = "/intensity"
    region, kind, factor_type, period = "GB", "average", "operational", timedelta(minutes=30)

    @staticmethod
    def half_hour(now):
        begun = now - timedelta(minutes=now.minute % 30, seconds=now.second, microseconds=now.microsecond)
        return {"from": f"{begun:%Y-%m-%dT%H:%MZ}", "to": f"{begun + timedelta(minutes=30):%Y-%m-%dT%H:%MZ}"}

    @classmethod
    def content(cls, now, actual, forecast=200):
        intensity = {"forecast": forecast, "actual": actual, "index": "moderate"}
        return {"data": [{**cls.half_hour(now), "intensity": intensity}]}

    @classmethod
    def regional(cls, now, forecast, regionid=3, **more):
        mix = [{"fuel": "gas", "perc": 43.6}, {"fuel": "wind", "perc": 56.4}]
        region = {
            "regionid": regionid,
            "dnoregion": "Electricity North West",
            "shortname": "North West England",
            **more,
        }
        period = {
            **cls.half_hour(now),
            "intensity": {"forecast": forecast, "index": "moderate"},
            "generationmix": mix,
        }
        return {"data": [{**region, "data": [period]}]}

    @classmethod
    def answers(cls, now, grams):
        return {cls.path: answer(cls.content(now, grams))}


PROVIDERS = (ElectricityMaps, WattTime, Uk)
