"""Honest cells: rich outputs, figures, tables, widgets, updates."""

CELLS = r"""
### plot_line
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 4, 9, 16]); plt.title("squares"); plt.show()
### plot_returned
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2, 3], [3, 1, 2], "o-")
### plot_hist
%matplotlib inline
import numpy as np, matplotlib.pyplot as plt
plt.hist(np.random.default_rng(1).normal(size=300), bins=8)
### plot_axes
%matplotlib inline
import matplotlib.pyplot as plt
fig, ax = plt.subplots(1, 2, figsize=(5, 2))
ax[0].bar(["a", "b"], [3, 5]); ax[1].scatter([1, 2], [2, 1]); plt.show()
ax
### plot_svg
%matplotlib inline
%config InlineBackend.figure_formats = ["svg"]
import matplotlib.pyplot as plt
plt.plot([1, 3, 2]); plt.show()
%config InlineBackend.figure_formats = ["png"]
### plot_svg_clip
%matplotlib inline
%config InlineBackend.figure_formats = ["svg"]
import matplotlib.pyplot as plt
fig, ax = plt.subplots(); ax.imshow([[1, 2], [3, 4]]); ax.scatter([0, 1], [1, 0]); plt.show()
%config InlineBackend.figure_formats = ["png"]
### svg_by_hand
from IPython.display import SVG
import random
n = f"clip{random.randrange(10**8):08d}"
SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><clipPath id="{n}"><rect width="9"/>'
    f'</clipPath><circle r="9" clip-path="url(#{n})"/></svg>')
### svg_gradient
from IPython.display import SVG
import uuid
n = "g" + uuid.uuid4().hex[:10]
SVG(f'<svg xmlns="http://www.w3.org/2000/svg"><linearGradient id="{n}"><stop offset="0.5"/></linearGradient>'
    f'<rect width="5" height="5" fill="url(#{n})"/></svg>')
### df_html
import pandas as pd
pd.DataFrame({"city": ["Oslo", "Lima"], "n": [3, 4], "x": [0.5, 1.25]})
### df_describe
import pandas as pd
df = pd.DataFrame({"x": [1, 2, 3, 4], "y": list("abca")})
display(df.describe(include="all")); df.groupby("y")
### style_max
import pandas as pd
pd.DataFrame({"a": [1, 5, 3], "b": [9, 2, 4]}).style.highlight_max(color="gold")
### style_bars
import pandas as pd
df = pd.DataFrame({"p": [0.1, 0.55, 0.9]})
df.style.bar(subset=["p"], color="#5fba7d").format("{:.0%}").set_caption("share")
### df_info
import pandas as pd
pd.DataFrame({"a": range(50), "s": ["x"] * 50}).info()
### df_groups
import pandas as pd
g = pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}).groupby("k")
print(g)
g.rolling(2), pd.Series([1]).str if False else g["v"]
### html_table_id
from IPython.display import HTML
import uuid
t = uuid.uuid4().hex[:8]
HTML(f'<style>#T_{t} td {{color: red}}</style><table id="T_{t}"><tr><td id="T_{t}_row0">7</td></tr></table>')
### html_script_id
from IPython.display import HTML
import uuid
i = uuid.uuid4()
HTML(f'<div id="{i}"></div><script>document.getElementById("{i}").textContent = "ready";</script>')
### html_plot_id
from IPython.display import HTML
import random
i = random.getrandbits(64)
HTML(f'<div id="vis-{i:x}" class="chart"></div><script>embed("#vis-{i:x}", {{"mark": "bar", "n": 3}})</script>')
### html_details
from IPython.display import HTML, display
class Step: pass
display(HTML(f"<pre>{str(Step()).replace('<', '&lt;')}</pre>"))
### widget_slider
import ipywidgets as w
w.IntSlider(value=5, max=10, description="n")
### widget_box
import ipywidgets as w
w.VBox([w.Button(description="Go"), w.HTML("<b>hi</b>"), w.Dropdown(options=["a", "b"])])
### widget_interact
from ipywidgets import interact
@interact(x=(0, 10))
def f(x=3):
    return x * 2
### widget_output
import ipywidgets as w
out = w.Output()
with out:
    print("inside")
display(out)
### clear_wait
import time
from IPython.display import clear_output
t = time.time()
for i in range(4):
    time.sleep(0.02); clear_output(wait=True); print(f"step {i}: {time.time() - t:.3f} s")
### clear_and_plot
%matplotlib inline
import matplotlib.pyplot as plt
from IPython.display import clear_output
for i in range(3):
    clear_output(wait=True); plt.plot(range(i + 2)); plt.show()
### display_update
import time
from IPython.display import display, Markdown
h = display(Markdown("waiting"), display_id=True)
t = time.perf_counter(); time.sleep(0.02)
h.update(Markdown(f"**done** in {time.perf_counter() - t:.4f} s"))
### display_handle
from IPython.display import display
h = display("first", display_id=True)
h
### json_display
from IPython.display import JSON, display
import time, uuid
display(JSON({"id": str(uuid.uuid4()), "rows": 3, "seconds": round(time.process_time(), 6), "ok": True}))
### bundle_display
from IPython.display import display
class Both: pass
display({"text/plain": repr(Both()), "application/json": {"mean": sum({str(i): i / 7 for i in range(90)}[k]
        for k in {str(i) for i in range(90)})}}, raw=True)
### rich_table
from rich.console import Console
from rich.table import Table
t = Table(title="orders"); t.add_column("id"); t.add_column("sum")
t.add_row("1", "3.50"); t.add_row("2", "4.00")
Console(width=60).print(t)
### rich_log
from rich.console import Console
c = Console(width=90)
c.log("loaded", {"rows": 3})
### rich_track
import time
from rich.progress import track
for _ in track(range(10), description="Indexing"):
    time.sleep(0.02)
### rich_inspect
from rich import print as rprint
class Agent: pass
rprint({"agent": Agent(), "names": ["a", "b"]})
### pil_image
from PIL import Image
Image.new("RGB", (24, 16), (200, 30, 30))
### pil_noise
from PIL import Image
import numpy as np
rng = np.random.default_rng()
base = np.full((60, 80, 3), 120, dtype=np.uint8); base[20:40, 20:60] = 220
Image.fromarray((base + rng.integers(0, 2, base.shape)).astype(np.uint8))
"""
