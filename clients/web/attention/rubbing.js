// A blurred picture that is rubbed sharp. What is rubbed is a list of dabs, which the map that is kept is drawn from.
const form = element.querySelector("form");
const canvas = element.querySelector("canvas");
const context = canvas.getContext("2d");
const answer = element.querySelector("input");
const LONGEST = 640;
const SPACING = 0.3;
const REST_MILLISECONDS = 120;
const STEP = 0.75;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let question = null;
let begun = false;
let pictures = null;
let mask, layer;
let dabs = [];
let at = [0, 0];
let resting = 0;
let hovered = false;
let waiting = false;

const drawing = (surface) => surface.getContext("2d");
const within = (value, most) => Math.min(Math.max(value, 0), most);
// Pixels of the canvas in one of the picture.
const scale = () => canvas.width / question.width;

async function picture(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

// The sharp picture through the mask, over the blurred one.
function paint() {
  waiting = false;
  if (!pictures) return;
  const { width, height } = canvas;
  const over = drawing(layer);
  over.globalCompositeOperation = "copy";
  over.drawImage(mask, 0, 0);
  over.globalCompositeOperation = "source-in";
  over.drawImage(pictures.sharp, 0, 0, width, height);
  context.drawImage(pictures.blurred, 0, 0, width, height);
  context.drawImage(layer, 0, 0);
  if (hovered || canvas.matches(":focus-visible")) ring();
}

// Where the next dab falls; seen on light and on dark.
function ring() {
  for (const [color, wide] of [["#000a", 4], ["#fff", 2]]) {
    context.beginPath();
    context.arc(at[0] * scale(), at[1] * scale(), question.radius * scale(), 0, 2 * Math.PI);
    context.strokeStyle = color;
    context.lineWidth = wide;
    context.stroke();
  }
}

function soon() {
  if (!waiting) requestAnimationFrame(paint);
  waiting = true;
}

function dab() {
  dabs.push(at.map((value) => Math.round(100 * value) / 100));
  const [x, y, reach] = [at[0] * scale(), at[1] * scale(), question.radius * scale()];
  const soft = drawing(mask).createRadialGradient(x, y, 0, x, y, reach);
  soft.addColorStop(0, `rgba(0, 0, 0, ${question.strength})`);
  soft.addColorStop(1, "rgba(0, 0, 0, 0)");
  drawing(mask).fillStyle = soft;
  drawing(mask).fillRect(x - reach, y - reach, 2 * reach, 2 * reach);
  soon();
}

function place({ clientX, clientY }) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const { width: across, height: down } = question;
  return [within((across * (clientX - left)) / width, across), within((down * (clientY - top)) / height, down)];
}

// As close together however quickly the pointer moves.
function rub([x, y]) {
  const step = SPACING * question.radius;
  for (let far = Math.hypot(x - at[0], y - at[1]); far >= step; far = Math.hypot(x - at[0], y - at[1])) {
    at = [at[0] + ((x - at[0]) * step) / far, at[1] + ((y - at[1]) * step) / far];
    dab();
  }
}

function rest() {
  clearInterval(resting);
  resting = 0;
}

function clear() {
  rest();
  dabs = [];
  drawing(mask).clearRect(0, 0, mask.width, mask.height);
  soon();
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button || !pictures) return;
  canvas.setPointerCapture(event.pointerId);
  at = place(event);
  dab();
  // A pointer that rests goes on rubbing.
  rest();
  resting = setInterval(dab, REST_MILLISECONDS);
});
canvas.addEventListener("pointermove", (event) => {
  if (!pictures) return;
  hovered = true;
  if (resting) for (const one of event.getCoalescedEvents?.() || [event]) rub(place(one));
  else at = place(event);
  soon();
});
for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, rest);
canvas.addEventListener("pointerleave", () => {
  hovered = false;
  soon();
});
canvas.addEventListener("keydown", (event) => {
  if (!pictures || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  if (!step && event.key !== " ") return;
  event.preventDefault();
  if (!step) return dab();
  const far = STEP * question.radius * (event.shiftKey ? 0.25 : 1);
  at = [within(at[0] + far * step[0], question.width), within(at[1] + far * step[1], question.height)];
  soon();
});
canvas.addEventListener("focus", soon);
canvas.addEventListener("blur", soon);
element.querySelector(".again").addEventListener("click", () => {
  clear();
  canvas.focus();
});
element.querySelector(".skip").addEventListener("click", () => trigger("skip", {}));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { collection, annotation } = question;
  trigger("submit", { collection, annotation, answer: answer.value, dabs });
});

async function show() {
  const told = props.value && { ...props.value };
  // One that is told again keeps what was rubbed.
  if (told && question && told.collection === question.collection && told.annotation === question.annotation) return;
  question = told;
  pictures = null;
  rest();
  form.hidden = !told;
  if (!told) return;
  put(form.querySelector(".question"), told.question);
  canvas.setAttribute("aria-label", `The picture of the question: ${told.question}`);
  answer.value = "";
  const larger = LONGEST / Math.max(told.width, told.height);
  canvas.width = Math.max(1, Math.round(larger * told.width));
  canvas.height = Math.max(1, Math.round(larger * told.height));
  mask = new OffscreenCanvas(canvas.width, canvas.height);
  layer = new OffscreenCanvas(canvas.width, canvas.height);
  dabs = [];
  at = [told.width / 2, told.height / 2];
  const [sharp, blurred] = await Promise.all([picture(told.sharp), picture(told.blurred)]);
  if (question !== told) return;
  pictures = { sharp, blurred };
  paint();
  // Whoever came by the keyboard stood on a button that is gone.
  if (begun && document.activeElement === document.body) canvas.focus({ preventScroll: true });
  begun = true;
}

watch("value", show);
show();
