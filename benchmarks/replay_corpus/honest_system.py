"""Honest cells: processes, ports, memory, files, shells."""

CELLS = r"""
### getpid
import os
print("pid", os.getpid(), "parent", os.getppid() > 0)
### worker_pids
import os
print(f"worker started (pid={os.getpid()}), PID: {os.getpid()}")
### server_port
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(f"Serving on http://127.0.0.1:{s.getsockname()[1]}/ (Ctrl+C to stop)")
s.close()
### socket_repr
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[0], "port", s.getsockname()[1]); s.close()
s
### subprocess_run
import subprocess, sys
subprocess.run([sys.executable, "-c", "print('from child')"], capture_output=True, text=True)
### subprocess_popen
import subprocess
p = subprocess.Popen(["sleep", "0"])
print(p.wait(), p.pid > 0)
p
### shell_lines
!echo hello; echo "pid $$"
!date
### shell_listing
import tempfile, os
d = tempfile.mkdtemp(); open(os.path.join(d, "a.csv"), "w").write("1,2\n")
!ls -l {d}
### memory_rss
import resource
print(f"Memory usage: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.2f} MB")
### memory_traced
import tracemalloc
tracemalloc.start(); data = [str(i) for i in range(5000)]
now, peak = tracemalloc.get_traced_memory(); tracemalloc.stop()
print(f"peak memory {peak / 1e6:.3f} MB, {len(data)} strings")
### df_memory
import pandas as pd
df = pd.DataFrame({"a": range(1000)})
print(df.memory_usage(deep=True).sum(), "bytes")
### file_stat
import os, tempfile, time
f = tempfile.mkstemp()[1]; open(f, "w").write("hello")
print(os.path.getsize(f), time.ctime(os.path.getmtime(f)))
### whos
class Box: pass
b = Box(); n = 3; words = ["a"]
%whos
### versions
import sys, numpy, pandas
print(sys.version_info[:2], numpy.__version__, pandas.__version__)
### sqlite
import sqlite3
db = sqlite3.connect(":memory:")
print(db, db.execute("select 1").fetchall())
db.cursor()
### multiprocess_pool
from multiprocessing.pool import ThreadPool
with ThreadPool(2) as pool:
    print(pool.map(abs, [-1, 2, -3]))
pool
"""
