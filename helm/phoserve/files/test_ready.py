"""Check that a running API and its dependencies respond, and that requests without a key are rejected."""

import json
import sys
import urllib.error
import urllib.request


def ask(path):
    try:
        with urllib.request.urlopen(sys.argv[1] + path, timeout=15) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


status, body = ask("/health/ready")
print(json.dumps(json.loads(body), indent=2))
if status != 200 or not json.loads(body)["ready"]:
    sys.exit(f"/health/ready answered {status}: ask it with a key (Authorization: Bearer KEY) for the details")
status, _ = ask("/v1/collections")
if status != 401:
    sys.exit(f"/v1/collections without a key answered {status}, not 401: the API is open to requests without a key")
print("ready; requests without a key are rejected")
