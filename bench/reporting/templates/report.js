// Tables are complete without this: it lets them be sorted and filtered.
const packed = Uint8Array.from(atob(document.getElementById("datatables").textContent), (c) => c.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const source = URL.createObjectURL(new Blob([await new Response(unpacked).text()], { type: "text/javascript" }));
const { jQuery } = await import(source);
URL.revokeObjectURL(source);

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const caption = table.caption.textContent;
  jQuery(table).DataTable({
    paging: false,
    info: false,
    autoWidth: false,
    order: [],
    searching: table.tBodies[0].rows.length > 8,
    layout: { topStart: null, topEnd: "search", bottomStart: null, bottomEnd: null },
    language: { search: "", searchPlaceholder: "Filter rows", zeroRecords: "No row matches." },
  });
  table.closest(".dt-container").querySelector("input")?.setAttribute("aria-label", `Filter the rows of: ${caption}`);
}

// A row that a filter hides is not in the page: show all of them before a number leads to one.
document.addEventListener("click", (event) => {
  if (event.target.closest('a[href^="#cell-"]')) jQuery("#rows[data-sortable]").DataTable().search("").draw();
});

document.documentElement.dataset.ready = "";
