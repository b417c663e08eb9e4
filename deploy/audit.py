"""Report known vulnerabilities of the locked dependencies, from the output of `pip-audit --format json`.

`pip-audit` exits with 0 if its source knows no package at all, so an audit that checked nothing is reported here.
"""

import json
import sys
from typing import Any


def report(audit: str) -> tuple[str, int]:
    """Return what the audit found, and the exit status: 1 for known vulnerabilities.

    An audit without a reachable source is skipped with a message and status 0.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(audit)["dependencies"]
    except (ValueError, KeyError, TypeError):
        packages = []
    audited = [each for each in packages if "skip_reason" not in each]
    if not audited:
        return "SKIPPED: nothing was audited; pip-audit failed, or cannot reach its source (pypi.org)", 0
    found = [
        f"{each['name']} {each['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'no version'}"
        for each in audited
        for fault in each.get("vulns", ())
    ]
    summary = f"{len(audited)} of {len(packages)} packages audited, {len(found)} known vulnerabilities"
    return "\n".join([*found, summary]), 1 if found else 0


if __name__ == "__main__":
    text, status = report(sys.stdin.read())
    print(text)
    raise SystemExit(status)
