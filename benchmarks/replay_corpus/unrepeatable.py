"""Cells that give other values each time: a replay has to say so, since no rule can know whether it matters."""

CELLS = r"""
### random_values
import random
print([random.randint(1, 100) for _ in range(6)])
### random_array
import numpy as np
np.random.rand(2, 3)
### random_rows
import pandas as pd
df = pd.DataFrame({"n": range(100)})
df.sample(4)
### random_accuracy
import random
print(f"accuracy: {0.8 + random.random() / 10:.3f}")
### list_of_set
print(list({"north", "south", "east", "west", "middle", "edge", "corner"}))
### hash_of_text
print(hash("codeact"))
### token
import secrets
print("token", secrets.token_hex(16))
### random_image
%matplotlib inline
import numpy as np, matplotlib.pyplot as plt
plt.plot(np.random.rand(12)); plt.show()
### shuffled_lines
import random
names = ["ada", "bob", "cy", "di", "eve", "flo", "gus"]
random.shuffle(names); print("\n".join(names))
### threads_racing
import random, threading, time
def work(n): time.sleep(random.random() / 20); print("worker", n)
ts = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]; None
### random_error
import random
raise random.choice([ValueError, KeyError, TypeError, OSError, IndexError, ZeroDivisionError])(random.random())
### count_in_time
import time
n = 0; end = time.time() + 0.02
while time.time() < end: n += 1
print("rounds", n)
"""
