const wrong = [];
const name = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + " " + e.textContent.trim().slice(0, 30);
const visible = (e) => e.getClientRects().length > 0;
if (!document.documentElement.lang) wrong.push("no language");
if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");
let level = 0;
for (const h of document.querySelectorAll("h1,h2,h3,h4")) {
  const now = Number(h.tagName[1]);
  if (now > level + 1) wrong.push("heading skips a level: " + name(h));
  level = now;
}
for (const e of document.querySelectorAll("img:not([alt]),[role=img]:not([aria-label]),svg[role=img]:not([aria-label])")) wrong.push("no text for " + name(e));
for (const e of document.querySelectorAll("button,a[href]")) if (!(e.textContent.trim() || e.getAttribute("aria-label"))) wrong.push("no name: " + e.outerHTML.slice(0, 60));
for (const e of document.querySelectorAll("input,select,textarea")) if (!(e.labels?.length || e.getAttribute("aria-label"))) wrong.push("no label: " + e.outerHTML.slice(0, 60));
for (const e of document.querySelectorAll("thead th")) if (!e.scope) wrong.push("no scope: " + name(e));
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
for (const id of new Set(ids)) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push("id twice: " + id);
for (const a of document.querySelectorAll('a[href^="#"]')) if (!document.getElementById(a.getAttribute("href").slice(1))) wrong.push("leads nowhere: " + a.getAttribute("href"));
const rgb = (c) => (c.match(/[\d.]+/g) ?? []).map(Number);
const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0.99) return c; } return [255, 255, 255]; };
for (const e of document.querySelectorAll("h1,h2,h3,p,td,th,dt,dd,a,li,summary,figcaption,small,button,code")) {
  if (!visible(e) || !e.textContent.trim()) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e).slice(0, 3))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) wrong.push("contrast " + ratio.toFixed(1) + ": " + name(e));
}
if (document.documentElement.scrollWidth > innerWidth + 1) wrong.push("the page is wider than the screen: " + document.documentElement.scrollWidth + " of " + innerWidth);
const first = document.querySelector("table.sorts thead button");
first?.click();
if (first && !document.querySelector("th[aria-sort]")) wrong.push("a table does not sort");
const timeLine = document.getElementById("lanes");
const slice = timeLine?.querySelector(".stretch i");
if (!slice) wrong.push("no time line");
else {
  const wide = () => slice.getBoundingClientRect().width;
  const before = wide();
  document.querySelector("[data-zoom=in]").click();
  if (Math.abs(wide() / before - 2) > 0.2 && before > 2) wrong.push("zoom in does not: " + before + " " + wide());
  const range = document.getElementById("range").textContent;
  timeLine.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
  if (document.getElementById("range").textContent === range) wrong.push("the right arrow does nothing");
  timeLine.dispatchEvent(new KeyboardEvent("keydown", { key: "0", bubbles: true, cancelable: true }));
  if (document.getElementById("range").textContent !== "") wrong.push("0 does not show the whole");
}
for (const a of document.querySelectorAll("table.sorts td a")) if (!a.getAttribute("href").startsWith("#def-")) wrong.push("no definition one click away: " + name(a));
document.title = "checked: " + [...new Set(wrong)].slice(0, 12).join("; ");
