"""Honest cells: times, ids, paths, logs, floats that end otherwise."""

CELLS = r"""
### now_str
from datetime import datetime
print("run at", datetime.now())
print("iso", datetime.now().isoformat())
### now_repr
import datetime
datetime.datetime.now(), datetime.date.today()
### now_utc
from datetime import datetime, timezone
print(datetime.now(timezone.utc))
print(datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
### now_words
import time
from datetime import datetime
print(time.ctime(), "|", datetime.now().strftime("%d %B %Y, %H:%M:%S"))
print(time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()))
### now_pandas
import pandas as pd
pd.Timestamp.now(), pd.Timestamp("2024-02-29")
### now_file_name
from datetime import datetime
name = f"report_{datetime.now():%Y%m%d_%H%M%S}.csv"
print("saved", name)
### epoch
import time
print("started", time.time())
{"created": time.time(), "n": 3}
### struct_time
import time
t = time.localtime()
print(time.strftime("%H:%M:%S", t), time.strftime("%I:%M:%S %p", t))
time.strftime("%Y/%m/%d %H:%M:%S", t)
### uuid_four
import uuid
run = uuid.uuid4()
print("run", run)
{"run": str(run), "parent": run}
### uuid_many
import uuid, json
rows = [{"id": str(uuid.uuid4()), "n": n} for n in range(3)]
print(json.dumps(rows, indent=1))
### uuid_one
import uuid
print(uuid.uuid1(), uuid.NAMESPACE_DNS)
print(uuid.uuid4().urn)
### uuid_braces
import uuid
u = uuid.uuid4()
print(f"{{{str(u).upper()}}}", repr(u))
### temp_dir
import tempfile, pathlib
d = pathlib.Path(tempfile.mkdtemp())
(d / "out.txt").write_text("x" * 10)
print(d / "out.txt", list(d.iterdir()))
### temp_named
import tempfile
f = tempfile.NamedTemporaryFile(suffix=".csv")
print(f.name)
tempfile.TemporaryDirectory(prefix="work-")
### log_asctime
import logging
logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, force=True)
logging.getLogger("etl").info("read %d rows", 120)
logging.warning("2 rows dropped")
### log_process
import logging, sys
logging.basicConfig(format="[%(process)d/%(threadName)s] %(filename)s:%(lineno)d %(relativeCreated)d ms "
                    "%(message)s", level=logging.DEBUG, force=True, stream=sys.stdout)
logging.debug("open connection")
logging.error("retry 1 of 3")
### log_json
import json, time, os
print(json.dumps({"ts": time.time(), "level": "info", "pid": os.getpid(), "msg": "loaded", "rows": 41}))
### log_access
from datetime import datetime
for path, status in [("/", 200), ("/missing", 404)]:
    print(f'127.0.0.1 - - [{datetime.now():%d/%b/%Y %H:%M:%S}] "GET {path} HTTP/1.1" {status} -')
### float_sum_order
values = {f"k{i}": 0.1 * i for i in range(200)}
total = sum(values[k] for k in set(values))
print("total", total)
total / 7
### float_matrix_order
import numpy as np
a = np.linspace(0, 1, 60).reshape(20, 3) ** np.array([1, 2, 3])
order = np.random.permutation(20)
w = np.linalg.lstsq(a[order], a[order] @ np.array([1.5, -2.0, 0.25]) + 1e-3 * a[order][:, 0] ** 5, rcond=None)[0]
np.set_printoptions(precision=8); print(w)
w.tolist()
### float_mean_order
import pandas as pd, numpy as np
df = pd.DataFrame({"g": ["a", "b"] * 500, "v": np.sqrt(np.arange(1000))}).sample(frac=1)
means = df.groupby("g")["v"].mean()
print(means.to_dict())
### float_json
import json, random
xs = [0.1] * 10 + [1e-3] * 33; random.shuffle(xs)
print(json.dumps({"mean": sum(xs) / len(xs), "n": len(xs), "var": sum((x - 0.01) ** 2 for x in xs)}))
### random_shape
import numpy as np
x = np.random.normal(size=(1000, 4))
print(x.shape, x.dtype, abs(x.mean()) < 0.5)
### random_checked
import random, secrets
token = secrets.token_urlsafe(12)
draws = [random.randint(1, 6) for _ in range(600)]
print(len(token), len(draws), min(draws), max(draws))
### random_seeded
import random, numpy as np
random.seed(4); rng = np.random.default_rng(4)
print(random.sample(range(100), 5), rng.integers(0, 10, 6), rng.normal(size=3))
### random_histogram
import numpy as np
h, edges = np.histogram(np.random.rand(10_000), bins=4, range=(0, 1))
print("bins", len(h), "sum", h.sum(), "edges", edges)
### threads_named
import threading
def work(n): print(threading.current_thread().name, n)
for n in range(3):
    t = threading.Thread(target=work, args=(n,)); t.start(); t.join()
t
### threads_idents
import threading
print("main", threading.get_ident() > 0, threading.main_thread())
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    futures = [pool.submit(pow, 2, n) for n in range(3)]
print(futures, pool)
### asyncio_tasks
import asyncio, time
async def job(n):
    await asyncio.sleep(0.01 * n); return n
tasks = [asyncio.create_task(job(n)) for n in (1, 2)]
print(tasks[0].get_coro().__name__, await asyncio.gather(*tasks))
tasks
### asyncio_loop
import asyncio
loop = asyncio.get_running_loop()
fut = loop.create_future()
print(type(loop).__name__, fut, asyncio.current_task() is not None)
fut.cancel()
asyncio.Event()
"""
