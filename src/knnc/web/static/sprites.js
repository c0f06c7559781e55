// How do thousands of images fit on one sheet, each in the colour of its class?

import { SIDE } from "./pixels.js";

// Each has a contrast of 3 or more with the paper of either theme.
const COLOURS = ["#4e79d0", "#c96f00", "#d9444a", "#008f8c", "#3f963b",
  "#9c7f00", "#a765b5", "#db5c94", "#9c6b4f", "#7d8288"];

const columns = (n) => Math.ceil(Math.sqrt(n));

export const place = (i, n) => [SIDE * (i % columns(n)), SIDE * Math.floor(i / columns(n))];

// Clear where there is no ink.
export function sheetOf(labels, images) {
  const side = columns(labels.length) * SIDE;
  const sheet = new ImageData(side, side);
  const classes = [...new Set(labels)].sort();
  const rgb = COLOURS.map((each) => [1, 3, 5].map((at) => parseInt(each.slice(at, at + 2), 16)));
  labels.forEach((label, i) => {
    const colour = rgb[classes.indexOf(label) % rgb.length];
    const [left, top] = place(i, labels.length);
    for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
      const to = (top + Math.floor(pixel / SIDE)) * side + left + (pixel % SIDE);
      sheet.data.set([...colour, images[i * SIDE * SIDE + pixel]], 4 * to);
    }
  });
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(sheet, 0, 0);
  return canvas;
}
