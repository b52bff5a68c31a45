"""Selectors of names with dots: each is chosen by itself, never with its other spellings."""

from rollout.observe.selectors.promql import (
    format_matchers,
    format_selector,
    name_each,
    spell_label,
)
from rollout.plan.fields.matchers import Matcher
from rollout.plan.fields.regex import compile_pattern

DOTTED = "gen_ai.client.inference.duration_seconds"


def test_a_single_name_with_dots_is_a_value():
    selector = format_selector([f"{DOTTED}_count"], ['x="1"'])
    assert selector == f'{{__name__="{DOTTED}_count",x="1"}}'
    assert format_selector(["up"], ['x="1"']) == 'up{x="1"}'


def test_of_several_names_no_dot_stands_for_another_character():
    selector = format_selector([f"{DOTTED}_bucket"], [])
    pattern = selector.removeprefix('{__name__=~"').removesuffix('"}').replace("\\\\", "\\")
    matches = compile_pattern(pattern)
    assert matches(DOTTED)
    assert matches(f"{DOTTED}_bucket")
    assert not matches(DOTTED.replace(".", "_"))


def test_servers_that_choose_no_names_are_asked_for_each():
    text = f"{format_selector([f'{DOTTED}_bucket', 'plain_total'], [])}[30s]"
    assert name_each(text) == [
        f'{{__name__="{DOTTED}_bucket"}}[30s]',
        f'{{__name__="{DOTTED}"}}[30s]',
        "plain_total{}[30s]",
    ]
    chosen = format_selector(["a.b", "c"], ['x=~"1|2"'])
    text = f"{chosen}[30s]"
    assert name_each(text) == ['{__name__="a.b",x=~"1|2"}[30s]', 'c{x=~"1|2"}[30s]']


def test_labels_with_dots_are_quoted():
    assert spell_label("error.type") == '"error.type"'
    assert spell_label("error_type") == "error_type"
    assert format_matchers([Matcher("error.type", "!=", "")]) == ['"error.type"!=""']
