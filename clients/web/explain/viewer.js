// Draws heatmaps over their picture. Opacity and colours are the browser's business: no server is asked.
const controls = element.querySelector(".controls");
const slider = element.querySelector(".opacity");
const reading = element.querySelector("output");
const colors = element.querySelector(".colors");
const grid = element.querySelector(".figures");
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const tables = Object.fromEntries(Object.entries(props.tables).map(([name, text]) => [name, bytes(text)]));
let shown = [];

for (const name of props.colormaps) colors.add(new Option(name, name));

// A canvas of colours whose alpha is the heatmap's strength. planes: for each pixel its place in the table, and its
// strength.
function colored({ planes, width, height, diverging }) {
  const table = tables[diverging ? props.diverging : colors.value];
  const heat = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    heat.data.set(table.subarray(3 * planes[2 * pixel], 3 * planes[2 * pixel] + 3), 4 * pixel);
    heat.data[4 * pixel + 3] = planes[2 * pixel + 1];
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(heat, 0, 0);
  return canvas;
}

// The picture is the canvas's background, which the browser decodes by itself; what is painted lies over it.
function paint({ canvas, heat, region: [left, top, right, bottom] }) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!heat) return;
  context.globalAlpha = 1;
  context.fillStyle = `rgba(0, 0, 0, ${1 - props.unseen})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.clearRect(left, top, right - left, bottom - top);
  context.globalAlpha = slider.value / 100;
  context.drawImage(heat, left, top, right - left, bottom - top);
}

async function save({ canvas, picture, name }) {
  const image = new Image();
  image.src = picture;
  await image.decode();
  const whole = new OffscreenCanvas(canvas.width, canvas.height);
  const context = whole.getContext("2d");
  context.drawImage(image, 0, 0, whole.width, whole.height);
  context.drawImage(canvas, 0, 0);
  keep(await whole.convertToBlob(), `${name}.png`);
}

function figure(given, value) {
  const canvas = document.createElement("canvas");
  canvas.width = value.width;
  canvas.height = value.height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${given.method} for ${given.target}`);
  const one = { canvas, picture: given.drawn || value.picture, region: given.region, name: given.name };
  canvas.style.backgroundImage = `url(${one.picture})`;
  if (given.shades) {
    const [height, width] = given.size;
    one.shades = { planes: bytes(given.shades), width, height, diverging: given.diverging };
    one.heat = colored(one.shades);
  }
  const png = node("button", "png", "PNG");
  png.type = "button";
  png.title = "The picture as it is shown";
  png.addEventListener("click", () => save(one));
  const npy = node("a", "npy", "NPY");
  npy.href = given.values;
  npy.download = `${given.name}.npy`;
  npy.title = `The values, ${given.shape}`;
  const files = node("span", "files");
  files.append(png, npy);
  const caption = node("figcaption", "");
  caption.append(node("span", "method", given.method), node("span", "target", given.target), files);
  if (given.note) caption.append(node("span", "note", given.note));
  one.figure = node("figure", "");
  one.figure.append(canvas, caption);
  return one;
}

function show() {
  const value = props.value;
  shown = value?.figures ? value.figures.map((given) => figure(given, value)) : [];
  shown.forEach(paint);
  controls.hidden = !shown.some((one) => one.heat);
  colors.parentElement.hidden = !shown.some((one) => one.heat && !one.shades.diverging);
  grid.replaceChildren(...shown.map((one) => one.figure));
}

slider.addEventListener("input", () => {
  reading.textContent = `${slider.value} %`;
  shown.forEach(paint);
});
colors.addEventListener("change", () => {
  for (const one of shown) if (one.heat) one.heat = colored(one.shades);
  shown.forEach(paint);
});
watch("value", show);
show();
