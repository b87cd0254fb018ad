"use strict";
// Draws each figure when it scrolls into view, and shows the face behind a point; `faces.js` opens it.
const report = JSON.parse(document.getElementById("data").textContent);
const card = document.getElementById("card");
const ring = document.getElementById("ring"); // around the point that the keyboard is at
const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["toImage"] };
const datasets = new Map(Object.entries(report.faces ? report.faces.datasets : {})); // category -> dataset
const states = {}; // name of a figure -> {hidden datasets, number of the point selected by keyboard}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

function visible(text) {
  // As `visible_text` in Python: an escape for each character that is not shown or turns the reading.
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0), known = { 9: "\\t", 10: "\\n", 13: "\\r" }[code];
    if (code === 0x200c || code === 0x200d) return character;
    const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return known || `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
}

function categoryOfTrace(trace) {
  return categoryOf(unpack(trace.customdata)[0]);
}

function datasetOf(category) {
  return datasets.get(category) || category;
}

function datasetLabel(category) {
  // Without the face folder, what the check boxes go by is only how the name begins.
  return report.faces.problem ? "dataset unknown" : datasetOf(category);
}

function variantOf(name) {
  const select = document.querySelector(`select[data-for="${CSS.escape(name)}"]`);
  return select ? select.selectedIndex : 0;
}

function selectedVariant(name) {
  return report.figures[name][variantOf(name)];
}

function drawFigure(name) {
  const state = (states[name] ||= { hidden: new Set(), selected: -1 });
  const figure = selectedVariant(name);
  const plot = document.getElementById(`plot-${name}`);
  const points = figure.data.length > 0 && figure.data[0].customdata !== undefined;
  for (const trace of points ? figure.data : []) trace.visible = state.hidden.has(datasetOf(categoryOfTrace(trace))) ? "legendonly" : true;
  Plotly.react(plot, figure.data, figure.layout, config).then(() => { plot.dataset.drawn = "yes"; });
  if (!points) return;
  updateDatasetBoxes(name, figure);
  if (plot.dataset.listening) return;
  plot.dataset.listening = "yes";
  const open = (face) => openFace(face, { figure: name, variant: variantOf(name) }, plot);
  const faceAt = (event) => unpack(event.points[0].data.customdata)[event.points[0].pointNumber];
  plot.on("plotly_hover", (event) => showFace(faceAt(event), event.event));
  plot.on("plotly_click", (event) => open(faceAt(event)));
  plot.on("plotly_unhover", hideFace);
  plot.addEventListener("keydown", (event) => stepThroughPoints(name, plot, event, open));
  plot.addEventListener("blur", hideFace);
}

function updateDatasetBoxes(name, figure) {
  const field = document.querySelector(`fieldset[data-for="${CSS.escape(name)}"]`);
  const datasets = [...new Set(figure.data.map((trace) => datasetOf(categoryOfTrace(trace))))].sort();
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
    label.append(box, visible(dataset));
    field.append(label);
  }
}

function unpack(column) {
  // plotly's packed arrays: {dtype, bdata}.
  if (Array.isArray(column)) return column;
  const bytes = Uint8Array.from(atob(column.bdata), (character) => character.charCodeAt(0));
  const types = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array,
    f4: Float32Array };
  return new types[column.dtype](bytes.buffer);
}

function showFace(face, event) {
  card.replaceChildren(pictureOf(face));
  const text = document.createElement("div");
  for (const [tag, line] of [["strong", categoryOf(face)], ["span", datasetLabel(categoryOf(face))], ["span", report.faces.keys[face]]]) {
    text.append(element(tag, line), document.createElement("br"));
  }
  card.append(text);
  card.style.display = "flex";
  const x = event && event.clientX !== undefined ? event.clientX : innerWidth / 2;
  const y = event && event.clientY !== undefined ? event.clientY : innerHeight / 2;
  card.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - card.offsetWidth - 4))}px`;
  card.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - card.offsetHeight - 4))}px`;
}

function hideFace() {
  card.style.display = "none";
  ring.style.display = "none";
}

function stepThroughPoints(name, plot, event, open) {
  const state = states[name];
  const traces = selectedVariant(name).data.filter((trace) => trace.visible !== "legendonly");
  const all = traces.flatMap((trace) => Array.from(unpack(trace.customdata), (face, number) => ({ trace, face, number })));
  if (event.key === "Escape") hideFace();
  if (event.key === "Enter" && all[state.selected]) open(all[state.selected].face);
  const direction = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 1, PageUp: -1 }[event.key];
  if (!direction || !all.length) return;
  event.preventDefault();
  if (event.key.startsWith("Page")) {
    // To the first point of the next category, or of the one before.
    const now = all[state.selected] ? traces.indexOf(all[state.selected].trace) : (direction - 1) / 2;
    const trace = traces[(now + direction * (all[state.selected] ? 1 : 0) + traces.length) % traces.length];
    state.selected = all.findIndex((point) => point.trace === trace);
  } else {
    state.selected = (Math.max(state.selected, direction < 0 ? 0 : -1) + direction + all.length) % all.length;
  }
  const point = all[state.selected];
  showFace(point.face, markPoint(plot, point.trace, point.number));
}

function markPoint(plot, trace, number) {
  // Puts the ring around a point of a flat map, and returns where the card belongs.
  const box = plot.getBoundingClientRect();
  const { xaxis, yaxis } = plot._fullLayout;
  if (trace.z !== undefined || !xaxis || !xaxis.d2p) return { clientX: box.left + 60, clientY: Math.max(box.top, 0) + 40 };
  const x = box.left + xaxis._offset + xaxis.d2p(unpack(trace.x)[number]);
  const y = box.top + yaxis._offset + yaxis.d2p(unpack(trace.y)[number]);
  Object.assign(ring.style, { display: "block", left: `${x - 9}px`, top: `${y - 9}px` });
  return { clientX: x, clientY: y };
}

addEventListener("scroll", () => { ring.style.display = "none"; }, { passive: true });
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    drawFigure(entry.target.id.slice("plot-".length));
  }
}, { rootMargin: "400px" });
document.querySelectorAll(".plot").forEach((plot) => observer.observe(plot));
document.querySelectorAll("select").forEach((select) => select.addEventListener("change", () => drawFigure(select.dataset.for)));
