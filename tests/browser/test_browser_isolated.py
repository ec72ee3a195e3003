"""What comes out of an isolated kernel, on a real page: nothing of it runs, and nothing is fetched."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error

from codeact_kernel.execute.isolated_outputs import clean_html, passed

ATTACKS = [
    "<script>window.hit = 1</script>",
    "<img src='http://127.0.0.1:9/beacon' onerror='window.hit = 1'>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload='window.hit = 1'><script>window.hit = 1</script></svg>",
    "<svg><animate onbegin='window.hit = 1' attributeName=x dur=1s></svg>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=window.hit=1></style></math>",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "<iframe src='javascript:parent.hit = 1'></iframe>",
    "<object data='data:text/html,<script>parent.hit = 1</script>'></object>",
    "<embed src='javascript:window.hit = 1'>",
    "<a href='javascript:window.hit = 1' id=click>x</a>",
    "<a href='&#106;avascript:window.hit = 1' id=click>x</a>",
    "<details open ontoggle='window.hit = 1'><summary>x</summary></details>",
    "<input autofocus onfocus='window.hit = 1'>",
    "<body onload='window.hit = 1'>",
    "<link rel=stylesheet href='http://127.0.0.1:9/x.css'>",
    "<style>@import 'http://127.0.0.1:9/x.css'; * { background: url(http://127.0.0.1:9/y) }</style>",
    "<div style='background: url(http://127.0.0.1:9/z)'>x</div>",
    "<video src='http://127.0.0.1:9/v' onerror='window.hit = 1'></video>",
    "<audio src=x onerror='window.hit = 1'></audio>",
    "<form action='javascript:window.hit = 1' id=f><button id=click>x</button></form>",
    "<base href='http://127.0.0.1:9/'><meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<table background='http://127.0.0.1:9/t'><tr><td onmouseover='window.hit = 1'>x</td></tr></table>",
    "<noscript><p title='</noscript><img src=x onerror=window.hit=1>'></noscript>",
    "<scr<script>ipt>window.hit = 1</scr</script>ipt>",
    "<template><script>window.hit = 1</script></template><x onclick=window.hit=1 id=click>x</x>",
]


@pytest.fixture(scope="module")
def page(context):
    made = context.new_page()
    yield made
    made.close()


def shown(page, html):
    """Put HTML on an empty page as a front end does that trusts it; return (whether it ran, what it asked for)."""
    asked = []
    listen = lambda request: asked.append(request.url)  # noqa: E731
    page.set_content("<!doctype html><div id=here></div>")
    page.on("request", listen)
    page.evaluate(
        """html => {
          window.hit = 0;
          const here = document.getElementById('here');
          here.append(document.createRange().createContextualFragment(html));
          const click = document.getElementById('click');
          if (click) click.click();
        }""",
        html,
    )
    page.wait_for_timeout(60)
    page.remove_listener("request", listen)
    try:
        return bool(page.evaluate("window.hit")), asked
    except Error as error:  # it took the page somewhere else
        if "navigation" not in str(error):
            raise
        page.wait_for_load_state()
        return True, asked


@pytest.mark.parametrize("html", ATTACKS)
def test_no_html_of_an_isolated_kernel_runs_or_fetches_anything(page, html):
    assert shown(page, f"<p>kept</p>{clean_html(html)}") == (False, [])
    bundle = passed({"output_type": "display_data", "data": {"text/html": html, "image/svg+xml": html}})["data"]
    assert set(bundle) <= {"text/html", "text/plain"}


def test_the_page_would_run_it_otherwise(page):
    ran = [any(shown(page, html)) for html in ATTACKS]
    assert sum(ran) >= 15
