"""What `inet doctor` looks at: each thing INET needs, in words, with what to do when it is not well.

What also stands on the health page is asked by the same probes (services/operations/health); what only a person at this machine can
mend (folders, secrets, the proxy, the certificate) is looked at here.
"""

from __future__ import annotations

from app.doctor.examination import Finding, examine

__all__ = ["Finding", "examine"]
