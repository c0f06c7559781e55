// What does the data set look like, and what is remarkable in it?

import { ask, askJson, save, shown } from "./api.js";
import { make, showNeighbors } from "./pixels.js";
import { Plane } from "./plane.js";

const get = (id) => document.getElementById(id);
const NEAR = 10;

let map = null;
let opening = false;

const plane = new Plane(get("plane"), {
  onPick: shown(async (i) => {
    get("point").hidden = i < 0;
    if (i < 0) return;
    const { neighbors } = await askJson(`map/points/${i}`, { params: { k: NEAR } });
    if (plane.picked !== i) return;
    plane.lines = neighbors.map((each) => each.point);
    plane.show();
    const flags = Object.entries(map.flags).filter(([, on]) => on.has(i)).map(([name]) => name);
    get("point-title").textContent = [`Row ${map.rows[i]}: ${map.labels[i]}`, ...flags].join(", ");
    showNeighbors(get("point-neighbors"), neighbors);
  }),
  onSelect: () => count(),
});

function count() {
  const n = plane.visible.length.toLocaleString("en");
  const chosen = plane.selected.size;
  get("counts").textContent = `${n} images${chosen ? `, ${chosen.toLocaleString("en")} selected` : ""}`;
  get("unselect").disabled = !chosen;
}

function filter() {
  const label = get("class").value;
  const flag = map.flags[get("flag").value];
  plane.visible = map.labels.flatMap((each, i) =>
    ((label === "" || each === label) && (!flag || flag.has(i)) ? [i] : []));
  plane.selected = new Set(plane.visible.filter((i) => plane.selected.has(i)));
  count();
  plane.show();
}

// A selection, or else what is shown.
const points = () => [...(plane.selected.size ? plane.selected : plane.visible)];

export const open = shown(async () => {
  if (opening) return;
  opening = true;
  try {
    map = await askJson("map");
  } catch (error) {
    opening = false;
    throw error;
  }
  const images = new Uint8Array(await (await ask("map/images")).arrayBuffer());
  map.flags = Object.fromEntries(
    Object.entries(map.flags).map(([name, on]) => [name, new Set(on)]));
  get("class").append(...[...new Set(map.labels)].sort().map((label) => make("option", label)));
  plane.set(map, images);
  filter();
  for (const id of ["map-csv", "map-parquet"]) get(id).disabled = false;
});

export function start() {
  get("class").addEventListener("change", filter);
  get("flag").addEventListener("change", filter);
  get("unselect").addEventListener("click", () => {
    plane.selected.clear();
    count();
    plane.show();
  });
  for (const form of ["csv", "parquet"]) {
    get(`map-${form}`).addEventListener("click", shown(() =>
      save(`map/export/${form}`, `points.${form}`, { method: "POST", json: { points: points() } })));
  }
}
