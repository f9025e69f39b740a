"""Sign and send one request with a signed key. Python 3.9 or newer, nothing to install.

    export OTPB_KEY_ID=0193… OTPB_SECRET=otps_…
    python sign.py POST https://billing.example/api/v1/events \
        '{"event_id": "1", "account_id": "a", "metric": "m"}'

Prints the status and the body of the answer; the exit status is 0 for a 2xx.
"""

import hashlib
import hmac
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit


def signed_headers(key_id, secret, method, url, body):
    """Return the headers that prove who sends this request. `url` is exactly what is sent."""
    parts = urlsplit(url)
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    path = parts.path or "/"
    query = "&".join(sorted(parts.query.split("&")))
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join(["v1", timestamp, nonce, method, path, query, digest])
    signature = hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()
    return {
        "X-Api-Key": key_id,
        "X-Timestamp": timestamp,
        "X-Nonce": nonce,
        "X-Signature": "v1=" + signature,
    }


def send(method, url, body=b""):
    """Send one signed request; return its status and its body."""
    headers = signed_headers(os.environ["OTPB_KEY_ID"], os.environ["OTPB_SECRET"], method, url, body)
    if body:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


if __name__ == "__main__":
    status, content = send(sys.argv[1], sys.argv[2], sys.argv[3].encode() if len(sys.argv) > 3 else b"")
    print(status)
    print(content.decode())
    sys.exit(0 if 200 <= status < 300 else 1)
