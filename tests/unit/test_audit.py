import json

import pytest

from deploy.audit import report

CLEAN = {"name": "a", "version": "1", "vulns": []}
FAULTY = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "version": "3", "skip_reason": "not found"}


@pytest.mark.parametrize("audit", ["", "{}", "[]", "not JSON", json.dumps({"dependencies": [UNKNOWN]})])
def test_an_audit_of_nothing_is_skipped_with_a_message(audit: str) -> None:
    text, status = report(audit)
    assert (text.startswith("SKIPPED"), status) == (True, 0)


def test_a_clean_audit_passes() -> None:
    assert report(json.dumps({"dependencies": [CLEAN, UNKNOWN]})) == (
        "1 of 2 packages audited, 0 known vulnerabilities",
        0,
    )


def test_a_known_vulnerability_fails() -> None:
    text, status = report(json.dumps({"dependencies": [CLEAN, FAULTY]}))
    assert (text.splitlines()[0], status) == ("b 2: PYSEC-1, fixed in 3", 1)
