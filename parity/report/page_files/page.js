// Sorts and searches all arrays of the page. Names reach the page as text alone, never as HTML.
(async () => {
  const STEP = 100;
  const packed = document.getElementById("packed").textContent.trim();
  if (!packed || !("DecompressionStream" in window)) return;
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = JSON.parse(await new Response(stream).text());
  const rows = data.rows.map(([c, f, name, ratio, error, noise, v, why]) => ({
    cells: [data.cases[c], data.frameworks[f], name, ratio ?? Infinity, error ?? Infinity,
      noise ?? Infinity, data.verdicts[v][2]],
    mark: data.verdicts[v], why,
    text: `${data.cases[c]} ${data.frameworks[f]} ${name} ${data.verdicts[v][2]} ${why}`.toLowerCase(),
  }));
  const table = document.getElementById("values"), body = table.tBodies[0];
  const search = document.getElementById("search"), count = document.getElementById("count");
  const more = document.getElementById("more");
  let found = rows, limit = STEP, column = -1, down = false;

  const cell = (row, text, number) => {
    const made = row.insertCell();
    made.textContent = text;
    if (number) made.className = "num";
    return made;
  };
  const figure = (value, digits) =>
    value === 0 ? "" : !Number.isFinite(value) ? "no number"
      : value < 1e-3 || value >= 1e6 ? value.toExponential(digits - 1)
      : Number(value.toPrecision(digits)).toString();
  const draw = () => {
    const part = document.createElement("tbody");
    for (const one of found.slice(0, limit)) {
      const row = part.insertRow();
      cell(row, one.cells[0]);
      cell(row, one.cells[1]);
      const name = cell(row, one.cells[2]);
      if (one.why) name.appendChild(document.createElement("small")).textContent = one.why;
      cell(row, one.cells[3] === 0 ? "0" : figure(one.cells[3], 3), true);
      cell(row, figure(one.cells[4], 2), true);
      cell(row, figure(one.cells[5], 2), true);
      const verdict = row.insertCell(), mark = document.createElement("span");
      mark.className = `mark ${one.mark[0]}`;
      mark.setAttribute("aria-hidden", "true");
      mark.textContent = one.mark[1];
      verdict.append(mark, one.mark[2]);
    }
    table.tBodies[0].replaceWith(part);
    count.textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} arrays`;
    more.hidden = found.length <= limit;
  };
  const compare = (a, b) => (typeof a === "number" ? (a === b ? 0 : a < b ? -1 : 1) : a < b ? -1 : a > b ? 1 : 0);
  const update = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = rows.filter((row) => words.every((word) => row.text.includes(word)));
    if (column >= 0) {
      found.sort((a, b) => (down ? -1 : 1) * compare(a.cells[column], b.cells[column]));
    }
    limit = STEP;
    draw();
  };
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      // Numbers are of interest from the largest on.
      down = column === place ? !down : place >= 3 && place <= 5;
      column = place;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      update();
    });
  });
  search.addEventListener("input", update);
  more.addEventListener("click", () => { limit += 10 * STEP; draw(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && document.activeElement === search) {
      search.value = "";
      update();
    }
  });
  const opened = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", opened);
  opened();
  document.querySelector(".tools").hidden = false;
  document.getElementById("rest").textContent = "";
  draw();
  document.documentElement.dataset.ready = "true";
})();
