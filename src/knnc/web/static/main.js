// Which view is shown, and what is the server doing?

import { askJson, say } from "./api.js";
import * as draw from "./draw.js";
import * as map from "./map.js";
import * as read from "./read.js";

const get = (id) => document.getElementById(id);
const tabs = [...document.querySelectorAll("[role=tab]")];

function select(tab) {
  for (const each of tabs) {
    const on = each === tab;
    each.setAttribute("aria-selected", on);
    each.tabIndex = on ? 0 : -1;
    get(each.getAttribute("aria-controls")).hidden = !on;
  }
  get("settings").hidden = tab.id === "tab-map";
  if (tab.id === "tab-map") map.open();
}

tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(i + step + tabs.length) % tabs.length];
    select(next);
    next.focus();
  });
});

// Asked until the reader has learnt, and no more after that. What failed is tried again when it is
// asked for again.
let failed;

async function watch() {
  const said = await askJson("status");
  if (said.error) {
    if (said.error !== failed) say(said.error);
    failed = said.error;
    get("status").textContent = "";
    setTimeout(watch, 2000);
    return;
  }
  if (said.ready) {
    get("status").textContent = `${said.rows.toLocaleString("en")} images of ${said.train}`;
    get("test").max = said.test_images - 1;
    return;
  }
  get("status").textContent = said.doing ? `${said.doing}, ${Math.round(said.seconds)} s` : "Starting";
  setTimeout(watch, 500);
}

const { recipe } = await askJson("status");
get("recipe").value = recipe;
get("metric").disabled = recipe !== "plain";
draw.start();
read.start();
map.start();
document.body.dataset.ready = "yes";
watch();
