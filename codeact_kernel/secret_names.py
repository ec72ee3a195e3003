"""Names that belong to secrets: variables of the environment, and files.

Standard library only: agent/probe.py sends this file as text into kernels that have nothing of ours. The patterns
are texts: `re` compiles and keeps each at its first use, which is not when the extension is loaded.
"""

from __future__ import annotations

import re

PRIVATE_VARIABLE = r"(?i)key|token|secret|passw|passphrase|credential|auth(?!or)"
"""Found in the name of an environment variable that holds a secret."""
PRIVATE_FILE = (
    r"(?i)(?<![a-z])(?:api)?keys?(?![a-z])|token(?!i[sz])|secret|passw|passphrase|credential|(?<![a-z])auth(?!or)"
    r"|(?<![a-z])env(?![a-z])|(?<![a-z])id_(?:rsa|dsa|ecdsa|ed25519)|(?<![a-z])private(?![a-z])"
)
"""Found in the name of a file that holds a secret; `monkey.csv`, `keywords.csv` and `authors.csv` do not."""


PRIVATE_NAME = (
    r"(?i)(?:^|_)(?:passw(?:or)?d|passphrase|secret|credentials?)s?(?:_|$)"
    r"|(?:api|access|auth|private|bearer|openai|anthropic|github|aws|hf)_?(?:key|token)s?$"
)
"""Found in the name of a Python variable that holds a secret."""


def is_secret_variable(name: str) -> bool:
    """Say whether an environment variable is named like a secret (`OPENAI_API_KEY`)."""
    return bool(re.search(PRIVATE_VARIABLE, name))


def is_secret_file(name: str) -> bool:
    """Say whether a file is named like a secret (`credentials.json`, `prod.env.txt`)."""
    return bool(re.search(PRIVATE_FILE, name))


def is_secret_name(name: str) -> bool:
    """Say whether a Python variable is named like a secret (`api_key`, `password`); `sort_key` is not."""
    return bool(re.search(PRIVATE_NAME, name))
