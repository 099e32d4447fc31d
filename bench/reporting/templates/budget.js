// The budget: greys out the models of the ranking that cost more, and names the best of those left.
const budget = document.getElementById("budget");
if (budget) {
  const models = JSON.parse(budget.querySelector("script").textContent), says = document.getElementById("budget-says");
  const rows = [...document.getElementById("ranking").tBodies[0].rows], inputs = [...budget.querySelectorAll("input")];
  const shown = (value) => value >= 1e3 ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : String(Number(value.toPrecision(3)));
  // What of a model is too much or not known, as `bench recommend` says.
  const exceeded = (model) => inputs.map((input) => {
    if (input.value === "" || !input.validity.valid) return "";
    const { scale, called, unit } = input.dataset;
    if (!model.costs[input.name]) return `${called} not measured`;
    const [cost, where] = model.costs[input.name];
    return cost > Number(input.value) * scale ? `${called} ${shown(cost / scale)}${unit && ` ${unit}`} on ${where}` : "";
  }).find(Boolean) ?? "";
  const counted = "What counts is the most that a model takes on any dataset, at its chosen lengths. “bench recommend” decides for each dataset, and also looks for other lengths that fit.";
  const sentence = (left, over) => {
    const known = left.filter((model) => model.error !== null).sort((a, b) => a.error - b.error);
    const best = known[0] ?? left[0], error = best.error === null ? "the best average rank" : `the smallest error, ${best.error.toFixed(2)} of persistence's`;
    const verdicts = best.reference ? "" : ` (${best.words} against persistence)`;
    const rest = left.some((model) => model.reference) ? ": use that" : ", which is over the budget itself";
    const none = left.some((model) => model.skilled) ? "" : ` No model left is shown to beat persistence${rest}.`;
    const out = over.length ? ` Over it: ${over.join(", ")}.` : " Every model fits.";
    const named = left.length === 1 ? `The only model within the budget is ${best.name}, with` : `Of ${left.length} models within the budget, ${best.name} has`;
    return `${named} ${error}${verdicts}.${none}${out} ${counted}`;
  };
  const update = () => {
    const reasons = models.map(exceeded), used = inputs.some((input) => input.value !== "");
    rows.forEach((row, place) => {
      row.classList.toggle("over", Boolean(reasons[place]));
      row.cells[0].querySelector(".unseen")?.remove();
      if (reasons[place]) row.cells[0].append(Object.assign(document.createElement("span"), { className: "unseen", textContent: ` over the budget: ${reasons[place]}` }));
    });
    const wrong = inputs.find((input) => !input.validity.valid), left = models.filter((_, place) => !reasons[place]);
    for (const input of inputs) input.setAttribute("aria-invalid", !input.validity.valid);
    if (wrong) says.textContent = `${wrong.dataset.called}: expected a number of at least 0.`;
    else if (!used) says.textContent = counted;
    else if (!left.length) says.textContent = "No model is within the budget, persistence included.";
    else says.textContent = sentence(left, models.flatMap((model, place) => reasons[place] ? [`${model.name} (${reasons[place]})`] : []));
  };
  budget.addEventListener("input", update);
  budget.addEventListener("reset", () => setTimeout(update));
  budget.addEventListener("submit", (event) => event.preventDefault());
  update();
  budget.hidden = false;
}
