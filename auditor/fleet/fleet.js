"use strict";
(() => {
  const table = document.querySelector("table"), body = table.tBodies[0], rows = [...body.rows];
  const named = (words, control) => {
    const label = document.createElement("label");
    label.append(words, control);
    return label;
  };
  const search = document.createElement("input"), choice = document.createElement("select");
  search.type = "search";
  const states = [...new Set(rows.map((row) => row.cells[1].dataset.sort))];
  for (const state of ["All", ...states]) choice.add(new Option(state, state));
  const shown = document.createElement("span");
  shown.setAttribute("role", "status");
  const filter = () => {
    const words = search.value.toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = row.textContent.toLowerCase().includes(words);
      row.hidden = !fits || (choice.value !== "All" && row.cells[1].dataset.sort !== choice.value);
      count += !row.hidden;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  };
  const bar = document.createElement("div");
  bar.className = "filter";
  bar.append(named("Search", search), named("Verdict", choice), shown);
  table.before(bar);
  search.addEventListener("input", filter);
  choice.addEventListener("change", filter);
  filter();
  const key = (row, column) => row.cells[column].dataset.sort ?? "";
  const compare = (one, two, column, sign) => {
    const [a, b] = [key(one, column), key(two, column)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const plain = !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
    return sign * (plain ? a - b : a.localeCompare(b));
  };
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.textContent === "Trigger") return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      body.append(...rows.sort((one, two) => compare(one, two, column, sign)));
    });
  });
})();
