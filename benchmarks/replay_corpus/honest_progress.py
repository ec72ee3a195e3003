"""Honest cells: progress bars, timings and durations."""

CELLS = r"""
### tqdm_plain
import time
from tqdm import tqdm
for i in tqdm(range(60)):
    time.sleep(0.004)
### tqdm_bytes
import time
from tqdm import tqdm
with tqdm(total=5_000_000, unit="B", unit_scale=True, desc="data.zip") as bar:
    for chunk in range(10):
        time.sleep(0.02)
        bar.update(500_000)
### tqdm_nested
import time
from tqdm import trange
for epoch in trange(3, desc="epoch"):
    for batch in trange(8, desc="batch", leave=False):
        time.sleep(0.005)
print("trained")
### tqdm_pandas
import pandas as pd
from tqdm import tqdm
tqdm.pandas(desc="rows")
df = pd.DataFrame({"x": range(500)})
print(df["x"].progress_apply(lambda v: v * 2).sum())
### tqdm_notebook
import time
from tqdm.notebook import tqdm
for i in tqdm(range(30), desc="files"):
    time.sleep(0.003)
### tqdm_auto
from tqdm.auto import tqdm
total = 0
for i in tqdm(range(1000)):
    total += i
total
### tqdm_postfix
import time
from tqdm import tqdm
bar = tqdm(range(20), desc="fit", ncols=80)
for i in bar:
    time.sleep(0.01)
    bar.set_postfix(loss=1 / (i + 1))
### tqdm_write
import time
from tqdm import tqdm
for i in tqdm(range(12), ascii=True):
    time.sleep(0.02)
    if i % 5 == 0:
        tqdm.write(f"checkpoint {i}")
### tqdm_unknown_total
import time
from tqdm import tqdm
def lines():
    for i in range(200):
        time.sleep(0.001)
        yield i
n = sum(1 for _ in tqdm(lines(), unit="line"))
n
### tqdm_slow_bar
import time
from tqdm import tqdm
for i in tqdm([1, 2, 3], desc="models", bar_format="{desc}: {percentage:3.0f}%|{bar}| {n}/{total} [{elapsed}]"):
    time.sleep(0.4)
### bar_by_hand
import sys, time
start = time.time()
for i in range(1, 21):
    sys.stdout.write(f"\r[{'#' * i}{'.' * (20 - i)}] {i * 5:3d}% {time.time() - start:5.2f}s")
    sys.stdout.flush()
    time.sleep(0.01)
print()
### bar_with_eta
import time
start = time.perf_counter()
for done in range(1, 6):
    time.sleep(0.03)
    rate = done / (time.perf_counter() - start)
    print(f"\rprocessed {done}/5 files, {rate:.1f} files/s, ETA {(5 - done) / rate:.1f}s", end="")
print()
### spinner_backspace
import itertools, sys, time
spin = itertools.cycle("|/-\\")
sys.stdout.write("working ")
for _ in range(15):
    sys.stdout.write(next(spin)); sys.stdout.flush(); time.sleep(0.005); sys.stdout.write("\b")
print("done")
### counter_backspace
import sys, time
for i in range(100):
    text = f"{i:3d}% ({time.process_time():.3f} s CPU)"
    sys.stdout.write(text + "\b" * len(text))
print("100% complete" + " " * 20)
### keras_like
import time
for epoch in range(1, 4):
    t = time.perf_counter(); time.sleep(0.05); spent = time.perf_counter() - t
    print(f"Epoch {epoch}/3")
    print(f"100/100 [======================] - {spent:.0f}s {spent * 9:.0f}ms/step - loss: {1 / epoch:.4f}")
### trainer_like
import time
t = time.time(); time.sleep(0.123)
d = time.time() - t
{"train_runtime": round(d, 4), "train_samples_per_second": round(1000 / d, 3), "epoch": 3.0, "train_loss": 0.25}
### took_seconds
import time
t0 = time.time()
total = sum(i * i for i in range(300_000))
print(f"sum = {total}, took {time.time() - t0:.3f} s")
### elapsed_words
import time
start = time.perf_counter()
sorted(range(200_000), key=lambda v: -v)
print("Elapsed time:", time.perf_counter() - start, "seconds")
### timeit_line
xs = list(range(1000))
%timeit -n 200 -r 3 sum(xs)
### timeit_cell
%%timeit -n 20 -r 5
s = ""
for i in range(1000):
    s += str(i)
### time_line
%time total = sum(range(1_000_000))
print(total)
### time_cell
%%time
import numpy as np
a = np.arange(400_000.0)
float(np.sqrt(a).sum())
### timedelta_now
from datetime import datetime
import time
start = datetime.now()
time.sleep(0.07)
print("Duration:", datetime.now() - start)
### nanoseconds
import time
t = time.perf_counter_ns()
sum(range(100_000))
dt = time.perf_counter_ns() - t
print(f"finished in {dt / 1000:.1f} µs ({dt} ns)")
### benchmark_lines
import time
def clock(f):
    t = time.perf_counter(); f(); return (time.perf_counter() - t) * 1000
for name, n in [("small", 1_000), ("medium", 50_000), ("large", 400_000)]:
    print(f"{name:>8}: {clock(lambda: sorted(range(n))):8.2f} ms for {n} items")
### fold_times
import time
for fold in range(3):
    t = time.time(); time.sleep(0.03 + fold / 100)
    print(f"[CV {fold + 1}/3] END alpha=0.1;, score=0.{81 + fold} total time={time.time() - t:6.1f}s")
### prun
%%prun -s name
def f(n):
    return sum(range(n))
for i in range(50):
    f(1000)
### cprofile_top
import cProfile, pstats, io
def slow():
    return [str(i) for i in range(20000)]
p = cProfile.Profile(); p.enable(); slow(); p.disable()
out = io.StringIO(); pstats.Stats(p, stream=out).sort_stats("name").print_stats("slow")
print(out.getvalue())
"""
