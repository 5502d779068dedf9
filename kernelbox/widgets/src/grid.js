// Rows that the keyboard reaches: one of them is in the tab order, arrows move, Enter chooses.

export function keyboard(parent, choose) {
  const rows = () => [...parent.querySelectorAll("[data-row]")];

  parent.addEventListener("keydown", (event) => {
    const all = rows();
    const here = all.indexOf(event.target.closest("[data-row]"));
    if (here < 0) return;
    const there = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (there !== undefined) all[Math.max(0, Math.min(there, all.length - 1))].focus();
    else if (event.key === "Enter" || event.key === " ") choose(all[here].dataset.row);
    else if (event.key === "Escape") choose("");
    else return;
    event.preventDefault();
    event.stopPropagation(); // or the notebook takes the arrows for its own cells
  });
  parent.addEventListener("click", (event) => {
    const row = event.target.closest("[data-row]");
    if (row) choose(row.dataset.row);
  });
  parent.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-row]");
    if (row) for (const one of rows()) one.tabIndex = one === row ? 0 : -1;
  });

  // To be called after the rows were drawn: shows the choice, and lets Tab reach one of them.
  return (chosen) => {
    const all = rows();
    for (const row of all) {
      const state = row.getAttribute("role") === "button" ? "aria-pressed" : "aria-selected";
      row.setAttribute(state, String(row.dataset.row === chosen));
    }
    if (!all.some((row) => row.tabIndex === 0)) {
      (all.find((row) => row.dataset.row === chosen) ?? all[0])?.setAttribute("tabindex", "0");
    }
  };
}
