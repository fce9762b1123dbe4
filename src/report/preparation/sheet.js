"use strict";
// Sorts and filters the contact sheet. Without it the page is complete, flagged series first.
(() => {
  const sheet = document.getElementById("sheet");
  const tools = document.getElementById("tools");
  if (!sheet || !tools) return;
  const [by, turn, only, shown] = ["by", "turn", "only", "shown"].map((id) => document.getElementById(id));
  const names = new Intl.Collator(undefined, { numeric: true });
  // The page's own order stays for what is equal, so that sorting is repeatable.
  const cards = Array.from(sheet.children, (node, place) => {
    const value = (key) => (node.dataset[key] ? Number(node.dataset[key]) : NaN);
    const flags = node.dataset.f ? node.dataset.f.split(" ") : [];
    return { node, place, flags, patient: node.dataset.p, slices: value("n"), spacing: value("d"), volume: value("v") };
  });
  let down = false;

  function compare(a, b) {
    const key = by.value;
    if (key === "flags") return a.place - b.place;
    if (key === "patient") return names.compare(a.patient, b.patient);
    // What is not known comes last, whichever way.
    const known = Number.isNaN(a[key]) - Number.isNaN(b[key]);
    return known ? (down ? -known : known) : a[key] - b[key] || 0;
  }

  function wanted(card) {
    if (only.value === "") return true;
    if (only.value === "none") return card.flags.length === 0;
    if (only.value === "any") return card.flags.length > 0;
    return card.flags.includes(only.value);
  }

  function update() {
    // Flags have one order only: the page's own.
    const sign = down && by.value !== "flags" ? -1 : 1;
    const order = cards.slice().sort((a, b) => sign * compare(a, b) || a.place - b.place);
    let count = 0;
    for (const card of order) {
      card.node.hidden = !wanted(card);
      if (!card.node.hidden) count += 1;
    }
    sheet.append(...order.map((card) => card.node));
    turn.textContent = down ? "↓ descending" : "↑ ascending";
    turn.disabled = by.value === "flags";
    shown.textContent = `${count} of ${cards.length} shown`;
  }

  // A link may ask for an order: report.html#by=volume&show=one-lung&down
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const [control, name] of [[by, "by"], [only, "show"]]) {
    const options = Array.from(control.options, (option) => option.value);
    if (options.includes(asked.get(name))) control.value = asked.get(name);
  }
  down = asked.has("down");

  for (const control of [by, only]) control.addEventListener("change", update);
  turn.addEventListener("click", () => { down = !down; update(); });
  tools.hidden = false;
  update();
})();
