// Building DOM without innerHTML: texts from anywhere can only ever become text.

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props?: Props | null,
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (props) assign(element, props);
  append(element, children);
  return element;
}

export function assign(element: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (name.startsWith('on') && typeof value === 'function') {
      element.addEventListener(name.slice(2), value as EventListener);
    } else element.setAttribute(name, value === true ? '' : String(value));
  }
}

export function append(parent: Node, children: (Child | Child[])[]): void {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
  }
}

export function fill(parent: Element, ...children: (Child | Child[])[]): void {
  parent.textContent = '';
  append(parent, children);
}

interface Kept {
  element: HTMLElement;
  sign: string;
}

const FOCUSABLE = 'a[href], button, input, select, textarea';

// What can be focused in an element, by its kind and name, and its place among those.
function focusable(parent: HTMLElement): Map<string, HTMLElement> {
  const found = new Map<string, HTMLElement>();
  for (const one of parent.querySelectorAll<HTMLElement>(FOCUSABLE)) {
    const kind = `${one.className} ${one.dataset.name ?? ''}`;
    let place = 0;
    while (found.has(`${kind} ${place}`)) place++;
    found.set(`${kind} ${place}`, one);
  }
  return found;
}

// Draw something anew, and leave the keyboard on the same thing in it; if that is gone, on
// the nearest before it that is still there.
export function keepingFocus(old: HTMLElement, draw: () => HTMLElement): void {
  const { activeElement } = old.getRootNode() as Document | ShadowRoot;
  if (!activeElement || !old.contains(activeElement)) return void draw();
  const before = [...focusable(old)];
  const here = before.findIndex(([, one]) => one === activeElement);
  const now = focusable(draw());
  const name = before.slice(0, here + 1).reverse().map(([one]) => one).find((one) => now.has(one));
  (name === undefined ? [...now.values()][0] : now.get(name))?.focus({ preventScroll: true });
}

// Keep a list of elements in step with a list of things: an element whose sign has not
// changed stays the same node, so nothing flashes, loses focus or is announced again.
export class Keyed<T> {
  private kept = new Map<string, Kept>();

  constructor(
    private parent: HTMLElement,
    private key: (thing: T) => string,
    private sign: (thing: T, index: number) => string,
    private make: (thing: T, old: HTMLElement | null) => HTMLElement,
  ) {}

  show(things: T[]): void {
    const next = new Map<string, Kept>();
    let place: ChildNode | null = this.parent.firstChild;
    things.forEach((thing, index) => {
      const key = this.key(thing);
      const sign = this.sign(thing, index);
      const kept = this.kept.get(key);
      let element = kept?.element ?? null;
      if (kept?.sign !== sign) {
        const made = this.make(thing, element);
        if (element && element !== made) {
          const old = element;
          keepingFocus(old, () => (old.replaceWith(made), made));
          if (place === old) place = made;
        }
        element = made;
      }
      if (place && element === place) place = place.nextSibling;
      else this.parent.insertBefore(element as HTMLElement, place);
      next.set(key, { element: element as HTMLElement, sign });
    });
    for (const [key, { element }] of this.kept) if (!next.has(key)) element.remove();
    this.kept = next;
  }

  get(key: string): HTMLElement | undefined {
    return this.kept.get(key)?.element;
  }

  // Draw everything anew at the next show: the language changed.
  forget(): void {
    for (const kept of this.kept.values()) kept.sign = '\0';
  }
}
