// Where in the plane is each image? Pan, zoom, boxes, and what is under the pointer.

import { SIDE } from "./pixels.js";
import { place, sheetOf } from "./sprites.js";

export class Plane {
  constructor(canvas, { onPick, onSelect }) {
    Object.assign(this, { canvas, onPick, onSelect });
    this.points = [];
    this.visible = [];
    this.lines = [];
    this.picked = -1;
    this.hovered = -1;
    this.selected = new Set();
    this.box = null;
    this.all();
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.go(event));
    canvas.addEventListener("pointerup", (event) => this.end(event));
    canvas.addEventListener("pointerleave", () => { this.hovered = -1; this.show(); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), this.at(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  set({ points, labels, rows }, images) {
    this.titles = labels.map((label, i) => `${label}, row ${rows[i]}`);
    this.points = Array.from({ length: labels.length }, (_, i) => [points[2 * i], points[2 * i + 1]]);
    this.sheet = sheetOf(labels, images);
  }

  fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.show();
  }

  all() {
    this.view = { x: 0.5, y: 0.5, scale: 0.92 };
    this.show();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((v) => v * devicePixelRatio);
  }

  get factor() {
    return this.view.scale * Math.min(this.canvas.width, this.canvas.height);
  }

  onto([x, y]) {
    const { width, height } = this.canvas;
    return [(x - this.view.x) * this.factor + width / 2, (y - this.view.y) * this.factor + height / 2];
  }

  size() {
    return Math.min(60, Math.max(9, 0.022 * this.factor)) * Math.min(devicePixelRatio, 2);
  }

  nearest(place) {
    let best = -1;
    let least = (0.6 * this.size()) ** 2;
    for (const i of this.visible) {
      const [x, y] = this.onto(this.points[i]);
      const apart = (x - place[0]) ** 2 + (y - place[1]) ** 2;
      if (apart < least) [best, least] = [i, apart];
    }
    return best;
  }

  begin(event) {
    if (event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    const place = this.at(event);
    this.drag = { from: place, last: place, box: event.shiftKey, moved: false };
  }

  go(event) {
    const place = this.at(event);
    if (!this.drag) {
      this.hovered = this.nearest(place);
      this.canvas.title = this.hovered < 0 ? "" : this.titles[this.hovered];
    } else {
      const [dx, dy] = place.map((v, i) => v - this.drag.last[i]);
      this.drag.moved ||= Math.hypot(place[0] - this.drag.from[0], place[1] - this.drag.from[1]) > 4;
      if (!this.drag.box) this.move(dx / this.factor, dy / this.factor);
      this.drag.last = place;
    }
    this.show();
  }

  end(event) {
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    if (!drag.moved) this.pick(this.nearest(this.at(event)));
    else if (drag.box) this.select(drag);
    this.show();
  }

  select({ from, last }) {
    const inside = (v, i) => Math.min(from[i], last[i]) <= v && v <= Math.max(from[i], last[i]);
    this.selected = new Set(this.visible.filter((i) => this.onto(this.points[i]).every(inside)));
    this.onSelect();
  }

  pick(i) {
    this.picked = i;
    this.lines = [];
    this.onPick(i);
  }

  move(dx, dy) {
    this.view.x -= dx;
    this.view.y -= dy;
    this.show();
  }

  zoom(by, [x, y] = [this.canvas.width / 2, this.canvas.height / 2]) {
    const before = this.factor;
    this.view.scale = Math.min(60, Math.max(0.3, this.view.scale * by));
    const gain = 1 / before - 1 / this.factor;
    this.move(-(x - this.canvas.width / 2) * gain, -(y - this.canvas.height / 2) * gain);
  }

  // A box for keys, from the middle of what is seen or the image that was picked.
  toggleBox() {
    const { width, height } = this.canvas;
    const from = this.picked < 0 ? [width / 2, height / 2] : this.onto(this.points[this.picked]);
    const side = this.size() / 2 + 2;
    this.box = this.box ? null : { from: from.map((v) => v - side), last: from.map((v) => v + side) };
  }

  key(event) {
    const step = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const next = { n: 1, p: -1 }[event.key.toLowerCase()];
    if (event.ctrlKey || event.metaKey) return;
    if (event.key.toLowerCase() === "b" || (this.box && event.key === "Escape")) this.toggleBox();
    else if (this.box && event.key === "Enter") {
      this.select(this.box);
      this.box = null;
    } else if (this.box && step) {
      const by = (event.shiftKey ? 0.01 : 0.05) * Math.min(this.canvas.width, this.canvas.height);
      this.box.last = this.box.last.map((v, i) => v - by * step[i]);
    } else if (step) this.move(...step.map((v) => (0.1 * v) / this.view.scale));
    else if (event.key === "+" || event.key === "=") this.zoom(1.3);
    else if (event.key === "-") this.zoom(1 / 1.3);
    else if (event.key === "0") this.all();
    else if (next && this.visible.length) {
      const n = this.visible.length;
      const from = this.visible.indexOf(this.picked);
      const to = this.visible[(Math.max(from, next < 0 ? 0 : -1) + next + n) % n];
      [this.view.x, this.view.y] = this.points[to];
      this.pick(to);
    } else return;
    event.preventDefault();
    this.show();
  }

  // At most once a frame.
  show() {
    if (this.frame || !this.sheet) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    const size = this.size();
    const style = getComputedStyle(this.canvas);
    context.clearRect(0, 0, width, height);
    const put = (i, side) => {
      const [x, y] = this.onto(this.points[i]);
      if (x < -side || y < -side || x > width + side || y > height + side) return;
      const [left, top] = place(i, this.points.length);
      context.drawImage(this.sheet, left, top, SIDE, SIDE, x - side / 2, y - side / 2, side, side);
    };
    const mark = (i, side, colour, line) => {
      const [x, y] = this.onto(this.points[i]);
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(x - side / 2, y - side / 2, side, side);
    };
    for (const i of this.visible) put(i, size);
    const accent = style.getPropertyValue("--accent");
    for (const i of this.selected) mark(i, size, accent, 1);
    context.strokeStyle = accent;
    context.lineWidth = 1.5 * devicePixelRatio;
    context.beginPath();
    for (const i of this.lines) {
      context.moveTo(...this.onto(this.points[this.picked]));
      context.lineTo(...this.onto(this.points[i]));
    }
    context.stroke();
    for (const i of [...this.lines, this.picked, this.hovered].filter((each) => each >= 0)) {
      const side = i === this.hovered ? Math.max(size, 56) : 1.4 * size;
      const [x, y] = this.onto(this.points[i]);
      context.fillStyle = style.getPropertyValue("--paper");
      context.fillRect(x - side / 2, y - side / 2, side, side);
      put(i, side);
      mark(i, side, accent, i === this.picked ? 3 : 1);
    }
    for (const { from: [x, y], last: [u, v] } of [this.drag?.box && this.drag, this.box].filter(Boolean)) {
      context.strokeStyle = accent;
      context.lineWidth = 1.5 * devicePixelRatio;
      context.strokeRect(x, y, u - x, v - y);
    }
  }
}
