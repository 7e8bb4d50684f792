"""Names and patterns of modules: what matches, what does not, and what is too dangerous to try."""

import pytest

from pentameter.model.module_rules import ModuleRules
from pentameter.model.spec import UnknownModelError

QUERY = "model.layers.11.self_attn.q_proj"


@pytest.mark.parametrize(
    "rule",
    [
        QUERY,
        "layers.11.self_attn.q_proj",
        "language_model.model.layers.11.self_attn.q_proj",
        "model.language_model.layers.11",
        "model.layers.11.self_attn",
        "self_attn",
        "q_proj",
        "self_attn.q_proj",
        "model.layers.11.self_attn.qkv_proj",
        "model.layers.11.",
        "model.layers.*.self_attn",
        "model.layers.1*",
        "*self_attn*",
        "re:.*self_attn.*",
        r"re:model\.layers\.\d+\.self_attn\.(q|k|v)_proj$",
        r"re:language_model\.model\.layers\.11\..*",
        "re:.*qkv_proj$",
    ],
)
def test_a_rule_matches_a_module(rule):
    assert ModuleRules((rule,)).match(QUERY)


@pytest.mark.parametrize(
    "rule",
    [
        "model.layers.1",
        "layers.1.self_attn.q_proj",
        "attn",
        "q",
        "proj",
        "self_attn.k_proj",
        "gate_up_proj",
        "lm_head",
        "",
        ".",
        "model.layers.*.mlp",
        "re:self_attn",
        "re:.*mlp.*",
        r"re:.*layers\.1\..*",
    ],
)
def test_a_rule_does_not_match_what_only_looks_alike(rule):
    assert not ModuleRules((rule,)).match(QUERY)


def test_a_gate_is_not_the_gate_projection():
    assert not ModuleRules(("gate", "mlp.gate")).match("model.layers.0.mlp.gate_proj")
    assert ModuleRules(("gate",)).match("model.layers.0.mlp.gate")


def test_no_rules_match_nothing():
    assert not ModuleRules(())
    assert not ModuleRules(()).match("lm_head")
    assert ModuleRules(("lm_head",))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("re:(a+)+$", "too complex"),
        ("re:(a|b)*c", "too complex"),
        (r"re:(a)\1", "too complex"),
        ("re:.*.*.*.*x", "too complex"),
        ("*a*b*c*d*e", "too complex"),
        ("re:(", "is wrong"),
        ("re:[z-a]", "is wrong"),
        ("x" * 201, "too long"),
    ],
)
def test_what_is_wrong_or_could_run_for_long_is_refused(rule, message):
    with pytest.raises(UnknownModelError, match=message):
        ModuleRules((rule,))


def test_too_many_rules_are_refused():
    with pytest.raises(UnknownModelError, match="too long"):
        ModuleRules(str(number) for number in range(20_001))
    with pytest.raises(UnknownModelError, match="too long"):
        ModuleRules(f"re:{number}" for number in range(202))
