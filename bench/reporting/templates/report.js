// Makes tables sortable and filterable; they are complete without it.
async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}
const tables = URL.createObjectURL(new Blob([await unpack("datatables")], { type: "text/javascript" }));
const { jQuery } = await import(tables);
URL.revokeObjectURL(tables);

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

// A filtered-out row is not in the document: clear the filter before following a link to a row.
document.addEventListener("click", (event) => {
  if (event.target.closest('a[href^="#cell-"]')) jQuery("#rows[data-sortable]").DataTable().search("").draw();
});

// What a link leads to may be folded away; on paper nothing is.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let own = target?.closest("details"); own; own = own.parentElement.closest("details")) own.open = true;
  target?.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();
const folded = () => document.querySelectorAll("main details:not([open])");
let opened = [];
addEventListener("beforeprint", () => { opened = [...folded()]; for (const own of opened) own.open = true; });
addEventListener("afterprint", () => { for (const own of opened) own.open = false; });

document.documentElement.dataset.ready = "";
