// What was drawn? Strokes by pointer or by keys.

const SENT = 112; // pixels a side that the server gets

export class Paper {
  constructor(canvas, { brush, onStroke }) {
    Object.assign(this, { canvas, brush, onStroke });
    this.strokes = [];
    this.pen = null; // where keys have it, once they were used
    this.isDown = false;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.go(event));
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => this.end());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => { this.pen = null; this.isDown = false; this.show(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
    this.show();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  begin(event) {
    if (event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pen = null;
    this.stroke = { width: this.brush(), points: [this.at(event)] };
    this.strokes.push(this.stroke);
    this.show();
  }

  go(event) {
    if (!this.stroke) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) this.stroke.points.push(this.at(each));
    this.changed();
  }

  end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.changed();
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else if (event.key === " ") this.put();
    else if (step) this.move(step, event.shiftKey ? 3 : 10);
    else return;
    event.preventDefault();
  }

  put() {
    this.pen ??= [this.canvas.width / 2, this.canvas.width / 4];
    this.isDown = !this.isDown;
    if (this.isDown) this.strokes.push({ width: this.brush(), points: [[...this.pen]] });
    this.changed();
  }

  move(step, by) {
    const side = this.canvas.width;
    const from = this.pen ?? [side / 2, side / 4];
    this.pen = from.map((v, i) => Math.min(Math.max(v + step[i] * by, 0), side));
    if (this.isDown) this.strokes.at(-1).points.push([...this.pen]);
    if (this.isDown) this.changed(); else this.show();
  }

  undo() {
    this.strokes.pop();
    this.isDown = false;
    this.changed();
  }

  clear() {
    this.strokes = [];
    this.isDown = false;
    this.changed();
  }

  changed() {
    this.show();
    this.onStroke();
  }

  paint(canvas, ink) {
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const scale = canvas.width / this.canvas.width;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = ink;
    for (const { width, points } of this.strokes) {
      context.lineWidth = width * scale;
      context.beginPath();
      for (const [x, y] of points) context.lineTo(x * scale, y * scale);
      context.lineTo(points[0][0] * scale + (points.length === 1 ? 0.01 : NaN), points[0][1] * scale);
      context.stroke();
    }
    return context;
  }

  show() {
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const style = getComputedStyle(this.canvas);
    this.paint(this.canvas, style.getPropertyValue("--ink"));
    if (!this.pen) return;
    context.strokeStyle = style.getPropertyValue("--accent");
    context.lineWidth = this.isDown ? 4 : 2;
    context.beginPath();
    context.arc(...this.pen, this.brush() / 2 + 3, 0, 2 * Math.PI);
    context.stroke();
  }

  // The ink as bytes, 0 for paper.
  bytes() {
    const small = document.createElement("canvas");
    small.width = small.height = SENT;
    const context = this.paint(small, "#fff");
    return context.getImageData(0, 0, SENT, SENT).data.filter((_, i) => i % 4 === 3);
  }
}
