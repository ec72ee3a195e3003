"""Made-up secrets of forty kinds, and the ways in which one may come back from a cell."""

from __future__ import annotations

import base64
from urllib.parse import quote

_A = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC"

NAMED = {
    "OPENAI_API_KEY": f"oai{_A}",
    "ANTHROPIC_API_KEY": f"ant{_A}",
    "DB_PASSWORD": "correct horse/battery+staple?",
    "SMTP_PASSWD": "p@55:w0rd&more=yes",
    "SSH_PASSPHRASE": "ein gr\u00fcner Igel \u2603",
    "JUPYTER_TOKEN": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978",
    "CLIENT_SECRET": "xY~7.Qw_9-Zt*4",
    "SERVICE_CREDENTIALS": '{"type": "service", "key_id": "9f8e7d6c", "client": "robot"}',
    "BASIC_AUTH": "robot:Tr0ub4dor&3",
    "SIGNING_KEY": "MHcCAQEEIBz9\nAoGCCqGSM49\nAwEHoUQDQgAE",
    "COOKIE_SECRET": "\\x8f\\xa1'\"quoted\\n",
    "SHORT_PASSWORD": "hunt3R2",
}
"""Values of variables that are named like secrets."""
SHAPED = {
    "OpenAI": f"sk-proj-{_A}",
    "Anthropic": f"sk-ant-api03-{_A}",
    "Stripe": f"sk_live_{_A[:24]}",
    "Stripe restricted": f"rk_test_{_A[:24]}",
    "AWS": "AKIAQWERTYUIOP123456",
    "AWS temporary": "ASIAQWERTYUIOP123456",
    "GitHub": f"ghp_{_A}abcd",
    "GitHub fine-grained": f"github_pat_{_A}",
    "GitLab": f"glpat-{_A[:20]}",
    "Hugging Face": f"hf_{_A}ab",
    "Google": f"AIza{_A}abc",
    "Google OAuth": f"ya29.{_A}",
    "Slack": "xoxb-123456789012-abcdefABCDEF",
    "npm": f"npm_{_A}abcd",
    "PyPI": f"pypi-{_A}{_A}",
    "SendGrid": f"SG.{_A[:22]}.{_A}",
    "Twilio": "SK0123456789abcdef0123456789abcdef",
    "DigitalOcean": "dop_v1_" + "0123456789abcdef" * 4,
    "Shopify": "shpat_0123456789abcdef0123456789abcdef",
    "Databricks": "dapi0123456789abcdef0123456789abcdef",
    "Vault": f"hvs.{_A}",
    "Docker": f"dckr_pat_{_A}",
    "Groq": f"gsk_{_A}{_A[:20]}",
    "Replicate": f"r8_{_A}abcde",
    "Mailgun": "key-0123456789abcdef0123456789abcdef",
    "New Relic": "NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ1",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAqw\nAbCdEf0123\n-----END RSA PRIVATE KEY-----",
}
"""What looks like a key, wherever it comes from."""
CANARIES = NAMED | SHAPED

FORMS = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "url": lambda text: quote(text, safe=""),
    "hex": lambda text: text.encode().hex(),
}


def leaks(text: str, kind: str) -> list[str]:
    """Return the forms in which a canary, or a telling half of it, stands in a text."""
    value = CANARIES[kind]
    found = []
    for form, encode in FORMS.items():
        whole = encode(value)
        part = whole[: max(6, len(whole) // 2)] if form != "plain" else value
        telling = {whole, part} if len(value) >= 8 else {value} if form == "plain" else set()
        if any(piece in text for piece in telling):
            found.append(form)
    return found
