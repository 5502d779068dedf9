// Elements in one call, and lists of them that are redrawn only where something has changed.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function s(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined));
  return element;
}

// Makes the children of `parent` those of `items`, in order. A child is kept as it is, with the
// focus it may have, as long as what it shows is the same; one that comes later lights up.
export function redraw(parent, items, keyOf, shows, make) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const known = old.size;
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const content = shows(item);
    let child = old.get(key);
    if (child === undefined || child.dataset.shows !== content) {
      const made = make(item);
      made.dataset.key = key;
      made.dataset.shows = content;
      if (child === undefined) {
        if (known > 0) made.classList.add("kb-fresh");
        parent.insertBefore(made, place);
      } else {
        const focused = child.contains(document.activeElement) && document.activeElement.dataset.row;
        if (place === child) place = made;
        child.replaceWith(made);
        if (focused) rowIn(made, focused)?.focus();
      }
      child = made;
    }
    old.delete(key);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  // What is wanted stands before `place` by now; of two with one key, `old` knows only the last.
  while (place) {
    const next = place.nextElementSibling;
    place.remove();
    place = next;
  }
}

// Puts these into `parent`, and touches only what is different there: what somebody is reading, or
// copying, stays as it is, and a screen reader says nothing twice.
export function settle(parent, ...children) {
  agree(parent, h("div", {}, children));
}

function agree(here, wanted) {
  const old = [...here.childNodes];
  const now = [...wanted.childNodes];
  if (old.length !== now.length) return here.replaceChildren(...now);
  now.forEach((one, place) => {
    const other = old[place];
    if (other.isEqualNode(one)) return;
    const alike = one.localName && other.cloneNode().isEqualNode(one.cloneNode());
    if (alike) agree(other, one);
    else other.replaceWith(one);
  });
}

function rowIn(element, row) {
  return element.dataset.row === row ? element : element.querySelector(`[data-row="${CSS.escape(row)}"]`);
}

export function bytes(count) {
  for (const unit of ["B", "KiB", "MiB"]) {
    if (count < 1024) return `${unit === "B" ? count : count.toFixed(1)} ${unit}`;
    count /= 1024;
  }
  return `${count.toFixed(1)} GiB`;
}
