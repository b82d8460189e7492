"""Whether a tracking server answers: MLflow itself would retry for minutes."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.parse
import urllib.request

__all__ = ["is_alive"]

PROBE_SECONDS = 1.0


def is_alive(uri: str) -> bool:
    """Whether the store at ``uri`` can be talked to; True for everything that is not an HTTP server.

    One request of at most a second. Any answer counts, also a refusal: the server is there.
    """
    if urllib.parse.urlsplit(uri).scheme not in ("http", "https"):
        return True
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PROBE_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except urllib.error.URLError as error:
        # MLflow may be set up to accept a certificate that we do not.
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError):
        return False
