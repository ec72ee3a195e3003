"""Cells and a changed variant whose printed text, error or values really differ (`---` stands between them)."""

CELLS = r"""
### int_off_by_one
print("rows:", 1204)
---
print("rows:", 1205)
### int_in_list
[3, 1, 4, 1, 5, 9]
---
[3, 1, 4, 2, 5, 9]
### int_long
print(12345678901234567890)
---
print(12345678901234567891)
### int_digit_less
print("total 1000 items")
---
print("total 100 items")
### int_to_float
print(7)
---
print(7.0)
### dtype_in_repr
import numpy as np
np.array([1, 2, 3], dtype="int32")
---
import numpy as np
np.array([1, 2, 3], dtype="int64")
### sign_int
print("balance", -45)
---
print("balance", 45)
### sign_float
{"slope": 0.7312}
---
{"slope": -0.7312}
### float_third_digit
print("r2 =", 0.8412337)
---
print("r2 =", 0.8422337)
### float_small_relative
print(f"{1.00005:.5f}")
---
print(f"{1.00009:.5f}")
### float_exponent
print(3.2e-7)
---
print(3.2e-6)
### float_among_noise
import time
t = time.time(); print(f"loss 0.3310 after {time.time() - t:.4f} s")
---
import time
t = time.time(); print(f"loss 0.3130 after {time.time() - t:.4f} s")
### nan_value
print([1.5, 2.5, 3.5])
---
print([1.5, float("nan"), 3.5])
### nan_mean
import numpy as np
float(np.mean([1.0, 2.0]))
---
import numpy as np
float(np.mean([1.0, np.nan]))
### bool_flip
print("valid:", True)
---
print("valid:", False)
### none_result
x = {"best": "rf"}; x.get("best")
---
x = {"best": "rf"}; x.get("worst")
### unit_length
print("distance: 12.5 km")
---
print("distance: 12.5 mi")
### unit_money
print("price: 80 EUR")
---
print("price: 80 USD")
### letter
print("status: passed")
---
print("status: parsed")
### letter_case
["Oslo", "Lima"]
---
["oslo", "Lima"]
### line_missing
for n in ["a", "b", "c"]: print("file", n)
---
for n in ["a", "b"]: print("file", n)
### line_order
for n in ["a", "b", "c"]: print("file", n)
---
for n in ["a", "c", "b"]: print("file", n)
### line_twice
print("saved")
---
print("saved"); print("saved")
### list_order
["beta", "alpha", "gamma"]
---
["alpha", "beta", "gamma"]
### dict_key
{"mean": 2, "max": 3}
---
{"mean": 2, "maximum": 3}
### dict_value_nested
{"cfg": {"depth": [3, 5], "kind": "tree"}}
---
{"cfg": {"depth": [3, 6], "kind": "tree"}}
### set_element
{"lima", "oslo", "cairo", "quito"}
---
{"lima", "oslo", "cairo", "rome"}
### set_shrinks
print("left:", {"ann", "bob", "cy", "dee"})
---
print("left:", {"ann", "bob", "cy"})
### shape_rows
import numpy as np
print(np.random.rand(100, 5).shape)
---
import numpy as np
print(np.random.rand(99, 5).shape)
### percent
print("share 12 %")
---
print("share 13 %")
### error_type
{}["price"]
---
[]["price"]
### error_type_kin
raise ValueError("bad row 3")
---
raise TypeError("bad row 3")
### error_message
raise ValueError("bad row 3")
---
raise ValueError("bad row 4")
### error_gone
int("12x")
---
int("12")
### error_new
print("start"); 1 / 1
---
print("start"); 1 / 0
### error_path_kind
open("/tmp/none/a.csv")
---
open("/tmp/none/b.csv")
### warning_extra
import warnings
warnings.warn("few rows")
---
import warnings
warnings.warn("few rows"); warnings.warn("old", DeprecationWarning)
### warning_category
import warnings
warnings.warn("changes soon", FutureWarning)
---
import warnings
warnings.warn("changes soon", RuntimeWarning)
### warning_gone
import numpy as np
print(np.array([1.0, 2.0]) / np.array([0.0, 1.0]))
---
import numpy as np
with np.errstate(all="ignore"):
    print(np.array([1.0, 2.0]) / np.array([0.0, 1.0]))
### warning_text
import warnings
warnings.warn("column 'a' is empty")
---
import warnings
warnings.warn("column 'b' is empty")
### bar_stops_early
from tqdm import tqdm
for i in tqdm(range(50)): pass
---
from tqdm import tqdm
for i in tqdm(range(50)):
    if i == 48: break
### bar_total
from tqdm import tqdm
for i in tqdm(range(300), desc="rows"): pass
---
from tqdm import tqdm
for i in tqdm(range(301), desc="rows"): pass
### bar_name
from tqdm import tqdm
for i in tqdm(range(30), desc="train"): pass
---
from tqdm import tqdm
for i in tqdm(range(30), desc="valid"): pass
### bar_metric
from tqdm import tqdm
b = tqdm(range(5)); [b.set_postfix(loss=0.25, acc=0.9) for _ in b]; None
---
from tqdm import tqdm
b = tqdm(range(5)); [b.set_postfix(loss=0.35, acc=0.9) for _ in b]; None
### bar_hand_percent
import time
t = time.time(); print(f"\rdone 100% in {time.time() - t:.2f}s")
---
import time
t = time.time(); print(f"\rdone  90% in {time.time() - t:.2f}s")
### same_object_twice
class A: pass
a, b = A(), A()
[a, b, a]
---
class A: pass
a, b = A(), A()
[a, b, b]
### alias_broken
x = [object()]; y = list(x)
print(x, y)
---
x = [object()]; y = [object()]
print(x, y)
### uuid_reused
import uuid
a, b = uuid.uuid4(), uuid.uuid4()
print(a, b)
---
import uuid
a = uuid.uuid4()
print(a, a)
### class_of_object
class Reader: pass
class Writer: pass
Reader()
---
class Reader: pass
class Writer: pass
Writer()
### log_level
import logging
logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", force=True)
logging.warning("slow disk")
---
import logging
logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", force=True)
logging.error("slow disk")
### log_count
import logging
logging.basicConfig(format="%(asctime)s %(message)s", force=True)
logging.warning("read 120 rows")
---
import logging
logging.basicConfig(format="%(asctime)s %(message)s", force=True)
logging.warning("read 121 rows")
### data_date
from datetime import date
print("last order:", date(2024, 3, 1))
---
from datetime import date
print("last order:", date(2024, 3, 2))
### data_moment
from datetime import datetime
print("first event", datetime(2023, 7, 5, 14, 30, 12))
---
from datetime import datetime
print("first event", datetime(2023, 7, 5, 15, 30, 12))
### data_timedelta
from datetime import timedelta
print("gap", timedelta(days=2, hours=3))
---
from datetime import timedelta
print("gap", timedelta(days=2, hours=4))
### data_clock
print("opens 09:30, shuts 17:00")
---
print("opens 09:30, shuts 18:00")
### data_seconds
print("mean delay per stop: 45 s, longest 310 s")
---
print("mean delay per stop: 54 s, longest 310 s")
### data_millis
{"ping_ms": 12, "loss": "0 ms"}
---
{"ping_ms": 21, "loss": "0 ms"}
### data_hex
import hashlib
print(hashlib.sha256(b"rows v1").hexdigest())
---
import hashlib
print(hashlib.sha256(b"rows v2").hexdigest())
### data_id
print("customer 00042 -> 7f3a9c21")
---
print("customer 00042 -> 7f3a9c22")
### data_memory_address
print(hex(0x7f00), 0xff)
---
print(hex(0x7f01), 0xff)
### data_version
print("pandas 3.1.1")
---
print("pandas 3.1.2")
### data_address
print("db at 10.0.0.5, table orders")
---
print("db at 10.0.0.6, table orders")
### data_file
print("/data/2024/sales.csv: 12 columns")
---
print("/data/2024/sales.csv: 13 columns")
### data_size
print("model size: 14.2 MB, 3 layers")
---
print("model size: 41.2 MB, 3 layers")
### exit_code
import subprocess
subprocess.run(["true"])
---
import subprocess
subprocess.run(["false"])
### shell_text
!echo "3 files, $$" | sed 's/, .*//'
---
!echo "2 files, $$" | sed 's/, .*//'
### stream_moved
print("careful")
---
import sys
print("careful", file=sys.stderr)
### text_for_result
"ready"
---
print("ready")
### asyncio_result
import asyncio
async def f(n): return n
t = asyncio.create_task(f(3)); await t
t
---
import asyncio
async def f(n): return n
t = asyncio.create_task(f(4)); await t
t
### thread_count
import threading
for n in range(3):
    t = threading.Thread(target=lambda: print(threading.current_thread().name)); t.start(); t.join()
---
import threading
for n in range(4):
    t = threading.Thread(target=lambda: print(threading.current_thread().name)); t.start(); t.join()
"""
