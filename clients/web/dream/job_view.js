// Jobs: one large, several as a table. What has not changed is left alone, so that nothing flickers and no focus is lost.
const host = element.querySelector(".jobs");
const nothing = element.querySelector(".nothing");
const LOST = "The page's own server does not answer. Try it again in a moment.";
const AWAY = "The page's own server does not answer. The page goes on by itself as soon as it is back.";
const AGAIN_MILLISECONDS = 2000;
let views = [];
let layout = "";
let turn = 0;

// Does `draw` only where `value` is another than the last time.
function memo(draw) {
  let known;
  return (value) => {
    const now = JSON.stringify(value);
    if (now !== known) draw(value);
    known = now;
  };
}

async function asked(button, fault, question) {
  button.disabled = true;
  try {
    const answer = await question();
    fault.textContent = answer.fault || "";
    return answer.fault ? null : answer;
  } catch {
    fault.textContent = LOST;
    return null;
  } finally {
    button.disabled = false;
  }
}

async function save(url, name) {
  keep(await (await fetch(url)).blob(), name);
}

function picture(one) {
  const image = node("img", "");
  image.src = one.url;
  image.alt = [one.caption, one.note].filter(Boolean).join(", ");
  const caption = node("figcaption", "");
  caption.append(node("span", "caption", one.caption), node("span", "note", one.note));
  const figure = node("figure", "picture");
  figure.append(image, caption);
  return figure;
}

// The next preview takes the place of the last in the same element.
function pictures(box) {
  return memo((shown) => {
    const [first] = box.children;
    if (shown.length === 1 && box.children.length === 1) {
      const image = first.querySelector("img");
      image.src = shown[0].url;
      image.alt = [shown[0].caption, shown[0].note].filter(Boolean).join(", ");
      first.querySelector(".caption").textContent = shown[0].caption;
      first.querySelector(".note").textContent = shown[0].note;
    } else box.replaceChildren(...shown.map(picture));
  });
}

// Rows of small pictures: a chain, natural pictures, or samples of a prior.
function strip({ title, pictures }) {
  const list = node("ul", "strip");
  list.setAttribute("aria-label", title);
  list.append(
    ...pictures.map(({ url, note }, place) => {
      const image = node("img", "");
      image.src = url;
      image.alt = note || `${place + 1} of ${pictures.length}`;
      const item = node("li", "");
      item.append(image);
      if (note) item.append(node("span", "note", note));
      return item;
    }),
  );
  const box = node("section", "");
  box.append(node("h4", "", title), list);
  return box;
}

// A name that others take from here.
function copied(name) {
  const box = node("p", "copied");
  const code = node("code", "", name);
  box.append("Name of the prior: ", code);
  // Where the page did not come safely, the browser has no clipboard for it; the name can still be selected.
  if (navigator.clipboard) {
    const button = node("button", "", "Copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(name).then(() => put(button, "Copied"), () => getSelection().selectAllChildren(code));
    });
    box.append(button);
  }
  return box;
}

function said({ title, classes }) {
  const list = node("ol", "");
  for (const [label, probability] of classes) {
    const item = node("li", "");
    const meter = node("meter", "");
    meter.value = probability;
    meter.title = label;
    item.append(node("span", "label", label), meter, node("span", "number", `${(100 * probability).toFixed(1)} %`));
    list.append(item);
  }
  const box = node("section", "said");
  box.append(node("h4", "", title), list);
  return box;
}

// Everything that is shown of one job, wherever it stands.
function view(name) {
  const title = node("h3", "title");
  const about = node("span", "about");
  const state = node("span", "state");
  state.setAttribute("role", "status");
  const words = node("p", "words");
  const fault = node("p", "fault");
  fault.setAttribute("role", "alert");
  const bar = node("progress", "");
  const far = node("span", "");
  const progress = node("label", "how-far");
  progress.append(bar, far);
  let told = "";
  const cancel = node("button", "cancel", "Cancel");
  cancel.type = "button";
  cancel.addEventListener("click", async () => {
    const answer = await asked(cancel, fault, () => server.cancel(name));
    if (answer) put(cancel, "Ending ...");
  });
  const curve = lossCurve();
  const shown = node("div", "pictures");
  const both = node("div", "both");
  const files = node("div", "files");
  const strips = node("div", "strips");
  const examples = node("div", "examples");
  const prior = node("div", "prior");
  const drawPictures = pictures(shown);
  const drawPrior = memo((value) => prior.replaceChildren(...(value ? [copied(value)] : [])));
  // In a table natural pictures have a column, and a chain has no room.
  const drawStrips = memo((value) => {
    const inTable = layout === "table";
    examples.replaceChildren(...value.filter((one) => inTable && one.name === "examples").map(strip));
    strips.replaceChildren(...value.filter(() => !inTable).map(strip));
  });
  const drawSaid = memo((value) => both.replaceChildren(...value.map(said)));
  const drawFiles = memo((value) => files.replaceChildren(...value.map(file)));
  const drawCurve = memo(([losses, total]) => curve.update(losses, total));

  function file(one) {
    const button = node("button", "", one.label);
    button.type = "button";
    button.title = one.title;
    button.addEventListener("click", async () => {
      const answer = await asked(button, fault, () => server.file({ job: name, file: one.file }));
      if (answer) save(answer.url, one.save);
    });
    return button;
  }

  function update(job) {
    const going = Boolean(job.state) && !job.over;
    put(title, job.recipe && layout === "table" ? job.recipe : job.kind);
    put(about, [job.model, layout === "table" ? "" : job.recipe && `recipe ${job.recipe}`].filter(Boolean).join(", "));
    put(state, job.state || (job.fault ? "not shown" : "looking ..."));
    state.dataset.state = job.state;
    put(words, job.words);
    words.hidden = !job.words;
    if (job.fault !== told) put(fault, (told = job.fault));
    progress.hidden = !going;
    cancel.hidden = !going;
    if (job.total) {
      bar.max = job.total;
      bar.value = job.step;
    } else bar.removeAttribute("value");
    put(far, job.total ? `${job.step} of ${job.total} steps` : job.state === "queued" ? "waiting for a worker" : "");
    drawPictures(job.pictures);
    drawStrips(job.strips);
    drawPrior(job.prior);
    drawSaid(job.said);
    drawFiles(job.files);
    drawCurve([job.losses, job.total]);
  }
  return { title, about, state, words, fault, progress, cancel, curve, shown, strips, examples, prior, both, files, update };
}

function large(job, one) {
  const head = node("header", "");
  head.append(one.title, one.about, one.state);
  const going = node("div", "going");
  going.append(one.progress, one.cancel);
  const article = node("article", "job");
  article.dataset.job = job.job;
  const side = node("div", "side");
  side.append(one.curve.figure, one.both);
  const body = node("div", "body");
  body.append(one.shown, side);
  article.append(head, one.words, one.prior, one.fault, going, body, one.strips, one.files);
  return article;
}

function row(job, one) {
  const line = node("tr", "job");
  line.dataset.job = job.job;
  const who = node("th", "who");
  who.scope = "row";
  one.who = node("span", "system");
  one.what = node("span", "source");
  const going = node("div", "going");
  going.append(one.progress, one.cancel);
  who.append(one.who, one.title, one.what, one.state, one.words, one.fault, going, one.curve.figure, one.files);
  const cells = [one.shown, ...job.marks.map(() => node("span", "mark"))].map((content) => {
    const cell = node("td", "");
    cell.append(content);
    return cell;
  });
  one.marks = cells.slice(1);
  // Dataset examples are the last column.
  cells.at(-1).append(one.examples);
  line.append(who, ...cells);
  return line;
}

function table(value) {
  const head = node("tr", "");
  for (const words of ["Recipe", "Picture", ...value.additions]) {
    const cell = node("th", "", words);
    cell.scope = "col";
    head.append(cell);
  }
  const top = node("thead", "");
  top.append(head);
  const body = node("tbody", "");
  body.append(...value.jobs.map((job, place) => row({ ...job, marks: value.additions }, views[place])));
  const grid = node("table", "");
  grid.append(node("caption", "", "What each recipe adds to bare ascent, and what it makes"), top, body);
  const box = node("div", "scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Recipes side by side");
  box.append(grid);
  const fault = node("p", "fault");
  fault.setAttribute("role", "alert");
  const sheet = node("button", "sheet", "All on one sheet (PNG)");
  sheet.type = "button";
  sheet.hidden = true;
  sheet.addEventListener("click", async () => {
    const pairs = ["job", "recipe"].flatMap((name) => props.value.jobs.map((job) => [name, job[name]]));
    const query = new URLSearchParams(pairs.filter(([, value]) => value)).toString();
    const answer = await asked(sheet, fault, () => server.sheet(query));
    if (answer) save(answer.url, "recipes.png");
  });
  const files = node("div", "files");
  files.append(sheet);
  return [box, fault, files];
}

function draw(job) {
  const value = props.value;
  const one = views[job.place];
  one.update(job);
  if (layout !== "table") return;
  put(one.who, job.system || job.model);
  put(one.what, job.source);
  one.marks.forEach((cell, place) => {
    put(cell.firstChild, job.added[place] ? "\u2713" : "");
    cell.firstChild.title = job.added[place] ? value.additions[place] : "";
  });
  if (job.state === "succeeded") host.querySelector(".sheet").hidden = false;
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const seen = () => !document.hidden && element.checkVisibility();

const nothingYet = { kind: "", model: "", system: "", source: "", prior: "", state: "", fault: "", words: "", step: 0, total: 0, after: 0 };

function learn(known, { losses = [], ...news }) {
  Object.assign(known, { again: false }, news);
  // Another worker that takes a job up may begin some steps earlier.
  if (losses.length) known.losses = [...known.losses.filter(([step]) => step < losses[0][0]), ...losses];
  draw(known);
}

// Asks what is new until all have ended, or others are shown. An answer takes as long as something new does.
async function follow(jobs, mine) {
  const lists = () => ({ added: [], losses: [], pictures: [], strips: [], said: [], files: [] });
  const all = jobs.map((job, place) => ({ ...nothingYet, ...lists(), ...job, place, kind: `Job ${job.job}` }));
  all.forEach(draw);
  while (mine === turn && element.isConnected) {
    const open = all.filter((job) => !job.over);
    if (!open.length) return;
    if (!seen()) {
      await pause(AGAIN_MILLISECONDS / 4);
      continue;
    }
    const question = open.map(({ job, recipe, after }) => ({ job, recipe, after }));
    const told = await server.look(question).catch(() => null);
    if (mine !== turn) return;
    // Where nobody answers, there may be no error either.
    open.forEach((job, place) => learn(job, Array.isArray(told) ? told[place] : { fault: AWAY, again: true }));
    if (open.some((job) => job.again)) await pause(AGAIN_MILLISECONDS);
  }
}

function show() {
  const jobs = props.value ? props.value.jobs : [];
  const wanted = jobs.map((job) => `${job.job} ${job.recipe}`).join("\n");
  if (host.dataset.shown === wanted) return;
  host.dataset.shown = wanted;
  turn += 1;
  nothing.hidden = jobs.length > 0;
  layout = jobs.length > 1 ? "table" : "large";
  views = jobs.map((job) => view(job.job));
  host.replaceChildren(...(layout === "table" ? table(props.value) : jobs.map((job) => large(job, views[0]))));
  const { top } = host.getBoundingClientRect();
  if (wanted && (top < 0 || top > 0.7 * innerHeight)) host.scrollIntoView({ block: "start" });
  follow(jobs, turn);
}

watch("value", show);
show();
