//! The page's look: one column, much air, system fonts, colours that hold in the dark and on paper.
//!
//! Eight hues that stay apart for colour-blind eyes are kept as variables, lighter on dark ground; text keeps a contrast
//! of at least 4.5 to 1 on its ground. Dark applies to screens only, so that nobody prints a black page.

/// The style sheet.
pub(super) const CSS: &str = r#"
:root{color-scheme:light dark;--ground:#fdfdfb;--card:#f5f4ef;--ink:#1f2428;--soft:#5b636b;--hair:#dfddd4;--grid:#ebe9e2;
--accent:#1f6f78;--bar:#a9bcc0;--warn:#9a4a12;--warn-ground:#fbf0e4;--rest:#8d9299;
--c0:#1f6f9f;--c1:#cf6a1b;--c2:#3b8750;--c3:#a3457c;--c4:#6a5db0;--c5:#8a6d12;--c6:#1f8f94;--c7:#b23b3b}
@media screen and (prefers-color-scheme:dark){:root{--ground:#15181b;--card:#1d2125;--ink:#e7e6e1;--soft:#a3abb2;
--hair:#343a40;--grid:#272c31;--accent:#6cc3cb;--bar:#4d6469;--warn:#f0b27a;--warn-ground:#2b2119;--rest:#7d848b;
--c0:#6bb1dc;--c1:#f0a060;--c2:#7cc490;--c3:#dc8fbc;--c4:#a99fe6;--c5:#d3b65a;--c6:#62c9cd;--c7:#ec8585}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header,main,footer{max-width:992px;margin:0 auto;padding:0 16px}
header{padding-top:56px}
h1{font-size:30px;line-height:1.2;font-weight:650;letter-spacing:-.012em;margin:0 0 8px;overflow-wrap:anywhere}
h2{font-size:21px;font-weight:620;letter-spacing:-.006em;margin:0 0 6px}
h3{font-size:16px;font-weight:620;margin:32px 0 8px;overflow-wrap:anywhere}
p{margin:0 0 12px;max-width:72ch;overflow-wrap:anywhere}
.soft,.lead-in{color:var(--soft)}
section{padding:30px 0 0;border-top:1px solid var(--hair);margin-top:28px}
nav{margin:24px 0 0;font-size:14px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:0;padding:0}
a{color:var(--accent);text-underline-offset:3px}
.verdict{font-size:21px;line-height:1.45;max-width:62ch;margin:0 0 10px}
.verdict strong{font-weight:650;color:var(--accent)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0 28px}
.cards div{background:var(--card);border-radius:8px;padding:12px 16px}
.cards dt{font-size:13px;color:var(--soft)}
.cards dd{margin:0;font-size:21px;font-weight:600;font-variant-numeric:tabular-nums}
.cards dd.long{font-size:15px;line-height:32px;white-space:nowrap}
figure{margin:24px 0 32px;break-inside:avoid}
figcaption{font-size:14px;color:var(--soft);margin-top:8px;max-width:80ch}
figcaption b,caption b{color:var(--ink);font-weight:600}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 32px;align-items:start}
.wide{overflow-x:auto}
svg{display:block;width:100%;height:auto;overflow:visible}
svg.inline{display:inline-block;width:auto;max-width:100%;vertical-align:middle}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink)}
svg .tick,svg .name{fill:var(--soft);font-size:11.5px}
svg .number{font-variant-numeric:tabular-nums;paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}
svg .loud{font-weight:620}
.grid{stroke:var(--grid)}
.axis{stroke:var(--hair)}
.mark{stroke:var(--accent);stroke-dasharray:3 4}
.whisker{stroke:var(--ink);stroke-width:1.2}
.line{fill:none;stroke:var(--c,var(--rest));stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.line.rest{stroke-width:1.2;opacity:.45}
.line.s4,.line.s5,.line.s6,.line.s7{stroke-dasharray:6 4}
.lead{fill:none;stroke:var(--c,var(--rest));stroke-width:1}
.bar,.area,.dot{fill:var(--c,var(--bar))}
.bar.strong{fill:var(--accent)}
.area{opacity:.85}
.dot{fill-opacity:.72;stroke:var(--ground);stroke-width:.7}
.ring{fill:var(--ground);stroke:var(--c,var(--rest));stroke-width:2.2}
.rest{--c:var(--rest)}.other0{--c:#9aa1a7}.other1{--c:#b9bec2}
.s0{--c:var(--c0)}.s1{--c:var(--c1)}.s2{--c:var(--c2)}.s3{--c:var(--c3)}
.s4{--c:var(--c4)}.s5{--c:var(--c5)}.s6{--c:var(--c6)}.s7{--c:var(--c7)}
table{border-collapse:collapse;width:100%;font-size:14px;margin:16px 0 24px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:14px;caption-side:bottom;padding-top:8px}
th,td{padding:7px 10px 7px 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--grid)}
thead th{font-weight:600;font-size:13px;color:var(--soft);border-bottom:1px solid var(--hair);vertical-align:bottom}
td,thead th{white-space:nowrap}
th:first-child,td.words,th.words{text-align:left;white-space:normal;overflow-wrap:break-word}
tbody th{min-width:130px;max-width:240px}td.words{max-width:420px;overflow-wrap:anywhere}
tbody th{font-weight:500}
td b{font-weight:680;color:var(--accent)}
td small,th small{display:block;font-size:11px;font-weight:400;color:var(--soft);white-space:nowrap}
tr.reference th{font-style:italic}
.remarks{list-style:none;padding:0;margin:16px 0}
.remarks li{padding:10px 14px;border-left:3px solid var(--hair);background:var(--card);margin:0 0 8px;
border-radius:0 6px 6px 0;overflow-wrap:anywhere;break-inside:avoid}
.remarks li.leak{border-color:var(--warn);background:var(--warn-ground)}
.remarks b{font-weight:620;margin-right:6px}
.remarks .leak b{color:var(--warn)}
.user{margin:28px 0 44px}
.user>h3{margin-top:0}
.sides{display:grid;grid-template-columns:5fr 8fr;gap:0 40px;align-items:start}
.sides h4,.user h4{font-size:13px;font-weight:600;color:var(--soft);margin:8px 0 4px}
.past{margin:0 0 8px}.more{font-size:13px;color:var(--soft)}
.past td,.past th{padding:5px 8px 5px 0;font-size:13px}
ol.list{list-style:none;margin:0;padding:0}
ol.list>li{padding:8px 0 10px;border-bottom:1px solid var(--grid);break-inside:avoid}
.entry{display:flex;gap:10px;align-items:baseline;justify-content:space-between;margin-bottom:4px}
.entry span:first-child{font-weight:560;overflow-wrap:anywhere}
.entry .score{color:var(--soft);font-size:13px;font-variant-numeric:tabular-nums;white-space:nowrap}
ul.why{list-style:none;margin:6px 0 0;padding:0;font-size:13px;line-height:1.5}
ul.why li{display:flex;gap:8px;align-items:baseline}
ul.why .share{min-width:4.2em;text-align:right;color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
ul.why .what{overflow-wrap:anywhere;min-width:0}
.swatch{flex:none;display:inline-block;width:9px;height:9px;border-radius:2px;background:var(--c,var(--bar));
print-color-adjust:exact;-webkit-print-color-adjust:exact}
.key{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:13px;color:var(--soft);list-style:none;padding:0;margin:0 0 8px}
.key .swatch{margin-right:6px}
dl.settings{display:grid;grid-template-columns:max-content 1fr;gap:4px 24px;font-size:14px;margin:12px 0 24px}
dl.settings dt{color:var(--soft)}
dl.settings dd{margin:0;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:13px;padding-top:24px;padding-bottom:56px}
@media (max-width:720px){.pair,.sides{grid-template-columns:1fr}header{padding-top:28px}}
@page{size:A4;margin:16mm 15mm}
@media print{body{font-size:10.5pt;background:none}header{padding-top:0}nav{display:none}
header,main,footer{max-width:none;padding-left:0;padding-right:0}
p{break-inside:avoid}section{margin-top:18pt;padding-top:14pt}h2,h3,h4,p.soft,.key{break-after:avoid}footer{padding:12pt 0 0}tr,.cards,.user .timeline{break-inside:avoid}
.pair{grid-template-columns:1fr 1fr;gap:0 16pt}.wide{overflow:visible}table{font-size:8.5pt}td small,th small{font-size:7pt}
th,td{padding:4pt 6pt 4pt 0}.cards{grid-template-columns:repeat(5,1fr);gap:8pt}.cards dd{font-size:14pt}.cards dd.long{font-size:9pt}
.cards div,.remarks li,svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"#;
