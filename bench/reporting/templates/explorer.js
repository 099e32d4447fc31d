// The interactive charts: one picker row, one chart area. The static pictures and tables show the same without it.
const lib = document.createElement("script");
lib.src = URL.createObjectURL(new Blob([await unpack("charts")], { type: "text/javascript" }));
await new Promise((done, failed) => { lib.onload = done; lib.onerror = failed; document.head.append(lib); });
URL.revokeObjectURL(lib.src);
const { Bokeh } = window;
Bokeh.logger.set_level("error");
const data = JSON.parse(await unpack("explored"));

const $ = (id) => document.getElementById(id);
const CHOSEN = "chosen", EVERY = "every", LAST = 120;
const state = { tab: "errors", log: {}, hidden: new Set() };
const looks = new Map(data.models.map((model) => [model.name, model]));
const references = new Set(data.models.filter((model) => model.reference).map((model) => model.name));
const MARKERS = { o: "circle", s: "square", "^": "triangle", D: "diamond", v: "inverted_triangle", P: "plus", X: "x",
  "*": "star", "<": "hex", ">": "square_pin", h: "hex", d: "diamond" };
const DASHES = { o: [], s: [7, 3], "^": [2, 2], D: [8, 3, 2, 3], v: [4, 4], P: [10, 3], X: [1, 3] };

const text = (value) => value === null || value === undefined || Number.isNaN(value) ? "–"
  : typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
const span = (pair) => pair ? `${text(pair[0])} to ${text(pair[1])}` : "–";
const unique = (values) => [...new Set(values)];
const gap = (value) => value === null ? NaN : value;
const gaps = (values) => values.map(gap);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const look = (name) => looks.get(name);
const dash = (name) => DASHES[look(name).marker] ?? [];
const positive = (values) => values.every((value) => Number.isNaN(value) || value > 0);

// What is picked

function section() {
  const own = data.sections.filter((each) => each.dataset === $("pick-dataset").value);
  return own.find((each) => String(each.horizon) === $("pick-horizon").value) ?? own[0];
}
const shown = (name) => !state.hidden.has(name);
function cells(own, length = $("pick-length").value) {
  return own.cells.filter((cell) => cell.rmse && (length === EVERY || (length === CHOSEN ? cell.chosen : String(cell.length) === length)));
}
const cellOf = (own, model) => cells(own).find((cell) => cell.model === model)
  ?? own.cells.find((cell) => cell.model === model && cell.chosen);
const label = (cell) => $("pick-length").value === CHOSEN ? cell.model : `${cell.model} · ${cell.length}`;

// Drawing

function figure({ title, x, y, log = {}, height = 360, ...options }) {
  const plot = Bokeh.Plotting.figure({
    height, sizing_mode: "stretch_width", tools: "box_zoom,pan,wheel_zoom,reset,save", min_border_right: 12,
    x_axis_type: log.x ? "log" : options.dates ? "datetime" : "auto", y_axis_type: log.y ? "log" : "auto",
    ...(options.x_range && { x_range: options.x_range }), ...(options.y_range && { y_range: options.y_range }),
    background_fill_color: null, border_fill_color: null, outline_line_color: null,
  });
  const font = { axis_label_text_font: "system-ui", major_label_text_font: "system-ui", axis_label_text_font_style: "normal" };
  for (const axis of [...plot.xaxes, ...plot.yaxes]) {
    Object.assign(axis, font, {
      axis_label_text_color: css("--muted"), major_label_text_color: css("--muted"), axis_line_color: css("--grid"),
      major_tick_line_color: css("--muted"), minor_tick_line_color: null, axis_label_text_font_size: "13px", major_label_text_font_size: "12px",
    });
  }
  plot.xaxes[0].axis_label = x;
  plot.yaxes[0].axis_label = y;
  for (const grid of [...plot.xgrids, ...plot.ygrids]) grid.grid_line_color = css("--grid");
  plot.name = title;
  plot.toolbar.logo = null;
  return plot;
}
const source = (columns) => new Bokeh.ColumnDataSource({ data: columns });
function hover(plot, renderers, tips, mode = "mouse") {
  plot.add_tools(new Bokeh.HoverTool({ renderers, tooltips: tips.map(([name, field]) => [name, `@{${field}}`]), mode }));
}
function level(plot, dimension, location, color, pattern = [6, 4]) {
  plot.add_layout(new Bokeh.Span({ dimension, location, line_color: color, line_dash: pattern, line_width: 1.4 }));
}
function note(...parts) { return parts.filter(Boolean).join(" "); }

function errors(own) {
  const rows = cells(own).filter((cell) => shown(cell.model));
  const log = logarithmic(rows.flatMap((cell) => [...cell.rmse, ...Object.values(cell.mse).map(Math.sqrt)]));
  const names = rows.map(label);
  const plot = figure({ title: `Error on ${own.title}`, x: own.axis, y: "", log: { x: log }, height: 110 + 30 * rows.length,
    y_range: new Bokeh.FactorRange({ factors: [...names].reverse() }) });
  const columns = { y: names, x: rows.map((cell) => cell.rmse[0]), low: rows.map((cell) => gap(cell.rmse[1] ?? null)),
    high: rows.map((cell) => gap(cell.rmse[2] ?? null)), model: rows.map((cell) => cell.model), length: rows.map((cell) => cell.length),
    color: rows.map((cell) => look(cell.model).color), marker: rows.map((cell) => MARKERS[look(cell.model).marker] ?? "circle"),
    value: rows.map((cell) => text(cell.rmse[0])), interval: rows.map((cell) => span(cell.rmse.slice(1).length ? cell.rmse.slice(1) : null)),
    skill: rows.map((cell) => text(cell.skill?.[0])), verdict: rows.map((cell) => cell.words.split(" (")[0]), cell: rows.map((cell) => cell.id) };
  const seeds = rows.flatMap((cell) => Object.entries(cell.mse).map(([seed, mse]) => ({ cell, seed, rmse: Math.sqrt(mse) })));
  const dots = plot.scatter({ field: "x" }, { field: "y" }, { size: 5, alpha: 0.35, line_color: null, fill_color: { field: "color" },
    source: source({ x: seeds.map((one) => one.rmse), y: seeds.map((one) => [label(one.cell), 0.28]), color: seeds.map((one) => look(one.cell.model).color),
      model: seeds.map((one) => one.cell.model), seed: seeds.map((one) => one.seed), value: seeds.map((one) => text(one.rmse)), cell: seeds.map((one) => one.cell.id) }) });
  const all = source(columns);
  plot.segment({ field: "low" }, { field: "y" }, { field: "high" }, { field: "y" }, { source: all, line_width: 3, line_color: { field: "color" } });
  const points = plot.scatter({ field: "x" }, { field: "y" }, { source: all, size: 11, marker: { field: "marker" }, line_color: { field: "color" }, line_width: 2, fill_color: { field: "color" } });
  hover(plot, [points], [["model", "model"], ["length", "length"], ["RMSE", "value"], ["95 % over seeds", "interval"], ["skill", "skill"], ["verdict", "verdict"], ["cell", "cell"]]);
  hover(plot, [dots], [["model", "model"], ["seed", "seed"], ["RMSE", "value"], ["cell", "cell"]]);
  if (own.persistence) level(plot, "height", own.persistence, css("--muted"));
  if (own.floor) level(plot, "height", own.floor, css("--ink"), [2, 3]);
  return { plots: [plot], positive: true,
    note: note(`Small dots are seeds.`, own.persistence && `Dashed: persistence, ${text(own.persistence)}.`, own.floor && `Dotted: noise floor, ${text(own.floor)}.`),
    columns: ["Model", "Length", own.axis, "95 % over seeds", "Skill", "Verdict", "Cell"],
    rows: rows.map((cell, i) => [cell.model, cell.length, columns.value[i], columns.interval[i], columns.skill[i], cell.words, cell.id]) };
}

// The forecast of one point, drawn where the point before it is: on top of the truth, it is a copy of the last value.
function shifted(series, index) {
  return series.map((_, i) => index[i + 1] === index[i] + 1 ? gap(series[i + 1]) : NaN);
}
function time(own) {
  const axis = { date: "date", time: "time", position: "position in the series (points)" };
  const stamp = (value) => own.forecasts.kind === "date" ? new Date(value).toISOString().slice(0, 16).replace("T", " ") : text(value);
  return { x: own.forecasts.time, title: axis[own.forecasts.kind], dates: own.forecasts.kind === "date", stamps: own.forecasts.time.map(stamp) };
}
function ends(x) {
  const first = $("pick-window").value === "last" ? Math.max(0, x.length - LAST) : 0;
  return new Bokeh.Range1d({ start: x[first], end: x[x.length - 1] });
}
function predicted(own) {
  const cell = cellOf(own, $("pick-model").value);
  return { cell, forecast: cell && own.forecasts?.of[cell.id] };
}
function missing(cell) {
  return { plots: [], note: cell ? "No predictions of this cell are stored at the targets of the others." : "This model has no finished cell here.", columns: [], rows: [] };
}

function forecasts(own) {
  const { cell, forecast } = predicted(own);
  if (!forecast) return missing(cell);
  const { x, title, dates, stamps } = time(own);
  const truth = gaps(own.forecasts.truth), reference = gaps(own.forecasts.persistence), median = gaps(forecast.median);
  const early = shifted(forecast.median, own.forecasts.index);
  const log = logarithmic([...truth, ...median], false);
  const plot = figure({ title: `${cell.model} over the truth on ${own.title}`, x: title, y: own.unit, log: { y: log }, dates, x_range: ends(x), height: 420 });
  const all = source({ x, truth, reference, median, early, low: gaps(forecast.low ?? forecast.median), high: gaps(forecast.high ?? forecast.median), when: stamps,
    a: truth.map(text), b: median.map(text), c: reference.map(text), d: early.map(text), cell: x.map(() => cell.id) });
  if (forecast.low) plot.varea({ field: "x" }, { field: "low" }, { field: "high" }, { source: all, fill_color: look(cell.model).color, fill_alpha: 0.22 });
  const lines = [["median", look(cell.model).color, 3, [], cell.model], ["truth", css("--ink"), 1.5, [], "truth"]];
  if ($("show-persistence").checked) lines.push(["reference", css("--muted"), 1.2, [5, 3], "persistence"]);
  if ($("show-shifted").checked) lines.push(["early", css("--accent"), 1.2, [2, 2], `${cell.model}, one point earlier`]);
  const drawn = lines.map(([name, color, width, pattern]) => plot.line({ field: "x" }, { field: name },
    { source: all, line_color: color, line_width: width, line_dash: pattern }));
  legend(plot, lines.map(([, , , , name], i) => [name, [drawn[i]]]));
  hover(plot, [drawn[1]], [["at", "when"], ["truth", "a"], [cell.model.replaceAll(/[{}@$]/g, " "), "b"], ["persistence", "c"], ["one point earlier", "d"], ["cell", "cell"]], "vline");
  const thinned = own.forecasts.count > x.length ? ` ${x.length} of ${own.forecasts.count} targets: the last ones as they are, before them the extremes of each stretch.` : "";
  const seed = own.forecasts.seed === null ? `median over seeds${forecast.low ? ", with their range" : ""}` : `seed ${own.forecasts.seed} alone: each seed has data of its own`;
  return { plots: [plot], positive: positive([...truth, ...median]), note: `Line: ${seed}.${thinned} Where the curve one point earlier lies on the truth, the forecast is a copy of the last value.`,
    columns: [title, "Truth", cell.model, "Persistence", "One point earlier"], rows: x.map((_, i) => [stamps[i], truth[i], median[i], reference[i], early[i]]).slice(-LAST) };
}
function legend(plot, entries) {
  const items = entries.map(([name, renderers]) => new Bokeh.LegendItem({ label: { value: name }, renderers }));
  plot.add_layout(new Bokeh.Legend({ items, background_fill_color: null, border_line_color: null, label_text_color: css("--ink"), label_text_font: "system-ui",
    label_text_font_size: "12px", orientation: "horizontal", ncols: innerWidth < 600 ? 2 : "auto", spacing: 14, padding: 2, margin: 2, click_policy: "hide" }), "above");
}

function residuals(own) {
  const { cell, forecast } = predicted(own);
  if (!forecast) return missing(cell);
  const { x, title, dates, stamps } = time(own);
  const rest = forecast.median.map((value, i) => gap(value) - gap(own.forecasts.truth[i]));
  const plot = figure({ title: `Residuals of ${cell.model} on ${own.title}`, x: title, y: `forecast − truth (${own.unit})`, dates, x_range: ends(x), height: 280 });
  const all = source({ x, rest, when: stamps, value: rest.map(text), cell: x.map(() => cell.id) });
  plot.line({ field: "x" }, { field: "rest" }, { source: all, line_color: look(cell.model).color, line_alpha: 0.5 });
  const dots = plot.scatter({ field: "x" }, { field: "rest" }, { source: all, size: 4, line_color: null, fill_color: look(cell.model).color });
  level(plot, "width", 0, css("--muted"), []);
  hover(plot, [dots], [["at", "when"], ["residual", "value"], ["cell", "cell"]]);
  const lags = forecast.lags.map((_, i) => i + 1), bound = 1.96 / Math.sqrt(own.forecasts.count);
  const bars = figure({ title: "Their autocorrelation", x: "lag (points)", y: "autocorrelation", height: 240 });
  const drawn = bars.vbar({ field: "lag" }, 0.6, { field: "value" }, 0, { fill_color: look(cell.model).color, line_color: null,
    source: source({ lag: lags, value: gaps(forecast.lags), shown: forecast.lags.map(text), cell: lags.map(() => cell.id) }) });
  for (const end of [-bound, bound]) level(bars, "width", end, css("--muted"));
  hover(bars, [drawn], [["lag", "lag"], ["autocorrelation", "shown"], ["cell", "cell"]]);
  const beyond = forecast.lags.filter((value) => Math.abs(value) > bound).length;
  return { plots: [plot, bars], note: `Residuals of the median over seeds. Dashed: ±1.96/√n for n = ${own.forecasts.count} targets; of ${lags.length} lags ${beyond} lie beyond it, where white noise has about ${text(Math.round(lags.length * 0.05))}.`,
    columns: ["Lag", "Autocorrelation"], rows: lags.map((lag, i) => [lag, forecast.lags[i]]) };
}

function steps(own) {
  if (!own.steps) return { plots: [], note: "These are forecasts of one step, or no predictions are stored.", columns: [], rows: [] };
  const lines = own.steps.of.filter((one) => shown(one.model) && !references.has(one.model));
  const log = logarithmic([...lines.flatMap((one) => one.rmse), ...own.steps.persistence]);
  const plot = figure({ title: `Error by step ahead on ${own.title}`, x: "steps ahead (points)", y: own.axis, log: { y: log } });
  const entries = [];
  for (const one of [...lines, ...(data.models.some((model) => model.reference && !shown(model.name)) ? [] : [{ model: "persistence", id: null, rmse: own.steps.persistence }])]) {
    const color = looks.has(one.model) && !references.has(one.model) ? look(one.model).color : css("--muted");
    const all = source({ x: own.steps.step, y: gaps(one.rmse), value: one.rmse.map(text), model: one.rmse.map(() => one.model), cell: one.rmse.map(() => one.id ?? "") });
    const line = plot.line({ field: "x" }, { field: "y" }, { source: all, line_color: color, line_width: 2, line_dash: one.id ? dash(one.model) : [6, 4] });
    const dots = plot.scatter({ field: "x" }, { field: "y" }, { source: all, size: 7, fill_color: color, line_color: null });
    hover(plot, [dots], [["model", "model"], ["step", "x"], ["RMSE", "value"], ["cell", "cell"]]);
    entries.push([one.model, [line, dots]]);
  }
  legend(plot, entries);
  return { plots: [plot], positive: true, note: "Each model at its chosen length; over all origins, seeds and channels.", columns: ["Step", "persistence", ...lines.map((one) => one.model)],
    rows: own.steps.step.map((step, i) => [step, own.steps.persistence[i], ...lines.map((one) => one.rmse[i])]) };
}

function curves(own) {
  const lines = own.curves.filter((one) => shown(one.model));
  if (!lines.length) return { plots: [], note: "No model shown here is trained by epochs, or its curves are not stored.", columns: [], rows: [] };
  const log = logarithmic(lines.flatMap((one) => [...gaps(one.validation), ...gaps(one.train)]), true);
  const plot = figure({ title: `Learning curves on ${own.title}`, x: unique(lines.map((one) => one.unit)).join(" or "), y: "loss (MSE, scaled units)", log: { y: log }, height: 400 });
  const entries = [];
  for (const one of lines) {
    const color = look(one.model).color;
    const all = source({ x: one.epoch, train: gaps(one.train), validation: gaps(one.validation), low: gaps(one.low), high: gaps(one.high), model: one.epoch.map(() => one.model),
      a: one.validation.map(text), b: one.train.map(text), c: one.low.map((low, i) => span([low, one.high[i]])), cell: one.epoch.map(() => one.id) });
    const band = plot.varea({ field: "x" }, { field: "low" }, { field: "high" }, { source: all, fill_color: color, fill_alpha: 0.14 });
    const train = plot.line({ field: "x" }, { field: "train" }, { source: all, line_color: color, line_width: 1.2, line_dash: [3, 3] });
    const line = plot.line({ field: "x" }, { field: "validation" }, { source: all, line_color: color, line_width: 2.2, line_dash: dash(one.model) });
    const dots = plot.scatter({ field: "x" }, { field: "validation" }, { source: all, size: 5, fill_color: color, line_color: null });
    hover(plot, [dots], [["model", "model"], ["round", "x"], ["validation", "a"], ["its range", "c"], ["train", "b"], ["cell", "cell"]]);
    entries.push([one.model, [line, train, band, dots]]);
  }
  legend(plot, entries);
  return { plots: [plot], positive: true, note: "Medians over seeds at the chosen length; band: their range. Dotted: train.", columns: ["Model", "Rounds", "Best validation", "Last train"],
    rows: lines.map((one) => [one.model, one.epoch.at(-1), Math.min(...one.validation.filter((value) => value !== null)), one.train.filter((value) => value !== null).at(-1)]) };
}

function against(own) {
  const [a, b] = ["pick-a", "pick-b"].map((id) => cells(own).find((cell) => cell.model === $(id).value));
  if (!a || !b || a === b) return { plots: [], note: a === b && a ? "Pick two different models." : "One of the two has no finished cell here.", columns: [], rows: [] };
  const seeds = Object.keys(a.mse).filter((seed) => seed in b.mse);
  const differences = seeds.map((seed) => a.mse[seed] - b.mse[seed]);
  const mean = differences.reduce((sum, value) => sum + value, 0) / seeds.length;
  const unit = `A − B, MSE (${own.unit}²)`;
  const plot = figure({ title: `${a.model} (A) less ${b.model} (B) by seed`, x: "seed", y: unit, height: 280 });
  const fill = differences.map((value) => look(value < 0 ? a.model : b.model).color);
  const drawn = plot.vbar({ field: "x" }, 0.6, { field: "y" }, 0, { fill_color: { field: "color" }, line_color: null, source: source({ x: seeds.map(Number), y: differences, color: fill,
    value: differences.map(text), one: seeds.map((seed) => text(a.mse[seed])), other: seeds.map((seed) => text(b.mse[seed])), cell: seeds.map(() => `${a.id}, ${b.id}`) }) });
  level(plot, "width", mean, css("--ink"));
  hover(plot, [drawn], [["seed", "x"], ["A − B", "value"], ["A", "one"], ["B", "other"], ["cells", "cell"]]);
  const plots = [plot, ...window_(own, a, b, unit)];
  return { plots, note: verdicts(own, a, b, mean, seeds.length), columns: ["Seed", "MSE of A", "MSE of B", "A − B"],
    rows: [...seeds.map((seed, i) => [seed, a.mse[seed], b.mse[seed], differences[i]]), ["mean", "", "", mean]] };
}
function window_(own, a, b, unit) {
  const [one, other] = [a, b].map((cell) => own.window?.of[cell.id]);
  if (!one || !other) return [];
  const { start, size } = own.window, difference = one.map((value, i) => value - other[i]);
  const plot = figure({ title: "The same by part of the test window", x: "position in the series (points)", y: unit, height: 260 });
  const drawn = plot.quad({ field: "left" }, { field: "right" }, { field: "bottom" }, { field: "top" }, { fill_color: { field: "color" }, line_color: null, source: source({ left: start,
    right: start.map((each, i) => each + size[i]), bottom: difference.map((value) => Math.min(0, value)), top: difference.map((value) => Math.max(0, value)),
    color: difference.map((value) => look(value < 0 ? a.model : b.model).color), value: difference.map(text), from: start, many: size, cell: start.map(() => `${a.id}, ${b.id}`) }) });
  hover(plot, [drawn], [["from", "from"], [`${own.window.unit}s`, "many"], ["A − B", "value"], ["cells", "cell"]]);
  return [plot];
}
function verdicts(own, a, b, mean, count) {
  const pair = own.pairs.find((each) => [each.a, each.b].includes(a.id) && [each.a, each.b].includes(b.id));
  const difference = `Mean difference over ${count} seeds: ${text(mean)} ${own.unit}²; below 0, A has the smaller error.`;
  if (!pair) return note(difference, own.pairs.length ? "Among so many pairs, this one is not judged: `bench report` on fewer models does." : "Nothing is tested on this dataset.");
  const { of, against: other, words, ends, wide, p, family } = pair.claim;
  const corrected = p === null ? "" : `; ${p < 0.001 ? "p < 0.001" : `p = ${text(p)}`}, corrected over ${family}`;
  const ratio = pair.a === a.id ? pair.ratio : 1 / pair.ratio;
  return note(`Verdict on ${of} against ${other}: ${words}.`, `MSE of ${of} / MSE of ${other}: ${wide ? "interval as the correction leaves it" : "95 % interval"} ${span(ends)}${corrected}.`, `MSE of A / MSE of B: ${text(ratio)}.`, difference);
}

function hyperparameters(own) {
  const one = own.tuned.find((each) => each.model === $("pick-model").value) ?? own.tuned[0];
  if (!one) return { plots: [], note: "Nothing was tuned here, or the trials are not stored.", columns: [], rows: [] };
  const color = look(one.model).color, log = logarithmic(one.error, true);
  const ids = one.error.map(() => one.id), what = one.error.map((_, i) => one.names.map((name, k) => `${name}=${text(one.values[k][i])}`).join(", "));
  const plots = [];
  if (one.mattered.length) {
    const names = one.mattered.map(([name]) => name), bars = figure({ title: `What explains the error of ${one.model}`, x: "share of the variance of log error", y: "", height: 90 + 30 * names.length,
      y_range: new Bokeh.FactorRange({ factors: [...names].reverse() }) });
    const drawn = bars.hbar({ field: "y" }, 0.6, { field: "share" }, 0, { fill_color: color, line_color: null, source: source({ y: names, share: one.mattered.map(([, share]) => share), cell: names.map(() => one.id) }) });
    hover(bars, [drawn], [["hyperparameter", "y"], ["share", "share"], ["cell", "cell"]]);
    plots.push(bars);
  }
  const k = Math.max(0, one.names.indexOf($("pick-parameter").value)), values = one.values[k] ?? [];
  const numeric = values.every((value) => typeof value === "number"), wide = numeric && Math.min(...values) > 0 && Math.max(...values) > 30 * Math.min(...values);
  const slice = figure({ title: `Trials of ${one.model} by ${one.names[k]}`, x: one.names[k], y: "validation MSE (scaled units)", log: { x: wide, y: log }, height: 300,
    ...(!numeric && { x_range: new Bokeh.FactorRange({ factors: unique(values.map(String)) }) }) });
  const drawn = slice.scatter({ field: "x" }, { field: "y" }, { size: 8, fill_color: color, fill_alpha: 0.7, line_color: null,
    source: source({ x: numeric ? values : values.map(String), y: one.error, value: one.error.map(text), what, cell: ids }) });
  hover(slice, [drawn], [["validation MSE", "value"], ["trial", "what"], ["cell", "cell"]]);
  plots.push(slice, parallel(one, color, what, ids));
  const none = one.mattered.length ? "" : "No hyperparameter explains more of the error than chance.";
  return { plots, positive: true, note: note(`${one.error.length} of ${one.trials} trials finished, at the chosen length.`, none), columns: [...one.names, "Validation MSE (scaled)"],
    rows: one.error.map((error, i) => [...one.names.map((_, j) => one.values[j][i]), error]) };
}
// Each hyperparameter and the error on an axis of its own, from its smallest to its largest value; the best trials on top.
function parallel(one, color, what, ids) {
  const axes = [...one.names, "validation MSE"];
  const scaled = [...one.values, one.error].map((values) => {
    const numeric = values.every((value) => typeof value === "number");
    const kinds = unique(values.map(String)).sort(), own = values.map((value) => numeric ? (Math.min(...values) > 0 ? Math.log(value) : value) : kinds.indexOf(String(value)));
    const low = Math.min(...own), high = Math.max(...own);
    return own.map((value) => high > low ? (value - low) / (high - low) : 0.5);
  });
  const order = one.error.map((_, i) => i).sort((i, j) => one.error[j] - one.error[i]), best = new Set(order.slice(-Math.max(1, Math.ceil(order.length / 5))));
  const plot = figure({ title: "Parallel coordinates of the trials", x: "", y: "smallest to largest (log where positive)", height: 320, x_range: new Bokeh.FactorRange({ factors: axes }) });
  const drawn = plot.multi_line({ field: "xs" }, { field: "ys" }, { line_color: { field: "color" }, line_alpha: { field: "alpha" }, line_width: 2, source: source({ xs: order.map(() => axes),
    ys: order.map((i) => scaled.map((values) => values[i])), color: order.map((i) => best.has(i) ? color : css("--muted")), alpha: order.map((i) => best.has(i) ? 0.95 : 0.3),
    value: order.map((i) => text(one.error[i])), what: order.map((i) => what[i]), cell: ids }) });
  hover(plot, [drawn], [["validation MSE", "value"], ["trial", "what"], ["cell", "cell"]]);
  return plot;
}

function matrix() {
  const names = data.models.map((model) => model.name).filter(shown), { smaller, shown: sure, of } = data.wins;
  const places = names.map((name) => data.models.findIndex((model) => model.name === name));
  const pairs = places.flatMap((i) => places.filter((j) => j !== i && of[i][j]).map((j) => [i, j]));
  const name = (i) => data.models[i].name, share = pairs.map(([i, j]) => smaller[i][j] / of[i][j]);
  const plot = figure({ title: `On how many ${several() ? "datasets and horizons" : "datasets"} the row has the smaller error`, x: "than this model", y: "this model", height: 150 + 34 * names.length,
    x_range: new Bokeh.FactorRange({ factors: names }), y_range: new Bokeh.FactorRange({ factors: [...names].reverse() }) });
  plot.xaxes[0].major_label_orientation = names.length > 4 ? 0.7 : 0;
  const all = source({ x: pairs.map(([, j]) => name(j)), y: pairs.map(([i]) => name(i)), alpha: share.map((each) => 0.08 + 0.4 * each), label: pairs.map(([i, j]) => `${smaller[i][j]} (${sure[i][j]})`),
    won: pairs.map(([i, j]) => `${smaller[i][j]} of ${of[i][j]}`), sure: pairs.map(([i, j]) => `${sure[i][j]} of ${of[i][j]}`) });
  const drawn = plot.rect({ field: "x" }, { field: "y" }, 0.96, 0.94, { source: all, fill_color: css("--accent"), fill_alpha: { field: "alpha" }, line_color: null });
  plot.text({ field: "x" }, { field: "y" }, { field: "label" }, { source: all, text_align: "center", text_baseline: "middle", text_color: css("--ink"), text_font: "system-ui", text_font_size: "12px" });
  hover(plot, [drawn], [["smaller error", "won"], ["shown", "sure"], ["row", "y"], ["than", "x"]]);
  return { plots: [plot], note: "In brackets: on how many that is shown, which is what the verdict on the pair says.",
    columns: ["Model", "Than", "Smaller error", "Shown", "Datasets"], rows: pairs.map(([i, j]) => [name(i), name(j), smaller[i][j], sure[i][j], of[i][j]]) };
}

// The page around it

const TABS = {
  errors: [errors, ["dataset", "horizon", "length", "models", "log"]],
  forecasts: [forecasts, ["dataset", "horizon", "length", "model", "window", "lines", "log"]],
  residuals: [residuals, ["dataset", "horizon", "length", "model", "window"]],
  steps: [steps, ["dataset", "horizon", "models", "log"]],
  against: [against, ["dataset", "horizon", "length", "a", "b"]],
  curves: [curves, ["dataset", "horizon", "models", "log"]],
  hyperparameters: [hyperparameters, ["dataset", "horizon", "model", "parameter", "log"]],
  wins: [matrix, ["models"]],
};
function logarithmic(values, usual = false) {
  const known = values.map(gap).filter((value) => Number.isFinite(value)), possible = known.length > 0 && known.every((value) => value > 0);
  const wide = possible && Math.max(...known) > 30 * Math.min(...known);
  const on = possible && (state.log[state.tab] ?? (usual || wide && state.tab !== "forecasts"));
  $("pick-log").checked = on;
  $("pick-log").disabled = !possible;
  return on;
}
function options(id, values, kept = $(id).value) {
  $(id).replaceChildren(...values.map(([value, name]) => new Option(name, value)));
  if (values.some(([value]) => String(value) === kept)) $(id).value = kept;
}
function refill() {
  options("pick-dataset", unique(data.sections.map((each) => each.dataset)).map((name) => [name, name]));
  options("pick-horizon", data.sections.filter((each) => each.dataset === $("pick-dataset").value).map((each) => [each.horizon, each.horizon]));
  const own = section(), lengths = unique(own.cells.map((cell) => cell.length)).sort((a, b) => a - b);
  const length = $("pick-length").value;
  options("pick-length", [[CHOSEN, "best on validation"], ...(state.tab === "errors" ? [[EVERY, "every length"]] : []), ...lengths.map((each) => [each, each])], length);
  const done = own.cells.filter((cell) => cell.chosen), ordered = [...done].sort((a, b) => a.rmse[0] - b.rmse[0]);
  const names = done.map((cell) => [cell.model, cell.model]), tuned = own.tuned.map((each) => [each.model, each.model]);
  const best = ordered.find((cell) => !references.has(cell.model)) ?? ordered[0];
  options("pick-model", state.tab === "hyperparameters" ? tuned : names, $("pick-model").value || best?.model);
  options("pick-a", names, $("pick-a").value || ordered[0]?.model);
  options("pick-b", names, $("pick-b").value || ordered[1]?.model);
  const one = own.tuned.find((each) => each.model === $("pick-model").value) ?? own.tuned[0];
  options("pick-parameter", (one?.names ?? []).map((name) => [name, name]), $("pick-parameter").value || one?.mattered[0]?.[0]);
}
function several() { return unique(data.sections.map((each) => each.horizon)).length > 1; }
function values({ columns, rows }) {
  const head = document.createElement("thead"), body = document.createElement("tbody"), line = head.insertRow();
  for (const name of columns) Object.assign(line.appendChild(document.createElement("th")), { scope: "col", textContent: name });
  for (const row of rows) {
    const own = body.insertRow();
    for (const value of row) Object.assign(own.insertCell(), { textContent: typeof value === "number" ? (Number.isNaN(value) ? "–" : String(value)) : value ?? "–" });
  }
  $("chart-values").querySelector("table").replaceChildren(Object.assign(document.createElement("caption"), { textContent: "Values of this chart" }), head, body);
  $("chart-values").hidden = !rows.length;
}
// A chart has a document of its own, which holds its data until it is cleared and forgotten.
function discard(view) {
  const own = view.model.document;
  for (const each of [...Bokeh.index]) if (each === view || each.model === own?.config?.notifications) each.remove();
  own?.clear();
  const place = Bokeh.documents.indexOf(own);
  if (place >= 0) Bokeh.documents.splice(place, 1);
}
let turn = 0, views = [];
async function draw() {
  const mine = ++turn;
  refill();
  const [drawer, used] = TABS[state.tab];
  for (const part of document.querySelectorAll("#explore [data-for]")) part.hidden = !used.includes(part.dataset.for);
  if (!several()) document.querySelector("[data-for=horizon]").hidden = true;
  const made = drawer(section());
  $("chart-note").textContent = made.note;
  values(made);
  for (const view of views) discard(view);
  views = [];
  $("chart").replaceChildren();
  delete $("chart").dataset.drawn;
  for (const plot of made.plots) {
    $("chart").append(Object.assign(document.createElement("p"), { className: "chart-title", textContent: plot.name }));
    const place = $("chart").appendChild(document.createElement("div"));
    const view = await Bokeh.Plotting.show(plot, place);
    if (mine !== turn) return discard(view);
    views.push(view);
  }
  $("chart").dataset.drawn = state.tab;
}
function choose(tab, focus = false) {
  state.tab = tab;
  for (const button of document.querySelectorAll("#explore [role=tab]")) {
    const own = button.dataset.tab === tab;
    button.setAttribute("aria-selected", own);
    button.tabIndex = own ? 0 : -1;
    if (own) $("chart-panel").setAttribute("aria-labelledby", button.id);
    if (own && focus) button.focus();
  }
  return draw();
}
function start() {
  for (const model of data.models) {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, value: model.name });
    const swatch = Object.assign(document.createElement("span"), { className: "swatch", ariaHidden: "true" });
    swatch.style.background = model.color;
    const own = document.createElement("label");
    own.append(box, swatch, model.name);
    box.addEventListener("change", () => { state.hidden[box.checked ? "delete" : "add"](model.name); draw(); });
    $("pick-models").append(own);
  }
  const empty = { steps: (own) => !own.steps, curves: (own) => !own.curves.length, hyperparameters: (own) => !own.tuned.length, forecasts: (own) => !own.forecasts, residuals: (own) => !own.forecasts };
  for (const [tab, nothing] of Object.entries(empty)) if (data.sections.every(nothing)) $(`tab-${tab}`).remove();
  if (data.models.length < 2) for (const tab of ["against", "wins"]) $(`tab-${tab}`).remove();
  const buttons = [...document.querySelectorAll("#explore [role=tab]")];
  buttons.forEach((button, place) => {
    button.addEventListener("click", () => choose(button.dataset.tab));
    button.addEventListener("keydown", (event) => {
      const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      choose(buttons.at(next % buttons.length).dataset.tab, true);
    });
  });
  for (const picker of document.querySelectorAll("#explore select, #show-persistence, #show-shifted")) picker.addEventListener("change", draw);
  $("pick-log").addEventListener("change", () => { state.log[state.tab] = $("pick-log").checked; draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  for (const own of [$("explore"), ...document.querySelectorAll(".scripted")]) own.hidden = false;
}
start();
await choose("errors");
document.documentElement.dataset.explorer = "";
