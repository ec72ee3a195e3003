"""What secrets look like that no variable names: keys of vendors, private keys, passwords in addresses.

Each shape is its name, a literal that it holds, a pattern, and whether it is a key and nothing else (then its
encoded forms are looked for, too). The shapes are the vendors' published ones.
"""

from __future__ import annotations

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"""Not inside a run of letters and digits (a base64 picture), but after an escaped line end."""
_END = r"(?![0-9A-Za-z])"


def _keys(*rows: tuple[str, str, str]) -> tuple[tuple[str, str, str, bool], ...]:
    return tuple((name, literal, _START + pattern, True) for name, literal, pattern in rows)


SHAPES: tuple[tuple[str, str, str, bool], ...] = (
    ("private key", "PRIVATE KEY-----", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[A-Za-z0-9+/=\s\\:,]*", False),
    ("private key", "LS0tLS1CRUdJTi", r"LS0tLS1CRUdJTi(?:[A-Za-z0-9+/=_-]|\\n|\n)*", False),
    ("private key", "2d2d2d2d2d424547494e20", r"2d2d2d2d2d424547494e20[0-9a-f]*", False),
    ("private key", "-----BEGIN%20", r"-----BEGIN%20[A-Z%0-9]{0,60}-----[A-Za-z0-9+/=%]*", False),
    *_keys(
        ("API key (sk-)", "sk-", r"sk-[A-Za-z0-9_-]{20,}"),
        ("Stripe key", "k_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
        ("Stripe webhook secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,}"),
        ("AWS access key", "AKIA", r"AKIA[0-9A-Z]{16}" + _END),
        ("AWS access key", "ASIA", r"ASIA[0-9A-Z]{16}" + _END),
        ("GitHub token", "gh", r"gh[pousr]_[A-Za-z0-9]{30,}"),
        ("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,}"),
        ("GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
        ("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
        ("Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
        ("Google client secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
        ("Google access token", "ya29.", r"ya29\.[A-Za-z0-9_-]{20,}"),
        ("Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("Slack token", "xapp-", r"xapp-[0-9]-[A-Za-z0-9-]{20,}"),
        ("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
        ("PyPI token", "pypi-", r"pypi-[A-Za-z0-9_-]{50,}"),
        ("SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("Twilio key", "SK", r"SK[0-9a-f]{32}" + _END),
        ("DigitalOcean token", "do", r"do[opr]_v1_[0-9a-f]{40,}"),
        ("Shopify token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
        ("Databricks token", "dapi", r"dapi[0-9a-f]{32}" + _END),
        ("Vault token", "hvs.", r"hvs\.[A-Za-z0-9_-]{20,}"),
        ("Docker token", "dckr_pat_", r"dckr_pat_[A-Za-z0-9_-]{20,}"),
        ("Linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{30,}"),
        ("Notion token", "ntn_", r"ntn_[A-Za-z0-9]{40,}"),
        ("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
        ("xAI key", "xai-", r"xai-[A-Za-z0-9]{60,}"),
        ("Replicate token", "r8_", r"r8_[A-Za-z0-9]{30,}"),
        ("Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{40,}"),
        ("Grafana token", "gl", r"gl(?:sa|c)_[A-Za-z0-9+/=_]{30,}"),
        ("Sentry token", "sntrys_", r"sntrys_[A-Za-z0-9+/=_-]{30,}"),
        ("New Relic key", "NRAK-", r"NRAK-[A-Z0-9]{27}"),
        ("Mailgun key", "key-", r"key-[0-9a-f]{32}" + _END),
        ("age secret key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
        ("Telegram token", ":AA", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}" + _END),
        (
            "JSON web token",
            "eyJ",
            r"eyJ[A-Za-z0-9_-]{10,4096}\.eyJ[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{10,}",
        ),
    ),
    ("Azure account key", "AccountKey=", r"(?<=AccountKey=)[A-Za-z0-9+/]{40,}={0,2}", False),
    ("password in a URL", "://", r"(?<=://)[^\s/:@\"'<>]{0,128}:[^\s/@\"'<>]{1,128}(?=@)", False),
    ("password in a URL", "%3A%2F%2F", r"(?<=%3A%2F%2F)[^\s%]{0,128}%3A[^\s@\"'<>/]{1,300}?(?=%40)", False),
    ("bearer token", "earer", r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*", False),
    ("basic authorization", "asic ", r"(?<=[Aa]uthorization: [Bb]asic )[A-Za-z0-9+/]{8,}={0,2}", False),
)
"""What is found by its shape."""
