// Draws heatmaps over their picture. Opacity and colours are the browser's business: no server is asked.
const controls = element.querySelector(".controls");
const slider = element.querySelector(".opacity");
const reading = element.querySelector("output");
const colors = element.querySelector(".colors");
const grid = element.querySelector(".figures");
const DARKENED = 0.45;
const tables = Object.fromEntries(
  Object.entries(props.tables).map(([name, text]) => [name, Uint8Array.from(atob(text), (c) => c.charCodeAt(0))])
);
let shown = [];
let turn = 0;

for (const name of props.colormaps) colors.add(new Option(name, name));

async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

function pixels(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// A canvas of colours whose alpha is the heatmap's strength.
function colored(planes, diverging) {
  const table = tables[diverging ? props.diverging : colors.value];
  const heat = new ImageData(planes.width, planes.height);
  for (let at = 0; at < planes.data.length; at += 4) {
    const color = 3 * planes.data[at];
    heat.data[at] = table[color];
    heat.data[at + 1] = table[color + 1];
    heat.data[at + 2] = table[color + 2];
    heat.data[at + 3] = planes.data[at + 1];
  }
  const canvas = new OffscreenCanvas(heat.width, heat.height);
  canvas.getContext("2d").putImageData(heat, 0, 0);
  return canvas;
}

function paint(one) {
  const context = one.canvas.getContext("2d");
  const { width, height } = one.canvas;
  if (one.drawn) return context.drawImage(one.drawn, 0, 0, width, height);
  const [left, top, right, bottom] = one.region;
  context.globalAlpha = 1;
  context.drawImage(one.picture, 0, 0, width, height);
  context.fillStyle = `rgba(0, 0, 0, ${1 - DARKENED})`;
  context.fillRect(0, 0, width, height);
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  context.drawImage(one.picture, 0, 0, width, height);
  context.globalAlpha = slider.value / 100;
  context.imageSmoothingEnabled = true;
  context.drawImage(one.heat, left, top, right - left, bottom - top);
  context.restore();
}

function save(one) {
  one.canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${one.name}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

function text(kind, name, content) {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = content;
  return made;
}

async function figure(given, value, picture) {
  const canvas = document.createElement("canvas");
  canvas.width = value.width;
  canvas.height = value.height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${given.method} for ${given.target}`);
  const one = { canvas, picture, region: given.region, name: given.name, diverging: given.diverging };
  if (given.drawn) one.drawn = await load(given.drawn);
  else {
    one.planes = pixels(await load(given.shades));
    one.heat = colored(one.planes, one.diverging);
  }
  const png = text("button", "png", "PNG");
  png.type = "button";
  png.title = "The picture as it is shown";
  png.addEventListener("click", () => save(one));
  const npy = text("a", "npy", "NPY");
  npy.href = given.values;
  npy.download = `${given.name}.npy`;
  npy.title = `The values, ${given.shape}`;
  const files = document.createElement("span");
  files.className = "files";
  files.append(png, npy);
  const caption = document.createElement("figcaption");
  caption.append(text("span", "method", given.method), text("span", "target", given.target), files);
  if (given.note) caption.append(text("span", "note", given.note));
  one.figure = document.createElement("figure");
  one.figure.append(canvas, caption);
  return one;
}

async function show() {
  const mine = ++turn;
  const value = props.value;
  if (!value || !value.figures) {
    shown = [];
    grid.replaceChildren();
    controls.hidden = true;
    return;
  }
  const picture = await load(value.picture);
  const made = await Promise.all(value.figures.map((given) => figure(given, value, picture)));
  if (mine !== turn) return; // a newer answer has come meanwhile
  shown = made;
  shown.forEach(paint);
  controls.hidden = shown.every((one) => one.drawn);
  colors.parentElement.hidden = shown.every((one) => one.drawn || one.diverging);
  grid.replaceChildren(...shown.map((one) => one.figure));
}

slider.addEventListener("input", () => {
  reading.textContent = `${slider.value} %`;
  shown.forEach(paint);
});
colors.addEventListener("change", () => {
  for (const one of shown) if (one.planes) one.heat = colored(one.planes, one.diverging);
  shown.forEach(paint);
});
watch("value", show);
show();
