"""48 small data tasks in a notebook kernel: how often does a model get them right, and at what cost?"""
