// How do images of 28 x 28 bytes, votes and neighbours look?

export const SIDE = 28;

export const decoded = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

export function paint(canvas, bytes) {
  const image = new ImageData(SIDE, SIDE);
  bytes.forEach((value, i) => { image.data.set([value, value, value, 255], 4 * i); });
  canvas.width = canvas.height = SIDE;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function make(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text != null) node.textContent = text;
  node.append(...children);
  return node;
}

export function showNeighbors(list, neighbors) {
  list.replaceChildren(...neighbors.map((each) => {
    const canvas = make("canvas");
    paint(canvas, decoded(each.image));
    const where = each.taught ? `taught ${each.row + 1}` : `row ${each.row}`;
    return make("li", null, canvas, make("b", each.label), make("br"),
      each.distance.toFixed(1), make("br"), where);
  }));
}

// The ten classes with the largest shares, in the order of their labels.
export function showClasses(table, classes) {
  const least = classes.map((each) => each.share).sort((a, b) => b - a)[9] ?? 0;
  const most = classes.filter((each) => each.share >= least).slice(0, 10);
  table.replaceChildren(...most.map(({ label, share }) => {
    const bar = make("meter");
    bar.value = share;
    bar.setAttribute("aria-label", label);
    const head = make("th", label);
    head.scope = "row";
    return make("tr", null, head, make("td", null, bar),
      make("td", `${Math.round(100 * share)} %`));
  }));
}
