// What is this drawing, and why?

import { askJson, save, shown } from "./api.js";
import { Paper } from "./paper.js";
import { decoded, paint, showClasses, showNeighbors, SIDE } from "./pixels.js";
import { chosen, onChange } from "./settings.js";

const get = (id) => document.getElementById(id);
const blank = new Uint8Array(SIDE * SIDE);
const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

let source = drawing; // how to ask again for what is shown
let image = null;
let asking = false;
let again = false;
let timer = 0;

const paper = new Paper(get("paper"), {
  brush: () => Number(get("brush").value),
  onStroke: () => { source = drawing; refresh(); },
});

function drawing() {
  return askJson("draw", { method: "POST", params: chosen(), body: paper.bytes() });
}

// One question at a time; what was drawn meanwhile is asked about next.
const refresh = shown(async () => {
  if (asking) { again = true; return; }
  asking = true;
  try {
    do {
      again = false;
      show(await source());
    } while (again);
  } finally {
    asking = false;
  }
});

function show(said) {
  const label = said.answer ?? "";
  get("answer").textContent = label;
  get("answer").classList.toggle("long", label.length > 2);
  image = said.answer == null ? null : decoded(said.image);
  paint(get("seen"), image ?? blank);
  showClasses(get("classes"), said.classes);
  showNeighbors(get("neighbors"), said.neighbors);
  clearTimeout(timer);
  if (image == null) { get("why").textContent = ""; return; }
  const took = `Found in ${said.ms.toFixed(2)} ms.`;
  const truth = said.label === undefined ? "" : ` The test image's label is ${said.label}.`;
  get("why").textContent = took + truth;
  const distance = Math.max(0, ...said.neighbors.filter((n) => !n.taught).map((n) => n.distance));
  timer = setTimeout(() => explain(image, distance, took, truth), 250);
}

async function explain(body, distance, took, truth) {
  const { recipe, metric, k } = chosen();
  if (recipe !== "plain" || metric !== "euclidean" || !distance) return;
  try {
    const { ruled_out, compared } = await askJson(
      "why", { method: "POST", params: { recipe, metric, k, distance }, body, quietly: true });
    if (body !== image) return;
    const codes = ruled_out ? `: short codes ruled out the other ${ruled_out.toLocaleString("en")}` : "";
    get("why").textContent = `${took} ${count(compared, "row")} had to be compared whole${codes}.${truth}`;
  } catch (error) {
    if (body === image) get("why").textContent = `${took}${truth} ${error.message}`;
  }
}

function showTaught(n) {
  get("taught").textContent = n
    ? `${count(n, "image")} taught to this browser tab alone.` : "";
  for (const id of ["unteach", "save-idx", "save-knnc"]) get(id).disabled = !n;
}

export { showTaught };

export function start() {
  get("undo").addEventListener("click", () => paper.undo());
  get("clear").addEventListener("click", () => paper.clear());
  get("show-test").addEventListener("click", () => {
    const number = get("test").value || 0;
    source = () => askJson(`test/${number}`, { params: chosen() });
    refresh();
  });
  get("test").addEventListener("keydown", (event) => {
    if (event.key === "Enter") get("show-test").click();
  });
  get("picture").addEventListener("change", ({ target }) => {
    const [body] = target.files;
    if (!body) return;
    source = () => askJson("image", { method: "POST", params: chosen(), body });
    refresh();
  });
  get("teach").addEventListener("submit", shown(async (event) => {
    event.preventDefault();
    if (!image) throw new Error("Draw something first.");
    const params = { label: get("label").value };
    showTaught((await askJson("taught", { method: "POST", params, body: image })).taught);
    get("label").value = "";
    refresh();
  }));
  get("unteach").addEventListener("click", shown(async () => {
    showTaught((await askJson("taught", { method: "DELETE" })).taught);
    refresh();
  }));
  get("save-idx").addEventListener("click", shown(() => save("taught/idx", "taught.zip")));
  get("save-knnc").addEventListener("click", shown(() => save("taught/knnc", "taught.knnc")));
  onChange(() => { if (image || paper.strokes.length) refresh(); });
  paint(get("seen"), blank);
  // After a reload the server still has what this tab taught.
  shown(async () => showTaught((await askJson("taught")).taught))();
}
