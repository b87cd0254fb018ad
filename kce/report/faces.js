"use strict";
// The faces of the page: their pictures, and the panel that a point of a map or a cell of a merge plan opens.
const SHOWN = { small: 80, large: 192 }; // CSS pixels of a picture
const panel = document.getElementById("panel");
const views = []; // what the panel showed, the last one on top
const sheets = {}; // number of a sprite sheet -> its URL
const sameName = new Map(Object.entries(report.faces ? report.faces.same_name : {})); // category -> name of its method, as the plan by name has it
const columns = report.faces && {
  category: unpack(report.faces.categories.codes),
  recording: unpack(report.faces.recordings.codes),
  picture: unpack(report.faces.picture),
};

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = visible(text);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, visible(value));
  return made;
}

function nameElement(tag, name, attributes) {
  // A name that breaks after its punctuation rather than within a word.
  const made = element(tag, undefined, attributes);
  visible(name).split(/(?<=[_./-])/).forEach((part, place) => made.append(...(place ? [document.createElement("wbr")] : []), part));
  return made;
}

function categoryOf(face) {
  return report.faces.categories.texts[columns.category[face]];
}

function sheetUrl(number) {
  // A short name for the sheet: a style with the whole picture in it would be parsed for every face.
  if (!sheets[number]) {
    const bytes = Uint8Array.from(atob(report.faces.thumbnails[number].split(",")[1]), (c) => c.charCodeAt(0));
    sheets[number] = URL.createObjectURL(new Blob([bytes], { type: "image/webp" }));
  }
  return sheets[number];
}

function pictureOf(face, size = "small") {
  const number = columns.picture[face];
  const picture = element("i", number < 0 ? "no picture" : "", { class: `picture ${size}` });
  if (number < 0) return picture;
  const { pictures, across } = report.sheet, side = SHOWN[size], cell = number % pictures;
  picture.style.backgroundImage = `url(${sheetUrl(Math.floor(number / pictures))})`;
  picture.style.backgroundSize = `${side * across}px auto`;
  picture.style.backgroundPosition = `${-side * (cell % across)}px ${-side * Math.floor(cell / across)}px`;
  return picture;
}

function showView(view, opener) {
  if (opener) {
    views.length = 0;
    panel.opener = opener;
  }
  views.push(view);
  render();
}

function render() {
  const body = document.getElementById("panel-body"), title = document.getElementById("panel-title");
  const { heading, parts } = views.at(-1)();
  title.replaceChildren(...nameElement("span", heading).childNodes);
  body.replaceChildren(...(report.faces.problem ? [element("p", `There are no pictures: ${report.faces.problem}`, { class: "remark" })] : []), ...parts);
  document.getElementById("panel-back").hidden = views.length < 2;
  hideFace();
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
  title.focus();
}

function tile(face, map, lines) {
  const button = element("button", undefined, { type: "button", "aria-label": [...lines, report.faces.keys[face]].join(", "), title: report.faces.keys[face] });
  button.append(pictureOf(face), ...lines.slice(map.captions ? 0 : lines.length).map((line) => nameElement("div", line)));
  button.addEventListener("click", () => showView(faceView(face, map)));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function nearestOf(face, map) {
  // The nearest faces on a map, and what they were chosen from; null if the map does not say.
  const near = report.neighbours[(report.maps[map.figure] || [])[map.variant]];
  if (!near) return null;
  near.place ||= new Map(Array.from(unpack(near.faces), (number, place) => [number, place]));
  near.columns ||= { face: unpack(near.faces), row: unpack(near.row), distance: unpack(near.distance) };
  const place = near.place.get(face);
  if (place === undefined) return null;
  const found = [];
  for (let i = place * near.count; i < (place + 1) * near.count; i++) {
    if (near.columns.row[i] >= 0) found.push({ face: near.columns.face[near.columns.row[i]], distance: near.columns.distance[i] });
  }
  return { found, among: near.place.size, dim: near.dim };
}

function mapOf(plan) {
  // The map of the faces from which a plan was made; none has number -1.
  return { figure: "known", variant: (report.labels.known || []).indexOf(plan.map) };
}

function classesOf(category, map) {
  // From a table of plans: its classes alone. From a map: those of all plans that were made from it.
  const ofMap = (plan) => (map.table ? plan.table === map.table : mapOf(plan).variant === map.variant);
  if (map.figure !== "known") return [["Class", "none: held out from training and plans"]];
  const lines = [];
  for (const plan of report.faces.plans.filter(ofMap)) {
    (plan.classes.get(category) || []).forEach((name, column) => {
      if (name) lines.push([plan.columns[column] === "class" ? "Class" : `Class, plan ${plan.columns[column]}`, name]);
    });
  }
  return lines.length ? lines : [["Class", "none: in no merge plan of this page"]];
}

function faceView(face, map) {
  return () => {
    const category = categoryOf(face), about = element("div", undefined, { class: "about" }), list = element("dl");
    const picture = pictureOf(face, "large");
    if (columns.picture[face] >= 0) {
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", "the face");
    }
    const recording = report.faces.recordings.texts[columns.recording[face]] || "unknown";
    const facts = [["Category", category], ["Dataset", report.faces.problem ? "unknown" : datasetOf(category)], ["Recording", recording], ...classesOf(category, map), ["Key", report.faces.keys[face]]];
    for (const [name, value] of facts) list.append(element("dt", name), nameElement("dd", value));
    about.append(picture, list);
    return { heading: category, parts: [about, ...nearestParts(face, map)] };
  };
}

function nearestParts(face, map) {
  const near = nearestOf(face, map), heading = element("h3", "Nearest faces of other recordings");
  const note = (text) => element("p", text, { class: "note" });
  if (!near) return [heading, note("Not known: no map of this page shows this face.")];
  if (!near.found.length) return [heading, note("None: every other face of this map is of the same recording.")];
  const list = element("ul", undefined, { class: "tiles near" });
  for (const { face: other, distance } of near.found) {
    list.append(tile(other, { ...map, captions: true }, [categoryOf(other), `distance ${distance.toPrecision(3)}`]));
  }
  const space = `Among the ${near.among} faces of the map, by Euclidean distance in ${near.dim} principal components of the features (not in the two dimensions of the map).`;
  return [heading, note(`${space} Faces of the same recording are left out, forgeries made from it too.`), list];
}

function relationsOf(plan, column, category) {
  // The other categories of the class, and those of the same method name in other classes.
  const own = plan.classes.get(category)[column], name = sameName.get(category);
  const others = [...plan.classes.keys()].filter((other) => other !== category && plan.classes.get(other)[column]);
  const alike = (other) => name !== undefined && sameName.get(other) === name;
  return {
    own,
    joined: others.filter((other) => plan.classes.get(other)[column] === own && !alike(other)),
    kept: others.filter((other) => plan.classes.get(other)[column] === own && alike(other)),
    parted: others.filter((other) => plan.classes.get(other)[column] !== own && alike(other)),
  };
}

function classView(plan, column, category) {
  return () => {
    const { own, joined, kept, parted } = relationsOf(plan, column, category);
    const map = { ...mapOf(plan), table: plan.table };
    const blocks = [
      [category, "", `Its class is ${own}.`],
      ...joined.map((other) => (sameName.has(other)
        ? [other, "joined", "In the same class, although its method has another name."]
        : [other, "", "In the same class."])),
      ...kept.map((other) => [other, "", "In the same class, and its method has the same name."]),
      ...parted.map((other) => [other, "parted", `In another class, ${plan.classes.get(other)[column]}, although its method has the same name.`]),
    ];
    const side = element("div", undefined, { class: "side-by-side" });
    for (const [name, relation, text] of blocks) side.append(categoryBlock(plan, name, relation, text, map));
    const alone = blocks.length > 1 ? [] : [element("p", "No other category is in this class, and none in another class has this method name.", { class: "note" })];
    const plans = plan.columns[column] === "class" ? "" : ` (plan ${plan.columns[column]})`;
    return { heading: `${category} → ${own}${plans}`, parts: [...alone, side] };
  };
}

function categoryBlock(plan, category, relation, text, map) {
  const block = element("section"), heading = nameElement("h3", category);
  if (relation) heading.append(element("span", relation, { class: `chip ${relation}` }));
  const shown = plan.faces.get(category);
  const all = columns.category.reduce((sum, code) => sum + (report.faces.categories.texts[code] === category), 0);
  const list = element("ul", undefined, { class: "tiles" });
  for (const face of shown) list.append(tile(face, map, [category]));
  block.append(heading, element("p", `${text} ${shown.length} of its ${all} faces on this page:`, { class: "note" }), list);
  return block;
}

function makeCells(plan) {
  // Each class in the table becomes a button; one of them is in the order of Tab, arrow keys reach the others.
  const table = document.querySelector(`#${CSS.escape(plan.table)} table`);
  plan.classes = new Map(plan.rows.map(([category, classes]) => [category, classes]));
  plan.faces = new Map(plan.rows.map(([category, , numbers]) => [category, numbers]));
  const grid = Array.from(table.tBodies[0].rows, (row, place) => Array.from(row.cells).slice(1).map((cell, column) => {
    const [category, classes] = plan.rows[place], name = classes[column];
    if (!name) return null;
    const button = element("button", cell.textContent, { type: "button", class: "cell", tabindex: "-1" });
    const { joined, parted } = relationsOf(plan, column, category), named = sameName.has(category);
    const chips = [...(joined.length && named ? ["joined"] : []), ...(parted.length ? ["parted"] : [])];
    cell.replaceChildren(button, ...chips.map((chip) => element("span", chip, { class: `chip ${chip}` })));
    button.setAttribute("aria-label", visible([`${category}, ${plan.columns[column]}: ${name}`, ...chips].join(", ")));
    button.addEventListener("click", () => showView(classView(plan, column, category), button));
    return button;
  }));
  const first = grid.flat().find(Boolean);
  if (!first) return;
  first.tabIndex = 0;
  table.setAttribute("role", "grid");
  table.addEventListener("keydown", (event) => moveInGrid(grid, event));
  table.addEventListener("focusin", (event) => {
    for (const button of grid.flat()) if (button) button.tabIndex = button === event.target ? 0 : -1;
  });
}

function moveInGrid(grid, event) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (!step) return;
  let row = grid.findIndex((buttons) => buttons.includes(event.target)), column = row < 0 ? -1 : grid[row].indexOf(event.target);
  if (row < 0) return;
  event.preventDefault();
  do { // over cells that are empty
    row += step[0];
    column += step[1];
  } while (grid[row] && column in grid[row] && !grid[row][column]);
  const next = grid[row] && grid[row][column];
  if (next) next.focus();
}

function openFace(face, map, opener) {
  showView(faceView(face, map), opener);
}

document.getElementById("panel-close").addEventListener("click", () => panel.close());
document.getElementById("panel-back").addEventListener("click", () => { views.pop(); render(); });
panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });
panel.addEventListener("close", () => { if (panel.opener) panel.opener.focus({ preventScroll: true }); });
if (report.faces) report.faces.plans.forEach(makeCells);
