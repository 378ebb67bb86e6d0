"""How the page of a report looks: in a wide and in a narrow window, by day and by night, and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1c1c1c; --faint: #5a5a5a; --line: #d5d5d5; --paper: #ffffff; --shade: #f4f5f6; --mark: #0072b2;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --faint: #a8a8a8; --line: #444444; --paper: #161718; --shade: #222426; --mark: #56b4e9; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 68rem; padding: 1rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", "Liberation Sans", sans-serif; overflow-wrap: anywhere;
}
h1 { margin: 0.5rem 0 0; font-size: 1.8rem; line-height: 1.2; }
h2 { margin: 0 0 0.6rem; font-size: 1.3rem; line-height: 1.25; }
h3 { margin: 1.4rem 0 0.4rem; font-size: 1.05rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
a { color: var(--mark); }
header p, figcaption, dt { color: var(--faint); }
nav ol { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; margin: 1rem 0; padding: 0; list-style: none; }
section { border-top: 1px solid var(--line); padding-top: 1.2rem; margin-top: 1.6rem; }
.answer { font-size: 1.15rem; }
.headline { display: inline-block; margin-right: 0.2rem; font-size: 2.6rem; line-height: 1.1; }
.notice { border-left: 0.25rem solid var(--mark); background: var(--shade); padding: 0.5rem 0.8rem; max-width: 46rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.4rem, 1fr)); gap: 0.8rem 1rem; margin: 1rem 0; }
dt { font-size: 0.85rem; }
dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
pre { margin: 0.6rem 0; padding: 0.7rem 0.9rem; background: var(--shade); white-space: pre-wrap; }
code { font: 0.88rem/1.5 ui-monospace, "Liberation Mono", monospace; }
.scroll { overflow: auto; max-width: 100%; }
.scroll:has(> table) { margin: 0.8rem 0; }
.long { max-height: 40rem; }
table { border-collapse: collapse; font-size: 0.92rem; overflow-wrap: break-word; }
th, td { padding: 0.3rem 0.9rem 0.3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { position: sticky; top: 0; background: var(--paper); white-space: nowrap; }
tbody th { font-weight: 500; }
th, td { min-width: 4.5rem; max-width: 34rem; }
.orders fieldset { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; margin: 0.6rem 0; border: 0; padding: 0; }
.orders legend { float: left; margin-right: 1rem; padding: 0; color: var(--faint); }
.ordered { display: grid; grid-template-columns: repeat(var(--columns), auto); width: max-content; max-width: 100%; }
.ordered thead, .ordered tbody { display: contents; }
.ordered tr { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; order: var(--by-0); }
.ordered thead tr { order: -1; position: sticky; top: 0; background: var(--paper); }
.orders:has(.by-1:checked) tbody tr { order: var(--by-1); }
.orders:has(.by-2:checked) tbody tr { order: var(--by-2); }
.orders:has(.by-3:checked) tbody tr { order: var(--by-3); }
.orders:has(.by-4:checked) tbody tr { order: var(--by-4); }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.sentence { min-width: 18rem; overflow-wrap: anywhere; }
.bar { display: inline-block; height: 0.7rem; background: var(--mark); vertical-align: baseline; }
figure { margin: 0.8rem 0; }
figure svg {
  display: block; width: 100%; min-width: var(--least); max-width: calc(1.35 * var(--width)); height: auto;
  background: #ffffff;
}
figcaption { font-size: 0.88rem; margin-top: 0.3rem; max-width: 46rem; }
.side-by-side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
.side-by-side figure { min-width: 0; }
.pictures {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1rem; margin: 1rem 0; padding: 0;
  list-style: none;
}
.pictures figure { margin: 0; }
.pictures img { display: block; width: 100%; max-width: 10rem; image-rendering: auto; }
@media (max-width: 40rem) {
  .stacked, .stacked tbody { display: block; }
  .stacked thead, .stacked td:empty { display: none; }
  .stacked.ordered { display: flex; flex-direction: column; width: auto; }
  .stacked.ordered tbody { display: contents; }
  .stacked tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0.4rem 0; border-bottom: 1px solid var(--line); }
  .stacked th, .stacked td { min-width: 0; padding: 0; border: 0; text-align: left; white-space: normal; }
  .stacked th { font-weight: 600; }
  .stacked .sentence { flex-basis: 100%; }
  .stacked td::before { content: attr(data-head) " "; color: var(--faint); }
}
@media print {
  :root { --ink: #000000; --faint: #333333; --line: #bbbbbb; --paper: #ffffff; --shade: #f4f4f4; --mark: #0072b2; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .scroll { overflow: visible; max-height: none; }
  figure svg { min-width: 0; max-width: min(100%, var(--width)); }
  .side-by-side { grid-template-columns: 1fr 1fr; }
  thead th { white-space: normal; vertical-align: bottom; }
  th, td { min-width: 3rem; }
  figure, tr, dl, pre { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .bar { print-color-adjust: exact; }
}
"""
