"""The cost journal as FOCUS: the columns that version 1.2 asks for, and rows that add up to the counters."""

import csv
import io
import math
from collections import Counter

import pytest

from cost_days import HOUR, NOON, OWNED, RENTED, counted, follow, meter
from pentameter.cost.plan import CostPlan, Quote
from pentameter.cost_focus import COLUMNS, to_csv
from pentameter.cost_hours import Account, Entry

# FOCUS 1.2, dataset Cost and Usage: the columns whose feature level is Mandatory.
MANDATORY = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}
# Of all that are shown those that FOCUS lets be null for usage, or that are our own.
NULLABLE = {
    "BillingAccountName",
    "ChargeClass",
    "CommitmentDiscountStatus",
    "InvoiceId",
    "RegionId",
    "RegionName",
    "SkuPriceDetails",
}
NUMBERS = {
    "BilledCost",
    "ConsumedQuantity",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "ListCost",
    "ListUnitPrice",
    "PricingQuantity",
    "x_CachedTokens",
    "x_CarbonGrams",
    "x_EmbodiedCarbonGrams",
    "x_EnergyKwh",
    "x_GeneratedTokens",
    "x_PromptTokens",
    "x_Requests",
    "x_WarmupCost",
}


def rows(entries, *, wall=NOON + 10 * HOUR):
    return list(csv.DictReader(io.StringIO(to_csv(entries, wall=wall, host="pod-1"))))


def entry(quote=RENTED.quote, *, dollars_per_kwh=None, start=int(NOON), **amounts):
    """Return an hour of these amounts, as ``dollars__gpu__active`` for its key."""
    given = {key.replace("__", "/"): amount for key, amount in amounts.items()}
    return Entry(start, Account("a", "m", "0", quote, dollars_per_kwh), given)


def worked(**more):
    return entry(gpu_seconds__active=7200.0, seconds__active=3600.0, dollars__gpu__active=4.04, **more)


@pytest.fixture(scope="module", params=[RENTED, OWNED], ids=["rented", "owned"])
def lived(request):
    """Return the last snapshot and the rows of three hours."""
    one = meter(request.param)
    snapshot = follow(one, 3)
    return snapshot, rows(one.journal.entries())


def added(column, found, **chosen):
    return math.fsum(float(row[column]) for row in found if row[column] and chosen.items() <= row.items())


def test_every_mandatory_column_is_there_once_and_ours_come_last():
    assert set(COLUMNS) >= MANDATORY
    assert len(set(COLUMNS)) == len(COLUMNS)
    own = [column.startswith("x_") for column in COLUMNS]
    assert own == sorted(own)


def test_the_rows_add_up_to_the_counter_of_dollars(lived):
    snapshot, found = lived
    dollars = counted(snapshot, "cost_dollars_total")
    assert dollars > 9
    for column in ("EffectiveCost", "ListCost", "ContractedCost"):
        assert added(column, found) == pytest.approx(dollars, rel=1e-12)


def test_the_rows_of_a_component_or_a_state_add_up_to_its_counters(lived):
    snapshot, found = lived
    idle = added("EffectiveCost", found, x_State="idle")
    assert idle == pytest.approx(counted(snapshot, "idle_cost_dollars_total"), rel=1e-12)
    for sample in snapshot.samples:
        if sample.metric.name == "pentameter_cost_dollars_total":
            dollars = added("EffectiveCost", found, x_Component=sample.labels[3])
            assert dollars == pytest.approx(sample.value, rel=1e-12)


def test_energy_and_carbon_are_counted_once_over_all_rows(lived):
    snapshot, found = lived
    assert added("x_EnergyKwh", found) == pytest.approx(counted(snapshot, "energy_joules_total") / 3.6e6, rel=1e-12)
    carbon = added("x_CarbonGrams", found) + added("x_EmbodiedCarbonGrams", found)
    assert carbon == pytest.approx(counted(snapshot, "carbon_grams_total"), rel=1e-12)


def test_work_is_counted_once_over_all_rows(lived):
    _, found = lived
    # Six steps of each of three hours, and the first of the fourth; nothing is known of what was before the first page.
    done = 180
    assert added("x_Requests", found) == done
    assert added("x_PromptTokens", found) == 100 * done
    assert added("x_CachedTokens", found) == 40 * done
    assert added("x_GeneratedTokens", found) == 20 * done


def test_cost_is_quantity_times_unit_price(lived):
    _, found = lived
    for row in found:
        for price, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
            assert float(row["PricingQuantity"]) * float(row[price]) == pytest.approx(float(row[cost]), rel=1e-9)


def test_nothing_is_null_that_focus_wants_to_be_known(lived):
    _, found = lived
    empty = {column for row in found for column, text in row.items() if text == "" and not column.startswith("x_")}
    assert empty <= NULLABLE


def test_numbers_have_no_exponent_and_no_sign(lived):
    _, found = lived
    for row in [*found, *rows([worked(dollars__network__active=1e-12)])]:
        for column in NUMBERS:
            assert row[column] == "" or row[column].replace(".", "", 1).isdigit(), (column, row[column])


def test_no_digit_is_lost():
    [row] = rows([entry(gpu_seconds__active=1.0, dollars__gpu__active=2.02 / 3600)])
    assert float(row["EffectiveCost"]) == 2.02 / 3600
    assert float(row["PricingQuantity"]) == 1 / 3600


def test_nobody_is_billed_by_an_estimate(lived):
    # FOCUS: who does not invoice a charge must give it a BilledCost of 0.
    _, found = lived
    assert {row["BilledCost"] for row in found} == {"0.0"}


def test_periods_are_the_hour_and_the_calendar_month_in_utc():
    [row] = rows([worked(start=1_798_758_000)])
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")


def test_a_rented_gpu_is_sold_by_the_gpu_hour():
    [row] = rows([worked()])
    assert row["PricingQuantity"] == "2.0"
    assert row["PricingUnit"] == row["ConsumedUnit"] == "GPU-Hours"
    assert row["ListUnitPrice"] == "2.02"
    assert row["EffectiveCost"] == "4.04"
    assert row["ProviderName"] == row["InvoiceIssuerName"] == row["PublisherName"] == "AWS"
    assert row["RegionId"] == row["RegionName"] == "us-east-1"
    assert (row["SkuId"], row["SkuPriceId"]) == ("gpu/p5.48xlarge", "gpu/p5.48xlarge/us-east-1/spot")
    assert (row["x_Basis"], row["x_PriceAsOf"], row["x_PriceSource"]) == ("shipped", "2026-08-18", "catalogue")


@pytest.mark.parametrize(
    ("quote", "category"),
    [
        (Quote(2.0, "configured"), "Standard"),
        (Quote(2.0, "shipped", pricing="on-demand"), "Standard"),
        (Quote(2.0, "file", pricing="spot"), "Dynamic"),
        (Quote(2.0, "file", pricing="reserved-3y"), "Other"),
        (Quote(2.0, "owned"), "Other"),
    ],
)
def test_the_pricing_model_has_its_category(quote, category):
    [row] = rows([entry(quote, gpu_seconds__active=3600.0, dollars__gpu__active=2.0)])
    assert row["PricingCategory"] == category


def test_metered_energy_is_sold_by_the_kilowatt_hour():
    found = rows([entry(OWNED.quote, dollars_per_kwh=0.08, dollars__energy__idle=0.4, seconds__idle=1800.0)])
    [row] = found
    assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == ("5.0", "Kilowatt-Hours", "0.08")
    assert (row["ProviderName"], row["x_Basis"]) == ("Self-hosted", "owned")


def test_what_is_paid_by_the_hour_is_sold_by_the_hour():
    [row] = rows([entry(dollars__storage__idle=0.05, seconds__idle=1800.0)])
    assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == ("0.5", "Hours", "0.1")


def test_overhead_on_energy_that_came_late_is_a_unit_of_its_own():
    [row] = rows([entry(dollars__overhead__idle=0.05)])
    assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == ("1.0", "Units", "0.05")


def test_the_warm_up_is_told_as_a_part_of_the_unobserved_cost():
    [row] = rows([entry(gpu_seconds__unobserved=3600.0, dollars__gpu__unobserved=2.02, warmup__gpu=0.5)])
    assert (row["x_State"], row["EffectiveCost"], row["x_WarmupCost"]) == ("unobserved", "2.02", "0.5")


def test_a_price_of_zero_still_tells_of_the_time_and_the_work():
    [row] = rows([entry(Quote(0.0, "configured"), gpu_seconds__active=3600.0, requests=5.0)])
    assert (row["EffectiveCost"], row["PricingQuantity"], row["x_Requests"]) == ("0.0", "1.0", "5.0")


def test_without_a_price_there_is_no_row():
    assert rows([entry(None, gpu_seconds__active=3600.0, requests=5.0)]) == []


def test_what_is_not_known_is_empty():
    [row] = rows([worked()])
    for column in ("x_EnergyKwh", "x_CarbonGrams", "x_EmbodiedCarbonGrams", "x_PromptTokens", "x_Requests"):
        assert row[column] == ""


def test_servers_of_two_exporters_are_told_apart():
    [here] = csv.DictReader(io.StringIO(to_csv([worked()], wall=NOON, host="pod-1")))
    [there] = csv.DictReader(io.StringIO(to_csv([worked()], wall=NOON, host="pod-2")))
    assert here["ResourceId"] != there["ResourceId"]
    assert here["ResourceName"] == there["ResourceName"] == "a"


@pytest.mark.parametrize(("wall", "complete"), [(NOON + HOUR - 1, "false"), (NOON + HOUR, "true")])
def test_an_hour_that_is_not_over_says_so(wall, complete):
    [row] = rows([worked()], wall=wall)
    assert row["x_HourComplete"] == complete


def test_a_row_is_one_component_in_one_state_in_one_hour_at_one_price(lived):
    _, found = lived
    place = ("ChargePeriodStart", "ResourceId", "x_ModelName", "x_Engine", "x_Component", "x_State", "SkuPriceId")
    assert max(Counter(tuple(row[column] for column in place) for row in found).values()) == 1


def test_names_that_hold_commas_and_quotes_come_through():
    account = Account('a,"b"\n', "m", "0", CostPlan(Quote(1.0, "configured")).quote)
    [row] = rows([Entry(int(NOON), account, {"gpu_seconds/idle": 3600.0, "dollars/gpu/idle": 1.0})])
    assert row["ResourceName"] == 'a,"b"\n'
