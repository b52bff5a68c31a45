"""What doctor says of the key of the journal's digests, and that it makes none."""

from rollout.doctor.key import of_key

DATABASE = "postgresql://surefoot@db/surefoot"


def levels(*words):
    return [(finding.check, finding.level) for finding in of_key(*words)]


def test_a_key_that_is_there_or_will_be_made_is_no_finding(tmp_path):
    assert levels(tmp_path / "journal.db", None, "") == []
    assert [*tmp_path.iterdir()] == []


def test_a_key_that_others_may_read_fails_with_the_cure(tmp_path):
    key = tmp_path / "journal.db.key"
    key.write_text("x" * 32)
    key.chmod(0o644)
    (finding,) = of_key(tmp_path / "journal.db", None, "")
    assert (finding.level, f"chmod 600 {key}" in str(finding)) == ("fail", True)


def test_replicas_without_a_shared_key_are_warned(tmp_path):
    key = tmp_path / "key"
    key.write_text("x" * 32)
    key.chmod(0o600)
    assert levels(DATABASE, None, "surefoot") == [("journal", "warn")]
    assert levels(DATABASE, key, "surefoot") == []
    assert levels(DATABASE, tmp_path / "absent", "surefoot") == [("journal", "fail")]
