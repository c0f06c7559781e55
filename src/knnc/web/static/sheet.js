// Where on the page is each character?

export class Sheet {
  constructor(canvas, onPick) {
    this.canvas = canvas;
    this.boxes = [];
    this.doubtful = new Set();
    this.here = -1;
    canvas.addEventListener("click", (event) => {
      const found = this.at(event);
      if (found >= 0) onPick(found);
    });
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    const x = (event.clientX - box.left) * scale;
    const y = (event.clientY - box.top) * scale;
    return this.boxes.findIndex(([x0, y0, x1, y1]) => x0 <= x && x < x1 && y0 <= y && y < y1);
  }

  async open(blob) {
    this.picture = await createImageBitmap(blob);
    this.canvas.width = this.picture.width;
    this.canvas.height = this.picture.height;
  }

  show(boxes, doubtful, here) {
    Object.assign(this, { boxes, doubtful, here });
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    const shown = this.canvas.getBoundingClientRect().width || this.canvas.width;
    const line = Math.max(1, this.canvas.width / shown);
    context.drawImage(this.picture, 0, 0);
    boxes.forEach(([x0, y0, x1, y1], i) => {
      context.strokeStyle = doubtful.has(i) ? "#b34700" : "#0b5fb0"; // on paper, whatever the theme
      context.lineWidth = line * (i === here ? 4 : doubtful.has(i) ? 2 : 1);
      context.strokeRect(x0 - line, y0 - line, x1 - x0 + 2 * line, y1 - y0 + 2 * line);
    });
    this.canvas.style.outlineColor = style.getPropertyValue("--accent");
  }
}
