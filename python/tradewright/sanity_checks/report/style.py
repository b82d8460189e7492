"""How a report's page looks: one style sheet for light, dark and paper."""

from __future__ import annotations

__all__ = ["STYLE"]

#: Text and signal colours keep a contrast of at least 4.5 to 1 on their paper, in both schemes.
STYLE = """
:root{--ink:#1a202c;--soft:#566072;--line:#d7dde5;--paper:#fff;--panel:#f5f7fa;--error:#b3261e;--warning:#8a5a00;
--info:#0b6a8f;--ok:#18713a;--c0:#3566a8;--c1:#3f8f4f;--c2:#1a202c;--c3:#c2384b;--c4:#b07a10;--c5:#7a5aa6}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a3adbb;--line:#38414f;--paper:#14181f;--panel:#1c222b;
--error:#ff8a80;--warning:#f0b952;--info:#6cc3e8;--ok:#6fd08c;--c0:#79a8e8;--c1:#7fce8f;--c2:#e6eaf0;--c3:#ff8a94;
--c4:#e8b55a;--c5:#bb9fe6}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:940px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:.1em 0 .3em}h2{font-size:1.2rem;margin:2em 0 .6em}h3{font-size:1rem;margin:0 0 .4em}
p{margin:.35em 0}.brand{color:var(--soft);margin:0;font-size:.9rem}
code,pre{font:.86em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:10px 12px;overflow-x:auto;margin:.5em 0}
h1.error,span.error,.error .severity{color:var(--error)}h1.warning,span.warning,.warning .severity{color:var(--warning)}
span.info,.info .severity{color:var(--info)}h1.ok,span.ok{color:var(--ok)}
.facts{display:flex;flex-wrap:wrap;gap:6px 26px;margin:.7em 0}.facts div{min-width:0}
.facts dt{color:var(--soft);font-size:.78rem}.facts dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
article{background:var(--panel);border:1px solid var(--line);border-left:5px solid var(--line);border-radius:8px;
padding:14px 18px;margin:0 0 14px;overflow-wrap:anywhere}
article.error{border-left-color:var(--error)}article.warning{border-left-color:var(--warning)}
article.info{border-left-color:var(--info)}
.severity{text-transform:uppercase;font-size:.78rem;letter-spacing:.05em;margin-right:.5em}
.tag{float:right;font-weight:400;font-size:.8rem;color:var(--soft)}
.remedy{margin-top:.6em}.remedy b{margin-right:.3em}
article ul,.skipped ul{padding-left:1.2em;margin:.3em 0}
.skipped{border:1px solid var(--line);border-left:5px solid var(--warning);border-radius:8px;padding:10px 18px;margin:20px 0}
.skipped h2{margin:0;font-size:1rem}
details{margin:.5em 0}summary{cursor:pointer;color:var(--soft)}
summary:focus-visible{outline:2px solid var(--info);outline-offset:2px}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;margin:.4em 0}
th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top;font-weight:400}
thead th{color:var(--soft)}th small{color:var(--soft)}.number{text-align:right;font-variant-numeric:tabular-nums}
.checks{width:100%}
figure{margin:0 0 26px}figcaption p{color:var(--soft);font-size:.9rem;margin:0}svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font-size:12px;font-family:inherit}svg text.zone{fill:var(--ink)}
.grid{stroke:var(--line)}.zero,.tick{stroke:var(--soft)}.line{fill:none;stroke-width:1.6;stroke-linecap:round}
.l0{stroke:var(--c0)}.l1{stroke:var(--c1)}.l2{stroke:var(--c2)}.l3{stroke:var(--c3)}.l4{stroke:var(--c4)}.l5{stroke:var(--c5)}
.band{opacity:.18}.b0{fill:var(--c0)}.b1{fill:var(--c1)}.b2{fill:var(--c2)}.b3{fill:var(--c3)}.b4{fill:var(--c4)}.b5{fill:var(--c5)}
.s0{fill:var(--c0);background:var(--c0)}.s1{fill:var(--c1);background:var(--c1)}.s2{fill:var(--c2);background:var(--c2)}
.s3{fill:var(--c3);background:var(--c3)}.s4{fill:var(--c4);background:var(--c4)}.s5{fill:var(--c5);background:var(--c5)}
rect.zone{fill:var(--c1);opacity:.16}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:.3em 0;font-size:.86rem}
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.matrix td,.matrix th{padding:5px 8px;text-align:right;border:1px solid var(--line)}.matrix tbody th{text-align:left}
.matrix .pos{background:color-mix(in srgb,var(--c0) calc(var(--v)*.55),var(--paper))}
.matrix .neg{background:color-mix(in srgb,var(--c3) calc(var(--v)*.55),var(--paper))}
@media print{article,figure,table{break-inside:avoid}main{max-width:none}}
""".replace("\n", "")
