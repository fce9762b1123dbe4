"use strict";
// Sorts and filters the contact sheet. Without it the page is complete, flagged series first.
(() => {
  const sheet = document.getElementById("sheet");
  const tools = document.getElementById("tools");
  if (!sheet || !tools) return;
  const [by, direction, filter, shown] = ["by", "direction", "filter", "shown"].map((id) => document.getElementById(id));
  const names = new Intl.Collator(undefined, { numeric: true });
  // Equal cards keep the page's order, so sorting is repeatable.
  const cards = Array.from(sheet.children, (node, index) => {
    const value = (key) => (node.dataset[key] ? Number(node.dataset[key]) : NaN);
    const flags = node.dataset.f ? node.dataset.f.split(" ") : [];
    return { node, index, flags, patient: node.dataset.p, slices: value("n"), spacing: value("d"), volume: value("v") };
  });
  let descending = false;

  function compare(a, b) {
    const key = by.value;
    if (key === "flags") return a.index - b.index;
    if (key === "patient") return names.compare(a.patient, b.patient);
    // Unknown values come last in both directions.
    const unknown = Number.isNaN(a[key]) - Number.isNaN(b[key]);
    return unknown ? (descending ? -unknown : unknown) : a[key] - b[key] || 0;
  }

  function matches(card) {
    if (filter.value === "") return true;
    if (filter.value === "none") return card.flags.length === 0;
    if (filter.value === "any") return card.flags.length > 0;
    return card.flags.includes(filter.value);
  }

  function update() {
    // Sorting by flags keeps the page's order.
    const sign = descending && by.value !== "flags" ? -1 : 1;
    const order = cards.slice().sort((a, b) => sign * compare(a, b) || a.index - b.index);
    let count = 0;
    for (const card of order) {
      card.node.hidden = !matches(card);
      if (!card.node.hidden) count += 1;
    }
    sheet.append(...order.map((card) => card.node));
    direction.textContent = descending ? "↓ descending" : "↑ ascending";
    direction.disabled = by.value === "flags";
    shown.textContent = `${count} of ${cards.length} shown`;
  }

  // A link may set order and filter: report.html#by=volume&show=one-lung&down
  const parameters = new URLSearchParams(location.hash.slice(1));
  for (const [control, name] of [[by, "by"], [filter, "show"]]) {
    const options = Array.from(control.options, (option) => option.value);
    if (options.includes(parameters.get(name))) control.value = parameters.get(name);
  }
  descending = parameters.has("down");

  for (const control of [by, filter]) control.addEventListener("change", update);
  direction.addEventListener("click", () => { descending = !descending; update(); });
  tools.hidden = false;
  update();
})();
