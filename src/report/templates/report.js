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
