// Tiles that can be chosen: by a click, or with the arrow keys and Enter. The Tab key reaches one of them.
function stop(tile) {
  for (const one of tile.parentElement.children) one.tabIndex = one === tile ? 0 : -1;
}

element.addEventListener("click", (event) => {
  const tile = event.target.closest("button[data-number]");
  if (!tile) return;
  stop(tile);
  trigger("select", { number: Number(tile.dataset.number) });
});
element.addEventListener("keydown", (event) => {
  const tile = event.target.closest("button[data-number]");
  if (!tile) return;
  const all = [...tile.parentElement.children];
  const at = all.indexOf(tile);
  const columns = all.filter((one) => one.offsetTop === all[0].offsetTop).length;
  const to = {
    ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: all.length - 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (!all[to]) return;
  stop(all[to]);
  all[to].focus();
});
