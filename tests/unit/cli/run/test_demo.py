"""What the demo says before it begins."""

from rollout.cli.run.demo import crowded


def test_a_machine_with_more_to_do_than_cores_is_named_before_it_is_blamed_on_a_version():
    assert crowded(2.0, 2) == ""
    assert crowded(13.2, 2).startswith("this machine is busy (load 13.2 on 2 cores)")
