"use strict";
// Draws each figure when it scrolls into view, and shows the face behind a point.
const report = JSON.parse(document.getElementById("data").textContent);
const card = document.getElementById("card");
const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["toImage"] };
const states = {}; // name of a figure -> {hidden datasets, number of the point selected by keyboard}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

function plain(name) {
  // plotly is given names as HTML.
  return name.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function datasetOf(category) {
  return report.datasets[category] || category;
}

function selectedVariant(name) {
  const select = document.querySelector(`select[data-for="${CSS.escape(name)}"]`);
  return report.figures[name][select ? select.value : Object.keys(report.figures[name])[0]];
}

function drawFigure(name) {
  const state = (states[name] ||= { hidden: new Set(), selected: -1 });
  const figure = selectedVariant(name);
  const plot = document.getElementById(`plot-${name}`);
  const points = figure.data.length > 0 && figure.data[0].customdata !== undefined;
  for (const trace of points ? figure.data : []) trace.visible = state.hidden.has(datasetOf(plain(trace.name))) ? "legendonly" : true;
  Plotly.react(plot, figure.data, figure.layout, config).then(() => { plot.dataset.drawn = "yes"; });
  if (!points) return;
  updateDatasetBoxes(name, figure);
  if (plot.dataset.listening) return;
  plot.dataset.listening = "yes";
  plot.on("plotly_hover", (event) => showFace(event.points[0].data, event.points[0].pointNumber, event.event));
  plot.on("plotly_click", (event) => showFace(event.points[0].data, event.points[0].pointNumber, event.event));
  plot.on("plotly_unhover", hideFace);
  plot.addEventListener("keydown", (event) => stepThroughPoints(name, plot, event));
  plot.addEventListener("blur", hideFace);
}

function updateDatasetBoxes(name, figure) {
  const field = document.querySelector(`fieldset[data-for="${CSS.escape(name)}"]`);
  const datasets = [...new Set(figure.data.map((trace) => datasetOf(plain(trace.name))))].sort();
  if (field.dataset.has === datasets.join("\n")) return;
  field.dataset.has = datasets.join("\n");
  field.querySelectorAll("label").forEach((label) => label.remove());
  for (const dataset of datasets) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !states[name].hidden.has(dataset);
    box.addEventListener("change", () => {
      box.checked ? states[name].hidden.delete(dataset) : states[name].hidden.add(dataset);
      drawFigure(name);
    });
    label.append(box, dataset);
    field.append(label);
  }
}

function unpack(column) {
  // plotly's packed arrays: {dtype, bdata}.
  if (Array.isArray(column)) return column;
  const bytes = Uint8Array.from(atob(column.bdata), (character) => character.charCodeAt(0));
  const types = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array };
  return new types[column.dtype](bytes.buffer);
}

function showFace(trace, number, event) {
  const face = unpack(trace.customdata)[number];
  const sheet = Math.floor(face / report.per_sheet), cell = face % report.per_sheet;
  const picture = card.querySelector("i");
  picture.style.backgroundImage = `url(${report.thumbnails[sheet]})`;
  picture.style.backgroundSize = `${80 * report.across}px auto`;
  picture.style.backgroundPosition = `${-80 * (cell % report.across)}px ${-80 * Math.floor(cell / report.across)}px`;
  const text = card.querySelector("div");
  text.replaceChildren();
  for (const [tag, line] of [["strong", plain(trace.name)], ["span", datasetOf(plain(trace.name))], ["span", report.keys[face]]]) {
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

function hideFace() {
  card.style.display = "none";
}

function stepThroughPoints(name, plot, event) {
  const direction = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") hideFace();
  if (!direction) return;
  event.preventDefault();
  const all = [];
  for (const trace of selectedVariant(name).data) {
    if (trace.visible !== "legendonly") unpack(trace.customdata).forEach((_, number) => all.push([trace, number]));
  }
  if (!all.length) return;
  const state = states[name];
  state.selected = (state.selected + direction + all.length) % all.length;
  const box = plot.getBoundingClientRect();
  showFace(all[state.selected][0], all[state.selected][1], { clientX: box.left + 60, clientY: Math.max(box.top, 0) + 40 });
}

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    drawFigure(entry.target.id.slice("plot-".length));
  }
}, { rootMargin: "400px" });
document.querySelectorAll(".plot").forEach((plot) => observer.observe(plot));
document.querySelectorAll("select").forEach((select) => select.addEventListener("change", () => drawFigure(select.dataset.for)));
