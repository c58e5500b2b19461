// Change a live fragment into its next version in place: what is the same stays the same node,
// so scroll, focus and selection survive, and a screen reader announces only what is new.

function alike(a, b) {
  if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName) return false;
  if (a.nodeType !== Node.ELEMENT_NODE) return true;
  return a.id === b.id && ["hx-get", "hx-post", "href"].every((name) => a.getAttribute(name) === b.getAttribute(name));
}

function matchAttributes(from, to) {
  // What the reader unfolded stays open.
  for (const { name } of [...from.attributes]) if (name !== "open" && !to.hasAttribute(name)) from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
}

// What a node is known by, whatever comes to stand before it: a button that somebody is pressing stays that button.
function name(node) {
  return node.id || node.getAttribute?.("hx-post") || "";
}

// Make the children of `from` those of `to`; returns the elements that are new.
export function morph(from, to, added = []) {
  const named = new Map();
  for (const child of from.children) if (name(child)) named.set(name(child), child);
  let at = from.firstChild;
  for (const next of [...to.childNodes]) {
    const known = name(next) ? named.get(name(next)) : at && !name(at) ? at : null;
    named.delete(name(next));
    if (known && alike(known, next)) {
      if (known === at) at = at.nextSibling;
      else from.insertBefore(known, at);
      if (known.nodeType !== Node.ELEMENT_NODE) {
        if (known.nodeValue !== next.nodeValue) known.nodeValue = next.nodeValue;
      } else if ("keep" in known.dataset) {
        // Filled by the reader, not by the fragment.
      } else if (!known.isEqualNode(next)) {
        matchAttributes(known, next);
        morph(known, next, added);
      }
    } else {
      from.insertBefore(next, at);
      if (next.nodeType === Node.ELEMENT_NODE) added.push(next);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
  return added;
}
