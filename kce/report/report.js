"use strict";
// The page's own behaviour: figures are drawn when they come into view, faces are shown for points.
const told = JSON.parse(document.getElementById("data").textContent);
const card = document.getElementById("card");
const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["toImage"] };
const shown = {}; // name of an exhibit -> {hidden datasets, place of the point the keyboard is at}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

function datasetOf(category) {
  return told.datasets[category] || category;
}

function chosen(name) {
  const select = document.querySelector(`select[data-for="${CSS.escape(name)}"]`);
  return told.exhibits[name][select ? select.value : Object.keys(told.exhibits[name])[0]];
}

function draw(name) {
  const state = (shown[name] ||= { hidden: new Set(), at: -1 });
  const figure = chosen(name);
  const plot = document.getElementById(`plot-${name}`);
  const points = figure.data.length > 0 && figure.data[0].customdata !== undefined;
  for (const trace of points ? figure.data : []) trace.visible = state.hidden.has(datasetOf(trace.name)) ? "legendonly" : true;
  Plotly.react(plot, figure.data, figure.layout, config).then(() => { plot.dataset.drawn = "yes"; });
  if (!points) return;
  boxes(name, figure);
  if (plot.dataset.heard) return;
  plot.dataset.heard = "yes";
  plot.on("plotly_hover", (event) => show(event.points[0].data, event.points[0].pointNumber, event.event));
  plot.on("plotly_click", (event) => show(event.points[0].data, event.points[0].pointNumber, event.event));
  plot.on("plotly_unhover", hide);
  plot.addEventListener("keydown", (event) => step(name, plot, event));
  plot.addEventListener("blur", hide);
}

function boxes(name, figure) {
  const field = document.querySelector(`fieldset[data-for="${CSS.escape(name)}"]`);
  const datasets = [...new Set(figure.data.map((trace) => datasetOf(trace.name)))].sort();
  if (field.dataset.has === datasets.join("\n")) return;
  field.dataset.has = datasets.join("\n");
  field.querySelectorAll("label").forEach((label) => label.remove());
  for (const dataset of datasets) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !shown[name].hidden.has(dataset);
    box.addEventListener("change", () => {
      box.checked ? shown[name].hidden.delete(dataset) : shown[name].hidden.add(dataset);
      draw(name);
    });
    label.append(box, dataset);
    field.append(label);
  }
}

function numbers(column) {
  // Packed as plotly packs them: {dtype, bdata}.
  if (Array.isArray(column)) return column;
  const bytes = Uint8Array.from(atob(column.bdata), (letter) => letter.charCodeAt(0));
  const kinds = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array };
  return new kinds[column.dtype](bytes.buffer);
}

function show(trace, number, event) {
  const face = numbers(trace.customdata)[number];
  const sheet = Math.floor(face / told.sheet), place = face % told.sheet;
  const picture = card.querySelector("i");
  picture.style.backgroundImage = `url(${told.thumbnails[sheet]})`;
  picture.style.backgroundSize = `${80 * told.across}px auto`;
  picture.style.backgroundPosition = `${-80 * (place % told.across)}px ${-80 * Math.floor(place / told.across)}px`;
  const text = card.querySelector("div");
  text.replaceChildren();
  for (const [tag, line] of [["strong", trace.name], ["span", datasetOf(trace.name)], ["span", told.keys[face]]]) {
    const part = document.createElement(tag);
    part.textContent = line;
    text.append(part, document.createElement("br"));
  }
  card.style.display = "flex";
  const x = event && event.clientX !== undefined ? event.clientX : innerWidth / 2;
  const y = event && event.clientY !== undefined ? event.clientY : innerHeight / 2;
  card.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - card.offsetWidth - 4))}px`;
  card.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - card.offsetHeight - 4))}px`;
}

function hide() {
  card.style.display = "none";
}

function step(name, plot, event) {
  const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") hide();
  if (!way) return;
  event.preventDefault();
  const all = [];
  for (const trace of chosen(name).data) {
    if (trace.visible !== "legendonly") numbers(trace.customdata).forEach((_, number) => all.push([trace, number]));
  }
  if (!all.length) return;
  const state = shown[name];
  state.at = (state.at + way + all.length) % all.length;
  const box = plot.getBoundingClientRect();
  show(all[state.at][0], all[state.at][1], { clientX: box.left + 60, clientY: Math.max(box.top, 0) + 40 });
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target.id.slice("plot-".length));
  }
}, { rootMargin: "400px" });
document.querySelectorAll(".plot").forEach((plot) => seen.observe(plot));
document.querySelectorAll("select").forEach((select) => select.addEventListener("change", () => draw(select.dataset.for)));
