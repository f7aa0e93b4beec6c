"""The style of the page: light and dark by the reader's setting, black on white in print."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5d6873; --line: #d5dbe1; --ground: #fff;
  --tint: #f2f5f8; --main: #0b62a8; --second: #b4510a; --good: #14702f; --bad: #a61c28; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa6b2; --line: #39424c;
  --ground: #14181c; --tint: #1e242a; --main: #6cb6ff; --second: #f0a35e; --good: #63c97f; --bad: #ff8a8a; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --ground: #fff;
  --tint: #fff; --main: #0b4a7d; --second: #8a3d06; --good: #0d5222; --bad: #8c1420; }
  nav { display: none; } section { break-before: page; } figure, tr { break-inside: avoid; }
  .scroll { overflow: visible; } table { font-size: 7.5pt; } details > * { display: block; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 75rem; background: var(--ground);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .25rem; padding-top: 1rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, li { max-width: 46rem; }
a { color: var(--main); }
nav a { margin-right: 1rem; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; min-width: 40rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { padding: .28rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { vertical-align: bottom; color: var(--soft); font-weight: 600; white-space: normal; }
th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--ground); }
table:has(td.text) thead th:last-child { text-align: left; }
tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 10rem; }
td.text { text-align: left; white-space: normal; min-width: 14rem; color: var(--soft); }
tr.own > * { background: var(--tint); }
tr.own > th { font-weight: 700; color: var(--main); }
tr.oracle > * { color: var(--soft); font-style: italic; }
.verdict { font-weight: 600; }
.verdict.met { color: var(--good); }
.verdict.met::before { content: "\\2713\\00a0"; }
.verdict.missed { color: var(--bad); }
.verdict.missed::before { content: "\\2717\\00a0"; }
.verdict.unknown { color: var(--soft); }
figure { margin: 1rem 0 1.5rem; }
svg.figure { width: 100%; max-width: 55rem; height: auto; display: block; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .axis line { stroke: var(--line); }
svg .axis line.zero { stroke: var(--soft); }
svg .axis text { fill: var(--soft); }
svg .bar { fill: var(--main); opacity: .75; }
svg .bar.negative { fill: var(--second); }
svg .whisker, svg .rule { stroke: var(--ink); stroke-width: 1.5; }
svg .lead { stroke: var(--soft); fill: none; }
svg .clique { stroke: var(--main); stroke-width: 4; stroke-linecap: round; }
svg .way { stroke: var(--line); stroke-width: 7; stroke-linecap: round; }
svg .output { fill: var(--main); stroke: var(--ground); }
svg .best { fill: var(--ground); stroke: var(--second); stroke-width: 2; }
svg .knn { stroke: var(--ink); stroke-width: 2; }
.legend .key { margin-right: 1.25rem; white-space: nowrap; font-size: .9rem; }
.legend svg { vertical-align: middle; }
details summary { cursor: pointer; color: var(--main); }
"""
