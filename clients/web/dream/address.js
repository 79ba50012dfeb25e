(query) => {
  // Which jobs are shown stands in the page's address, so that it can be loaded again and sent to others.
  const known = new URLSearchParams(query);
  if (!known.has("job")) return [];
  const address = new URLSearchParams(location.search);
  for (const name of ["job", "recipe", "tab"]) address.delete(name);
  for (const name of ["job", "recipe"]) for (const value of known.getAll(name)) address.append(name, value);
  address.set("tab", "dream");
  history.replaceState(history.state, "", `?${address}`);
  return [];
}
