"""While a document is rendered nothing is opened but templates and fonts, and nothing goes out by network:
Python's own audit events say so (PEP 578), in a process whose libraries may read their settings."""

import json
import subprocess
import sys

from tests.services.document_samples import HOSTILE, SAMPLES
from tests.support.machine import ROOT

PROGRAM = """
import json, sys
from app.services.documents import render_snapshot

asked, snapshot = [], json.load(sys.stdin)
events = ("open", "socket.connect", "socket.getaddrinfo", "urllib.Request", "subprocess.Popen")
sys.addaudithook(lambda event, args: asked.append((event, str(args[0]))) if event in events else None)
render_snapshot(snapshot)
print(json.dumps(asked))
"""
# Settings that ReportLab and the table of media types of the standard library look for, once.
OF_LIBRARIES = (".reportlab_mods", ".reportlab_settings", "mime.types", ".mime.types")


def test_nothing_is_read_but_templates_and_fonts_and_nobody_is_asked():
    name = f"{HOSTILE} हिन्दी شركة 🚀"
    snapshot = {**SAMPLES["tax_invoice"], "buyer": {**SAMPLES["tax_invoice"]["buyer"], "name": name}}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(snapshot),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    asked = json.loads(done.stdout)
    assert {event for event, _ in asked} == {"open"}
    ours = (str(ROOT / "templates/pdf"), str(ROOT / "app/static/fonts/pdf"))
    libraries = (sys.prefix, sys.base_prefix, "<", *ours)
    others = [path for _, path in asked if not path.startswith(libraries)]
    assert [path for path in others if not path.endswith(OF_LIBRARIES)] == []
    assert "/etc/passwd" not in {path for _, path in asked}
