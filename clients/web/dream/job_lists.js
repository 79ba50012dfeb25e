// The cluster's newest jobs, and what they made. It asks again every few seconds while somebody sees it.
const LOOK_MILLISECONDS = 3000;
const lists = ["queue", "gallery"].map((name) => {
  const section = element.querySelector(`.${name}`);
  return { list: section.querySelector("ul"), empty: section.querySelector(".empty"), rows: new Map() };
});
const thumbnails = new Map();
let looking = false;

// Real links: they can be opened beside this page, and copied.
function link(job) {
  const made = node("a", "");
  made.href = `?job=${encodeURIComponent(job)}&tab=dream`;
  made.dataset.job = job;
  return made;
}

function row(job) {
  const made = link(job.job);
  const parts = Object.fromEntries(["kind", "model", "state", "far", "when"].map((name) => [name, node("span", name)]));
  const bar = node("progress", "");
  bar.setAttribute("aria-hidden", "true");
  made.append(parts.kind, parts.model, parts.state, bar, parts.far, parts.when);
  const item = node("li", "");
  item.append(made);
  return {
    item,
    update(now) {
      put(parts.kind, now.title);
      put(parts.model, now.model);
      put(parts.state, now.state);
      parts.state.dataset.state = now.state;
      bar.hidden = now.over;
      if (now.total) {
        bar.max = now.total;
        bar.value = now.step;
      } else bar.removeAttribute("value");
      put(parts.far, now.total ? `${now.step} of ${now.total}` : "");
      put(parts.when, time(now.created));
    },
  };
}

function time(text) {
  const when = new Date(text);
  const today = when.toDateString() === new Date().toDateString();
  return today ? when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : when.toLocaleDateString();
}

function thumbnail(job) {
  const made = link(job.job);
  const image = node("img", "");
  image.alt = "";
  image.hidden = true;
  const words = node("span", "title", job.title);
  made.append(image, words, node("span", "when", [job.model, time(job.created)].filter(Boolean).join(", ")));
  made.title = job.title;
  const item = node("li", "");
  item.append(made);
  return {
    item,
    update() {
      const known = thumbnails.get(job.job);
      if (!known || !image.hidden) return;
      image.src = known.url;
      image.hidden = false;
      put(words, known.caption || job.title);
      made.title = known.caption ? `${job.title}: ${known.caption}` : job.title;
    },
  };
}

// Rows that stay are moved, not made again: whoever is on one with the keyboard stays there.
function fill(one, jobs, make) {
  const wanted = new Set(jobs.map((job) => job.job));
  for (const [name, { item }] of one.rows) {
    if (wanted.has(name)) continue;
    item.remove();
    one.rows.delete(name);
  }
  jobs.forEach((job, place) => {
    if (!one.rows.has(job.job)) one.rows.set(job.job, make(job));
    const { item, update } = one.rows.get(job.job);
    if (one.list.children[place] !== item) one.list.insertBefore(item, one.list.children[place] || null);
    update(job);
  });
  one.empty.hidden = jobs.length > 0;
}

function mark() {
  const shown = new URLSearchParams(location.search).getAll("job");
  for (const one of element.querySelectorAll("a[data-job]")) {
    if (shown.includes(one.dataset.job)) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
}

async function look() {
  if (looking || document.hidden || !element.checkVisibility()) return;
  looking = true;
  try {
    const { queue, gallery } = await server.newest(0);
    fill(lists[0], queue, row);
    fill(lists[1], gallery, thumbnail);
    mark();
    for (const job of gallery) {
      if (thumbnails.has(job.job)) continue;
      const found = await server.thumbnail(job.job);
      if (!found.url) continue;
      thumbnails.set(job.job, found);
      lists[1].rows.get(job.job)?.update();
    }
  } catch {
    // The page says elsewhere that nobody answers; the next look may find somebody.
  } finally {
    looking = false;
  }
}

element.addEventListener("click", (event) => {
  const chosen = event.target.closest("a[data-job]");
  if (!chosen || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  trigger("choose", { job: chosen.dataset.job });
  setTimeout(mark, 300);
});
new ResizeObserver(look).observe(element);
const timer = setInterval(() => (element.isConnected ? look() : clearInterval(timer)), LOOK_MILLISECONDS);
look();
