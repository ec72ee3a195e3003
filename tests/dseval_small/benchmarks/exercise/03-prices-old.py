# ruff: noqa: B018
# %%
"""
{"question": "How much is two and two?"}
"""

2 + 2

# %%
"""
{"question": "What do strings know that old ones did not?"}
"""

"a".decode()
