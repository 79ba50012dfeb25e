// A line that grows: the loss, over the steps. Its numbers are words beside it, so that nothing is stretched.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 80;
const MOST_POINTS = 400; // more are not to be seen

function lossCurve() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const line = document.createElementNS(SVG, "polyline");
  svg.append(line);
  const part = (name) => Object.assign(document.createElement("span"), { className: name });
  const [top, bottom, left, right] = ["top", "bottom", "left", "right"].map(part);
  const scale = part("scale");
  scale.append(top, bottom);
  const steps = part("steps");
  steps.append(left, right);
  const figure = document.createElement("figure");
  figure.className = "curve";
  figure.hidden = true;
  figure.append(Object.assign(document.createElement("figcaption"), { textContent: "Loss" }), scale, svg, steps);
  const said = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });

  function update(losses, total) {
    figure.hidden = losses.length < 2;
    if (figure.hidden) return;
    const values = losses.map(([, loss]) => loss);
    const most = Math.max(...values);
    const least = Math.min(...values);
    const first = losses[0][0];
    const last = Math.max(total, losses.at(-1)[0]);
    const across = (step) => (WIDTH * (step - first)) / (last - first || 1);
    const down = (loss) => 2 + ((HEIGHT - 4) * (most - loss)) / (most - least || 1);
    const every = Math.ceil(losses.length / MOST_POINTS);
    const drawn = losses.filter((_, place) => place % every === 0 || place === losses.length - 1);
    line.setAttribute("points", drawn.map(([at, loss]) => `${across(at).toFixed(1)},${down(loss).toFixed(1)}`).join(" "));
    top.textContent = said(most);
    bottom.textContent = said(least);
    left.textContent = `step ${first}`;
    right.textContent = last;
    const [step, now] = losses.at(-1);
    svg.setAttribute("aria-label", `Loss: ${said(values[0])} at step ${first}, ${said(now)} at step ${step}`);
  }
  return { figure, update };
}
