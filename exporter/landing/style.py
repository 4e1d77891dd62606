"""The landing page's style sheet. Data only."""

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #ffffff; --line: #e4e4df; --text: #20262b; --soft: #626b73;
  --link: #1f5f8f; --bar: #7ea6c4; --track: #ebecea;
  --good: #2e7d4f; --warn: #a8660a; --bad: #b3372b; --idle: #8a9299;
  --warn-bar: #d9a253; --warn-page: #fdf6e9; --bad-page: #fcf0ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1b1f23; --line: #2b3137; --text: #e4e7e9; --soft: #98a2ab;
    --link: #8ec0e6; --bar: #4f7c9e; --track: #272c31;
    --good: #62b985; --warn: #dfa652; --bad: #ec8376; --idle: #7c858d;
    --warn-bar: #a9762b; --warn-page: #2a2418; --bad-page: #2d1f1d;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
.wrap { max-width: 76rem; margin: 0 auto; padding: 1.75rem 1.25rem 3rem; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.5rem; }
h1 { font-size: 1.35rem; font-weight: 600; margin: 0; letter-spacing: -.01em; }
h1 small { font-size: .85rem; font-weight: 400; color: var(--soft); margin-left: .5rem; letter-spacing: 0; }
nav { display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; margin-left: auto; }
h2 { font-size: 1rem; font-weight: 600; margin: 2rem 0 .6rem; }
h2 small { font-size: .85rem; font-weight: 400; color: var(--soft); margin-left: .5rem; }
h3 { font-size: .85rem; font-weight: 600; color: var(--soft); margin: 0 0 .35rem; }
p { margin: .35rem 0; }
.soft { color: var(--soft); }
.small { font-size: .85rem; }
.mono {
  font-family: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace;
  font-size: .9em;
}
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1.25rem 0 0;
}
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.tile { padding: .7rem .95rem .75rem; }
.tile dt { font-size: .8rem; color: var(--soft); }
.tile dd { margin: 0; font-size: 1.25rem; font-weight: 600; letter-spacing: -.01em; line-height: 1.35; }
.tile .small { font-weight: 400; color: var(--soft); letter-spacing: 0; display: block; }
.card { padding: .95rem 1.1rem; margin: 0 0 .75rem; overflow-wrap: anywhere; }
.card > :first-child { margin-top: 0; }
.card > :last-child { margin-bottom: 0; }
.sides {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr));
  gap: 1rem 2.5rem; margin-top: .9rem;
}
.note { border-radius: .45rem; padding: .5rem .75rem; margin: .6rem 0 0; background: var(--warn-page); }
.note.bad { background: var(--bad-page); }
.dot {
  display: inline-block; width: .6em; height: .6em; border-radius: 50%; margin-right: .5em;
  background: var(--idle);
}
.dot.good { background: var(--good); }
.dot.warn { background: var(--warn); }
.dot.bad { background: var(--bad); }
.dot.idle { background: none; border: .13em solid var(--idle); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 500; font-size: .82rem; color: var(--soft); white-space: nowrap; }
th a { color: inherit; display: inline-block; padding: .3rem 0; }
th[aria-sort] a { color: var(--text); font-weight: 600; }
td, th { padding: .42rem .9rem .42rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
td:last-child, th:last-child { padding-right: 0; }
tbody tr:last-child td { border-bottom: 0; }
tbody tr:hover td { background: color-mix(in srgb, var(--track) 45%, transparent); }
.number { text-align: right; white-space: nowrap; }
.name { font-weight: 500; overflow-wrap: anywhere; min-width: 8rem; width: 22%; }
.name small { display: block; font-weight: 400; color: var(--warn); }
.state { white-space: nowrap; }
.measure { min-width: 8.5rem; width: 17%; white-space: nowrap; }
.figures { display: flex; justify-content: space-between; align-items: baseline; gap: .75rem; }
svg.bar {
  display: block; width: 100%; height: 5px; margin-top: 3px; border-radius: 3px;
  background: var(--track);
}
svg.bar rect { fill: var(--bar); }
svg.bar.high rect { fill: var(--warn-bar); }
.parts td, .parts th { padding-top: .2rem; padding-bottom: .2rem; border: 0; }
.parts td { white-space: nowrap; }
.parts td.grow { width: 60%; min-width: 3rem; vertical-align: middle; }
.parts svg.bar { margin-top: 0; }
details { margin-bottom: .4rem; }
details summary { cursor: pointer; color: var(--link); margin-bottom: .4rem; }
summary .small { margin-left: .75rem; }
.table { padding: .3rem 1.1rem; }
.label { display: none; }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 50rem) {
  .wrap { padding: 1rem .8rem 2rem; }
  nav { margin-left: 0; }
  .tiles { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .domains, .domains tbody { display: block; }
  .domains thead { display: block; padding: .25rem 0 .4rem; border-bottom: 1px solid var(--line); }
  .domains thead tr { display: flex; flex-wrap: wrap; gap: 0 1rem; }
  .domains thead th { border: 0; padding: 0; }
  .domains tbody tr {
    display: grid; grid-template-columns: 1fr 1fr; gap: .15rem 1.25rem; padding: .65rem 0;
    border-bottom: 1px solid var(--line);
  }
  .domains tbody tr:last-child { border-bottom: 0; }
  .domains td { border: 0; padding: 0; text-align: left; min-width: 0; width: auto; }
  .domains tbody tr:hover td { background: none; }
  .domains .name { font-size: 1.02rem; }
  .domains .state { text-align: right; }
  .domains .host { grid-column: 1 / -1; }
  .domains .label { display: inline; color: var(--soft); font-size: .82rem; margin-right: .5rem; }
  .domains .figures { justify-content: flex-start; gap: .5rem; }
}
"""
