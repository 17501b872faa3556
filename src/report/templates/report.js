"use strict";
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => {
      const cell = row.cells[column];
      const text = cell.dataset.v ?? cell.textContent.replace(/,/g, "");
      return [parseFloat(text), text];
    };
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => (isNaN(a[0]) || isNaN(b[0]) ? a[1].localeCompare(b[1]) : a[0] - b[0]) * (down ? -1 : 1));
    body.append(...rows.map(([, row]) => row));
  }));
}
document.getElementById("find")?.addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const row of document.querySelector("table.sorts").tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
});
for (const link of document.querySelectorAll("a[data-file]")) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const packed = document.getElementById("file-" + link.dataset.file).textContent;
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const plain = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
    const save = document.createElement("a");
    save.href = URL.createObjectURL(await plain.blob());
    save.download = link.dataset.file;
    save.click();
    setTimeout(() => URL.revokeObjectURL(save.href), 10000);
  });
}
// What is folded on a screen is read on paper.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));

const lanes = document.getElementById("lanes");
if (lanes) {
  const whole = Number(lanes.dataset.ms);
  let zoom = 1, from = 0;
  const words = (ms) => (ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(3)) + " ms";
  const show = () => {
    zoom = Math.min(Math.max(zoom, 1), 1 << 14);
    from = Math.min(Math.max(from, 0), 1 - 1 / zoom);
    lanes.style.setProperty("--zoom", zoom);
    lanes.style.setProperty("--from", from);
    const marks = lanes.querySelectorAll(".ticks span");
    marks.forEach((mark, i) => { mark.textContent = words((from + i / (marks.length - 1) / zoom) * whole); });
    document.getElementById("range").textContent = zoom === 1 ? "" : words(from * whole) + " to " + words((from + 1 / zoom) * whole);
  };
  const acts = {
    in: () => { zoom *= 2; }, out: () => { zoom /= 2; }, whole: () => { zoom = 1; },
    left: () => { from -= 0.25 / zoom; }, right: () => { from += 0.25 / zoom; },
  };
  const keys = { "+": "in", "=": "in", "-": "out", 0: "whole", ArrowLeft: "left", ArrowRight: "right" };
  const act = (name) => { acts[name](); show(); };
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => act(button.dataset.zoom));
  lanes.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(keys[event.key]);
  });
  // Paper has no keys.
  addEventListener("beforeprint", () => act("whole"));
}
