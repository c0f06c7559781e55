// What is written on this page, and which characters are doubtful?

import { ask, askJson, save, say, shown } from "./api.js";
import { showTaught } from "./draw.js";
import { make, showClasses, showNeighbors } from "./pixels.js";
import { chosen, onChange } from "./settings.js";
import { Sheet } from "./sheet.js";

const get = (id) => document.getElementById(id);
const DOUBT = 0.75; // with less confidence, a character is doubtful

let glyphs = [];
let here = -1;
let file = null;
const sheet = new Sheet(get("sheet"), (i) => pick(i));
const isDoubtful = ({ confidence }) => confidence < DOUBT;

function remark({ too_dense, unlike, glyphs }) {
  if (too_dense) return "There is more on this page than can be writing: dots, a net or noise.";
  if (!glyphs.length) return "There is nothing that looks like writing on this page.";
  if (unlike) return "This does not look like what the reader was trained on: most characters are “?”.";
  return "";
}

const open = shown(async (given) => {
  if (!given) return;
  file = given;
  say("Reading the page.");
  const params = { ...chosen(), page: get("page-number").value };
  const said = await askJson("page", { method: "POST", params, body: file });
  await sheet.open(await (await ask("page/picture")).blob());
  here = -1;
  get("character").hidden = true;
  show(said);
  say(remark(said));
});

function show(said) {
  glyphs = said.glyphs;
  get("read-help").hidden = !glyphs.length;
  for (const each of document.querySelectorAll("#exports button, #doubtful")) each.disabled = false;
  const parts = [];
  let line = 0;
  glyphs.forEach((glyph, i) => {
    if (glyph.line > line) parts.push("\n".repeat(glyph.line - line));
    line = glyph.line;
    if (glyph.space) parts.push(" ");
    const part = make("span", glyph.label);
    part.className = (isDoubtful(glyph) ? "doubt " : "") + (i === here ? "here" : "");
    part.addEventListener("click", () => pick(i));
    parts.push(part);
  });
  get("text").replaceChildren(...parts);
  const doubtful = new Set(glyphs.flatMap((glyph, i) => (isDoubtful(glyph) ? [i] : [])));
  get("doubtful").textContent = `Next doubtful (${doubtful.size})`;
  get("doubtful").disabled = !doubtful.size;
  sheet.show(glyphs.map((glyph) => glyph.box), doubtful, here);
}

const pick = shown(async (i) => {
  here = i;
  show({ glyphs });
  const said = await askJson(`page/characters/${i}`);
  if (here !== i) return;
  const { label, guess, confidence, corrected, is_mark } = glyphs[i];
  const read = label === guess ? label : `${label}, perhaps ${guess}`;
  const sure = corrected ? "corrected"
    : is_mark ? "told by its shape" : `${Math.floor(100 * confidence)} % sure`;
  get("character-title").textContent = `Character ${i + 1}: ${read}, ${sure}`;
  get("correction").value = guess;
  showClasses(get("character-classes"), said.classes);
  showNeighbors(get("character-neighbors"), said.neighbors);
  get("character").hidden = false;
});

function nextDoubtful() {
  const order = glyphs.map((_, i) => (here + 1 + i) % glyphs.length);
  const next = order.find((i) => isDoubtful(glyphs[i]));
  if (next !== undefined) pick(next);
}

function key(event) {
  if (!glyphs.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) pick((Math.max(here, step < 0 ? 0 : -1) + step + glyphs.length) % glyphs.length);
  else if (event.key === "n" || event.key === "N") nextDoubtful();
  else if (event.key === "Enter" && here >= 0) get("correction").select();
  else return;
  event.preventDefault();
}

const isShown = () => !get("read").hidden;

export function start() {
  const drop = get("drop");
  get("scan").addEventListener("change", ({ target }) => open(target.files[0]));
  get("page-number").addEventListener("change", () => open(file));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (isShown()) open(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    if (isShown()) open(event.clipboardData.files[0]);
  });
  get("sheet").addEventListener("keydown", key);
  get("text").addEventListener("keydown", key);
  get("doubtful").addEventListener("click", nextDoubtful);
  get("correct").addEventListener("submit", shown(async (event) => {
    event.preventDefault();
    const params = { ...chosen(), label: get("correction").value };
    const said = await askJson(`page/characters/${here}`, { method: "PUT", params });
    showTaught(said.taught);
    show(said);
    await pick(here);
    get("sheet").focus();
  }));
  for (const button of document.querySelectorAll("#exports button")) {
    const { form } = button.dataset;
    button.addEventListener("click", shown(() => save(`page/export/${form}`, `page.${form}`)));
  }
  onChange(() => { if (isShown()) open(file); });
}
