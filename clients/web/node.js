// What several components make their parts with.
function node(kind, name, content = "") {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.textContent = content;
  return made;
}

function put(target, content) {
  if (target.textContent !== content) target.textContent = content;
}

// Hands a file to whoever looks at the page.
function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

