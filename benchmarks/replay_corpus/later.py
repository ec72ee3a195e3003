"""Cells written after the rules, to see what those do with what they were not made for: honest, then changes."""

HONEST = r"""
### timeit_object
t = %timeit -o -q -n 50 -r 2 sum(range(100))
t
### now_parts
from datetime import datetime
n = datetime.now()
print(n.strftime("%H:%M"), "|", n.time(), "|", n.strftime("%b %d %Y %I:%M%p"))
### uuid_hex
import uuid
print("run", uuid.uuid4().hex, uuid.uuid1().hex)
### id_decimal
x = object(); y = object()
print(id(x), id(x) == id(y))
### stat_result
import os, tempfile
f = tempfile.mkstemp(suffix=".bin")[1]
os.stat(f)
### logging_threads
import logging, sys, threading
logging.basicConfig(format="%(thread)d %(levelname)-8s %(message)s", force=True, stream=sys.stdout)
t = threading.Thread(target=lambda: logging.warning("from thread")); t.start(); t.join()
logging.warning("from main")
### timer_context
import time
from contextlib import contextmanager
@contextmanager
def timer(name):
    t = time.perf_counter(); yield
    print(f"[{name}] {1000 * (time.perf_counter() - t):.1f}ms")
with timer("load"): time.sleep(0.01)
with timer("fit"): time.sleep(0.02)
### timings_table
import time, pandas as pd
rows = []
for n in (10, 1000):
    t = time.perf_counter(); sorted(range(n)); rows.append({"n": n, "seconds": time.perf_counter() - t})
pd.DataFrame(rows)
### bench_dict
import time
res = {}
for name, f in {"list": lambda: [i for i in range(20000)], "set": lambda: {i for i in range(20000)}}.items():
    t = time.time(); f(); res[f"{name}_time"] = time.time() - t
res
### requests_per_second
import time
t = time.perf_counter(); n = 0
for _ in range(2000): n += 1
d = time.perf_counter() - t
print(f"{n} requests in {d:.4f}s ({n / d:,.0f} req/s)")
### mixed_line
import os, time, uuid
print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] worker-{os.getpid()} job={uuid.uuid4()} status=ok items=14")
### tempfile_kinds
import tempfile
with tempfile.TemporaryDirectory() as a, tempfile.NamedTemporaryFile(prefix="plot_", suffix=".png") as b:
    print(a, b.name)
### nested_sets
{"a": {("x", "y"), ("p", "q")}, "b": [{"m", "n"}, frozenset({"u", "v", "w"})]}
### set_in_sentence
bad = {"Oslo", "Lima", "Bern", "Rome"}
print(f"unknown cities {bad} were dropped")
### set_error
raise ValueError(f"columns missing: { {'price', 'qty', 'city'} }")
### set_wide
{f"name_{i:03d}" for i in range(30)}
### key_error_object
class K:
    def __init__(self, n): self.n = n
{}[K(3)]
### enum_and_types
import enum, types
class C(enum.Enum):
    R = 1
print(C.R, types.SimpleNamespace(f=len, o=object()))
### closures
def outer():
    def inner(): pass
    return inner
[outer(), outer.__code__, type("T", (), {})()]
### property_objects
class P:
    @property
    def x(self): return 1
    @staticmethod
    def s(): pass
print(P.__dict__["x"], P.__dict__["s"])
### numpy_objects
import numpy as np
np.array([object(), None], dtype=object), np.random.default_rng()
### matplotlib_objects
import matplotlib.pyplot as plt
fig, ax = plt.subplots(); line, = ax.plot([1, 2]); plt.close(fig)
[line, ax.xaxis, fig.canvas, ax.transData.frozen().__class__, ax.get_children()[0]]
### plot_scatter_seeded
%matplotlib inline
import numpy as np, matplotlib.pyplot as plt
r = np.random.default_rng(0); plt.scatter(r.random(40), r.random(40), c=r.random(40)); plt.colorbar(); plt.show()
### style_many
import pandas as pd
df = pd.DataFrame({"a": [1.5, 2.5], "b": [3, 4]})
display(df.style.background_gradient().format(precision=1)); df.style.set_properties(color="red")
### widget_progress
import ipywidgets as w
p = w.IntProgress(value=0, max=5); display(p)
for i in range(5): p.value += 1
### widget_tabs
import ipywidgets as w
w.Tab([w.Text("a"), w.Textarea("b")], titles=("one", "two"))
### tqdm_manual
import time
from tqdm import tqdm
bar = tqdm(total=2048, unit="iB", unit_scale=True, unit_divisor=1024, desc="model.bin", miniters=1)
for _ in range(4): time.sleep(0.03); bar.update(512)
bar.close()
### tqdm_enumerate
import time
from tqdm import tqdm
for i, ch in enumerate(tqdm("abcdef", position=0, leave=True, colour="green")):
    time.sleep(0.02)
print("last", ch)
### rich_status
from rich.console import Console
from rich.progress import Progress
import time
with Progress() as p:
    t = p.add_task("Load", total=4)
    for _ in range(4): time.sleep(0.02); p.advance(t)
### download_like
import sys, time
t = time.time()
for mb in range(0, 11, 2):
    time.sleep(0.02)
    sys.stdout.write(f"\rDownloading: {mb:.1f}/10.0 MB ({mb / (time.time() - t):.1f} MB/s {time.time() - t:.1f}s)")
print()
### epochs_like
import time
for e in range(3):
    t = time.time(); time.sleep(0.02)
    print(f"epoch {e:02d} | loss {1 / (e + 2):.4f} | acc {0.5 + e / 10:.3f} | {time.time() - t:.2f}s/epoch")
### gather_results
import asyncio, random
async def get(n):
    await asyncio.sleep(random.random() / 50); return n * n
print(await asyncio.gather(*(get(n) for n in range(5))))
### executor_map
from concurrent.futures import ThreadPoolExecutor
import time
def f(n): time.sleep(0.01); return n + 1
with ThreadPoolExecutor(3) as ex: print(list(ex.map(f, range(5))))
ex
### shell_date
!date +%Y-%m-%dT%H:%M:%S
!echo $RANDOM | wc -l
### dot_progress
import sys, time
for i in range(20): sys.stdout.write("."); sys.stdout.flush(); time.sleep(0.002)
print(f" ok ({time.process_time():.2f} CPU s)")
### softmax_order
import numpy as np
x = np.exp(np.linspace(-3, 3, 1000)); p = np.random.permutation(1000)
print((x[p] / x[p].sum()).sum(), x[p].mean(), np.linalg.norm(x[p]))
### residuals
import numpy as np
x = np.linspace(0, 1, 50); p = np.random.permutation(50)
r = x[p] - x[p].mean()
print("mean of residuals", r.mean())
### html_report
from IPython.display import HTML
from datetime import datetime
HTML(f"<h3>Report</h3><p>Generated {datetime.now():%d.%m.%Y %H:%M}</p><p>rows: 120</p>")
"""

CHANGES = r"""
### score_beside_time
import time
t = time.time(); print(f"accuracy 0.913, time {time.time() - t:.3f}")
---
import time
t = time.time(); print(f"accuracy 0.931, time {time.time() - t:.3f}")
### epoch_loss
import time
t = time.time(); print(f"epoch 3 | loss 0.2500 | {time.time() - t:.2f}s/epoch")
---
import time
t = time.time(); print(f"epoch 3 | loss 0.2600 | {time.time() - t:.2f}s/epoch")
### job_items
import time
print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] items=14")
---
import time
print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] items=41")
### status_word
import uuid
print(f"job={uuid.uuid4()} status=ok")
---
import uuid
print(f"job={uuid.uuid4()} status=failed")
### total_hours
print("total: 7.5 h of machine use")
---
print("total: 8.5 h of machine use")
### flight_time
print("flight time: 3 h 20 min")
---
print("flight time: 2 h 20 min")
### timeout_setting
{"retries": 3, "timeout": 30}
---
{"retries": 3, "timeout": 60}
### speed_data
print("top speed 251 km/h")
---
print("top speed 215 km/h")
### requests_count
import time
t = time.time(); print(f"2000 requests in {time.time() - t + .1:.4f}s")
---
import time
t = time.time(); print(f"2001 requests in {time.time() - t + .1:.4f}s")
### dropped_cities
print(f"dropped { {'Oslo', 'Lima', 'Bern'} }")
---
print(f"dropped { {'Oslo', 'Lima', 'Rome'} }")
### set_of_numbers
{3, 17, 99}
---
{3, 17, 98}
### frozen_to_set
frozenset({"a", "b"})
---
{"a", "b"}
### date_column
import pandas as pd
pd.DataFrame({"day": pd.to_datetime(["2021-05-01", "2021-05-03"]), "n": [1, 2]})
---
import pandas as pd
pd.DataFrame({"day": pd.to_datetime(["2021-05-01", "2021-05-04"]), "n": [1, 2]})
### month_name
print("best month: Mar 2023 with 120 sales")
---
print("best month: Apr 2023 with 120 sales")
### us_date
print("due 03/14/2023")
---
print("due 03/15/2023")
### german_date
print("faellig am 14.03.2023")
---
print("faellig am 15.03.2023")
### year
print("year 2023: 14 storms")
---
print("year 2024: 14 storms")
### money
print("revenue $1,234,567.89")
---
print("revenue $1,234,576.89")
### scientific
print("p = 1.3e-05")
---
print("p = 1.9e-05")
### tiny_p
import numpy as np
print("p =", 3.1e-12)
---
import numpy as np
print("p =", 3.1e-11)
### corr_sign
import numpy as np
print(np.array([[1.0, -0.25], [-0.25, 1.0]]))
---
import numpy as np
print(np.array([[1.0, 0.25], [0.25, 1.0]]))
### array_order
import numpy as np
np.array([0.5, 0.25, 0.75])
---
import numpy as np
np.array([0.25, 0.5, 0.75])
### memory_model
print("GPU needed: 16 GB for the model")
---
print("GPU needed: 24 GB for the model")
### http_status
from datetime import datetime
print(f'127.0.0.1 - - [{datetime.now():%d/%b/%Y %H:%M:%S}] "GET / HTTP/1.1" 200 -')
---
from datetime import datetime
print(f'127.0.0.1 - - [{datetime.now():%d/%b/%Y %H:%M:%S}] "GET / HTTP/1.1" 500 -')
### service_port
print("listening on localhost:8080")
---
print("listening on localhost:8081")
### ip_host
print("192.168.1.14 up")
---
print("192.168.1.41 up")
### git_hash
print("commit 9f8c2d1")
---
print("commit 9f8c2d7")
### phone
print("call 555-0134")
---
print("call 555-0143")
### isbn
print("978-3-16-148410-0")
---
print("978-3-16-148411-0")
### tqdm_skipped
from tqdm import tqdm
import time
for i in tqdm(range(10), desc="ok 9 bad 1"): time.sleep(0.002)
---
from tqdm import tqdm
import time
for i in tqdm(range(10), desc="ok 8 bad 2"): time.sleep(0.002)
### tmp_name_of_data
print("/tmp/exports/2024/q1.parquet")
---
print("/tmp/exports/2024/q2.parquet")
### markdown_table
from IPython.display import Markdown
Markdown("| a | b |\n|---|---|\n| 1 | 2 |")
---
from IPython.display import Markdown
Markdown("| a | b |\n|---|---|\n| 1 | 3 |")
### plot_legend
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2], label="train"); plt.legend(); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2], label="valid"); plt.legend(); plt.show()
### plot_tick
%matplotlib inline
import matplotlib.pyplot as plt
plt.bar(["x"], [100]); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.bar(["x"], [102]); plt.show()
### plot_thin_line
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([0, 1], lw=1); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([0, 1], lw=1); plt.axhline(0.3, lw=0.5); plt.show()
### html_class
from IPython.display import HTML
HTML('<div class="ok">3</div>')
---
from IPython.display import HTML
HTML('<div class="bad">3</div>')
### json_float
from IPython.display import JSON
JSON({"auc": 0.9123})
---
from IPython.display import JSON
JSON({"auc": 0.9132})
### object_state
class Acc:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"<Acc n={self.n} at {hex(id(self))}>"
Acc(3)
---
class Acc:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"<Acc n={self.n} at {hex(id(self))}>"
Acc(4)
"""
