"""Cells and a changed variant whose rich outputs really differ (`---` stands between them)."""

CELLS = r"""
### df_value
import pandas as pd
pd.DataFrame({"city": ["Oslo", "Lima"], "n": [3, 4]})
---
import pandas as pd
pd.DataFrame({"city": ["Oslo", "Lima"], "n": [3, 5]})
### df_row_missing
import pandas as pd
pd.DataFrame({"n": [1, 2, 3]})
---
import pandas as pd
pd.DataFrame({"n": [1, 2]})
### df_column_name
import pandas as pd
pd.DataFrame({"price": [1.5], "qty": [2]})
---
import pandas as pd
pd.DataFrame({"price": [1.5], "quantity": [2]})
### df_dtype
import pandas as pd
pd.DataFrame({"n": [1, 2]}).dtypes
---
import pandas as pd
pd.DataFrame({"n": [1.0, 2]}).dtypes
### df_row_order
import pandas as pd
pd.DataFrame({"n": [2, 1]}, index=["b", "a"])
---
import pandas as pd
pd.DataFrame({"n": [1, 2]}, index=["a", "b"])
### df_nan
import pandas as pd
pd.DataFrame({"x": [0.5, 1.5]})
---
import pandas as pd
pd.DataFrame({"x": [0.5, None]})
### df_dates
import pandas as pd
pd.DataFrame({"n": [1, 2]}, index=pd.date_range("2024-01-30", periods=2))
---
import pandas as pd
pd.DataFrame({"n": [1, 2]}, index=pd.date_range("2024-01-31", periods=2))
### df_float
import pandas as pd
pd.Series([1.234567, 2.5], name="x")
---
import pandas as pd
pd.Series([1.234667, 2.5], name="x")
### df_info_nulls
import pandas as pd
pd.DataFrame({"a": [1.0, 2.0]}).info()
---
import pandas as pd
pd.DataFrame({"a": [1.0, None]}).info()
### style_cell
import pandas as pd
pd.DataFrame({"a": [1, 5, 3]}).style.highlight_max()
---
import pandas as pd
pd.DataFrame({"a": [1, 5, 3]}).style.highlight_min()
### style_value
import pandas as pd
pd.DataFrame({"a": [1, 5]}).style.format("{:.1f}")
---
import pandas as pd
pd.DataFrame({"a": [1, 6]}).style.format("{:.1f}")
### style_colour
import pandas as pd
pd.DataFrame({"a": [1, 5]}).style.highlight_max(color="gold")
---
import pandas as pd
pd.DataFrame({"a": [1, 5]}).style.highlight_max(color="tomato")
### display_missing
display("one"); display("two")
---
display("one")
### display_order
display("one"); display("two")
---
display("two"); display("one")
### display_extra
from IPython.display import Markdown
display(Markdown("**a**"))
---
from IPython.display import Markdown
display(Markdown("**a**")); display(Markdown("**a**"))
### mime_missing
from IPython.display import display
display({"text/plain": "t", "text/html": "<b>t</b>"}, raw=True)
---
from IPython.display import display
display({"text/plain": "t"}, raw=True)
### plot_other_curve
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2, 3]); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([3, 2, 1]); plt.show()
### plot_one_point
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2, 3, 4, 3, 2], "o"); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2, 2.5, 4, 3, 2], "o"); plt.show()
### plot_title
%matplotlib inline
import matplotlib.pyplot as plt
plt.bar(["a", "b"], [3, 4]); plt.title("sales 2023"); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.bar(["a", "b"], [3, 4]); plt.title("sales 2024"); plt.show()
### plot_colour
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2], color="C0"); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2], color="C1"); plt.show()
### plot_missing
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.close()
### plot_size
%matplotlib inline
import matplotlib.pyplot as plt
plt.figure(figsize=(3, 2)); plt.plot([1, 2]); plt.show()
---
%matplotlib inline
import matplotlib.pyplot as plt
plt.figure(figsize=(4, 2)); plt.plot([1, 2]); plt.show()
### plot_svg_point
%matplotlib inline
%config InlineBackend.figure_formats = ["svg"]
import matplotlib.pyplot as plt
plt.plot([1, 3, 2]); plt.show()
%config InlineBackend.figure_formats = ["png"]
---
%matplotlib inline
%config InlineBackend.figure_formats = ["svg"]
import matplotlib.pyplot as plt
plt.plot([1, 3, 1.5]); plt.show()
%config InlineBackend.figure_formats = ["png"]
### svg_radius
from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>')
---
from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg"><circle r="8"/></svg>')
### image_pixel_block
from PIL import Image
i = Image.new("RGB", (200, 200), (10, 10, 10)); i.paste((240, 240, 240), (50, 50, 60, 60)); i
---
from PIL import Image
i = Image.new("RGB", (200, 200), (10, 10, 10)); i.paste((240, 240, 240), (55, 50, 65, 60)); i
### image_shade
from PIL import Image
Image.new("RGB", (20, 20), (100, 100, 100))
---
from PIL import Image
Image.new("RGB", (20, 20), (110, 110, 110))
### html_link
from IPython.display import HTML
HTML('<a href="https://example.org/a">more</a>')
---
from IPython.display import HTML
HTML('<a href="https://example.org/b">more</a>')
### html_id_points_elsewhere
from IPython.display import HTML
import uuid
a, b = uuid.uuid4(), uuid.uuid4()
HTML(f'<p id="{a}"></p><p id="{b}"></p><script>fill("{a}")</script>')
---
from IPython.display import HTML
import uuid
a, b = uuid.uuid4(), uuid.uuid4()
HTML(f'<p id="{a}"></p><p id="{b}"></p><script>fill("{b}")</script>')
### json_number
from IPython.display import JSON
JSON({"rows": 3, "ok": True})
---
from IPython.display import JSON
JSON({"rows": 4, "ok": True})
### json_key
from IPython.display import JSON
JSON({"rows": 3, "ok": True})
---
from IPython.display import JSON
JSON({"rows": 3})
### latex
from IPython.display import Latex
Latex("$x^2 + 1$")
---
from IPython.display import Latex
Latex("$x^3 + 1$")
### markdown
from IPython.display import Markdown
Markdown("Best model: **forest**")
---
from IPython.display import Markdown
Markdown("Best model: **linear**")
### widget_gone
import ipywidgets as w
w.IntSlider(value=5)
---
import ipywidgets as w
print("IntSlider(value=5)")
### widget_other_kind
import ipywidgets as w
w.IntSlider(value=5)
---
import ipywidgets as w
w.FloatSlider(value=5)
### widget_value
import ipywidgets as w
w.IntSlider(value=5)
---
import ipywidgets as w
w.IntSlider(value=6)
### cleared_text
from IPython.display import clear_output
print("a"); clear_output(); print("kept 3")
---
from IPython.display import clear_output
print("a"); clear_output(); print("kept 4")
### update_text
h = display("start", display_id=True); h.update("end 3")
---
h = display("start", display_id=True); h.update("end 4")
### rich_cell
from rich.console import Console
from rich.table import Table
t = Table("id", "sum"); t.add_row("1", "3.50"); Console(width=40).print(t)
---
from rich.console import Console
from rich.table import Table
t = Table("id", "sum"); t.add_row("1", "3.70"); Console(width=40).print(t)
"""
